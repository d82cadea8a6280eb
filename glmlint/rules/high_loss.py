"""A row whose loss is far above that of similar rows.

What surprises a model that much is mostly garbage, another language, a broken encoding, or an
answer to another question; in training it pulls harder than any other row. A row is compared with
its group (file, language, chat or tool calls) by z = (mean - median of the group) / sqrt(variance
between rows + variance between tokens / n), since the raw mean flags short answers for being
short. Reported above z = 4, over at least 10 tokens of content: a mean of fewer has a standard
deviation of a nat and more. Groups of fewer than 20 rows are compared with the rest of their file.

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
    doc_zh="""
    能让模型如此意外的，多半是乱码、另一种语言、损坏的编码，或答非所问；训练时它的影响比其他任
    何一行都大。每一行与同组（文件、语言、聊天或工具调用）比较，z =（均值 − 组内中位数）/ sqrt
    （行间方差 + token 间方差 / n）；如果直接看均值，短回答会仅仅因为短而被报告。内容至少 10
    个 token 且 z 超过 4 才报告：token 更少时，均值的标准差会达到 1 nat 以上。不足 20 行的组与
    同一文件的其余行比较。

    依据：在一个小模型上，平均损失能把植入的随机 token（AUC 1.00）和打乱的 token（0.97）与正常
    行区分开，对来自其他数据集的回答则差一些（0.65）。按均值取最高的 2%，其中 62% 不足 12 个
    token（全部行中为 22%）；按 z 取则为 21%。这个阈值尚未在真实的 9B 模型上验证：请把它当作需
    要查看的行的清单。
    """,
    severity="warning",
    text=Text(
        "loss {mean:.2f} over {tokens} content tokens; similar rows have {median:.2f} (z {z:.1f})",
        "{tokens} 个内容 token 的平均损失为 {mean:.2f}，同类样本的中位数为 {median:.2f}（z 值 {z:.1f}）",
    ),
    help=Text(
        "Read the row (garbage, another language, an answer to another question?); repair or drop it.",
        "检查这一行（乱码、语言不符、答非所问？），修复或删除它。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for one in file.rows:
        if one.z is not None and one.z > HIGH_Z:
            problem = rule.problem(
                None, mean=one.content_mean, tokens=one.content, median=one.group_median, z=one.z
            )
            yield scored(one.row, problem)
