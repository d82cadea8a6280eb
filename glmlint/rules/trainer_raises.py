"""The trainer raises an exception at this row, and the whole run ends there.

The official scripts map all rows in one go: an exception in row 40,000 ends the run before the
first step, without the row's number. Where a more specific rule explains the exception
(`missing-role`, `tool-shape`, …), that rule reports it; this one covers the rest.

Evidence: GLM-4 issues #199, #438, #684; docs/recipes.md lists what raises in which recipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import shown
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="trainer-raises",
    family="mask",
    title_zh="训练框架在这一行抛出异常，整个训练随之中止",
    doc_zh="""
    官方脚本会一次性处理所有行：第 40,000 行的异常会在第一步之前中止整个训练，而且不给出行号。如果更
    具体的规则（`missing-role`、`tool-shape` 等）能解释这个异常，由那条规则报告；本规则负责其余情
    况。

    依据：GLM-4 的 issue #199、#438、#684；docs/recipes.md 列出了每个配方在什么情况下会报错。
    """,
    severity="error",
    when=Fact.RAISES,
    after=("*",),
    text=Text(
        "the trainer raises {exception} at this row and the run ends ({detail})",
        "训练框架在这一行抛出 {exception}，整个训练随之中止（{detail}）",
    ),
    help=Text(
        "Repair the row or delete it; `glmlint encode` prints the same exception.",
        "修复或删除这一行；`glmlint encode` 会给出同样的异常。",
    ),
    bad=(
        {
            "messages": [
                {"role": "system", "content": "", "tools": 5},
                {"role": "user", "content": "北京天气？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
        Example(
            rows=({"messages": "hello"},),
        ),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.error is not None and not row.said.raises:
        yield rule.problem(
            row.error.at or (),
            raises=True,
            exception=row.error.exception,
            detail=shown(row.error.detail, 120),
        )
