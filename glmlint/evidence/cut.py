"""What the budget cuts of one row: how bad it is, and in which turn the cut falls."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from glmlint.evidence.teaching import written_role
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import IGNORE_INDEX, Tokens, authors
from glmlint.trainer.row import Row, per_row


def verdict(row: Row, limit: float) -> str | None:
    """The one rule that reports a cut row, the worst that applies; None for a row that fits.

    `answer-fully-truncated`, `over-truncated` (the lost share exceeds the limit) or
    `truncated`. `would-be-dropped` reports a row that is left out for its length.
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


class Outline(NamedTuple):
    """The tokens of a row as far as the cut asks for them: of many like ones in a row, some."""

    owners: npt.NDArray[np.int32]
    taught: npt.NDArray[np.bool_]
    """Whether each is in the loss."""
    kept: npt.NDArray[np.bool_]
    """Whether each is in some sequence after the cut."""
    first_taught: int
    """Place of the first token that is in the loss, in the row."""


@per_row
def kept_parts(row: Row) -> list[Tokens]:
    """The sequences that the cut makes of the row; an owner is the token's place in the row."""
    tokens = row.all_tokens
    places = np.arange(len(tokens.input_ids), dtype=np.int32)
    numbered = Tokens(tokens.input_ids, tokens.labels, places, tokens.units)
    try:
        return row.context.trainer.cut(numbered, row.plan.max_length, row.context)
    except (Dropped, TrainerError):
        return []


@per_row
def kept_places(row: Row) -> npt.NDArray[np.int64]:
    """Places of the row's tokens that are in some sequence after the cut, in order."""
    found = np.zeros(len(row.all_tokens.input_ids), np.bool_)
    for part in kept_parts(row):
        found[part.owners] = True
    return np.flatnonzero(found)


@per_row
def _outline(row: Row) -> Outline:
    layout = row.layout
    assert layout is not None
    if not (row.context.trainer.cuts_prefix and layout.sizes is not None):
        tokens = row.all_tokens
        taught = tokens.labels != IGNORE_INDEX
        taught[0] = False
        kept = np.zeros(len(taught), np.bool_)
        kept[kept_places(row)] = True
        return Outline(tokens.owners, taught, kept, int(np.argmax(taught)))
    # Of a piece the first token, two of the others that are kept, and two of those that are not.
    stop = np.cumsum(layout.sizes)
    start = stop - layout.sizes
    budget = row.kept
    head = np.array(layout.first) != IGNORE_INDEX
    head[0] = False
    rest = np.array(layout.rest) != IGNORE_INDEX
    inside = np.minimum(stop, budget) - start - 1
    behind = stop - np.maximum(start + 1, budget)
    one = np.ones(len(stop), np.int64)
    numbers = np.stack((one, inside.clip(0, 2), behind.clip(0, 2)), 1).ravel()
    yes, no = one > 0, one < 0
    taught = np.repeat(np.stack((head, rest, rest), 1).ravel(), numbers)
    kept = np.repeat(np.stack((start < budget, yes, no), 1).ravel(), numbers)
    owners = np.repeat(np.repeat(np.array(layout.owners, np.int32), 3), numbers)
    places = np.where(head, start, np.where(rest & (layout.sizes > 1), start + 1, stop[-1]))
    return Outline(owners, taught, kept, int(places.min()))


def first_taught(row: Row) -> int:
    """Place of the row's first token that is in the loss; it has one."""
    return _outline(row).first_taught


def cut_message(row: Row) -> int:
    """Index of the turn of the first lost token; for an appended end, the last turn."""
    found = _outline(row)
    place = int(np.argmin(found.kept))
    first = -1 if found.kept[place] else int(found.owners[place])
    return first if first >= 0 else max(int(found.owners.max()), 0)


MOST_TOKENS: Final = 100_000
"""Tokens of the longest row in which the place of a cut is looked for: it takes all of them."""


def cut_part(row: Row, turn: int) -> tuple[int, int] | None:
    """The part of a turn's text that the budget cuts off; None where that is not a part of it."""
    if row.tokens > MOST_TOKENS:
        return None
    parts = _cut_parts(row)
    if turn not in parts:
        parts[turn] = _cut_part(row, turn)
    return parts[turn]


@per_row
def _cut_parts(_row: Row) -> dict[int, tuple[int, int] | None]:
    """What `cut_part` has found: several rules ask for the same turn."""
    return {}


def _cut_part(row: Row, turn: int) -> tuple[int, int] | None:
    texts = {index: text for index, _, text in row.texts}
    if turn not in texts or not row.writes(turn) or not row.context.trainer.cuts_prefix:
        return None
    tokens, text = row.all_tokens, texts[turn].encode("utf-8", "surrogatepass")
    mine = np.flatnonzero(tokens.owners == turn)
    lost: list[int] = tokens.input_ids[mine[mine >= row.kept]].tolist()
    if len(lost) == len(mine):
        return None
    known = row.context.tokenizer
    begin, last = known.bytes_of(lost[:-3]), [known.token_bytes(token) for token in lost[-3:]]
    for end in range(len(last), 0, -1):  # a stop token may stand behind it
        tail = begin + b"".join(last[:end])
        if tail and text.endswith(tail):
            start = len(text[: -len(tail)].decode("utf-8", "ignore"))
            return row.positions.part(row.at(turn, "content"), start, len(texts[turn]))
    return None


def loses_end_only(row: Row) -> bool:
    """Whether nothing but the appended end token is cut."""
    found = _outline(row)
    return (
        not found.kept[-1]
        and int(np.count_nonzero(~found.kept)) == 1
        and bool(found.owners[-1] < 0)
    )


class CutAnswer(NamedTuple):
    """An answer of which the cut takes a part of what is supervised."""

    turn: int
    finished: bool
    """The kept part is trained as a whole answer: a stop token is trained after it."""


def cuts_an_answer(row: Row) -> CutAnswer | None:
    """The first answer that loses some of its supervised tokens and keeps others; None without one."""
    if not (row.kept_supervised and row.lost_supervised):
        return None
    all_owners, all_taught, kept, _ = _outline(row)
    whose = authors(all_owners, all_taught)
    owners, taught = all_owners[kept], all_taught[kept]
    # Sets: numpy's own intersection loads its masked arrays.
    parts = (_runs(whose[all_taught & part]) for part in (kept, ~kept))
    cut = set.intersection(*(set(part.tolist()) for part in parts))
    lost = set(_runs(all_owners[~kept]).tolist())
    for turn in sorted(cut):
        if turn < 0 or written_role(row, turn) != "assistant":
            continue
        own = np.flatnonzero(owners == turn)
        if not len(own):
            continue
        after = int(own[-1]) + 1
        finished = after < len(owners) and bool(taught[after])
        if not finished or turn in lost:
            return CutAnswer(turn, finished)  # else a stop is taught, though another token's place
    return None


def _runs(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The first of each run of equal numbers."""
    if not len(numbers):
        return numbers
    return numbers[np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))]
