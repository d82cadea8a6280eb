"""Arguments of calls reach the model otherwise than they are written.

In OpenAI's form the arguments of a call are an object or the text of one, and neither suits every trainer.
`datasets` below 4.7 gives all objects of a file the same keys: a call that has only `city` gets the keys of
every other call as null, and a trainer that prints them teaches the model to write
`{"city": "Rome", "q": null}`. A text is dumped as JSON once more by one template, so that the model learns
quotes and backslashes, and ends the run in another, which asks it for its items. What is told is what the
trainer lays out for this very row.

Evidence: LLaMA-Factory 0.9.5 with `datasets` 4.0.0 (golden vectors); transformers #45419.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

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
    title_zh="调用参数到达模型时与书写的不同",
    severity="error",
    when=Fact.LOADED | Fact.RAISES | Fact.CALLS | Fact.KEYS | Fact.ODD | Fact.FOREIGN,
    text=Text(
        "datasets {datasets} gives the arguments of {name} the keys of other calls as null ({rows:row} "
        "so): the model is trained to write {printed}",
        "datasets {datasets} 会给 {name} 的参数补上其他调用的键，值为 null（共 {rows} 行如此）："
        "模型被训练写出 {printed}",
    ),
    variants={
        "twice": Text(
            "{trainer} writes the arguments of {name}, which are a text, as JSON once more ({rows:row} "
            "so): the model is trained to write {printed}",
            "{name} 的参数是文本，{trainer}会再次将其编码为 JSON（共 {rows} 行如此）：模型被训练写出 {printed}",
        ),
        "raises": Text(
            "the arguments of {name} are a text, and the trainer raises {exception} at it ({rows:row} "
            "so)",
            "{name} 的参数是文本，训练脚本会因此抛出 {exception}（共 {rows} 行如此）",
        ),
    },
    help=Text(
        "Run `glmlint convert` to a form in which arguments come as they are written.",
        "用 `glmlint convert` 转换成参数能原样传递的格式。",
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
        **values,
    )


def _object_in(call: TurnCall) -> dict[str, Any] | None:
    """The object that arguments are the text of; None where they are none."""
    if not isinstance(call.arguments, str):
        return None
    try:
        value = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _function(value: Any, at: Pointer) -> Any:
    """What holds the arguments of a call that is written there; None where nothing does."""
    for key in at:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value.get("function", value) if isinstance(value, dict) else None


def _added(row: Row, call: TurnCall) -> list[str]:
    """The keys that the loader gives the arguments of a call as null."""
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
    """Whether the trainer takes the row where arguments that are texts are the objects in them."""
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
