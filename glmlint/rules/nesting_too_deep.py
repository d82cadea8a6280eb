"""A row that nests more than 500 levels deep.

Readers of JSON recurse, and stop at a depth of their own: Arrow refuses such a file, Python raises
RecursionError. Real tool schemas stay below ten levels; this is a fault of the writer, or an
attack.

Evidence: `datasets` 5.2 raises DatasetGenerationError at 600 levels ("Recursion level in
ArrowSchema struct exceeded").
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="nesting-too-deep",
    family="structure",
    title_zh="嵌套超过 500 层的行",
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "the row nests {depth} levels deep and is not read (the limit is {limit}): "
        "the loader refuses the file",
        "这一行嵌套了 {depth} 层，超过上限 {limit}，没有读取：加载时文件会被拒绝",
    ),
    help=Text("Flatten the row, or delete it.", "减少嵌套层数，或删除这一行。"),
    bad=(
        b'{"messages": ' + b"[" * 600 + b"]" * 600 + b"}",
        '{"消息": '.encode() + b'{"a": ' * 600 + b"1" + b"}" * 601,
    ),
    good=(
        b'{"messages": [{"role": "user", "content": "' + b"[" * 600 + b'"},'
        b' {"role": "assistant", "content": "Brackets in a text."}]}',
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.defect is not None and row.defect.rule == "nesting-too-deep":
        yield rule.problem(
            depth=row.defect.values.get("depth"), limit=row.defect.values.get("limit")
        )
