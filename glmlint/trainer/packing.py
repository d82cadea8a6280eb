"""How trainers put several rows into one sequence."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Sequence

import numpy as np

from glmlint.trainer.layout import IGNORE_INDEX, Tokens


def joined(rows: Sequence[Tokens]) -> Tokens:
    """Rows one after the other, as one."""
    return Tokens(
        np.concatenate([row.input_ids for row in rows]),
        np.concatenate([row.labels for row in rows]),
        np.concatenate([row.owners for row in rows]),
    )


def best_fit(rows: Sequence[Tokens], budget: int) -> list[Tokens]:
    """Best fit, longest first: each row goes where the least room is left that is enough for it.

    Rows keep apart: the first token of each is without a label, as no row is told from another's end.

    Args:
        rows: none longer than the budget; empty ones are left out.
        budget: of a sequence, in tokens.
    """
    rows = sorted((row for row in rows if len(row.input_ids)), key=lambda row: -len(row.input_ids))
    bins: list[list[Tokens]] = []
    with_room: defaultdict[int, deque[int]] = defaultdict(deque)  # room -> bins, oldest first
    rooms: list[int] = []
    for row in rows:
        size = len(row.input_ids)
        at = bisect_left(rooms, size)
        if at == len(rooms) or rooms[at] == budget:
            room, place = budget, len(bins)
            bins.append([])
        else:
            room = rooms[at]
            place = with_room[room].popleft()
            if not with_room[room]:
                rooms.pop(at)
        bins[place].append(row)
        room -= size
        if room > 0 and not with_room[room]:
            insort(rooms, room)
        with_room[room].append(place)
    return [joined([_apart(row) for row in found]) for found in bins]


def _apart(row: Tokens) -> Tokens:
    labels = row.labels.copy()
    labels[:1] = IGNORE_INDEX
    return Tokens(row.input_ids, labels, row.owners)


def wrapped(rows: Sequence[Tokens], budget: int) -> list[Tokens]:
    """All rows as one stream, cut into sequences of the budget; the last may be shorter."""
    rows = [row for row in rows if len(row.input_ids)]
    if not rows:
        return []
    stream = joined(rows)
    size = len(stream.input_ids)
    return [stream.part(slice(at, at + budget)) for at in range(0, size, max(budget, 1))]
