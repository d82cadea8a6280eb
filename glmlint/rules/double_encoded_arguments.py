r"""Arguments of a tool call that are JSON inside a JSON string.

OpenAI's API returns arguments as a string; written out once more with `json.dumps` they become
`"{\"city\": …}"`. The model learns the quotes and backslashes with them, and whoever runs its
calls gets a string where the tool wants an object. The same happens to a single argument that the
tool declares as an object or an array.

An error where the row declares the tool and the call is trained; elsewhere a warning.

Evidence: oumi #2599; LLaMA-Factory dumps such strings once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from glmlint.evidence.call_spans import argument_span
from glmlint.evidence.calls import (
    Call,
    calls,
    decode,
    decode_whole,
    encoded_twice,
    holds_json,
    taught,
)
from glmlint.finding import place
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "查询天气",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "array"}},
        },
    },
}


def _row(question: str, content: str, result: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "", "tools": [TOOL]},
            {"role": "user", "content": question},
            {"role": "assistant", "metadata": "weather", "content": content},
            {"role": "observation", "content": result},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="double-encoded-arguments",
    family="tools",
    title_zh="工具调用的参数被编码了两次：JSON 套在 JSON 字符串里",
    doc_zh=r"""
    OpenAI 的 API 以字符串形式返回参数；如果再用 `json.dumps` 写一次，就会变成
    `"{\"city\": …}"`。模型会把引号和反斜杠一起学会，执行调用的程序得到的是字符串，而工具要
    的是对象。工具声明为对象或数组的单个参数也会这样。

    如果该行声明了这个工具且调用参与训练，为错误；其他情况为警告。

    依据：oumi #2599；LLaMA-Factory 会对这样的字符串再做一次 JSON 编码。
    """,
    severity="error",
    when=Fact.CALLING,
    fix="safe",
    text=Text(
        "{place}: the arguments of {name} are JSON inside a string; the model learns to write the "
        "quotes and backslashes too",
        "{place}：{name} 的参数是套在字符串里的 JSON；模型会把引号和反斜杠一起学会",
    ),
    variants={
        "argument": Text(
            "{place}: the argument {argument} of {name} is JSON inside a string, but the tool asks for "
            "the value itself",
            "{place}：{name} 的参数 {argument} 是套在字符串里的 JSON，而工具要求的是值本身",
        ),
    },
    help=Text(
        "Take the JSON out of the string (`--fix` does).",
        "把 JSON 从字符串中取出（`--fix` 会这样做）。",
    ),
    bad=(
        _row("Weather in Rome?", '"{\\"city\\": \\"Rome\\"}"', "22 degrees", "22 degrees."),
        _row("北京未来几天天气？", '{"city": "北京", "days": "[1, 2]"}', "22 度", "22 度。"),
    ),
    good=(
        _row("Weather in Rome?", '{"city": "Rome"}', "22 degrees", "22 degrees."),
        _row("北京未来几天天气？", '{"city": "[北京]", "days": [1, 2]}', "22 度", "22 度。"),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for call in calls(row):
        if call.free:
            continue
        whole = isinstance(call.arguments, str) and isinstance(holds_json(call.arguments), dict)
        names = [] if whole else encoded_twice(call)
        if not whole and not names:
            continue
        severity = "error" if call.tool is not None and taught(row, call.message) else "warning"
        yield rule.problem(
            call.at,
            text="argument" if names else None,
            severity=severity,
            edits=_decoded(call, names),
            place=place(call.at),
            name=call.name[:80],
            argument=", ".join(names)[:80],
            part=partial(argument_span, row, call, tuple(names[:1])),
        )


def _decoded(call: Call, names: list[str]) -> tuple[Edit, ...]:
    """The content with the arguments taken out of their string."""
    if call.form == "name-arguments-list" or not _whole(call, names):
        return ()
    if names:
        arguments = {
            name: holds_json(value) if name in names else value
            for name, value in call.arguments.items()
        }
    else:
        arguments = holds_json(call.arguments)
    if call.form == "name-arguments":
        outer = decode(call.text)
        key = "arguments" if "arguments" in outer else "parameters"
        return (Edit("replace", call.at, _dumps({**outer, key: arguments})),)
    text = _dumps(arguments) if names else str(call.arguments)
    if call.form == "first-line":
        text = f"{call.name}\n{text}"
    return (Edit("replace", call.at, text),)


def _whole(call: Call, names: list[str]) -> bool:
    """Whether the JSON texts can be read and written again without loss."""
    texts = [call.arguments[name] for name in names] if names else [call.arguments]
    if names or call.form == "name-arguments":
        texts.append(call.text)
    return all(decode_whole(text) is not UNSET for text in texts)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
