"""The budget cuts more than 1% of the supervised tokens of the whole file.

99% is what the suggested budget keeps: the summary names the smallest one that does. Below it the
loss is no longer a matter of a few long rows; it shifts what the file as a whole teaches, away
from long answers.

Evidence: LLaMA-Factory #3995, TRL #3449; the official default of 1,025 is often never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Problem, Rule, Text
from glmlint.trainer.base import get_trainer

TOLERATED_SHARE = 0.01
"""Share of a file's supervised tokens that a few long rows may lose."""

rule = Rule(
    name="budget-too-small",
    family="budget",
    title_zh="预算截掉了整个文件 1% 以上的受监督 token",
    doc_zh="""
    建议的预算会保留 99%：摘要给出能做到这一点的最小预算。再小的话，损失就不只是几条长行的问
    题，而会改变整个文件教给模型的内容，使长回答越来越少。

    依据：LLaMA-Factory #3995、TRL #3449；官方默认值 1,025 常常从未改过。
    """,
    severity="warning",
    text=Text(
        "the budget of {budget} cuts {rows} of {readable} rows and loses {lost} of {supervised} "
        "supervised tokens ({share:.1%}); {most} keeps 99% of them, {all} keeps all",
        "预算 {budget} 截断了 {readable} 行中的 {rows} 行，{supervised} 个受监督 token 丢失 {lost} 个"
        "（{share:.1%}）；{most} 可保留 99%，{all} 可全部保留",
    ),
    variants={
        "ends": Text(
            "{rows} of {readable} rows are longer than the budget of {budget}: the run ends at the "
            "first one; {longest} is enough for every row",
            "{readable} 行中有 {rows} 行超过预算 {budget}：训练会在其中第一行中止；{longest} 足够容纳所有行",
        ),
    },
    help=Text(
        "Set the budget to {most} or more (in {trainer} {budget_means}), or shorten the long rows.",
        "把预算设为 {most} 或更大（{trainer}中为 {budget_means}），或缩短过长的行。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello, how are you today?"},
                    ]
                },
            ),
            plan={"max_length": 9},
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


_LONGEST: Final = Text(
    "Set the budget to {longest} or more (in {trainer} {budget_means}), or shorten the long rows.",
    "把预算设为 {longest} 或更大（{trainer}中为 {budget_means}），或缩短过长的行。",
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    share = file.totals.lost_share
    if share is not None and share > TOLERATED_SHARE:
        trainer = get_trainer(plan.recipe)
        ends = trainer.ends_at_longer(msgspec.convert(plan.options, trainer.Options))
        yield rule.problem(
            None,
            text="ends" if ends else None,
            help=_LONGEST if ends else None,
            longest=int(file.lengths.at[-1]),
            budget=plan.max_length,
            rows=file.totals.truncated_samples,
            readable=file.measured,
            lost=file.totals.lost_supervised_tokens,
            supervised=file.totals.supervised_tokens,
            share=share,
            most=file.curve.smallest(1 - TOLERATED_SHARE),
            all=file.curve.smallest(1),
        )
