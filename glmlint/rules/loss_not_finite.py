"""The loss of a row is nan or infinite.

One such row makes the loss of its batch nan and, after the next step, the weights. Weights that
are broken do it to every row; float16 does it where a model trained in bfloat16 has values that
float16 can't hold. The first place with such a loss is named, and the row is in no mean. When all
of the first batch is so, the run stops (exit code 2).

Evidence: one NaN weight makes every row nan; a float16 number ends at 65,504.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from glmlint.evidence.scores import FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

rule = Rule(
    name="loss-not-finite",
    family="score",
    title_zh="这一行的损失是 nan 或无穷大",
    severity="error",
    text=Text(
        "the loss is not finite from place {place} on ({dtype}); the row is in no mean",
        "从位置 {place} 起损失不是有限值（{dtype}）；该行不计入任何均值",
    ),
    help=Text(
        "Broken weights, or an overflow: try --dtype bfloat16 or float32.",
        "权重损坏或数值溢出：请尝试 --dtype bfloat16 或 float32。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for row, score in file.not_finite:
        first = int(np.flatnonzero(~np.isfinite(score.nll))[0])
        problem = rule.problem(
            ("messages", int(row.messages[first])),
            place=int(row.places[first]),
            dtype=file.dtype,
        )
        yield scored(row, problem)
