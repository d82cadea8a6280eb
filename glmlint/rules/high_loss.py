"""A row whose loss is far above that of rows like it.

What a model finds that surprising is mostly garbage, another language, a broken encoding, or an
answer to another question; in training it pulls harder than any other row. A row is compared with
its group (file, language, chat or tool calls) by z = (mean - median of the group) / sqrt(variance
between rows + variance between tokens / n), since the raw mean flags short answers for being short.
Reported above z = 4, over at least 10 tokens of content: a mean of fewer has a standard deviation
of a nat and more. Groups of fewer than 20 rows are compared with the rest of their file.

Evidence: with a small model, mean loss tells planted random tokens (AUC 1.00) and shuffled tokens
(0.97) from clean rows, answers of another data set less well (0.65). Of the 2% of rows highest by
raw mean, 62% had under 12 tokens (22% of all had); by z 21%. The limit has not been tried on a
real 9B: read it as a list of rows to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

HIGH_Z: Final = 4.0
"""Standard deviations above the group's median."""

rule = Rule(
    name="high-loss",
    family="score",
    title_zh="损失远高于同类样本的行",
    severity="warning",
    text=Text(
        "loss {mean:.2f} over {tokens} content tokens; rows like it have {median:.2f} (z {z:.1f})",
        "{tokens} 个内容 token 的平均损失为 {mean:.2f}，同类样本的中位数为 {median:.2f}（z 值 {z:.1f}）",
    ),
    help=Text(
        "Read the row: garbage, another language, or an answer to another question. Drop or repair it.",
        "请检查这一行：可能是乱码、语言不符或答非所问；请删除或修复。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for one in file.rows:
        if one.z is not None and one.z > HIGH_Z:
            problem = rule.problem(
                None, mean=one.content_mean, tokens=one.content, median=one.group_median, z=one.z
            )
            yield scored(one.row, problem)
