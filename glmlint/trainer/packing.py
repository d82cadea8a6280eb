"""Rows packed into sequences: which go together, and the sequence that they make."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from glmlint.trainer.layout import Tokens


class Part(NamedTuple):
    """Some tokens of one row in a packed sequence."""

    row: int
    """Index among the rows that are packed."""
    start: int
    stop: int


LEFT_OUT: Final = -1
"""In an array of lengths: the trainer leaves the row out, or ends at it."""


class Lengths(Sequence[int | None]):
    """Lengths of rows as a packer takes them, four bytes a row."""

    def __init__(self, found: npt.NDArray[np.int32]) -> None:
        self.found = found
        """In tokens, as the cut leaves the rows; `LEFT_OUT` for a row that is left out."""

    def __len__(self) -> int:
        return len(self.found)

    @overload
    def __getitem__(self, row: int) -> int | None: ...

    @overload
    def __getitem__(self, row: slice) -> Lengths: ...

    def __getitem__(self, row: int | slice) -> int | Lengths | None:
        if isinstance(row, slice):
            return Lengths(self.found[row])
        length = int(self.found[row])
        return None if length == LEFT_OUT else length

    @property
    def tokens(self) -> int:
        """Tokens of all rows that are kept."""
        return int(self.found[self.found != LEFT_OUT].sum(dtype=np.int64))


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


def best_fit(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Best fit, longest first: each row goes where the least room is left that is enough for it.

    Of rows of one length the first comes first; of sequences with the same room, the one that has had
    it the longest (trl 1.16.0, `_pack_bfd`).

    Args:
        lengths: of the rows, none longer than the budget; empty ones are left out.

    Returns:
        Indices of the rows of each sequence.
    """
    found: list[list[int]] = []
    with_room: defaultdict[int, deque[int]] = defaultdict(deque)
    rooms: list[int] = []
    for row in sorted((row for row, size in enumerate(lengths) if size), key=lambda r: -lengths[r]):
        at = bisect_left(rooms, lengths[row])
        if at == len(rooms) or rooms[at] == budget:
            room, place = budget, len(found)
            found.append([])
        else:
            room = rooms[at]
            place = with_room[room].popleft()
            if not with_room[room]:
                rooms.pop(at)
        found[place].append(row)
        room -= lengths[row]
        if room > 0 and not with_room[room]:
            insort(rooms, room)
        with_room[room].append(place)
    return found


def pieces(rows: Sequence[tuple[int, int]], size: int) -> list[Part]:
    """Rows cut into pieces of at most so many tokens.

    Args:
        rows: index and length of each.
    """
    return [
        Part(row, start, min(start + size, length))
        for row, length in rows
        for start in range(0, length, size)
    ]


def wrapped(rows: Sequence[tuple[int, int]], budget: int) -> list[list[Part]]:
    """All rows as one stream, cut into sequences of the budget; the last may be shorter.

    Args:
        rows: index and length of each.
    """
    found: list[list[Part]] = []
    room = 0
    for row, length in rows:
        start = 0
        while start < length:
            if not room:
                found.append([])
                room = budget
            stop = min(start + room, length)
            found[-1].append(Part(row, start, stop))
            room -= stop - start
            start = stop
    return found


def joined(parts: Sequence[Tokens]) -> Tokens:
    """The tokens of several rows one after the other."""
    return Tokens(
        np.concatenate([part.input_ids for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.owners for part in parts]),
    )
