"""A tool name that servers refuse, that breaks the first line of a call, or that a built-in tool has.

The model writes the name right after its role token, up to the end of the line: white space in it
must be reproduced exactly, and a line break cuts it. Servers that follow OpenAI's API accept
letters, digits, `_` and `-`, at most 64 characters (some accept dots and colons). A function called
`python`, `simple_browser` or `cogview` has the name of one of GLM-4's built-in tools, to which the
model sends code or free text, not JSON.

Evidence: the `name` of a function in OpenAI's API reference; the template of glm-4-9b-chat.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.evidence.calls import declared
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text
from glmlint.trainer.template import BUILT_IN


def _row(name: str, question: str, answer: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    tool = {"type": "function", "function": {"name": name, "parameters": parameters}}
    return {
        "messages": [
            {"role": "system", "content": "", "tools": [tool]},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="tool-name",
    family="tools",
    title_zh="工具名会被服务端拒绝、破坏调用的首行，或与内置工具重名",
    doc_zh="""
    模型在角色标记之后直接写工具名，直到行末：名称里的空白必须分毫不差，换行会把它切断。兼容 OpenAI
    API 的服务端接受字母、数字、`_` 和 `-`，最多 64 个字符（有些也接受点和冒号）。名为 `python`、
    `simple_browser` 或 `cogview` 的函数与 GLM-4 的内置工具重名，模型会向它发送代码或自由文本，而不
    是 JSON。

    依据：OpenAI API 文档中函数的 `name`；glm-4-9b-chat 的模板。
    """,
    severity="warning",
    when=Fact.LISTS,
    text=Text(
        "{place} is {name!r}: servers accept only letters, digits, _ and -, at most 64 characters "
        "({rows:row})",
        "{place} 为 {name!r}：服务端只接受字母、数字、_ 和 -，最多 64 个字符（共 {rows} 行）",
    ),
    variants={
        "blank": Text(
            "{place} is {name!r}: the model must reproduce its white space exactly, and servers "
            "refuse it ({rows:row})",
            "{place} 为 {name!r}：模型必须原样写出名称里的空白，服务端也会拒绝（共 {rows} 行）",
        ),
        "built-in": Text(
            "{place} is {name!r}, a built-in tool of GLM-4: the model sends it code or free text, "
            "not JSON ({rows:row})",
            "{place} 为 {name!r}，这是 GLM-4 的内置工具：模型会向它发送代码或自由文本，而不是 JSON"
            "（共 {rows} 行）",
        ),
    },
    help=Text(
        "Rename the tool, in `tools` and in every call.",
        "给工具改名，`tools` 与所有调用处都要改。",
    ),
    bad=(
        _row("get weather", "Weather in Rome?", "It is sunny."),
        _row("查天气", "北京天气怎么样？", "晴。"),
        _row("python", "2 ** 10?", "1024"),
    ),
    good=(
        _row("get_weather", "Weather in Rome?", "It is sunny."),
        _row("weather.get-now", "北京天气怎么样？", "晴。"),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for entry in declared(row):
        if not entry.tools.oddly_named or entry.message is None:
            continue
        for tool in entry.tools.oddly_named:
            if tool.name in BUILT_IN and "<think>" in row.context.tokenizer.control:
                continue  # later models have none
            at = entry.place(tool, *tool.function_at, "name")
            text = None
            if tool.name in BUILT_IN:
                text = "built-in"
            elif len(tool.name.split()) != 1 or tool.name != tool.name.strip():
                text = "blank"
            name = tool.name[:80]
            yield rule.problem(at, text=text, once=name, place=place(at), name=name)
