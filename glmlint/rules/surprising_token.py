"""One token that the model was sure would be another one.

A typo, a broken encoding, a wrong name or number: the model gave another token a probability over
0.9, and the one that stands there costs more than 12 nats (a chance below 1 in 160,000). Only
content counts, and of a row only the worst such token is named, among its five of highest loss.

Evidence: exp(-12) = 1 / 162,755, about the share of one token of GLM-4's vocabulary of 151,552: the
model thinks less of it than chance does. The limits have not been tried on a real 9B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import FileScores, Judged, is_content
from glmlint.rules.base import Placed, Problem, Rule, Text, scored

TOKEN_NATS: Final = 12.0
"""Loss of the token that stands there."""

TOKEN_SURE: Final = 0.9
"""Probability from which the model was sure of another one."""

rule = Rule(
    name="surprising-token",
    family="score",
    title_zh="模型确信应是另一个 token 的位置",
    severity="info",
    text=Text(
        "{label!r} in messages[{message}] costs {nll:.1f} nats "
        "where the model was sure of {choice!r} (p {p:.2f})",
        "messages[{message}] 中的 {label!r} 损失为 {nll:.1f}，而模型确信应为 {choice!r}（概率 {p:.2f}）",
    ),
    help=Text(
        "A typo, broken encoding or a wrong name? Look at this place.",
        "可能是错别字、编码损坏或名称错误；请查看此处。",
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
