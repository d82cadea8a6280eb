"""An answer ends where the model does not expect an end.

The label after an answer (the next role's token, or the end of the text) teaches the model to stop
there. Where it costs more than 8 nats (a chance below 1 in 2,900), the answer is cut off in
mid-sentence or the end is not its end; trained on, it teaches the model to break off. Reported
where the file's median stop token costs under 2 nats: else the layout is strange to the model, not
the row, and `template-mismatch` tells it.

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
"""Loss of a stop token above which it is a surprise."""

USUAL_STOP: Final = 2.0
"""Where the median stop token costs this or more, the layout is strange to the model."""

rule = Rule(
    name="surprising-stop",
    family="score",
    title_zh="回答在模型认为不该结束的地方结束",
    severity="warning",
    text=Text(
        "the end of messages[{message}] costs {nll:.1f} nats; "
        "the usual end of an answer costs {median:.2f}",
        "messages[{message}] 的结束 token 损失为 {nll:.1f}，而通常为 {median:.2f}",
    ),
    help=Text(
        "The answer is cut off in mid-sentence, or runs on after its end. Complete or trim it.",
        "回答可能被截断或在结束后仍有多余内容；请补全或裁剪。",
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
    """Median loss of stop tokens, nats; infinite without any."""
    found = [one.score.nll[one.row.kinds == STOP] for one in rows]
    together = np.concatenate(found) if found else np.zeros(0)
    return float(np.median(together)) if len(together) else math.inf
