"""A row that the model can nearly recite.

Memorised text, an answer that leaked into an earlier training set, one copied from its own prompt,
boilerplate: a row that costs nothing teaches nothing, and in an evaluation set it makes the model
look better than it is. Reported where the mean over 20 content tokens or more is under 0.05 nat,
or more than 4 standard deviations (see `high-loss`) under that of its group.

Evidence: with a small model, the one row that was in every training batch was found, and no other
(`tests/test_scoring_planted.py`). The limits have not been tried on a real 9B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import SURE_TOKENS, FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

LOW_MEAN: Final = 0.05
"""Nats over at least SURE_TOKENS."""

LOW_Z: Final = -4.0
"""Standard deviations from the group's median."""

rule = Rule(
    name="low-loss",
    family="score",
    title_zh="模型几乎能背出来的行",
    doc_zh="""
    已经背下的文本、泄漏到更早训练集中的回答、从提示词里抄来的回答、套话：没有损失的行什么也教
    不了，放在评测集里还会让模型显得比实际更好。内容至少 20 个 token，且平均损失低于 0.05
    nat，或比同组低 4 个标准差以上（见 `high-loss`），才会报告。

    依据：在一个小模型上，找到的正是出现在每个训练 batch 中的那一行，没有其他行
    （`tests/test_scoring_planted.py`）。这些阈值尚未在真实的 9B 模型上验证。
    """,
    severity="info",
    text=Text(
        "loss {mean:.3f} over {tokens} content tokens: the model knows this answer already "
        "(similar rows have {median:.2f})",
        "{tokens} 个内容 token 的平均损失仅 {mean:.3f}：模型已经会这个回答（同类中位数 {median:.2f}）",
    ),
    variants={
        "alone": Text(
            "loss {mean:.3f} over {tokens} content tokens: the model knows this answer already",
            "{tokens} 个内容 token 的平均损失仅 {mean:.3f}：模型已经会这个回答",
        ),
    },
    help=Text(
        "Memorised, leaked, copied from the prompt, or boilerplate: it teaches nothing. "
        "Check for leakage, or drop it.",
        "可能是已背下、数据泄漏、抄自提示词或套话，学不到任何东西：检查是否泄漏，或删除。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for one in file.rows:
        recited = one.content >= SURE_TOKENS and one.content_mean < LOW_MEAN
        if not recited and (one.z is None or one.z >= LOW_Z):
            continue
        problem = rule.problem(
            None,
            text="alone" if one.group_median is None else None,
            mean=one.content_mean,
            tokens=one.content,
            median=one.group_median,
        )
        yield scored(one.row, problem)
