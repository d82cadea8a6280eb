"""Rows packed into sequences: which go together, and the sequence that they make."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from glmlint.trainer.layout import Tokens


class Part(NamedTuple):
    """Some tokens of one row in a packed sequence."""

    row: int
    """Index among the rows that are packed."""
    start: int
    stop: int


def knapsacks(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Rows that go together: the longest row that is left and still fits comes next.

    Of rows of one length the last comes first (llamafactory 0.9.5, `greedy_knapsack`).

    Args:
        lengths: of the rows, none longer than the capacity.

    Returns:
        Indices of the rows of each sequence.
    """
    rows = defaultdict(list)
    for row, length in enumerate(lengths):
        rows[length].append(row)
    left = sorted(lengths)
    found = []
    while left:
        room, sack = capacity, []
        while place := bisect_right(left, room):
            length = left.pop(place - 1)
            room -= length
            sack.append(rows[length].pop())
        found.append(sack)
    return found


def batches(total: int, size: int, workers: int) -> list[range]:
    """The rows that `datasets.map` hands over at once, with `batch_size` and `num_proc`.

    Each worker has rows that follow one another, the first ones one more where they don't divide.
    """
    workers = max(min(workers, total), 1)
    share, more = divmod(total, workers)
    found = []
    start = 0
    for worker in range(workers):
        stop = start + share + (worker < more)
        step = size if size > 0 else max(stop - start, 1)
        found += [range(at, min(at + step, stop)) for at in range(start, stop, step)]
        start = stop
    return found


def joined(parts: Sequence[Tokens]) -> Tokens:
    """The tokens of several rows one after the other."""
    return Tokens(
        np.concatenate([part.input_ids for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.owners for part in parts]),
    )
