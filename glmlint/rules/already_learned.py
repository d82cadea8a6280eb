"""The model was trained on this file, or on data like it.

A mean loss under 0.3 nat over 1,000 supervised tokens or more is what training leaves behind, not
what a model meets for the first time. Scores of such a model can't find errors: it has learned them
with the rest. For the data it says that this training would teach little more.

Evidence: that label errors are found by a model that has not seen the label is the premise of
confident learning (cleanlab asks for out-of-sample probabilities). The limit is a guess: it has not
been tried on a real 9B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import FileScores
from glmlint.finding import file_identity
from glmlint.rules.base import Placed, Rule, Text

LEARNED_MEAN: Final = 0.3
"""Nats a token of the file."""

LEARNED_TOKENS: Final = 1000
"""Scored tokens of a file below which nothing is said."""

rule = Rule(
    name="already-learned",
    family="score",
    title_zh="模型训练时已经见过这个文件，或与它相近的数据",
    severity="info",
    text=Text(
        "mean loss {mean:.3f} over {tokens} supervised tokens: "
        "this model was trained on this file, or on its like",
        "{tokens} 个受监督 token 的平均损失仅 {mean:.3f}：模型很可能已用此文件训练过",
    ),
    help=Text(
        "Such scores can't find errors; score with a model that has not seen the data.",
        "此时分数无法用于发现错误；请换用未见过这些数据的模型。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    tokens = sum(one.tokens for one in file.rows)
    if tokens < LEARNED_TOKENS:
        return
    mean = sum(one.sum_nll for one in file.rows) / tokens
    if mean < LEARNED_MEAN:
        problem = rule.problem(None, mean=mean, tokens=tokens)
        yield Placed(file.path, None, problem, file_identity(file.path), clean=False)
