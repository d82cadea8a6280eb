"""An answer ends where the model does not expect it to end.

The label after an answer (the next role's token, or the end of the text) teaches the model to stop
there. Where it costs more than 8 nats (a probability below 1 in 2,900), the answer is cut off in
mid-sentence or its end is not a real end; training on it teaches the model to break off. It is
reported where the file's median stop token costs under 2 nats: otherwise the layout of the whole
file is unfamiliar to the model, which `template-mismatch` reports.

Evidence: exp(-8) = 1 / 2,981; a chat model in its own layout gives the end of a whole answer nearly
0. The limit has not been tried on a real 9B.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from glmlint.evidence.scores import STOP, FileScores, Judged
from glmlint.rules.base import Placed, Rule, Text, scored

STOP_NATS: Final = 8.0
"""Loss of a stop token above which it is reported, in nats."""

USUAL_STOP: Final = 2.0
"""Where the median stop token costs this or more, the layout is unfamiliar to the model."""

rule = Rule(
    name="surprising-stop",
    family="score",
    title_zh="回答在模型认为不该结束的地方结束",
    doc_zh="""
    回答之后的标签（下一个角色标记，或文本的结束符）教模型在那里停止。如果它的损失超过 8 nat（概率低
    于 1/2,900），说明回答在句子中途被截断，或者结尾不是真正的结尾；用它训练会教模型突然中断。只有当
    文件中停止符损失的中位数低于 2 nat 时才报告：否则是整个文件的排版对模型来说很陌生，由
    `template-mismatch` 报告。

    依据：exp(-8) = 1/2,981；使用自己的排版时，对话模型在完整回答结尾处的损失接近 0。该上限尚未在真
    实的 9B 模型上验证。
    """,
    severity="warning",
    text=Text(
        "the stop token after messages[{message}] costs {nll:.1f} nats; in the median answer it "
        "costs {median:.2f}",
        "messages[{message}] 之后的停止符损失为 {nll:.1f}，而中位数为 {median:.2f}",
    ),
    help=Text(
        "The answer may be cut off, or go on after its end: complete it or trim it.",
        "回答可能被截断，或在结束后仍有多余内容：请补全或裁剪。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    usual = stop_median(file.rows)
    if usual >= USUAL_STOP:
        return
    for one in file.rows:
        stops = np.flatnonzero(one.row.kinds == STOP)
        if not len(stops):
            continue
        worst = stops[int(one.score.nll[stops].argmax())]
        nll = float(one.score.nll[worst])
        if nll > STOP_NATS:
            message = int(one.row.messages[worst])
            problem = rule.problem(("messages", message), message=message, nll=nll, median=usual)
            yield scored(one.row, problem)


def stop_median(rows: Iterable[Judged]) -> float:
    """Median loss of stop tokens, in nats; infinite without any."""
    found = [one.score.nll[one.row.kinds == STOP] for one in rows]
    together = np.concatenate(found) if found else np.zeros(0)
    return float(np.median(together)) if len(together) else math.inf
