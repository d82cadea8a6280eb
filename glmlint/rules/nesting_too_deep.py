"""A row that nests more than 500 levels deep.

JSON parsers recurse, and each stops at some depth: Arrow refuses such a file, Python raises
RecursionError. Real tool schemas stay below ten levels; deeper nesting is a bug in the program that
wrote the file, or an attack.

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
    doc_zh="""
    JSON 解析器是递归的，到一定深度就会停止：Arrow 拒绝这样的文件，Python 抛出 RecursionError。真实
    的工具 schema 不到十层；嵌套过深说明写文件的程序有错，或者是恶意构造的数据。

    依据：嵌套 600 层时，`datasets` 5.2 抛出 DatasetGenerationError（"Recursion level in ArrowSchema
    struct exceeded"）。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "the row nests {depth} levels deep, over the limit of {limit}, and is not read: the loader "
        "refuses the file",
        "这一行嵌套了 {depth} 层，超过上限 {limit}，没有读取：加载器会拒绝整个文件",
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
