"""A row that exceeds the budget and loses some of its supervised tokens, within the limit.

The official script keeps the first max_input_length + max_output_length + 1 tokens and silently
drops the rest. Answers come last, so what is dropped is what the row was written for. A row whose
dropped part has no supervised token is an info: the loss stays the same.

Evidence: LLaMA-Factory #3995, axolotl #1731; recipes.md, sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.cut import cut_message, cut_part, verdict
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text, limit_of

rule = Rule(
    name="truncated",
    family="budget",
    title_zh="超出预算、在允许的限度内丢失部分受监督 token 的行",
    doc_zh="""
    官方脚本只保留前 max_input_length + max_output_length + 1 个 token，其余部分会静默丢弃。回答在最
    后，所以丢掉的正是这一行要教的内容。丢掉的部分没有受监督 token 时，级别是提示：损失不变。

    依据：LLaMA-Factory #3995、axolotl #1731；recipes.md 第 1、2 节。
    """,
    severity="warning",
    when=Fact.CUT,
    text=Text(
        "{tokens} tokens, the budget keeps {kept}: {lost} of {supervised} supervised tokens "
        "({share:.1%}) are lost; the cut is in {where}",
        "共 {tokens} 个 token，预算只保留 {kept} 个：{supervised} 个受监督 token 丢失 {lost} 个"
        "（{share:.1%}）；截断发生在 {where}",
    ),
    variants={
        "harmless": Text(
            "{tokens} tokens, the budget keeps {kept}: no supervised token is lost; the cut is in "
            "{where}",
            "共 {tokens} 个 token，预算只保留 {kept} 个：没有丢失受监督的 token；截断发生在 "
            "{where}",
        ),
    },
    help=Text(
        "A budget of {tokens} keeps the whole row (in {trainer} "
        "{budget_means}); or shorten the row.",
        "预算达到 {tokens} 即可保留整行（{trainer}中为 {budget_means}）；或缩短这一行。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Count to twenty."},
                        {
                            "role": "assistant",
                            "content": "one, two, three, four, five, six, seven, eight, nine, ten, "
                            "eleven, twelve, thirteen, fourteen, fifteen",
                        },
                    ]
                },
            ),
            plan={"max_length": 39},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！"},
                        {"role": "user", "content": "再见，明天同一时间我还会回来问你问题。"},
                    ]
                },
            ),
            plan={"max_length": 12},
        ),
    ),
    good=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"max_length": 9},
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if verdict(row, limit_of(row.plan, "over-truncated")) != "truncated":
        return
    index = cut_message(row)
    lost = row.lost_supervised
    yield rule.problem(
        row.at(index),
        text=None if lost else "harmless",
        severity=None if lost else "info",
        tokens=row.tokens,
        kept=row.kept,
        lost=lost,
        supervised=row.supervised,
        share=lost / row.supervised if row.supervised else 0.0,
        part=lambda: cut_part(row, index),
        where=row.where(index),
    )
