"""The model was trained on this file, or on similar data.

A mean loss under 0.3 nat over at least 1,000 supervised tokens is what training leaves behind, not
what a model shows on data that it sees for the first time. The scores of such a model can't find
errors: it has learned them with the rest. They also say that training on this file again would
teach little.

Evidence: that label errors are found by a model that has not seen the label is the premise of
confident learning (cleanlab asks for out-of-sample probabilities). The limit is a guess: it has
not been tried on a real 9B.
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
"""Scored tokens of a file below which nothing is reported."""

rule = Rule(
    name="already-learned",
    family="score",
    title_zh="模型训练时已经见过这个文件，或与它相近的数据",
    doc_zh="""
    在至少 1,000 个受监督 token 上平均损失低于 0.3 nat，说明模型训练时见过这些数据，而不是第一
    次遇到。这样的模型打出的分数无法用来发现错误：错误已经和其他内容一起被学会了。这也说明再用
    这个文件训练，收获很小。

    依据：用没有见过标签的模型来发现标签错误，是 confident learning 的前提（cleanlab 要求使用
    样本外概率）。这个阈值是估计值，尚未在真实的 9B 模型上验证。
    """,
    severity="info",
    text=Text(
        "mean loss {mean:.3f} over {tokens} supervised tokens: "
        "this model was trained on this file, or on similar data",
        "{tokens} 个受监督 token 的平均损失仅 {mean:.3f}：模型训练时已见过这个文件或相近的数据",
    ),
    help=Text(
        "Scores can't find errors then: use a model that has not seen the data.",
        "这时的分数无法用来发现错误：请换用没有见过这些数据的模型。",
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
