"""Converts a file row by row, counts what was lost and refused, and writes atomically."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from glmlint.converters import kinds
from glmlint.converters.base import Format, Kind, Loss, Notes, Refused, formats, reader_of
from glmlint.converters.chat import dump
from glmlint.converters.padding import unpadded
from glmlint.converters.refusals import Refusal, refusal
from glmlint.finding import Defect, Pointer
from glmlint.read.formats import recognise
from glmlint.read.sample import SHAPE_ERRORS, decode_sample, read
from glmlint.read.scan import BLANK, split_values
from glmlint.read.source import Chunk
from glmlint.read.survey import Survey
from glmlint.temporary import new_name

KEPT_REFUSALS: Final = 1000
"""How many refused rows are remembered one by one; all are counted."""

_PIECE_BYTES: Final = 1 << 20


class Count(msgspec.Struct):
    """How often one kind was noted, and where first."""

    kind: Kind
    line: int
    pointer: Pointer
    times: int = 0
    rows: int = 0


class ConvertOutcome(msgspec.Struct):
    """What became of a file."""

    rows: int = 0
    converted: int = 0
    formats: dict[str, int] = {}
    """What the converted rows were: name of the format -> rows."""
    losses: dict[str, Count] = {}
    refused: dict[str, Count] = {}
    refusals: list[Refusal] = []
    """The first KEPT_REFUSALS of them."""
    file_defects: list[Defect] = []

    def exit_code(self, strict: bool) -> int:
        """0 when every row was converted (and, `strict`, nothing was lost), else 1."""
        return 0 if self.rows == self.converted > 0 and not (strict and self.losses) else 1


def convert_value(
    value: Any,
    target: Format,
    source: Format | None = None,
    take: str | None = None,
    survey: Survey | None = None,
) -> tuple[dict[str, Any], list[Loss], Format]:
    """One decoded row -> the row in the target's format, what was lost, and what it was.

    Without a `source` the row's own looks decide. `survey` is what is known of its whole file, where a
    table may have written it. Raises Refused.
    """
    if not isinstance(value, dict | list):
        raise Refused(kinds.UNKNOWN_FORMAT, defect=Defect("not-object"))
    if source is None:
        name = recognise(value)
        if name == "text":
            raise Refused(kinds.PLAIN_TEXT, "text")
        source = reader_of(name) if name else None
        if source is None:
            raise Refused(kinds.UNKNOWN_FORMAT)
    assert target.write is not None
    notes = Notes(take=take)
    value, places = unpadded(value, survey)
    if places:
        notes.add(kinds.NULL_PADDING, *places[0])
    said = source.read(value, notes)
    told = Notes(take=take)
    row = target.write(said, told)
    return row, sorted(told.losses + notes.losses, key=_turn_of), source


def _turn_of(loss: Loss) -> float:
    """Losses in the order of the turns; those of columns behind them."""
    return next((part for part in loss.pointer if isinstance(part, int)), math.inf)


def convert_line(
    raw: bytes,
    target: Format,
    source: Format | None = None,
    take: str | None = None,
    survey: Survey | None = None,
) -> tuple[bytes, list[Loss], Format]:
    """The bytes of one row -> the bytes of the converted one. Raises Refused, nothing else.

    A row that is as the target wants it already keeps its bytes.
    """
    found = read(raw)
    if found.defect is not None:
        raise Refused(kinds.BROKEN, detail=found.defect.rule, defect=found.defect)
    if found.non_finite:
        raise Refused(kinds.NOT_WRITABLE, defect=Defect("non-finite-number"))
    value = found.value
    try:
        row, losses, source = convert_value(value, target, source, take, survey)
        line = raw.strip(BLANK)
        # A row that stands on several lines in its file comes out on one.
        if row is not value or b"\n" in line or b"\r" in line:
            line = dump(row).encode()
    except (ValueError, RecursionError) as error:  # NaN, half a surrogate pair, nested too deep
        raise Refused(kinds.NOT_WRITABLE, detail=str(error)[:60]) from None
    if target.name == "glm4":
        try:
            decode_sample(line)
        except SHAPE_ERRORS as error:
            raise Refused(kinds.SHAPE, detail=str(error)[:60]) from None
    return line, losses, source


def convert_rows(
    chunks: Iterable[Chunk],
    outcome: ConvertOutcome,
    target: Format,
    source: Format | None = None,
    take: str | None = None,
    survey: Survey | None = None,
) -> Iterator[bytes]:
    """The converted rows, in order; `outcome` is counted up on the way."""
    for chunk in chunks:
        outcome.file_defects += chunk.file_defects
        for index, raw in enumerate(chunk.lines):
            number = chunk.numbers[index]
            waiting = [(raw, chunk.defects.get(index))]
            while waiting:
                row, fault = waiting.pop(0)
                try:
                    if fault is not None:
                        raise Refused(kinds.BROKEN, detail=fault.rule, defect=fault)
                    line, losses, was = convert_line(row, target, source, take, survey)
                except Refused as error:
                    if _is_json_fault(error) and row is raw and (parts := split_values(raw)):
                        waiting = [(part, None) for part in parts]  # several rows on one line
                        continue
                    outcome.rows += 1
                    _count(outcome.refused, number, [Loss(error.kind, error.pointer)])
                    if len(outcome.refusals) < KEPT_REFUSALS:
                        outcome.refusals.append(refusal(error, chunk.path, number, row))
                    continue
                outcome.rows += 1
                outcome.converted += 1
                outcome.formats[was.name] = outcome.formats.get(was.name, 0) + 1
                _count(outcome.losses, number, losses)
                yield line


def _is_json_fault(error: Refused) -> bool:
    return error.defect is not None and error.defect.rule == "invalid-json"


def _count(counts: dict[str, Count], line: int, losses: list[Loss]) -> None:
    seen = set()
    for loss in losses:
        name = loss.kind.name
        count = counts.setdefault(name, Count(loss.kind, line, loss.pointer))
        count.times += 1
        count.rows += name not in seen
        seen.add(name)


def writers() -> dict[str, Format]:
    """The formats that can be written, by name."""
    return {name: one for name, one in formats().items() if one.write is not None}


# --- the file ------------------------------------------------------------------------------------


def as_lines(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows -> JSON Lines."""
    for row in rows:
        yield row + b"\n"


def as_array(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows -> one JSON array, a row a line."""
    before = b"[\n"
    for row in rows:
        yield before + row
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def write_atomically(path: Path, pieces: Iterable[bytes], wanted: Callable[[], bool]) -> bool:
    """Write a file beside its place and move it there; at any moment the old or the new stands.

    The mode of a file that was there is kept, and a link stays a link. Where `wanted` says no at
    the end, nothing is changed and False returned. A name that ends in `.gz` is compressed.
    Raises OSError.
    """
    path = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory", str(path))
    if mode is not None and not stat.S_ISREG(mode):  # a pipe or a device cannot be replaced
        with path.open("wb") as stream:
            _write(stream, path, pieces)
        return True
    beside = new_name(path.parent)
    try:  # around the opening too: Ctrl-C may come as soon as the file is there
        # Not through `tempfile`: a new file is to have the mode that the user's umask gives.
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as stream:
            _write(stream, path, pieces)
            stream.flush()
            if not wanted():
                return False
            if mode is not None:
                beside.chmod(stat.S_IMODE(mode))
            os.fsync(stream.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def _write(stream: IO[bytes], path: Path, pieces: Iterable[bytes]) -> None:
    if path.name.endswith(".gz"):
        packer = gzip.GzipFile("", "wb", fileobj=stream, mtime=0)  # no time: same rows, same bytes
        with io.BufferedWriter(cast(io.RawIOBase, packer), _PIECE_BYTES) as buffer:
            buffer.writelines(pieces)
    else:
        stream.writelines(pieces)


def _sync_folder(folder: Path) -> None:
    """Make the move itself last; some file systems do not offer it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
