"""A row does not fit the memory even alone.

It has no loss, and is in no mean: a loss of 0 would make it look perfect. Training keeps more of a
row in memory than scoring does, so on this device it would end there. Batches that don't fit are
halved and tried again first; this is told only of a row that was alone in its batch.

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
    severity="error",
    text=Text(
        "{length} tokens do not fit the memory of {device} even alone: the row has no loss",
        "该行 {length} 个 token，单独也放不进 {device} 的内存，因此没有损失值",
    ),
    help=Text(
        "Score on a device with more memory, or lower --max-length.",
        "请换用内存更大的设备，或调小 --max-length。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for row in file.not_scored:
        yield scored(row, rule.problem(None, length=len(row.ids), device=file.device))
