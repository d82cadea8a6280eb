"""A number of more than 4,300 digits.

Python refuses to turn it into an integer (since 3.11, against denial of service), so the row is
not read. Arrow makes infinity of it. It is no data of a conversation.

Evidence: `datasets` 5.2 loads such a number as `inf`; Python's `json` raises ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="number-too-long",
    family="structure",
    title_zh="超过 4300 位的数字",
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "a number of more than {limit} digits: the row is not read, and the loader makes it infinite",
        "数字超过 {limit} 位：这一行没有读取，加载时会变成无穷大",
    ),
    help=Text("Write it as text, or take it out.", "写成字符串，或删掉它。"),
    bad=(
        b'{"messages": [{"role": "user", "content": "Hi"}], "n": ' + b"7" * 5000 + b"}",
        '{"messages": [{"role": "user", "content": "你好"}], "数": -'.encode() + b"1" * 4400 + b"}",
    ),
    good=(
        b'{"messages": [{"role": "user", "content": "' + b"7" * 5000 + b'"},'
        b' {"role": "assistant", "content": "A long number."}]}',
        '{"messages": [{"role": "user", "content": "你好"},'
        ' {"role": "assistant", "content": "好"}], "id": 12345678901234567890}'.encode(),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.defect is not None and row.defect.rule == "number-too-long":
        yield rule.problem(limit=row.defect.values.get("limit"))
