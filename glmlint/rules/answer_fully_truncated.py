"""A row whose supervised tokens all lie beyond the budget.

The prompt alone fills the sequence. The row costs a forward pass and teaches nothing; in a batch
of its own its loss is nan or 0.

Evidence: TRL #6025, #6668; docs/recipes.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.cut import cut_message, first_taught, verdict
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text, limit_of

rule = Rule(
    name="answer-fully-truncated",
    family="budget",
    title_zh="一行中所有受监督的 token 都超出预算",
    doc_zh="""
    单是提示词就占满了整个序列。这一行消耗一次前向计算，却学不到任何东西；如果一个 batch 里只
    有它，损失会是 nan 或 0。

    依据：TRL #6025、#6668；docs/recipes.md。
    """,
    severity="error",
    when=Fact.CUT,
    fix="unsafe",
    text=Text(
        "all {supervised} supervised tokens are cut off (the first is token {first}, the budget of "
        "{kept} ends in {where}): the row teaches nothing",
        "全部 {supervised} 个受监督 token 都被截断（第一个是第 {first} 个 token，预算 {kept} 在 {where} 处用完）："
        "这一行学不到任何东西",
    ),
    help=Text(
        "Shorten the prompt, raise the budget ({tokens} keeps the whole row), or drop the row "
        "(`--unsafe-fixes` does).",
        "缩短提示词，提高预算（{tokens} 可保留整行），或删除这一行（`--unsafe-fixes` 会删除）。",
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
