"""NaN, an infinity, or a number that is too large for a float.

JSON has no such values. Python's `json` writes and reads them, and `datasets` accepts NaN and
Infinity, so the row loads there and nowhere else; a number such as 1e999 makes the load fail. In a
tool's description, the word NaN is printed into the prompt.

Evidence: `datasets` 5.2 reads `NaN`, and raises at `1e999` ("Number too big to be stored in
double").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from glmlint.finding import Pointer, place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="non-finite-number",
    family="structure",
    title_zh="NaN、无穷大，或超出浮点数范围的数",
    doc_zh="""
    JSON 没有这些值。Python 的 `json` 会写也会读，`datasets` 也接受 NaN 和 Infinity，因此这一行只有
    在这些程序里才能加载；1e999 这样的数字会让加载失败。写在工具描述里时，单词 NaN 会进入提示词。

    依据：`datasets` 5.2 能读 `NaN`，遇到 `1e999` 时报错（"Number too big to be stored in
    double"）。
    """,
    severity="warning",
    when=Fact.NON_FINITE,
    text=Text(
        "{place} is {number}, which is not valid JSON: this loader accepts it, strict parsers "
        "refuse the file",
        "{place} 是 {number}，不是合法的 JSON：这里的加载器能读，严格的解析器会拒绝整个文件",
    ),
    variants={
        "too-big": Text(
            "{place} is {number}, too large for a float: the loader refuses the file",
            "{place} 是 {number}，超出浮点数范围：加载器会拒绝整个文件",
        )
    },
    help=Text(
        "Write null or a finite number, or leave the key out.",
        "改为 null 或有限的数字，或去掉这个键。",
    ),
    bad=(
        b'{"messages": [{"role": "user", "content": "Hi"},'
        b' {"role": "assistant", "content": "Hello"}], "score": NaN}',
        '{"messages": [{"role": "user", "content": "你好"},'
        ' {"role": "assistant", "content": "好"}], "分数": -Infinity}'.encode(),
        b'{"messages": [{"role": "user", "content": "Hi"},'
        b' {"role": "assistant", "content": "Hello"}], "score": 1e999}',
    ),
    good=(
        b'{"messages": [{"role": "user", "content": "NaN?"},'
        b' {"role": "assistant", "content": "Infinity"}], "score": 1e99}',
        '{"messages": [{"role": "user", "content": "你好"},'
        ' {"role": "assistant", "content": "好"}], "score": null}'.encode(),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    text = row.positions.text
    for at, number in _numbers(row.value, ()):
        span = row.positions.byte_range(at)
        written = text[span[0] : span[1]][:20] if span else str(number)
        if any(char.isdigit() for char in written):
            yield rule.problem(
                at, text="too-big", severity="error", place=place(at), number=written
            )
        else:
            yield rule.problem(at, place=place(at), number=written)
        return


def _numbers(value: Any, at: Pointer) -> Iterator[tuple[Pointer, float]]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield at, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, (*at, index))
