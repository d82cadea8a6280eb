"""A row that the model all but recites.

Memorised text, an answer that leaked into an earlier training set, one that is copied from its own
prompt, boilerplate: a row that costs nothing teaches nothing, and in an evaluation set it makes
the model look better than it is. Reported where the mean over 20 content tokens or more is under
0.05 nat, or where it is more than 4 standard deviations (see `high-loss`) under that of its group.

Evidence: with a small model, the one row that stood in every training batch was found, and no
other (`tests/test_scoring_planted.py`). The limits have not been tried on a real 9B.
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
    severity="info",
    text=Text(
        "loss {mean:.3f} over {tokens} content tokens: the model knows this answer already "
        "(rows like it have {median:.2f})",
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
        "可能是已记忆、数据泄漏、复制提示词或套话，训练没有收益；请检查泄漏或删除。",
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
