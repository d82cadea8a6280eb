"""Pieces and their lengths -> ids, labels, truncation and counts, a chunk of rows at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise, repeat
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from glmlint.trainer.base import Context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import NONE, SAME, Int32, Layout, Piece, Tokens

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """What the budget leaves of each of n rows; every array has n int64 entries."""

    tokens: Int
    """Length of the whole sequence."""
    supervised: Int
    """Labels that are not -100 at index 1 or later, before truncation."""
    kept: Int
    kept_supervised: Int
    sequences: Int
    """How many sequences each row becomes: 0 where it is left out for its length."""
    faults: dict[int, TrainerError | Dropped]
    """Row -> why the trainer's cut ends the run there, or leaves the row out."""
    grid: Int | None
    """Kept supervised tokens of all rows at each budget of `GRID`, where the cut keeps no prefix."""
    edges: Int
    """Sorted places where the number of rows that supervise a place changes."""
    changes: Int
    """By how much it changes there: the running sum is the number of supervised tokens at a place."""


GRID: Final = tuple(
    sorted(power * part // 2 for power in map((2).__pow__, range(4, 22)) for part in (2, 3))
)
"""Budgets, two a doubling, at which kept tokens are counted where the cut keeps no prefix."""
_GRID: Final = np.array(GRID)


def count(rows: Sequence[Layout], context: Context) -> Counts:
    """Count a chunk of rows with one call of the tokenizer.

    Args:
        rows: layouts, each with at least one piece.
        context: whose plan gives the budget.
    """
    trainer = context.trainer
    if trainer.cuts_prefix:
        return _count_prefixes(rows, context)
    # A budget of a token or two may leave a row out, and that is for the cut to say.
    return (_count_units if trainer.cuts_units and context.plan.max_length > 2 else _count)(
        rows, context
    )


def _count(rows: Sequence[Layout], context: Context) -> Counts:
    """Count rows one by one: what is kept of each is for the trainer's cut to say."""
    size = len(rows)
    columns = np.zeros((5, size), np.int64)
    tokens, supervised, kept, kept_supervised, parts = columns
    grid = np.zeros(len(GRID), np.int64)
    faults: dict[int, TrainerError | Dropped] = {}
    places: list[Int] = []
    budget = context.plan.max_length
    keeps = context.trainer.keeps_of_longer(context.options)
    for index, row in enumerate(sequences(rows, context)):
        size = len(row.input_ids)
        taught = np.flatnonzero(row.labels[1:] != NONE) + 1
        places.append(taught)
        tokens[index] = size
        supervised[index] = len(taught)
        try:
            found = context.trainer.cut(row, budget, context)
        except (TrainerError, Dropped) as fault:
            faults[index] = fault
            found = []
        parts[index] = len(found)
        kept[index] = sum(len(part.input_ids) for part in found)
        left = kept_supervised[index] = sum(part.supervised for part in found)
        if keeps is None:
            _ask(row, grid, context)
            continue
        if size > budget and keeps != "everything":
            left = _kept_at(row, size, context)
        whole = bisect_left(GRID, size)  # from this budget on the row is not longer
        grid[whole:] += left
        if keeps == "everything":
            grid[:whole] += left
        elif keeps == "start":
            grid[:whole] += np.searchsorted(taught, _GRID[:whole])
    edges, changes = _steps(np.concatenate(places) if places else np.zeros(0, np.int64))
    return Counts(tokens, supervised, kept, kept_supervised, parts, faults, grid, edges, changes)


def _steps(places: Int) -> tuple[Int, Int]:
    """As `supervised_places`, of ranges of one place each."""
    changes = np.diff(np.bincount(places), prepend=0, append=0)
    edges = np.flatnonzero(changes)
    return edges, changes[edges]


def _ask(row: Tokens, grid: Int, context: Context) -> None:
    """Add what the trainer's cut keeps of a row at each budget of `GRID`."""
    longer = bisect_right(GRID, len(row.input_ids))  # budgets from this one on are
    if longer < len(GRID):
        grid[longer:] += _kept_at(row, GRID[longer], context)
    for at in reversed(range(longer)):  # from the longest part on, whose places hold for the others
        grid[at] += _kept_at(row, GRID[at], context)


def _kept_at(row: Tokens, budget: int, context: Context) -> int:
    """How many supervised tokens of a row a budget keeps."""
    try:
        return sum(part.supervised for part in context.trainer.cut(row, budget, context))
    except (TrainerError, Dropped):
        return 0


@dataclass(frozen=True)
class Pieces:
    """The pieces of a chunk of rows, an entry a piece."""

    first: Int
    """Of each row the number of its first piece, and of all pieces at the end."""
    row: Int
    length: Int
    start: Int
    """Place of the first token in the row."""
    head: npt.NDArray[np.bool_]
    """Whether the first token carries loss."""
    rest: npt.NDArray[np.bool_]
    """Whether the others do."""
    tokens: Int
    """Length of each row."""

    @property
    def labelled(self) -> tuple[Int, Int, Int]:
        """Pieces that carry loss, and where: half-open ranges of places in the row.

        Of a piece it is the first token, the others, or both: one range. Place 0 is in no loss.
        """
        some = np.flatnonzero(self.head | self.rest)
        start = self.start[some]
        stop = np.where(self.rest[some], start + self.length[some], start + 1)
        start = np.maximum(np.where(self.head[some], start, start + 1), 1)
        return some, start, np.maximum(stop, start)


_SIZES: Final = {int: 1, str: -1}
"""Type of a piece -> its tokens: of a text they are counted later, of encoded ones they are there."""


def _sizes(pieces: Sequence[Piece]) -> tuple[Int, list[int]]:
    """How many tokens each piece has, of texts -1; and where those stand that are encoded."""
    sizes = np.fromiter(map(_SIZES.get, map(type, pieces), repeat(0)), np.int64, len(pieces))
    given: list[int] = np.flatnonzero(sizes == 0).tolist()
    for place in given:
        sizes[place] = len(pieces[place].ids)  # type: ignore[union-attr]  # neither int nor str
    return sizes, given


def _pieces(rows: Sequence[Layout], context: Context) -> Pieces:
    pieces = [*chain.from_iterable([row.pieces for row in rows])]
    number = len(pieces)
    lengths, _ = _sizes(pieces)
    texts = [piece for piece in pieces if type(piece) is str]
    if texts:
        lengths[lengths < 0] = context.tokenizer.lengths(texts)
    labels = chain.from_iterable([row.first for row in rows])
    head = np.fromiter(labels, np.int64, number) != NONE
    labels = chain.from_iterable([row.rest for row in rows])
    rest = np.fromiter(labels, np.int64, number) != NONE
    first = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row.pieces) for row in rows], out=first[1:])
    ends = np.cumsum(lengths)
    base = np.concatenate(([0], ends))[first]  # token place in the chunk where each row starts
    for layout, (begin, end) in zip(rows, pairwise(first.tolist()), strict=True):
        layout.sizes = lengths[begin:end]
    row = np.repeat(np.arange(len(rows)), np.diff(first))
    return Pieces(first, row, lengths, ends - lengths - base[row], head, rest, np.diff(base))


def _count_prefixes(rows: Sequence[Layout], context: Context) -> Counts:
    """Count rows of which the first tokens are kept: arithmetic over the chunk, ids are not needed."""
    pieces = _pieces(rows, context)
    some, start, stop = pieces.labelled
    row = pieces.row[some]
    size = len(rows)
    supervised = np.bincount(row, stop - start, size).astype(np.int64)
    edges, changes = supervised_places(start, stop)
    budget = context.plan.max_length
    kept = np.minimum(pieces.tokens, budget)
    inside = np.maximum(np.minimum(stop, budget) - start, 0)
    kept_supervised = np.bincount(row, inside, size).astype(np.int64)
    ones = np.ones(size, np.int64)
    return Counts(
        pieces.tokens, supervised, kept, kept_supervised, ones, {}, None, edges, changes
    )  # fmt: skip


_AT_ONCE: Final = 1 << 20
"""Numbers in one array, a number a unit and budget: what stays small in memory."""


def _count_units(rows: Sequence[Layout], context: Context) -> Counts:
    """Count rows of which the start of each unit is kept: arithmetic too, for all budgets at once."""
    pieces = _pieces(rows, context)
    unit = np.fromiter((n for row in rows for n in row.units or ()), np.int64, len(pieces.row))
    some, start, stop = pieces.labelled
    supervised = np.bincount(pieces.row[some], stop - start, len(rows)).astype(np.int64)
    edges, changes = supervised_places(start, stop)
    kept, kept_supervised = np.zeros((2, len(rows)), np.int64)
    grid = np.zeros(len(GRID), np.int64)
    budgets = np.array((*GRID, context.plan.max_length))
    edge = np.searchsorted(some, pieces.first)
    units = np.array([row.units[-1] + 1 if row.units else 0 for row in rows])
    for number in np.unique(units).tolist():
        alike = np.flatnonzero(units == number)
        step = max(_AT_ONCE // (number * len(budgets)), 1)
        for batch in (alike[at : at + step] for at in range(0, len(alike), step)):
            inside, of = _ranges(pieces.first[batch], pieces.first[batch + 1])
            lengths = np.zeros((len(batch), number), np.int64)
            np.add.at(lengths, (of, unit[inside]), pieces.length[inside])
            sizes = np.zeros((len(batch), number, len(budgets)), np.int64)
            for which, found in context.trainer.keep_units(lengths, budgets, context):
                sizes[:, which] = found
            taught, of = _ranges(edge[batch], edge[batch + 1])
            of_unit = unit[some[taught]]
            base = (np.cumsum(lengths, 1) - lengths)[of, of_unit]
            reach = np.minimum((stop[taught] - base)[:, None], sizes[of, of_unit])
            reach = np.maximum(reach - (start[taught] - base)[:, None], 0)
            # What is left may begin later than the row: its first token is in no loss then.
            heads = np.zeros((len(batch), number), np.int64)
            opens = start[taught] == base
            heads[of[opens], of_unit[opens]] = 1
            lost = np.take_along_axis(heads, np.argmax(sizes > 0, 1), 1)
            grid += reach[:, :-1].sum(0) - lost[:, :-1].sum(0)
            kept[batch] = sizes[:, :, -1].sum(1)
            taught_here = np.bincount(of, reach[:, -1], len(batch)).astype(np.int64)
            kept_supervised[batch] = taught_here - lost[:, -1]
    ones = np.ones(len(rows), np.int64)
    return Counts(
        pieces.tokens, supervised, kept, kept_supervised, ones, {}, grid, edges, changes
    )  # fmt: skip


def _ranges(start: Int, stop: Int) -> tuple[Int, Int]:
    """The numbers of several ranges one after the other, and for each the number of its range."""
    sizes = stop - start
    of = np.repeat(np.arange(len(sizes)), sizes)
    return np.arange(len(of)) + (start - np.cumsum(sizes) + sizes)[of], of


def supervised_places(start: Int, stop: Int) -> tuple[Int, Int]:
    """Half-open ranges of places -> where their number changes, and by how much."""
    real = stop > start
    places = np.concatenate((start[real], stop[real]))
    steps = np.concatenate((np.ones(real.sum(), np.int64), -np.ones(real.sum(), np.int64)))
    return sum_at(places, steps)


def sum_at(places: Int, steps: Int) -> tuple[Int, Int]:
    """Sum the steps of equal places; the places come back sorted."""
    edges, inverse = np.unique(places, return_inverse=True)
    changes = np.bincount(inverse, steps, len(edges)).astype(np.int64)
    return edges[changes != 0], changes[changes != 0]


def sequence(layout: Layout, context: Context) -> Tokens:
    """Ids and labels of one row before truncation; -100 where a token is in no loss."""
    return next(sequences([layout], context))


def sequences(rows: Sequence[Layout], context: Context) -> Iterator[Tokens]:
    """`sequence` of each row, with one call of the tokenizer."""
    found = _assembled([row for row in rows if row.tokens is None], context)
    for row in rows:
        yield next(found) if row.tokens is None else replace(row.tokens)


def input_ids(rows: Sequence[Layout], context: Context) -> list[Int32]:
    """The ids of `sequences` alone."""
    ids, _, places = _ids([row for row in rows if row.tokens is None], context)
    found = iter(pairwise(places))
    return [
        ids[slice(*next(found))] if row.tokens is None else row.tokens.input_ids for row in rows
    ]


def _ids(rows: Sequence[Layout], context: Context) -> tuple[Int32, Int, list[int]]:
    """The ids of all pieces of rows, one after the other.

    Returns:
        The ids, how many each piece has, and where each row begins and the last one ends.
    """
    pieces = [*chain.from_iterable([row.pieces for row in rows])]
    texts = [piece for piece in pieces if type(piece) is str]
    encoded, offsets = context.tokenizer.encode(texts)
    sizes, given = _sizes(pieces)
    are_texts = sizes < 0
    sizes[are_texts] = np.diff(offsets)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    ids = np.empty(int(ends[-1]) if len(ends) else 0, np.int32)
    ids[np.repeat(are_texts, sizes)] = encoded.view(np.int32)
    controls = [piece for piece in pieces if type(piece) is int]
    are_controls = ~are_texts
    are_controls[given] = False
    ids[starts[are_controls]] = controls
    for place in given:
        ids[starts[place] : ends[place]] = pieces[place].ids  # type: ignore[union-attr]
    last = [0, *accumulate(len(row.pieces) for row in rows)]
    return ids, sizes, np.append(0, ends)[last].tolist()


def _assembled(rows: Sequence[Layout], context: Context) -> Iterator[Tokens]:
    ids, sizes, places = _ids(rows, context)
    number = len(sizes)
    rest = np.fromiter(chain.from_iterable([row.rest for row in rows]), np.int64, number)
    first = np.fromiter(chain.from_iterable([row.first for row in rows]), np.int64, number)
    owned = np.fromiter(chain.from_iterable([row.owners for row in rows]), np.int32, number)
    labels = np.where(np.repeat(rest == SAME, sizes), ids, np.int32(NONE))
    at = (np.cumsum(sizes) - sizes)[sizes > 0]
    head = first[sizes > 0]
    labels[at] = np.where(head == SAME, ids[at], head)
    owners = np.repeat(owned, sizes)
    begun = 0
    for row, (start, stop) in zip(rows, pairwise(places), strict=True):
        own = sizes[begun : begun + len(row.pieces)]
        begun += len(row.pieces)
        units = None if row.units is None else np.repeat(np.array(row.units, np.int32), own)
        weights = None if row.weights is None else np.repeat(np.array(row.weights, np.float32), own)
        yield Tokens(ids[start:stop], labels[start:stop], owners[start:stop], units, weights)
