"""A token where the model was sure of another one.

A typo, a broken encoding, a wrong name or number: the model gave another token a probability over
0.9, and the actual token costs more than 12 nats (a probability below 1 in 160,000). Only content
counts, and only the worst such token of a row is named, among its five of highest loss.

Evidence: exp(-12) = 1 / 162,755, about the share of one token of GLM-4's vocabulary of 151,552: the
model rates it below chance. The limits have not been tried on a real 9B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import FileScores, Judged, is_content
from glmlint.rules.base import Placed, Problem, Rule, Text, scored

TOKEN_NATS: Final = 12.0
"""Loss of the actual token, in nats."""

TOKEN_SURE: Final = 0.9
"""Probability from which the model counts as sure of another token."""

rule = Rule(
    name="surprising-token",
    family="score",
    title_zh="模型确信应是另一个 token 的位置",
    doc_zh="""
    错别字、编码损坏、错误的名称或数字：模型给另一个 token 的概率超过 0.9，而实际 token 的损失超过
    12 nat（概率低于 1/160,000）。只看正文内容；每一行只在损失最高的五个 token 中指出最严重的一个。

    依据：exp(-12) = 1/162,755，约为 GLM-4 词表 151,552 个 token 中一个的份额：模型给它的概率低于随
    机水平。这些上限尚未在真实的 9B 模型上验证。
    """,
    severity="info",
    text=Text(
        "{label!r} in messages[{message}] costs {nll:.1f} nats; the model was sure of {choice!r} "
        "(p {p:.2f})",
        "messages[{message}] 中的 {label!r} 损失为 {nll:.1f}，而模型确信应为 {choice!r}（概率 "
        "{p:.2f}）",
    ),
    help=Text(
        "Check for a typo, broken encoding or a wrong name.",
        "请检查是否有错别字、编码损坏或名称错误。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for one in file.rows:
        problem = _worst(one, file)
        if problem is not None:
            yield scored(one.row, problem)


def _worst(one: Judged, file: FileScores) -> Problem | None:
    score, row = one.score, one.row
    content = is_content(row.kinds)
    for place, choice, p in zip(score.worst, score.argmax, score.probability, strict=True):
        nll = float(score.nll[place])
        if nll <= TOKEN_NATS:
            return None
        if p > TOKEN_SURE and content[place]:
            message = int(row.messages[place])
            return rule.problem(
                ("messages", message),
                message=message,
                nll=nll,
                p=float(p),
                label=file.text(int(row.labels[place])),
                choice=file.text(int(choice)),
            )
    return None
