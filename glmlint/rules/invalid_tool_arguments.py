"""The arguments of a tool call are not a JSON object.

The prompt of every tool asks for calls in JSON, and whoever runs the model parses them: Python's
single quotes, a trailing comma or an explanation after the object are learned like everything
else, and every such call fails when it is made. Calls of the built-in tools (`python`,
`simple_browser`, `cogview`) are code or free text and are never reported.

An error where the row declares the tool and the call is trained; elsewhere a warning.

Evidence: one of six peer validators finds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from glmlint.evidence.call_spans import argument_span, text_span
from glmlint.evidence.calls import calls, holds_json, taught
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "查询天气",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def _row(question: str, arguments: str, result: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "", "tools": [TOOL]},
            {"role": "user", "content": question},
            {"role": "assistant", "metadata": "weather", "content": arguments},
            {"role": "observation", "content": result},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="invalid-tool-arguments",
    family="tools",
    title_zh="工具调用的参数不是 JSON 对象",
    doc_zh="""
    每个工具的提示词都要求用 JSON 书写调用，运行模型的程序也按 JSON 解析：Python 的单引号、结
    尾多余的逗号、对象后面的解释，都会像其他内容一样被学会，而这样的调用每次都会失败。内置工具
    （`python`、`simple_browser`、`cogview`）的调用是代码或自由文本，从不报告。

    如果该行声明了这个工具且调用参与训练，为错误；其他情况为警告。

    依据：试过的六个同类校验工具中有一个能发现。
    """,
    severity="error",
    when=Fact.CALLING,
    text=Text(
        "{place}: the arguments of {name} are not valid JSON (character {at}: {near!r}); "
        "the model learns calls that fail",
        "{place}：{name} 的参数不是合法的 JSON（第 {at} 个字符处：{near!r}）；模型学到的调用会失败",
    ),
    variants={
        "kind": Text(
            "{place}: the arguments of {name} are {got}, not a JSON object; "
            "the model learns calls that fail",
            "{place}：{name} 的参数是 {got}，不是 JSON 对象；模型学到的调用会失败",
        ),
        "empty": Text(
            "{place}: the call of {name} is empty, so the template leaves the whole message out; "
            "write {{}} for no arguments",
            "{place}：对 {name} 的调用内容为空，模板会跳过整条消息；没有参数时应写成 {{}}",
        ),
        "blank": Text(
            "{place}: the arguments of {name} are an empty string; write {{}} for no arguments",
            "{place}：{name} 的参数是空字符串；没有参数时应写成 {{}}",
        ),
    },
    help=Text(
        'Write the arguments as one JSON object with double quotes, such as {{"city": "Rome"}}.',
        '把参数写成使用双引号的单个 JSON 对象，例如 {{"city": "北京"}}。',
    ),
    bad=(
        _row("Weather in Rome?", "{'city': 'Rome'}", "22 degrees", "It is 22 degrees."),
        _row("北京天气怎么样？", '{"city": "北京"', "22 度", "22 度。"),
        _row("Weather in Rome?", '["Rome"]', "22 degrees", "It is 22 degrees."),
        _row("北京天气怎么样？", "", "22 度", "22 度。"),
    ),
    good=(
        _row("Weather in Rome?", '{"city": "Rome"}', "22 degrees", "It is 22 degrees."),
        _row("北京天气怎么样？", " {}\n", "22 度", "22 度。"),
        {
            "messages": [
                {"role": "user", "content": "算一下 2 的 10 次方"},
                {"role": "assistant", "metadata": "python", "content": "print(2 ** 10)"},
                {"role": "observation", "content": "1024"},
                {"role": "assistant", "content": "是 1024。"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for call in calls(row):
        if isinstance(call.arguments, dict) or call.free:
            continue
        if isinstance(holds_json(call.arguments), dict):
            continue  # double-encoded-arguments reports it
        error = call.tool is not None and taught(row, call.message)
        severity = "error" if error else "warning"
        name = call.name[:80]
        if call.arguments is not UNSET:
            got = kind_of(call.arguments)
            yield rule.problem(
                call.at, text="kind", severity=severity, place=place(call.at), name=name, got=got,
                part=partial(argument_span, row, call, ()),
            )  # fmt: skip
        elif not call.text.strip():
            yield rule.problem(
                call.at,
                text="empty" if row.conversation is None else "blank",
                severity=severity,
                place=place(call.at),
                name=name,
            )
        else:
            at = _fault(call.text)
            near = call.text[at : at + 20]
            mark = min(at, len(call.text.rstrip()) - 1)
            yield rule.problem(
                call.at, severity=severity, place=place(call.at), name=name, at=at + 1, near=near,
                part=partial(text_span, row, call, mark, mark + 1),
            )  # fmt: skip


def kind_of(value: Any) -> str:
    """A JSON value's type, in JSON's words."""
    names = {str: "string", list: "array", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _fault(text: str) -> int:
    """Where the text stops being valid JSON, in characters."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos
    except (ValueError, RecursionError):
        pass
    return 0
