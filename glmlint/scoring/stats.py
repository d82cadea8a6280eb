"""Losses of tokens -> what is said of rows, kinds, turns and the whole set. numpy only.

Everything is nats (natural logarithm). Rows that were not scored, or whose loss is not finite,
are counted and are in no mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from glmlint.evidence.scores import (
    KINDS,
    Floats,
    Judged,
    RowScore,
    ScoredPart,
    ScoredRow,
    is_content,
)

Doubles = npt.NDArray[np.float64]

QUANTILES: Final = (1, 5, 10, 25, 50, 75, 90, 95, 99)
"""Which percentiles a report gives (nearest rank)."""

BINS_A_NAT: Final = 64
MOST_NATS: Final = 32
"""Token losses are counted in bins of 1/64 nat up to 32, and one bin for more."""

SMALLEST_GROUP: Final = 20
"""Groups with fewer judged rows are judged with the rest of their file, then with all rows."""

JUDGED_TOKENS: Final = 10
"""Rows with fewer content tokens are not judged: at a token variance of 10 the standard
deviation of their mean is a nat and more."""

LEAST_SPREAD: Final = 0.05
"""Nats; the spread between rows is not taken to be smaller, or equal rows would all stand out."""


class Losses:
    """Count, sum and histogram of token losses; two of them merge."""

    def __init__(self) -> None:
        self.tokens = 0
        self.sum_nll = 0.0
        self.counts = np.zeros(BINS_A_NAT * MOST_NATS + 1, np.int64)

    def add(self, nll: Floats) -> None:
        """Count finite losses, nats."""
        self.tokens += len(nll)
        self.sum_nll += float(nll.sum(dtype=np.float64))
        bins = np.clip((nll * BINS_A_NAT).astype(np.int64), 0, len(self.counts) - 1)
        self.counts += np.bincount(bins, minlength=len(self.counts))

    def merge(self, other: Losses) -> None:
        """Add what another one counted."""
        self.tokens += other.tokens
        self.sum_nll += other.sum_nll
        self.counts += other.counts

    @property
    def mean_nll(self) -> float | None:
        """Mean in nats; None when nothing was counted."""
        return self.sum_nll / self.tokens if self.tokens else None

    def quantile(self, percent: float) -> float | None:
        """Nearest-rank percentile, as the middle of its bin; None when nothing was counted."""
        if not self.tokens:
            return None
        rank = max(1, math.ceil(percent / 100 * self.tokens))
        return (int(np.searchsorted(np.cumsum(self.counts), rank)) + 0.5) / BINS_A_NAT

    def as_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "tokens": self.tokens,
            "sum_nll": self.sum_nll,
            "mean_nll": self.mean_nll,
            "p50": self.quantile(50),
            "p95": self.quantile(95),
        }


def judge_row(row: ScoredRow, score: RowScore, group: str) -> Judged:
    """Sums of one row with finite losses."""
    nll = score.nll.astype(np.float64)
    inside = is_content(row.kinds)
    content = nll[inside]
    parts = []
    for message in np.unique(row.messages):
        here = row.messages == message
        parts.append(
            ScoredPart(
                int(message),
                int(row.turns[here][0]),
                int(here.sum()),
                float(nll[here].sum()),
                int((here & inside).sum()),
                float(nll[here & inside].sum()),
            )
        )
    return Judged(
        row=row,
        score=score,
        group=group,
        tokens=len(nll),
        sum_nll=float(nll.sum()),
        content=len(content),
        content_mean=float(content.mean()) if len(content) else math.nan,
        content_variance=float(content.var(ddof=1)) if len(content) > 1 else math.nan,
        parts=parts,
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """What is usual in a group: the median of row means and two variances around it."""

    rows: int
    median: float
    between_rows: float
    """Variance between rows that token noise does not explain, nats squared."""
    token: float
    """Variance between tokens of a row, nats squared."""

    def z(self, mean: float, tokens: int) -> float:
        """How unusual a mean over so many tokens is, in standard deviations."""
        return (mean - self.median) / math.sqrt(self.between_rows + self.token / tokens)


def spread(rows: Sequence[Judged]) -> Spread:
    """What is usual among rows; medians throughout, so that the odd rows don't set the scale."""
    means = np.array([row.content_mean for row in rows])
    sizes = np.array([row.content for row in rows], np.float64)
    token = float(np.nanmedian([row.content_variance for row in rows]))
    median = float(np.median(means))
    total = (1.4826 * float(np.median(np.abs(means - median)))) ** 2
    between = max(total - token * float(np.median(1 / sizes)), LEAST_SPREAD**2)
    return Spread(len(rows), median, between, token)


def judge(rows: Sequence[Judged]) -> dict[str, Spread]:
    """Give every row and message with enough content its z. Returns what is usual by group."""
    judged = [row for row in rows if row.content >= JUDGED_TOKENS]
    by_group: dict[str, list[Judged]] = {}
    by_path: dict[str, list[Judged]] = {}
    for row in judged:
        by_group.setdefault(row.group, []).append(row)
        by_path.setdefault(row.row.path, []).append(row)
    found: dict[str, Spread] = {}
    for name, members in by_group.items():
        peers = members
        if len(peers) < SMALLEST_GROUP:
            peers = by_path[members[0].row.path]
        if len(peers) < SMALLEST_GROUP:
            peers = judged
        if len(peers) < SMALLEST_GROUP:
            continue
        found[name] = usual = spread(peers)
        for row in members:
            row.group_median = usual.median
            row.z = usual.z(row.content_mean, row.content)
            for part in row.parts:
                if part.content >= JUDGED_TOKENS:
                    part.z = usual.z(part.content_nll / part.content, part.content)
    return found


@dataclass(eq=False)
class Summary:
    """Everything that is counted over the rows of a run."""

    every: Losses
    by_kind: dict[str, Losses]
    by_turn: dict[int, Losses]
    by_group: dict[str, Losses]
    row_means: Doubles
    """Sorted. [rows]"""
    standard_error: float | None
    """Of the token mean over the whole set, nats."""
    row_deviation: float | None
    """What one row drawn at random adds to it: a batch of b rows deviates by this / sqrt(b)."""


def summarize(rows: Iterable[Judged]) -> Summary:
    """Count all labels of all rows; equal rows count as often as they stand in the data."""
    every = Losses()
    kinds: dict[str, Losses] = {}
    turns: dict[int, Losses] = {}
    groups: dict[str, Losses] = {}
    sums, sizes = [], []
    for one in rows:
        nll, row = one.score.nll, one.row
        every.add(nll)
        groups.setdefault(one.group, Losses()).add(nll)
        for kind in np.unique(row.kinds):
            kinds.setdefault(KINDS[kind], Losses()).add(nll[row.kinds == kind])
        for turn in np.unique(row.turns):
            turns.setdefault(int(turn), Losses()).add(nll[row.turns == turn])
        sums.append(one.sum_nll)
        sizes.append(one.tokens)
    error = deviation = None
    if len(sums) > 1 and every.mean_nll is not None:
        rest = np.array(sums) - every.mean_nll * np.array(sizes)
        # a ratio of two sums: the usual linear estimate of its error
        spread_of_rows = float(np.sqrt((rest**2).sum() / (len(sums) - 1)))
        deviation = spread_of_rows / (every.tokens / len(sums))
        error = deviation / math.sqrt(len(sums))
    return Summary(
        every=every,
        by_kind={kind: kinds[kind] for kind in KINDS if kind in kinds},
        by_turn=dict(sorted(turns.items())),
        by_group=dict(sorted(groups.items())),
        row_means=np.sort(np.array(sums) / np.array(sizes)) if sums else np.zeros(0),
        standard_error=error,
        row_deviation=deviation,
    )


def quantiles(ordered: Doubles) -> dict[str, float]:
    """Nearest-rank percentiles of sorted values; empty without any."""
    if not len(ordered):
        return {}
    return {
        f"p{percent}": float(ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)])
        for percent in QUANTILES
    }


def histogram(ordered: Doubles, bins: int = 12) -> list[tuple[float, int]]:
    """(upper edge, count) over sorted values; edges are round numbers of nats."""
    if not len(ordered):
        return []
    low, high = float(ordered[0]), float(ordered[-1])
    rough = max((high - low) / bins, 1e-6)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first = math.floor(low / step)
    places = np.floor(ordered / step).astype(np.int64) - first
    counts = np.bincount(places)
    return [
        (round(step * (first + place + 1), 9), int(count)) for place, count in enumerate(counts)
    ]
