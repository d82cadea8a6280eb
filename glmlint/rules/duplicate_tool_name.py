"""Two tools of one row have the same name.

A call names its tool, so the model can't say which of the two it means, and whoever runs the calls
takes the first or the last one. Where both entries are equal, only prompt tokens are wasted.

Evidence: servers keep tools in a table by name; the row trains, so this is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import declared
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, value_of


def _tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


CITY: Final = {"type": "string"}

rule = Rule(
    name="duplicate-tool-name",
    family="tools",
    title_zh="同一行里有两个同名工具",
    doc_zh="""
    调用只写工具名，所以模型无法说明指的是哪一个，执行调用的程序会取第一个或最后一个。如果两个
    条目完全相同，只是浪费提示词的 token。

    依据：服务端按名称保存工具；这一行仍能训练，所以是警告。
    """,
    severity="warning",
    when=Fact.LISTS,
    text=Text(
        "{place}: a different tool of the row is also called {name}; "
        "a call can't say which one it means ({rows:row})",
        "{place}：同一行里有另一个不同的工具也叫 {name}；调用无法区分是哪一个（共 {rows} 行）",
    ),
    variants={
        "equal": Text(
            "{place}: {name} is listed twice, which only makes the prompt longer ({rows:row})",
            "{place}：{name} 列出了两次，只是让提示词变长（共 {rows} 行）",
        ),
    },
    help=Text("Rename one of them, or delete it.", "给其中一个改名，或删除它。"),
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
                part=value_of(row, entry.place(tool, *tool.function_at, "name")),
            )  # fmt: skip
