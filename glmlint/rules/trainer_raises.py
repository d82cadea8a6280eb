"""The trainer raises an exception at this row, and the whole run ends there.

The official scripts map all rows in one go: an exception in row 40,000 ends the run before the
first step, without the row's number. Where a narrower rule explains the exception (`missing-role`,
`tool-shape`, …), that rule names it; this one speaks for the rest.

Evidence: GLM-4 issues #199, #438, #684; docs/recipes.md lists what raises in which recipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import shown
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="trainer-raises",
    family="mask",
    title_zh="训练脚本在这一行抛出异常，整个训练随之中止",
    severity="error",
    when=Fact.RAISES,
    after=("*",),
    text=Text(
        "the trainer raises {exception} at this row and the run ends ({detail})",
        "训练脚本在这一行抛出 {exception}，整个训练随之中止（{detail}）",
    ),
    help=Text(
        "Repair the row or take it out; `glmlint encode` prints the same exception.",
        "修好或删除这一行；`glmlint encode` 会给出同样的异常。",
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
