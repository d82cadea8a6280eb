"""The loss of a row is nan or infinite.

One such row makes the loss of its batch nan and, after the next step, the weights. Broken weights
do it to every row; float16 does it where a model trained in bfloat16 has values that float16 can't
hold. The first position with such a loss is named, and the row is in no mean. When all of the
first batch is so, the run stops (exit code 2).

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
    doc_zh="""
    只要有一行这样，它所在 batch 的损失就是 nan，下一步之后权重也会变成 nan。权重损坏时每一行
    都会这样；以 bfloat16 训练的模型改用 float16 时，如果有 float16 表示不了的值，也会这样。报
    告会给出损失首次出现异常的位置，该行不计入任何均值。如果第一个 batch 全部如此，运行就会停
    止（退出码 2）。

    依据：一个 NaN 权重会让每一行都是 nan；float16 的最大值是 65,504。
    """,
    severity="error",
    text=Text(
        "the loss is not finite from position {place} on ({dtype}); the row is in no mean",
        "从位置 {place} 起损失不是有限值（{dtype}）；该行不计入任何均值",
    ),
    help=Text(
        "Broken weights, or an overflow: try --dtype bfloat16 or float32.",
        "权重损坏或数值溢出：尝试 --dtype bfloat16 或 float32。",
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
