"""The layout of the rows is strange to the model.

The line after a role and the token that ends an answer are the same in every row; a chat model in
its own layout gives them nearly 0 nats. Where they cost more than 2 in the median of a file's first
200 rows, the model is a base model or of another generation, or the recipe or template is not the
one that it was made with: training would spend itself on the layout. `--probe RECIPE` scores the
first rows under another recipe too, and names the one that costs least.

Evidence: the newline after a role cost a small trained model 0.00 nats. It stayed so with the ids of
the roles swapped: the rule sees faults of the layout only. The limit has not been tried on a real
9B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import FileScores, format_median
from glmlint.finding import file_identity
from glmlint.rules.base import Placed, Rule, Text

FORMAT_NATS: Final = 2.0
"""Median over rows of the mean loss of format tokens."""

rule = Rule(
    name="template-mismatch",
    family="score",
    title_zh="样本的排版方式对模型来说很陌生",
    severity="error",
    text=Text(
        "format tokens (role line, stop) cost {median:.1f} nats in the median row: "
        "the layout is strange to this model",
        "格式 token（角色行、结束符）的损失中位数为 {median:.1f}：模型不熟悉这种格式",
    ),
    help=Text(
        "A base model, another generation, or the wrong recipe or template. "
        "Check --recipe against the model.",
        "可能是基座模型、代际不符，或 recipe/模板选错；请核对 --recipe 与模型。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    median = format_median(file.rows)
    if median is not None and median > FORMAT_NATS:
        problem = rule.problem(None, median=median)
        yield Placed(file.path, None, problem, file_identity(file.path), clean=False)
