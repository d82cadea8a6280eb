"""Sequences of a batch beside what `encode` gives for the rows that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.api.words import word
from glmlint.engine.encode import EncodedRow

Ids = npt.NDArray[np.int64]

_NEAR: Final = 1000
"""Rows among which the most similar one is looked for, where a sequence matches none."""


class BatchDifference(Struct, frozen=True):
    """One sequence that differs from what `encode` gives."""

    row: int
    """0-based number of the row in the batch."""
    sequence: int
    """0-based number of the sequence in its row."""
    what: Literal["ids", "labels"]
    token: int
    """Place of the first token that differs, in the sequence."""
    here: int | None
    """The id or label that the batch has there; None past its end."""
    expected: int | None
    """The same of the row that is expected."""
    path: str | None
    """Of the most similar expected row; None where none is similar."""
    line: int | None

    def say(self, lang: str) -> str:
        """It as a sentence."""
        name = f"{self.row}.{self.sequence}" if self.sequence else f"{self.row}"
        if self.path is None:
            return word("batch-no-row", lang, row=name)
        told = {"here": self.here, "expected": self.expected}
        return word(
            f"batch-differs-{self.what}", lang, row=name, token=self.token,
            place=f"{self.path}:{self.line}",
            **{key: word("batch-end", lang) if value is None else str(value)
               for key, value in told.items()},
        )  # fmt: skip


def differences_of(
    names: Sequence[tuple[int, int]],
    sequences: Sequence[tuple[Ids, Ids]],
    rows: Iterable[EncodedRow],
) -> list[BatchDifference]:
    """The sequences that match none of the rows, each with the most similar row.

    The first label of a sequence is not compared: it is in no loss, and collators set it to -100.

    Args:
        names: (row, sequence) of each of the sequences.
        sequences: ids and labels, without padding.
        rows: what the trainer makes of the rows, in any order; they are not held.
    """
    wanted: dict[bytes, list[int]] = {}
    for number, (ids, _) in enumerate(sequences):
        wanted.setdefault(_key(ids), []).append(number)
    open_ = {number for number, (ids, _) in enumerate(sequences) if len(ids)}
    nearest: dict[int, BatchDifference] = {}
    length: dict[int, int] = {}
    for count, row in enumerate(rows):
        if not open_:
            break
        if row.error is not None or row.dropped is not None:
            continue
        same = wanted.get(_key(row.input_ids), ())
        for number in same:
            if number not in open_:
                continue
            at = _first(sequences[number][1], row.labels, 1)
            if at is None:
                open_.discard(number)
                nearest.pop(number, None)
            else:
                length[number] = len(row.input_ids) + 1  # nearer than any other row
                nearest[number] = _difference(names[number], sequences[number], row, at, "labels")
        if count >= _NEAR:
            continue
        for number in open_.difference(same):
            at = _first(sequences[number][0], row.input_ids, 0)
            if at is not None and at > length.get(number, 0):
                length[number] = at
                nearest[number] = _difference(names[number], sequences[number], row, at, "ids")
    return [
        nearest.get(number) or BatchDifference(*names[number], "ids", 0, None, None, None, None)
        for number in sorted(open_)
    ]


def _key(ids: npt.NDArray[Any]) -> bytes:
    return ids.astype(np.int64).tobytes()


def _first(one: npt.NDArray[Any], other: npt.NDArray[Any], begin: int) -> int | None:
    """The first place at which two rows differ; None where they do not."""
    size = min(len(one), len(other))
    apart = np.flatnonzero(one[begin:size] != other[begin:size])
    if len(apart):
        return int(apart[0]) + begin
    return None if len(one) == len(other) else size


def _difference(
    name: tuple[int, int],
    sequence: tuple[Ids, Ids],
    row: EncodedRow,
    at: int,
    what: Literal["ids", "labels"],
) -> BatchDifference:
    here, expected = (sequence[0], row.input_ids) if what == "ids" else (sequence[1], row.labels)
    return BatchDifference(
        *name, what, at,
        int(here[at]) if at < len(here) else None,
        int(expected[at]) if at < len(expected) else None,
        row.path, row.line,
    )  # fmt: skip
