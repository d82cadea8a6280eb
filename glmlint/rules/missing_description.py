"""A function without a description.

All that the model knows of a tool is its name, its description and its arguments. Without the
description it has to guess from the name when to call it, and a fine-tune on few rows memorises
the name instead of the purpose.

Evidence: every published format of tools has the field; a hint, not a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.evidence.calls import declared
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, value_of


def _row(description: Any, question: str, answer: str) -> dict[str, Any]:
    function = {"name": "lookup", "parameters": {"type": "object", "properties": {}}}
    if description is not None:
        function["description"] = description
    tool = {"type": "function", "function": function}
    return {
        "messages": [
            {"role": "system", "content": "", "tools": [tool]},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="missing-description",
    family="tools",
    title_zh="函数缺少描述",
    doc_zh="""
    模型对工具的了解只有名称、描述和参数。没有描述，它只能凭名称猜测何时调用；用少量数据微调
    时，记住的是名称而不是用途。

    依据：所有公开的工具格式都有这个字段；这只是提示，不算错误。
    """,
    severity="info",
    when=Fact.TOOLS,
    text=Text(
        "{place}: the tool {name} has no description; the model has only its name to go by "
        "({rows:row})",
        "{place}：工具 {name} 没有 description；模型只能凭名称猜测用途（共 {rows} 行）",
    ),
    help=Text(
        "Say in a sentence what the tool does and when to call it.",
        "用一句话说明工具的作用和调用时机。",
    ),
    bad=(
        _row(None, "Who wrote Faust?", "Goethe."),
        _row(" ", "《红楼梦》的作者是谁？", "曹雪芹。"),
    ),
    good=(
        _row("Looks a book up.", "Who wrote Faust?", "Goethe."),
        _row("查询图书信息", "《红楼梦》的作者是谁？", "曹雪芹。"),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for entry in declared(row):
        if not entry.tools.undescribed or entry.message is None:
            continue
        for tool in entry.tools.undescribed:
            at = entry.place(tool, *tool.function_at)
            name = tool.name[:80]
            yield rule.problem(
                at, once=name, place=place(at), name=name,
                part=value_of(row, entry.place(tool, *tool.function_at, "name")),
            )  # fmt: skip
