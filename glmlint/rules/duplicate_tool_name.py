"""Two tools of one row have the same name.

A call names its tool, so the model can't say which of the two it means, and whoever runs the calls
takes the first or the last of them. Where both entries are equal, the prompt only pays twice.

Evidence: servers keep tools in a table by name; the row trains, so this is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import declared
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text


def _tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


CITY: Final = {"type": "string"}

rule = Rule(
    name="duplicate-tool-name",
    family="tools",
    title_zh="同一行里有两个同名工具",
    severity="warning",
    when=Fact.TOOLS,
    text=Text(
        "{place}: another tool of the row is called {name} too, with other content; "
        "a call can't say which one it means ({rows:row})",
        "{place}：同一行里有另一个内容不同的工具也叫 {name}；调用无法区分是哪一个（共 {rows} 行）",
    ),
    variants={
        "equal": Text(
            "{place}: {name} is listed twice; the prompt pays for it twice ({rows:row})",
            "{place}：{name} 重复列出；提示词里白白多占一份长度（共 {rows} 行）",
        ),
    },
    help=Text("Rename one of them, or take it out.", "给其中一个改名，或删除它。"),
    bad=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [_tool("weather", city=CITY), _tool("weather", zip=CITY)],
                },
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "", "tools": [_tool("查天气"), _tool("查天气")]},
                {"role": "user", "content": "北京天气怎么样？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [_tool("weather", city=CITY), _tool("weather_by_zip", zip=CITY)],
                },
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "content": "It is sunny."},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "", "tools": [_tool("查天气")]},
                {"role": "user", "content": "北京天气怎么样？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for entry in declared(row):
        if not entry.tools.repeated or entry.message is None:
            continue
        for tool in entry.tools.repeated:
            at = entry.place(tool)
            equal = tool.value == entry.tools.by_name[tool.name].value
            yield rule.problem(
                at, text="equal" if equal else None, once=f"{tool.name} {equal}",
                place=place(at), name=tool.name,
            )  # fmt: skip
