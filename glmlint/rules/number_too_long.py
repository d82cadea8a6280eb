"""A number of more than 4,300 digits.

Python refuses to convert it to an integer (since 3.11, against denial of service), so the row is
not read. Arrow turns it into infinity. No conversation needs such a number.

Evidence: `datasets` 5.2 loads such a number as `inf`; Python's `json` raises ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="number-too-long",
    family="structure",
    title_zh="超过 4300 位的数字",
    doc_zh="""
    Python 拒绝把它转换成整数（从 3.11 起，为防止拒绝服务攻击），所以这一行没有读取。Arrow 会把它变
    成无穷大。对话数据里不会需要这样的数字。

    依据：`datasets` 5.2 把这样的数字加载为 `inf`；Python 的 `json` 抛出 ValueError。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "a number of more than {limit} digits: the row is not read, and the loader turns the "
        "number into infinity",
        "数字超过 {limit} 位：这一行没有读取，加载后会变成无穷大",
    ),
    help=Text("Write it as a string, or remove it.", "写成字符串，或删掉它。"),
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
        limit = int(row.defect.values["limit"])
        yield rule.problem(limit=limit, part=lambda: _number(row.positions.text, limit))


_TOKEN: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"|-?\d++', re.DOTALL)


def _number(text: str, limit: int) -> tuple[int, int] | None:
    """Where the first number of more digits stands."""
    for match in _TOKEN.finditer(text):
        if len(match[0].lstrip("-")) > limit and match[0][0] != '"':
            return match.span()
    return None
