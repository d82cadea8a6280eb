"""A row beyond the size that glmlint reads: 64 MB, or a million values.

No conversation is that long: it is mostly a file without line ends, or binary data in a string.
The row is not held in memory, not checked and not counted in tokens. It is reported so that nobody
takes the silence for a clean row.

Evidence: one line of 64 MB is some 20 million tokens, four orders of magnitude over any budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="line-too-long",
    family="structure",
    title_zh="一行超过 glmlint 的读取上限：64 MB，或一百万个值",
    doc_zh="""
    没有这么长的对话：多半是没有换行的文件，或字符串里放了二进制数据。这样的行不会读入内存，不
    检查，也不计 token。报告它是为了避免有人以为没有消息就是没有问题。

    依据：一行 64 MB 约合 2,000 万个 token，比任何预算都高出四个数量级。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "a row of {bytes} bytes is not read (the limit is {limit}): it was not checked",
        "这一行有 {bytes} 字节，超过上限 {limit}，没有读取，因此未检查",
    ),
    variants={
        "values": Text(
            "the row has more than {values} values (objects, lists, strings, numbers) and is not "
            "read: it was not checked",
            "这一行包含的值（对象、列表、字符串、数字）超过 {values} 个，没有读取，因此未检查",
        ),
    },
    help=Text(
        "Check how the file was written: each row belongs on its own line.",
        "检查文件是如何写出的：每条数据应单独占一行。",
    ),
    bad=(
        Example(
            file='{"messages": [{"role": "user", "content": "很长很长的一行"}]}\n'.encode(),
            max_line=40,
        ),
        Example(
            file=b'{"messages": [{"role": "user", "content": "too long for this limit"}]}\n',
            max_line=40,
        ),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello " * 20},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.defect is not None and row.defect.rule == "line-too-long":
        numbers: dict[str, Any] = {name: f"{n:,}" for name, n in row.defect.values.items()}
        yield rule.problem(
            None, text="values" if "values" in numbers else None, column=1, **numbers
        )
