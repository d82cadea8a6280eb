"""A row whose every supervised token lies past the budget.

The prompt alone fills the sequence. The row costs a forward pass and teaches nothing; in a batch of
its own its loss is nan or 0.

Evidence: TRL #6025, #6668; recipes.md, section 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.cut import cut_message, first_taught, verdict
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text, limit_of

rule = Rule(
    name="answer-fully-truncated",
    family="budget",
    title_zh="一行中所有受监督的 token 都在预算之外",
    severity="error",
    when=Fact.CUT,
    fix="unsafe",
    text=Text(
        "all {supervised} supervised tokens are lost: the first stands at place {first}, the "
        "budget of {kept} ends before it, in {where}; the row teaches nothing",
        "全部 {supervised} 个受监督 token 都被截掉：第一个位于第 {first} 位，预算 {kept} 在此之前"
        "（{where}）就已用完；这一行学不到任何东西",
    ),
    help=Text(
        "Shorten what stands before the answer, raise the budget ({tokens} keeps the whole row), "
        "or drop the row (`--unsafe-fixes` does).",
        "缩短回答之前的内容，提高预算（{tokens} 可保留整行），或删除这一行（--unsafe-fixes 会删除整行）。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Summarise: " + "the quick brown fox " * 8},
                        {"role": "assistant", "content": "A fox."},
                    ]
                },
            ),
            plan={"max_length": 20},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": "请概括下面的文章：" + "春眠不觉晓，处处闻啼鸟。" * 4,
                        },
                        {"role": "assistant", "content": "春天的早晨。"},
                    ]
                },
            ),
            plan={"max_length": 20, "recipe": "glm4-combine"},
        ),
    ),
    good=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello, how are you today?"},
                    ]
                },
            ),
            plan={"max_length": 8},
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if verdict(row, limit_of(row.plan, "over-truncated")) != "answer-fully-truncated":
        return
    index = cut_message(row)
    yield rule.problem(
        row.at(index),
        edits=(Edit("drop-row", ()),),
        supervised=row.supervised,
        first=first_taught(row) + 1,
        kept=row.kept,
        tokens=row.tokens,
        where=row.where(index),
    )
