"""A row that loses more of its supervised tokens to the budget than the limit allows.

The trainer silently cuts off the tail: the loss still falls, but on answers without their end. The
limit is `--max-lost-share` (default 0.1); a row is reported when it exceeds the limit, not when it
meets it.

Evidence: LLaMA-Factory #3995, axolotl #1731; none of six comparable validators reports it.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.cut import cut_message, cut_part, loses_end_only, verdict
from glmlint.rules.base import Edit, Example, Fact, Limit, Problem, Row, Rule, Text

rule = Rule(
    name="over-truncated",
    family="budget",
    title_zh="因预算丢失的受监督 token 超过了允许的比例",
    doc_zh="""
    训练框架会静默截掉尾部：损失照样下降，但学到的是没有结尾的回答。上限是 `--max-lost-share`（默认
    0.1）；超过上限才报告，等于上限不报告。

    依据：LLaMA-Factory #3995、axolotl #1731；六个同类校验工具都不报告这种情况。
    """,
    severity="error",
    limit=Limit(
        "max-lost-share",
        0.1,
        Text(
            "A sample that loses a larger share of its supervised tokens is an error.",
            "样本丢失的受监督 token 超过这一比例时报错。",
        ),
    ),
    when=Fact.CUT,
    fix="unsafe",
    text=Text(
        "{tokens} tokens, the budget keeps {kept}: {lost} of {supervised} supervised tokens "
        "({share:.1%}) are lost, over the limit of {limit:.1%}; the cut is in {where}",
        "共 {tokens} 个 token，预算只保留 {kept} 个：{supervised} 个受监督 token 丢失 {lost} 个"
        "（{share:.1%}），超过上限 {limit:.1%}；截断发生在 {where}",
    ),
    variants={
        "end": Text(
            "{tokens} tokens, the budget keeps {kept}: the end token after the last answer is "
            "lost, {lost} of {supervised} supervised tokens ({share:.1%}, limit {limit:.1%})",
            "共 {tokens} 个 token，预算只保留 {kept} 个：最后一个回答之后的结束符丢失，即 "
            "{supervised} 个受监督 token 中的 {lost} 个（{share:.1%}，上限 {limit:.1%}）",
        ),
    },
    help=Text(
        "A budget of {tokens} keeps the whole row (in {trainer} {budget_means}); or shorten or "
        "drop the row (`--unsafe-fixes` drops it).",
        "预算达到 {tokens} 即可保留整行（{trainer}中为 {budget_means}）；或缩短、删除这一行"
        "（--unsafe-fixes 会删除整行）。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Count to twelve."},
                        {
                            "role": "assistant",
                            "content": "one, two, three, four, five, six, seven, eight, nine, ten",
                        },
                    ]
                },
            ),
            plan={"max_length": 20},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！很高兴见到你，今天想聊点什么？"},
                    ]
                },
            ),
            plan={"max_length": 12, "recipe": "glm4-2024-06"},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"max_length": 8},
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
            plan={"max_length": 8, "limits": {"max-lost-share": 0.34}},
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if verdict(row, rule.limit_of(row.plan)) != "over-truncated":
        return
    index = cut_message(row)
    yield rule.problem(
        row.at(index),
        text="end" if loses_end_only(row) else None,
        edits=(Edit("drop-row", ()),),
        tokens=row.tokens,
        kept=row.kept,
        lost=row.lost_supervised,
        supervised=row.supervised,
        share=row.lost_supervised / row.supervised,
        limit=rule.limit_of(row.plan),
        part=lambda: cut_part(row, index),
        where=row.where(index),
    )
