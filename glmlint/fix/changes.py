"""What a repair changes in a file, row by row: which rules made what of which row."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from typing import IO, Final

from msgspec import Struct

from glmlint.fix.diff import compared
from glmlint.fix.files import Draft
from glmlint.fix.stream import FileForm, form_of, pieces, utf8_copy
from glmlint.fix.trail import Step, Trail, flat

_LONGEST_RUN: Final = 2000
"""Rows that change one after the other and are looked at together."""


class ChangedRow(Struct):
    """One row that is not as it was."""

    number: int
    """1-based: of its line, or of the row where rows are not lines."""
    before: bytes
    steps: list[Step]
    """What each rule made of it; none where the row is dropped."""
    dropped: str | None = None
    """The rule that drops the row; None where it stays."""
    parts: int = 1
    """How many rows it becomes, each on a line of its own."""


class Reshaping(Struct, frozen=True):
    """What changes in the file as a whole."""

    encoding: str = ""
    """The encoding that it had, where it is written in UTF-8 now."""
    rows: bool = False
    """It is written with one row a line."""
    mark: bool = False
    """Its byte order mark goes."""
    blanks: bool = False
    """Its blank lines go."""
    lines: bool = True
    """Its rows are lines, by whose numbers they are known."""


def reshaping(draft: Draft) -> Reshaping:
    """What a draft changes in its file as a whole."""
    assert draft.temporary is not None  # only of files that change
    with draft.real.open("rb") as old, draft.temporary.open("rb") as new:
        before, after = form_of(old, draft.path), form_of(new, draft.path)
    rules = {defect.rule: defect for defect in before.defects}
    return Reshaping(
        encoding=str(rules["not-utf8"].values["encoding"]) if before.codec is not None else "",
        rows=before.mode != "lines" and after.mode == "lines",
        mark="byte-order-mark" in rules and not after.start,
        blanks=draft.done.fixed["blank-line"] > 0,
        lines=before.mode == "lines",
    )


def changes(draft: Draft, trail: Trail) -> Iterator[ChangedRow]:
    """The rows that a draft changes, in their order."""
    assert draft.temporary is not None  # only of files that change
    with (
        draft.real.open("rb") as old,
        draft.temporary.open("rb") as new,
        tempfile.TemporaryFile() as copy,
    ):
        form = form_of(old, draft.path)
        source: IO[bytes] = old
        if form.codec is not None:
            utf8_copy(old, form, copy)
            source, form = copy, form_of(copy, draft.path)
        olds = _Rows(source, form)
        news = _Rows(new, form_of(new, draft.path))
        minus: list[tuple[int, bytes]] = []
        plus: list[bytes] = []
        for mark, row in compared(olds, news):
            number = 0 if mark == b"+" else olds.numbers.popleft()
            if mark == b"-":
                minus.append((number, row[:-1]))
            elif mark == b"+":
                plus.append(row[:-1])
            if mark == b" " or len(minus) > _LONGEST_RUN:
                yield from _paired(minus, plus, trail)
                minus, plus = [], []
        yield from _paired(minus, plus, trail)


class _Rows:
    """The rows of a file, as a stream of lines."""

    def __init__(self, handle: IO[bytes], form: FileForm) -> None:
        self.numbers: deque[int] = deque()
        """Of the rows that have been read."""
        self._rows = self._read(handle, form)

    def readline(self) -> bytes:
        """The next row and a line end; b"" after the last."""
        return next(self._rows, b"")

    def _read(self, handle: IO[bytes], form: FileForm) -> Iterator[bytes]:
        lines = number = 0
        for piece in pieces(handle, form):
            lines += piece.gap.count(b"\n")
            if piece.row is None and piece.passed is None:
                continue
            lines += 1
            number += 1
            self.numbers.append(lines if form.mode == "lines" else number)
            yield (b"" if piece.row is None else flat(piece.row)) + b"\n"


def _paired(
    minus: list[tuple[int, bytes]], plus: list[bytes], trail: Trail
) -> Iterator[ChangedRow]:
    """Rows that went and rows that came, brought together by the way that each has come."""
    waiting: dict[bytes, deque[ChangedRow]] = {}
    found = [ChangedRow(number, row, []) for number, row in minus]
    for change in found:
        waiting.setdefault(change.before, deque()).append(change)
    seen: dict[bytes, ChangedRow] = {}
    strays: list[bytes] = []
    for row in plus:
        way = trail.way(row)
        origin = way[0].before if way else row
        if queue := waiting.get(origin):
            seen[origin] = queue.popleft()
            seen[origin].steps = way
        elif origin in seen:
            seen[origin].parts += 1
        else:
            strays.append(row)
    left = [change for change in found if not change.steps]
    if len(left) == len(strays):
        for change, row in zip(left, strays, strict=True):
            change.steps = [Step("", change.before, row)]
    for change in found:
        if not change.steps:
            change.dropped = trail.dropped_by(change.before)
        yield change
