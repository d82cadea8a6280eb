"""A row does not fit in memory even alone.

It has no loss and is in no mean: a loss of 0 would make it look perfect. Training keeps more of a
row in memory than scoring does, so on this device training would run out of memory at this row.
Batches that do not fit are first halved and tried again; only a row that was alone in its batch is
reported.

Evidence: the out-of-memory error itself. The published script of Superfiltering (arXiv 2402.00530)
returns losses of 0 after any exception, and ranks the row by them.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.scores import FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

rule = Rule(
    name="not-scored",
    family="score",
    title_zh="有一行即使单独计算也放不进显存或内存",
    doc_zh="""
    这样的行没有损失值，也不计入任何平均值：损失记为 0 会让它看起来完美无缺。训练时一行占用的内存比
    评分时多，所以在这台设备上训练到这一行也会内存不足。放不下的批次会先减半重试；只有单独成批仍放不
    下的行才会报告。

    依据：内存不足的异常本身。Superfiltering（arXiv 2402.00530）公布的脚本在任何异常之后都返回损失
    0，并据此给该行排名。
    """,
    severity="error",
    text=Text(
        "{length} tokens do not fit in the memory of {device}, even alone: the row has no loss",
        "共 {length} 个 token，即使单独计算也放不进 {device} 的内存：这一行没有损失值",
    ),
    help=Text(
        "Score on a device with more memory, or lower --max-length.",
        "换用内存更大的设备，或调小 --max-length。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for row in file.not_scored:
        yield scored(row, rule.problem(None, length=len(row.ids), device=file.device))
