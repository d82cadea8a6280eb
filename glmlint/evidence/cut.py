"""What the budget cuts of one row: how bad it is, and in which turn the cut falls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from glmlint.evidence.teaching import written_role
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import IGNORE_INDEX, Tokens, authors
from glmlint.trainer.row import Row, per_row


def verdict(row: Row, limit: float) -> str | None:
    """The one rule that speaks of a cut row, the worst that holds; None for a row that fits.

    `answer-fully-truncated`, `over-truncated` (the lost share exceeds the limit) or
    `truncated`. Of a row that is left out for its length, `would-be-dropped` speaks.
    """
    if row.layout is None or row.dropped is not None or row.error is not None:
        return None
    if row.tokens <= row.kept:
        return None
    if row.supervised and not row.kept_supervised:
        return "answer-fully-truncated"
    if row.supervised and row.lost_supervised / row.supervised > limit:
        return "over-truncated"
    return "truncated"


@per_row
def kept_places(row: Row) -> npt.NDArray[np.int64]:
    """Places of the row's tokens that are in some sequence after the cut, in order."""
    tokens = row.all_tokens
    numbers = np.arange(len(tokens.input_ids), dtype=np.int32)
    numbered = Tokens(tokens.input_ids, tokens.labels, numbers, tokens.units)
    try:
        parts = row.context.trainer.cut(numbered, row.plan.max_length, row.context)
    except (Dropped, TrainerError):
        parts = []
    places = [part.owners.astype(np.int64) for part in parts]
    return np.unique(np.concatenate(places)) if places else np.zeros(0, np.int64)


def lost_places(row: Row) -> npt.NDArray[np.int64]:
    """Places of the row's tokens that the cut takes away, in order."""
    return np.setdiff1d(np.arange(row.tokens), kept_places(row), assume_unique=True)


def cut_message(row: Row) -> int:
    """Index of the turn of the first lost token; for an appended end, the last turn."""
    owners = row.all_tokens.owners
    lost = lost_places(row)
    first = int(owners[lost[0]]) if len(lost) else -1
    return first if first >= 0 else max(int(owners.max()), 0)


def loses_end_only(row: Row) -> bool:
    """Whether nothing but the appended end token is cut."""
    lost = lost_places(row)
    return len(lost) == 1 and int(lost[0]) == row.tokens - 1 and row.all_tokens.owners[-1] < 0


class CutAnswer(NamedTuple):
    """An answer of which the cut takes a part of what is supervised."""

    turn: int
    finished: bool
    """The kept part is taught as a whole answer: a stop is taught behind it."""


def cuts_an_answer(row: Row) -> CutAnswer | None:
    """The first answer that loses some of its supervised tokens and keeps others; None without one."""
    if not (row.kept_supervised and row.lost_supervised):
        return None
    tokens = row.all_tokens
    taught = tokens.labels != IGNORE_INDEX
    taught[0] = False
    whose = authors(tokens.owners)
    kept, lost = kept_places(row), lost_places(row)
    cut = np.intersect1d(whose[kept[taught[kept]]], whose[lost[taught[lost]]])
    for turn in cut.tolist():
        if turn < 0 or written_role(row, turn) != "assistant":
            continue
        own = np.flatnonzero(tokens.owners[kept] == turn)
        if not len(own):
            continue
        after = int(own[-1]) + 1
        finished = after < len(kept) and bool(taught[kept[after]])
        if not finished or (tokens.owners[lost] == turn).any():
            return CutAnswer(turn, finished)  # else a stop is taught, though another token's place
    return None
