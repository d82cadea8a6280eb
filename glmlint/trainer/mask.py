"""Pieces and their lengths -> ids, labels, truncation and counts, a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glmlint.trainer.base import IGNORE_INDEX, Context, Rendered, text_of

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
    edges: Int
    """Sorted places where the number of rows that supervise a place changes."""
    changes: Int
    """By how much it changes there: the running sum is the number of supervised tokens at a place."""


def count(rows: Sequence[Rendered], context: Context) -> Counts:
    """Count a chunk of rows with one call of the tokenizer.

    Args:
        rows: rendered samples, each with at least one piece.
        context: whose plan gives the budget.
    """
    recipe = context.recipe
    pieces = [piece for row in rows for piece in row.pieces]
    lengths = np.array(
        [1 if type(p) is int else -1 if type(p) is str else len(p.ids) for p in pieces],  # type: ignore[union-attr]
        np.int64,
    )
    texts = [piece for piece in pieces if type(piece) is str]
    if texts:
        lengths[lengths < 0] = np.diff(context.tokenizer.encode(texts)[1])
    trained = np.array([flag for row in rows for flag in row.trained], bool)
    first = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row.pieces) for row in rows], out=first[1:])

    ends = np.cumsum(lengths)
    base = np.concatenate(([0], ends))[first]  # token place in the chunk where each row starts
    tokens = np.diff(base)
    row_of = np.repeat(np.arange(len(rows)), np.diff(first))
    # Label places of the trained pieces, in their row: moved by the recipe's shift, place 0 is in
    # no loss, and nothing lies past the row's end.
    start = (ends - lengths - base[row_of])[trained] + recipe.shift
    stop = (ends - base[row_of])[trained] + recipe.shift
    row_of = row_of[trained]
    start = np.maximum(start, 1)
    stop = np.minimum(stop, tokens[row_of])
    whole = np.maximum(stop - start, 0)
    budget = context.plan.max_length
    inside = np.maximum(np.minimum(stop, budget) - start, 0)
    size = len(rows)
    edges, changes = supervised_places(start, stop)
    return Counts(
        tokens=tokens,
        supervised=np.bincount(row_of, whole, size).astype(np.int64),
        kept=np.minimum(tokens, budget),
        kept_supervised=np.bincount(row_of, inside, size).astype(np.int64),
        edges=edges,
        changes=changes,
    )


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


@dataclass(frozen=True)
class TokenRow:
    """One row as the trainer hands it to the model, before truncation."""

    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    owners: npt.NDArray[np.int32]
    """Index of the message of each token; -1 for the prefix and the appended end."""


def sequence(row: Rendered, context: Context) -> TokenRow:
    """Ids and labels of one row, int32, aligned; -100 where a token is in no loss."""
    ids, starts = text_of(row.pieces, context)
    sizes = np.diff([*starts, len(ids)])
    trained = np.repeat(np.array(row.trained, bool), sizes)
    shift = context.recipe.shift
    if shift:
        trained = np.concatenate((np.zeros(shift, bool), trained))[: len(ids)]
    labels = np.where(trained, ids, IGNORE_INDEX).astype(np.int32)
    owners = np.repeat(np.array(row.owners, np.int32), sizes)
    return TokenRow(ids, labels, owners)
