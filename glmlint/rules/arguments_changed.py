"""Arguments of tool calls that reach the model in another form than they were written.

In OpenAI's format the arguments of a call are an object or its JSON text, and neither suits every
trainer. `datasets` below 4.7 gives all objects of a file the same keys: a call that has only
`city` gets the keys of every other call as null, and a trainer that prints them teaches the model
to write `{"city": "Rome", "q": null}`. A string is encoded as JSON once more by one template, so
the model learns quotes and backslashes; another template asks it for its items, and the run ends.
What is reported is what the trainer makes of this very row.

Evidence: LLaMA-Factory 0.9.5 with `datasets` 4.0.0 (golden vectors); transformers #45419.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Any

from glmlint.evidence.call_spans import arguments_span
from glmlint.evidence.teaching import whole_text
from glmlint.evidence.turns import shown
from glmlint.finding import Pointer
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.other_format import cure
from glmlint.trainer.conversation import TurnCall
from glmlint.trainer.errors import Dropped, TrainerError

_TOOLS = json.dumps(
    [
        {
            "name": name,
            "description": name,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": "string", "description": key}},
                "required": [key],
            },
        }
        for name, key in (("weather", "city"), ("search", "q"))
    ]
)


def _row(question: str, name: str, arguments: Any) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "22"},
            {"role": "assistant", "content": "22."},
        ],
        "tools": _TOOLS,
    }


def _example(*rows: dict[str, Any], **plan: Any) -> Example:
    return Example(rows=rows, plan={"recipe": "llamafactory", "datasets": "4.0.0", **plan})


rule = Rule(
    name="arguments-changed",
    family="tools",
    title_zh="工具调用的参数到达模型时与原文不同",
    doc_zh="""
    在 OpenAI 格式里，调用的参数可以是对象，也可以是对象的 JSON 文本，而没有一种写法适合所有训
    练框架。4.7 之前的 `datasets` 会让文件中的所有对象拥有相同的键：只有 `city` 的调用会得到其
    他调用的所有键，值为 null；训练框架如果把它们输出，模型就会学着写
    `{"city": "Rome", "q": null}`。参数是字符串时，有的模板会再做一次 JSON 编码，模型因此学到
    引号和反斜杠；另一个模板会对它取键值对，训练随之中止。这里报告的是训练框架对这一行实际输出
    的内容。

    依据：LLaMA-Factory 0.9.5 与 `datasets` 4.0.0（golden 向量）；transformers #45419。
    """,
    severity="error",
    when=Fact.LOADED | Fact.RAISES | Fact.CALLING | Fact.KEYS | Fact.ODD | Fact.FOREIGN,
    text=Text(
        "datasets {datasets} gives the arguments of {name} the keys of other calls as null ({rows:row}): "
        "the model is trained to write {printed}",
        "datasets {datasets} 会给 {name} 的参数补上其他调用的键，值为 null（共 {rows} 行）：模型会学着写出 {printed}",
    ),
    variants={
        "twice": Text(
            "the arguments of {name} are a string, and {trainer} encodes it as JSON again ({rows:row}): "
            "the model is trained to write {printed}",
            "{name} 的参数是字符串，{trainer}会再做一次 JSON 编码（共 {rows} 行）：模型会学着写出 {printed}",
        ),
        "raises": Text(
            "the arguments of {name} are a string: the trainer raises {exception} ({rows:row})",
            "{name} 的参数是字符串：训练框架会抛出 {exception}（共 {rows} 行）",
        ),
    },
    help=Text(
        "Convert the file to a format that keeps arguments as written: `glmlint convert`.",
        "用 `glmlint convert` 转换成能原样保留参数的格式。",
    ),
    bad=(
        _example(_row("Weather in Rome?", "weather", '{"city": "Rome"}')),
        _example(_row("罗马天气怎么样？", "weather", '{"city": "罗马"}')),
        _example(
            _row("罗马天气怎么样？", "weather", '{"city": "罗马"}'),
            tokenizer="glm4.5",
            template="GLM-4.5",
            options={"template": "glm4_moe"},
        ),
    ),
    good=(
        _example(
            _row("罗马天气怎么样？", "weather", {"city": "罗马"}),
            _row("Weather in Oslo?", "weather", {"city": "Oslo"}),
        ),
        _example(
            _row("Weather in Rome?", "weather", {"city": "Rome"}),
            _row("Look it up.", "search", {"q": "Rome"}),
            datasets="5.2.0",
        ),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.foreign:
        return
    calls = [
        (index, call)
        for index, turn in enumerate(talk.turns)
        for call in turn.calls
        if "tool_calls" in call.at or "function_call" in call.at
    ]
    if not calls:
        return
    if row.error is not None:
        texts = [call for _, call in calls if _object_in(call) is not None]
        if texts and not row.said.raises and _lays_out_with_objects(row, texts):
            yield _problem(row, texts[0], "raises", exception=row.error.exception)
        return
    if row.layout is None:
        return
    for index, call in calls:
        if not row.printed.get(index):
            continue  # it carries no loss
        if _object_in(call) is not None:
            twice = json.dumps(call.arguments, ensure_ascii=False)
            if twice in whole_text(row, index):
                yield _problem(row, call, "twice", printed=shown(twice, 120))
                return
        elif added := _added(row, call):
            printed = whole_text(row, index)
            if all(key in printed for key in added) and "null" in printed:
                yield _problem(row, call, None, printed=shown(_from_name(printed, call), 120))
                return


def _problem(row: Row, call: TurnCall, text: str | None, **values: Any) -> Problem:
    return rule.problem(
        call.at,
        text=text,
        once=text or "nulls",
        raises=text == "raises",
        help=cure(row),
        name=shown(call.name),
        datasets=row.plan.datasets,
        part=partial(arguments_span, row, call.at),
        **values,
    )


def _object_in(call: TurnCall) -> dict[str, Any] | None:
    """The object in arguments that are JSON text; None where they hold none."""
    if not isinstance(call.arguments, str):
        return None
    try:
        value = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _function(value: Any, at: Pointer) -> Any:
    """The object with the arguments of the call at that place; None where there is none."""
    for key in at:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value.get("function", value) if isinstance(value, dict) else None


def _added(row: Row, call: TurnCall) -> list[str]:
    """The keys that the loader adds to the arguments of a call, as null."""
    if row.loaded is None or not isinstance(call.arguments, dict):
        return []
    function = _function(row.loaded, call.at)
    loaded = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(loaded, dict):
        return []
    return [key for key, value in loaded.items() if value is None and key not in call.arguments]


def _from_name(printed: str, call: TurnCall) -> str:
    """The text from the call's name on."""
    at = printed.find(call.name)
    return printed[max(at, 0) :].strip()


def _lays_out_with_objects(row: Row, texts: list[TurnCall]) -> bool:
    """Whether the trainer accepts the row once these arguments are objects and not strings."""
    value = deepcopy(row.value if row.loaded is None else row.loaded)
    for call in texts:
        function = _function(value, call.at)
        if isinstance(function, dict):
            function["arguments"] = _object_in(call)
    try:
        row.context.trainer.lay_out(value, row.context)
    except (TrainerError, Dropped):
        return False
    return True
