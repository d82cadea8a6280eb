"""An object of the row has the same key twice.

Readers differ: `datasets` fails to load the file ("specified twice"), Python's `json` takes the
last value, some take the first. Where such a row does get through, text of the file never reaches
the model: with two `content` keys, one of two answers is lost.

Evidence: none of six peer validators that were run sees it; `datasets` 5.2 raises
DatasetGenerationError from ArrowInvalid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from glmlint.evidence.turns import shown
from glmlint.patterns import Pattern
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="duplicate-key",
    family="structure",
    title_zh="同一个对象里有重复的键",
    doc_zh="""
    各程序的处理方式不同：`datasets` 无法加载文件（“specified twice”），Python 的 `json` 取最
    后一个值，也有的取第一个。即使这一行能读进来，文件中的一部分文字也到不了模型：有两个
    `content` 键，就会丢掉两个回答中的一个。

    依据：试过的六个同类校验工具都没有发现；`datasets` 5.2 由 ArrowInvalid 抛出
    DatasetGenerationError。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "key {key} occurs twice: the loader rejects the file, others lose a value",
        "同一个对象里键 {key} 出现了两次：加载器会拒绝该文件，其他程序则会丢掉其中一个值",
    ),
    variants={
        "last": Text(
            "key {key} occurs twice: {trainer} takes the second value and loses the first",
            "同一个对象里键 {key} 出现了两次：{trainer}只取后一个值，前一个会丢失",
        ),
    },
    help=Text(
        "Keep one of the two, or put the second into its own message.",
        "只保留其中一个，或把第二个放进单独的一条消息。",
    ),
    bad=(
        b'{"messages": [{"role": "user", "content": "Hi"},'
        b' {"role": "assistant", "content": "A", "content": "B"}]}',
        '{"messages": [{"role": "user", "content": "你好", "role": "assistant"}]}'.encode(),
    ),
    good=(
        b'{"id": 1, "messages": [{"role": "user", "content": "Hi"},'
        b' {"role": "assistant", "content": "\\"content\\": 1, \\"content\\": 2"}]}',
        '{"messages": [{"role": "user", "content": "你好"},'
        ' {"role": "assistant", "content": "好"}]}'.encode(),
    ),
)

_TOKEN: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"(?=(\s*:)?)|[{}]', re.DOTALL)


def check(row: Row) -> Iterator[Problem]:
    if row.defect is None or row.defect.rule != "duplicate-key":
        return
    yield rule.problem(
        text="last" if row.context.trainer.reads_json else None,
        part=lambda: _second_place(row.positions.text),
        key=json.dumps(shown(row.defect.values.get("key", "")), ensure_ascii=False),
    )


def _second_place(text: str) -> tuple[int, int] | None:
    """Where the first key stands that repeats another one of its object."""
    objects: list[set[str]] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "{":
            objects.append(set())
        elif token == "}":
            del objects[-1:]
        elif match.group(1) and objects:
            key = json.loads(token, strict=False)
            if key in objects[-1]:
                return match.span()
            objects[-1].add(key)
    return None
