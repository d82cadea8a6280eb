"""Files -> chunks of rows as bytes, each with the line where it stands."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import IO, Final, cast

import msgspec
import numpy as np
import numpy.typing as npt

from glmlint.finding import Defect
from glmlint.loader import CHUNK
from glmlint.read.charset import BOM, encoding_guess, to_utf8, wide_encoding
from glmlint.read.faults import SourceError, reason_of
from glmlint.read.file_layout import detect, stand_in
from glmlint.read.foreign import refuse_binary, refuse_text
from glmlint.read.memory import RowsInMemory
from glmlint.read.parquet import parquet_rows
from glmlint.read.places import InArray, OverLines, Place, Placer
from glmlint.read.remote import is_remote, is_shared, open_remote
from glmlint.read.scan import BLANK, Ahead, Row, after_blank, scan_values, split_values, too_long
from glmlint.read.unpack import PACKED_BYTES, in_blocks, unpack_gzip, unpack_zstd
from glmlint.text import Text

__all__ = [
    "Chunk",
    "InputFile",
    "Place",
    "Range",
    "SourceError",
    "as_input",
    "encoding_guess",
    "is_packed",
    "line_ranges",
    "read_bytes",
    "read_chunks",
    "read_range",
    "rereadable",
    "rewritable",
    "split_values",
]

HEAD_BYTES: Final = 1 << 20
"""How much of a file decides how its rows stand in it. Not a matter of the chunk's size."""

CHUNK_BYTES: Final = 2 << 20
MAX_LINE: Final = 64 << 20

_MAGIC: Final = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".parquet": b"PAR1"}
"""First bytes of what is not text."""


class InputFile(msgspec.Struct, frozen=True):
    """A file to read."""

    path: str
    """As the user wrote it or as it was found; "-" is standard input."""
    copy: IO[bytes] | None = None
    """Keeps the bytes of a pipe as they are first read; read instead of it from then on."""
    stdin: bool = False
    """Its bytes come from standard input, and `path` is only a name for them."""
    memory: RowsInMemory | None = None
    """Its rows, where it is no file at all; `path` is then a name for them."""

    @property
    def loaded(self) -> bool:
        """Whether its rows are what a trainer gets, so that no loader changes them any more."""
        return self.memory is not None and self.memory.table is not None

    @property
    def is_stdin(self) -> bool:
        """Whether its bytes come from standard input, under whatever name."""
        return self.stdin or self.path == "-"


def as_input(file: str | InputFile) -> InputFile:
    """The file of a path."""
    return InputFile(file) if isinstance(file, str) else file


LineNumbers = npt.NDArray[np.uint32]
"""1-based, sorted: of very many lines in little memory."""


def among(lines: LineNumbers, first: int, after: int | None) -> frozenset[int]:
    """Those of the lines from one number on, up to another; None: to the end."""
    end = len(lines) if after is None else int(np.searchsorted(lines, after))
    return frozenset(lines[int(np.searchsorted(lines, first)) : end].tolist())


class Chunk(msgspec.Struct):
    """Some rows of a file, in order."""

    path: str
    lines: list[bytes] = []
    """Each row's bytes, without a line end. A blank line is not a row."""
    numbers: list[int] | range = range(0)
    """1-based line where each row starts; in Parquet, the row's own number."""
    defects: dict[int, Defect] = {}
    """Index into `lines` -> what is already known to be wrong with that row."""
    file_defects: list[Defect] = []
    """Faults of the whole file; they come once, in the chunk of the file's first row."""
    blank_lines: int = 0
    first_blank: int | None = None
    """1-based line of the first blank one in this chunk."""
    place: Place | None = None
    """Where the rows stand in the file's bytes; None in Parquet."""
    aheads: list[Ahead] = []
    """What stands before each row in its line; empty where rows begin their lines."""

    def among(self, lines: LineNumbers) -> Chunk:
        """As `only`, of lines of the whole file."""
        if not self.lines:
            return self.only(())
        return self.only(among(lines, self.numbers[0], self.numbers[-1] + 1))

    def only(self, lines: Collection[int]) -> Chunk:
        """The rows of some lines; what is said of the whole file stays behind."""
        return self.at([at for at, line in enumerate(self.numbers) if line in lines])

    def at(self, places: Sequence[int]) -> Chunk:
        """The rows at some places in `lines`; what is said of the whole file stays behind."""
        return Chunk(
            self.path,
            [self.lines[at] for at in places],
            [self.numbers[at] for at in places],
            {new: self.defects[at] for new, at in enumerate(places) if at in self.defects},
            place=self.place,
            aheads=[self.aheads[at] for at in places] if self.aheads else [],
        )


# --- chunks --------------------------------------------------------------------------------------


def read_chunks(
    file: InputFile,
    chunk_bytes: int = CHUNK_BYTES,
    max_line: int = MAX_LINE,
    loader_bytes: int = CHUNK,
) -> Iterator[Chunk]:
    """The rows of a file, in chunks of about `chunk_bytes`; memory does not grow with the file.

    A row of more than `max_line` bytes is not read: it has the defect `line-too-long`. Which rows
    come, and in which order, does not depend on `chunk_bytes`. `loader_bytes` is how much `datasets`
    reads at a time. Raises SourceError, also after
    some chunks, when the file cannot be read or is cut off inside its compression.
    """
    if file.memory is not None:
        yield from _of_memory(file, file.memory, chunk_bytes, max_line, loader_bytes)
        return
    try:
        with _opened(file) as handle:
            yield from _chunks_of(handle, file.path, chunk_bytes, max_line, loader_bytes)
    except SourceError as error:
        error.path = file.path
        raise
    except OSError as error:
        raise SourceError(Text("{why}", "{why}"), why=reason_of(error)) from error


def read_bytes(
    data: bytes, path: str, max_line: int = MAX_LINE, loader_bytes: int = CHUNK
) -> Iterator[Chunk]:
    """The rows of bytes that stand in no file, under a name; else as `read_chunks`."""
    yield from _chunks_of(io.BytesIO(data), path, CHUNK_BYTES, max_line, loader_bytes)


@contextmanager
def rereadable(file: InputFile) -> Iterator[InputFile]:
    """The file in a form that can be read more than once: of a pipe a copy is kept on disk."""
    if file.memory is None:
        once = file.is_stdin or _is_pipe(file.path)
    else:
        once = file.memory.once and file.copy is None
    if not once:
        yield file
        return
    from tempfile import TemporaryFile

    with TemporaryFile() as copy:
        yield msgspec.structs.replace(file, copy=copy)


def rewritable(path: str) -> bool:
    """Whether a file's rows stand in it as they are read: not in a pipe, nor packed."""
    if path == "-":
        return False
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
        with Path(path).open("rb") as handle:
            return not is_packed(handle.read(4))
    except (OSError, ValueError):
        return False


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is compressed, or Parquet."""
    return head.startswith(tuple(_MAGIC.values()))


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False  # told where it is opened


@contextmanager
def _opened(file: InputFile) -> Iterator[IO[bytes]]:
    copy = file.copy
    if copy is not None and copy.seek(0, os.SEEK_END):
        copy.seek(0)
        yield copy
    elif file.is_stdin:
        if sys.stdin is None:  # a process without a console
            raise SourceError(Text("there is no standard input", "没有标准输入"))
        yield sys.stdin.buffer if copy is None else _copying(sys.stdin.buffer, copy)
    else:
        with _open(file.path) as handle:
            yield handle if copy is None else _copying(handle, copy)


@contextmanager
def _open(path: str) -> Iterator[IO[bytes]]:
    if is_remote(path):
        with open_remote(path) as handle:
            yield handle
    else:
        with Path(path).open("rb") as handle:
            yield handle


def _copying(stream: IO[bytes], copy: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], _Copying(stream, copy))


class _Copying(io.RawIOBase):
    """A stream that can be read once, each of whose bytes also goes to a copy."""

    def __init__(self, stream: IO[bytes], copy: IO[bytes]) -> None:
        self._stream = stream
        self._copy = copy

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        _write(data, self._copy)
        return data


def _written(blocks: Iterator[bytes], copy: IO[bytes]) -> Iterator[bytes]:
    """The blocks, each of which also goes to a copy."""
    for block in blocks:
        _write(block, copy)
        yield block


def _write(data: bytes, copy: IO[bytes]) -> None:
    try:
        copy.write(data)
    except OSError as error:
        raise SourceError(
            Text(
                "no copy of the pipe can be kept on disk ({why})",
                "无法把管道的内容暂存到磁盘（{why}）",
            ),
            why=reason_of(error),
        ) from None


def _chunks_of(
    handle: IO[bytes], path: str, chunk_bytes: int, max_line: int, loader_bytes: int
) -> Iterator[Chunk]:
    name = path.lower()
    faults: list[Defect] = []
    head, whole, blocks = _take_head(_read(handle, max(chunk_bytes, PACKED_BYTES)))
    kind = stand_in(head, whole)
    refuse_binary(head, path)
    for suffix, magic in _MAGIC.items():
        if name.endswith(suffix) and head and kind is None and not head.startswith(magic):
            raise SourceError(
                Text(
                    "the name ends in {suffix}, but the content is something else",
                    "文件名以 {suffix} 结尾，内容却不是这种格式",
                ),
                suffix=suffix,
            )
    if head.startswith(_MAGIC[".parquet"]):
        rows = parquet_rows(handle, max_line)
        yield from _told_once(_row_chunks(rows, path, chunk_bytes), path, faults, None)
        return
    if head.startswith(_MAGIC[".gz"]):
        head, whole, blocks = _take_head(unpack_gzip(blocks))
    elif head.startswith(_MAGIC[".zst"]):
        head, whole, blocks = _take_head(unpack_zstd(blocks))
    refuse_binary(head, path)

    wide = wide_encoding(head, whole)
    if wide:
        codec, encoding, mark = wide
        faults.append(Defect("not-utf8", {"encoding": encoding}))
        head, whole, blocks = _take_head(to_utf8(_from(blocks, mark), codec))
    elif head.startswith(BOM):
        faults.append(Defect("byte-order-mark"))
        head, blocks = head[len(BOM) :], _from(blocks, len(BOM))
    kind = stand_in(head, whole)
    if kind is None:
        refuse_text(head, path)
    if kind:
        yield Chunk(path, file_defects=[*faults, Defect("not-jsonl", {"kind": kind})])
        return

    named_json = name.removesuffix(".gz").removesuffix(".zst").endswith(".json")
    mode, kind = detect(head, whole, named_json)
    bom = any(fault.rule == "byte-order-mark" for fault in faults)
    blocks = in_blocks(blocks, chunk_bytes)
    if mode == "lines":
        chunks = _line_chunks(blocks, _Lines(path, max_line, loader_bytes, bom))
    elif mode == "array":
        aheads: list[Ahead] = []
        elements = scan_values(blocks, True, max_line, aheads=aheads)
        placer = InArray(loader_bytes, bom, head)
        chunks = _row_chunks(elements, path, chunk_bytes, placer, aheads)
    else:
        follower = OverLines(loader_bytes, bom, max_line)
        aheads = []
        values = scan_values(follower.watch(blocks), False, max_line, follower.spans, aheads)
        chunks = _row_chunks(values, path, chunk_bytes, follower, aheads)
    del head
    yield from _told_once(chunks, path, faults, kind)


def _of_memory(
    file: InputFile, memory: RowsInMemory, chunk_bytes: int, max_line: int, loader_bytes: int
) -> Iterator[Chunk]:
    """Chunks of rows in memory, whose form is known."""
    if memory.table is not None:
        chunks = _row_chunks(memory.table(max_line), file.path, chunk_bytes)
    else:
        assert memory.lines is not None
        copy = file.copy
        if copy is None:
            blocks = memory.lines()
        elif copy.seek(0, os.SEEK_END):
            copy.seek(0)
            blocks = _read(copy, chunk_bytes)
        else:
            blocks = _written(memory.lines(), copy)
        blocks = in_blocks(blocks, chunk_bytes)
        chunks = _line_chunks(blocks, _Lines(file.path, max_line, loader_bytes, bom=False))
    yield from _told_once(chunks, file.path, [], None)


def _told_once(
    chunks: Iterator[Chunk], path: str, faults: list[Defect], kind: str | None
) -> Iterator[Chunk]:
    """The chunks, the first row's with the faults of the file; a file without rows is empty."""
    told = False
    for chunk in chunks:
        if chunk.lines and not told:
            told = True
            chunk.file_defects = faults + ([Defect("not-jsonl", {"kind": kind})] if kind else [])
        yield chunk
    if not told:
        yield Chunk(path, file_defects=[*faults, Defect("not-jsonl", {"kind": "empty"})])


def _line_chunks(blocks: Iterator[bytes], lines: _Lines) -> Iterator[Chunk]:
    """Chunks of whole lines. The end of the blocks ends a line, too."""
    max_line = lines.max_line
    # What is there of the line that no block so far has ended. A list of blocks would stay in the
    # heap when it is joined: as much again as a long line.
    begun = bytearray()
    size = 0  # of that line
    for block in blocks:
        for piece in _pieces(block):
            stop = piece.find(b"\n") + 1
            if stop and size > max_line + 1:  # what came of this line is gone
                begun = begun[-1:] + piece[: stop - 1]
                yield lines.long(size + stop - 1, begun.endswith(b"\r"), ended=True)
                begun, size, piece = bytearray(), 0, piece[stop:]
            stop = piece.rfind(b"\n") + 1
            if stop:
                begun += piece[: stop - 1]
                whole = bytes(begun)
                begun, size = bytearray(), 0  # a long line is not to be held twice
                chunk = lines.chunk(whole, ended=True)
                del whole
                yield chunk
                del chunk
            if stop < len(piece):
                begun += piece[stop:]
                size += len(piece) - stop
                # One byte over the limit may be the CR of the line's end, so look at two.
                if size > max_line + 1:
                    begun = bytearray(piece[-1:])
    if size > max_line + 1:
        yield lines.long(size, begun.endswith(b"\r"), ended=False)
    elif size:
        whole = bytes(begun)
        del begun
        yield lines.chunk(whole, ended=False)


MAX_ROWS: Final = 1 << 15
"""Lines of a chunk, unless they are blank: what is kept of each must not add up to more than the bytes."""


def _pieces(block: bytes) -> Iterator[bytes]:
    """The block, cut where it has too many lines for one chunk; blank lines need none of their own."""
    if block.count(b"\n") <= MAX_ROWS or after_blank(block, 0) == len(block):
        yield block
        return
    half = len(block) // 2
    half = block.rfind(b"\n", 0, half) + 1 or half
    yield from _pieces(block[:half])
    yield from _pieces(block[half:])


_in_line: Final = re.compile(rb"[^ \t\r\n][^\n]*+").finditer
"""The rest of each line that is not blank, from its first byte that is not white space."""


def _count_lines(block: bytes) -> int:
    """Line feeds, several times as fast as `bytes.count`."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == 10))


class _Lines:
    """Makes chunks of whole lines, and knows where in the file they stand."""

    def __init__(self, path: str, max_line: int, loader_bytes: int, bom: bool) -> None:
        self.path = path
        self.max_line = max_line
        self.loader_bytes = loader_bytes
        self.bom = bom
        self.number = 1
        self.offset = 0
        self.lead = len(BOM) if bom else 0
        """Bytes that stand before the first line and belong to it."""
        self.borders = [0]

    def long(self, size: int, cr: bool, *, ended: bool) -> Chunk:
        """A line of so many bytes that they were not kept; `cr`: the last of them is CR."""
        number, begin = self.number, self.offset
        place = self.follow(b"", begin + self.lead + size + ended)
        place.starts, place.stops = [begin], [place.end]
        defect = too_long(size - cr, self.max_line, number)
        return Chunk(self.path, [b""], [number], {0: defect}, place=place)

    def chunk(self, whole: bytes, *, ended: bool) -> Chunk:
        """Lines that are at hand, without the line feed that ends the last of them, if any does."""
        number, begin, first = self.number, self.offset, self.offset + self.lead
        place = self.follow(whole, first + len(whole) + ended)
        if len(whole) <= self.max_line and after_blank(whole, 0) == len(whole):
            gap = (0, len(whole) + 1, number)
            place.blanks = self._first_blanks(place, whole, first, [gap])
            count = self.number - number
            return Chunk(self.path, blank_lines=count, first_blank=number, place=place)
        lines = whole.split(b"\n")
        sizes = [len(line) + 1 for line in lines]
        sizes[0] += first - begin
        edges = list(accumulate(sizes, initial=begin))
        edges[-1] = place.end
        if b"\r" in whole:
            lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        if len(whole) > self.max_line:
            return self._with_long(lines, edges, number, place)
        if min(lines) >= b"!":  # no line is empty or begins with white space
            place.starts, place.stops = edges[:-1], edges[1:]
            return Chunk(self.path, lines, range(number, self.number), place=place)
        return self._with_blank(whole, first, lines, edges, number, place)

    def follow(self, whole: bytes, end: int) -> Place:
        """Where these lines stand, and what is known of the file after them."""
        begin = self.offset
        first = begin + self.lead  # where `whole` begins
        while True:
            # The loader goes on from the first line that begins that far after the last border.
            wanted = self.borders[-1] + self.loader_bytes
            edge = begin if begin > wanted else -1
            if edge < 0:
                found = whole.find(b"\n", max(wanted - first, 0))
                edge = first + found + 1 if found >= 0 else end
            if edge >= end:  # where this chunk ends is where the next one begins
                break
            self.borders = [*self.borders, edge]
        self.number += _count_lines(whole) + 1
        self.offset, self.lead = end, 0
        return Place([], [], [], begin, end, self.borders, self.loader_bytes, self.bom)

    def _first_blanks(
        self, place: Place, whole: bytes, first: int, gaps: Iterable[tuple[int, int, int]]
    ) -> list[tuple[int, int]]:
        """The first blank line, and the first one after each border.

        Args:
            first: where in the file `whole` begins.
            gaps: where in `whole` blank lines begin and end, and the number of the first of them.
        """
        begin, borders = place.begin, place.borders
        found: list[tuple[int, int]] = []
        done = -1  # the last border after which one is known
        for start, stop, number in gaps:
            at = start
            while at < stop:
                offset = begin if at == 0 else first + at
                border = bisect_right(borders, offset)
                if border != done:
                    done = border
                    found.append((number + whole.count(b"\n", start, at), offset))
                if border == len(borders) or borders[border] >= first + stop:
                    break
                at = borders[border] - first
        return found

    def _with_blank(
        self,
        whole: bytes,
        first: int,
        lines: list[bytes],
        edges: list[int],
        number: int,
        place: Place,
    ) -> Chunk:
        """Lines some of which are blank, or begin with white space."""
        rows: list[int] = []
        gaps: list[tuple[int, int, int]] = []
        at = line = 0
        for match in _in_line(whole):
            start = whole.rfind(b"\n", at, match.start()) + 1 or at
            if start > at:
                gaps.append((at, start, number + line))
                line += whole.count(b"\n", at, start)
            rows.append(line)
            at = match.end() + 1
            line += 1
        if line < len(lines):
            gaps.append((at, len(whole) + 1, number + line))
        place.blanks = self._first_blanks(place, whole, first, gaps)
        place.starts = [edges[row] for row in rows]
        place.stops = [edges[row + 1] for row in rows]
        return Chunk(
            self.path,
            [lines[row] for row in rows],
            [number + row for row in rows],
            blank_lines=len(lines) - len(rows),
            first_blank=place.blanks[0][0] if place.blanks else None,
            place=place,
        )

    def _with_long(self, lines: list[bytes], edges: list[int], number: int, place: Place) -> Chunk:
        """Lines of which some may be longer than what is read, be they blank or not."""
        long = {at for at, line in enumerate(lines) if len(line) > self.max_line}
        rows = [at for at, line in enumerate(lines) if at in long or line.strip(BLANK)]
        blank = sorted(set(range(len(lines))).difference(rows))
        seen = {bisect_right(place.borders, edges[at]): at for at in reversed(blank)}
        place.blanks = [(number + at, edges[at]) for at in sorted(seen.values())]
        place.starts = [edges[row] for row in rows]
        place.stops = [edges[row + 1] for row in rows]
        return Chunk(
            self.path,
            [b"" if row in long else lines[row] for row in rows],
            [number + row for row in rows],
            {
                index: too_long(len(lines[row]), self.max_line, number + row)
                for index, row in enumerate(rows)
                if row in long
            },
            blank_lines=len(blank),
            first_blank=number + blank[0] if blank else None,
            place=place,
        )


def _row_chunks(
    rows: Iterator[Row],
    path: str,
    chunk_bytes: int,
    placer: Placer | None = None,
    aheads: list[Ahead] | None = None,
) -> Iterator[Chunk]:
    """Chunks of rows that do not stand on lines; `aheads` gets an entry with each row."""
    failure: Exception | None = None
    more = True
    while more:
        lines: list[bytes] = []
        numbers: list[int] = []
        defects: dict[int, Defect] = {}
        size = 0
        try:
            for row in rows:
                number, line, defect = row
                if placer is not None:
                    placer.add(row)
                if defect:
                    defects[len(lines)] = defect
                lines.append(line)
                numbers.append(number)
                size += len(line)
                if size >= chunk_bytes or len(lines) >= MAX_ROWS:
                    break
            else:
                more = False
        except (SourceError, OSError) as error:
            more, failure = False, error
        if lines:
            place = None if placer is None else placer.take()
            before = [] if aheads is None else aheads[: len(lines)]
            yield Chunk(path, lines, numbers, defects, place=place, aheads=before)
            if aheads is not None:
                del aheads[: len(lines)]
    if failure:
        raise failure


# --- ranges of lines -----------------------------------------------------------------------------


class Range(msgspec.Struct, frozen=True):
    """Bytes of a plain file of lines, and what has to be known of the bytes before them."""

    path: str
    begin: int
    """Where its first line begins."""
    end: int
    """Where the line after its last one begins, or the end of the file."""
    number: int
    """1-based number of its first line."""
    borders: list[int]
    """Where `datasets` has started reading again up to `begin`."""
    bom: bool
    """Whether the file opens with a byte order mark."""
    max_line: int = MAX_LINE
    loader_bytes: int = CHUNK


def line_ranges(
    first: Chunk, chunk_bytes: int = CHUNK_BYTES, max_line: int = MAX_LINE
) -> Iterator[Range] | None:
    """What follows a file's first rows, in ranges that can be read apart.

    Only line feeds are looked for: some gigabytes a second.

    Args:
        first: the chunk of the file's first row, as `read_chunks` gives it.
        chunk_bytes, max_line: as in `read_chunks`.

    Returns:
        None where rows do not stand on lines of a plain file.
    """
    place = first.place
    if place is None or place.form.kind != "lines" or not first.lines:
        return None
    if not (_is_plain_remote(first.path) if is_remote(first.path) else rewritable(first.path)):
        return None
    if any(defect.rule == "not-utf8" for defect in first.file_defects):
        return None  # the offsets are not the file's
    return _ranges(first.path, place, chunk_bytes, max_line)


def _is_plain_remote(path: str) -> bool:
    with _open(path) as handle:
        return is_shared(path) and not is_packed(handle.read(4))


_LATE: Final = 4
"""The last ranges of a file are a quarter as long: nobody has to wait long for who reads the last."""


def _ranges(path: str, place: Place, chunk_bytes: int, max_line: int) -> Iterator[Range]:
    lines = _Lines(path, max_line, place.loader_bytes, place.bom)
    lines.offset, lines.lead, lines.borders = place.end, 0, place.borders
    with _open(path) as handle:
        # Ranges end where the chunks of one process end.
        while block := handle.read(min(place.end - handle.tell(), chunk_bytes)):
            lines.number += _count_lines(block)
        here, end_of_file = handle.tell(), handle.seek(0, os.SEEK_END)
        handle.seek(here)
        size = chunk_bytes - place.end % chunk_bytes
        while block := handle.read(size):
            here += len(block)
            late = end_of_file - here < _LATE * chunk_bytes
            size = chunk_bytes // _LATE or 1 if late else chunk_bytes
            stop = block.rfind(b"\n") + 1
            if stop:
                begin, number, borders = lines.offset, lines.number, lines.borders
                end = begin + lines.lead + stop
                lines.follow(block[: stop - 1], end)
                yield Range(
                    path, begin, end, number, borders, place.bom, max_line, place.loader_bytes
                )
            lines.lead += len(block) - stop
        if lines.lead:
            begin, end = lines.offset, lines.offset + lines.lead
            yield Range(
                path,
                begin,
                end,
                lines.number,
                lines.borders,
                place.bom,
                max_line,
                place.loader_bytes,
            )


def read_range(part: Range, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """The rows of a range, as `read_chunks` gives them. Raises SourceError."""
    lines = _Lines(part.path, part.max_line, part.loader_bytes, part.bom)
    lines.number, lines.offset, lines.lead, lines.borders = part.number, part.begin, 0, part.borders
    try:
        with _open(part.path) as handle:
            handle.seek(part.begin)
            yield from _line_chunks(_some(handle, part.end - part.begin, chunk_bytes), lines)
    except OSError as error:
        raise SourceError(Text("{why}", "{why}"), why=reason_of(error)) from error


def _some(handle: IO[bytes], left: int, most: int) -> Iterator[bytes]:
    """The next bytes of a file: all in one block, but where a line is longer than one."""
    while left and (block := handle.read(left if left <= 2 * most else most)):
        left -= len(block)
        yield block


# --- bytes ---------------------------------------------------------------------------------------


def _read(handle: IO[bytes], size: int) -> Iterator[bytes]:
    while block := handle.read(size):
        yield block


def _take_head(blocks: Iterator[bytes]) -> tuple[bytes, bool, Iterator[bytes]]:
    """The stream's first `HEAD_BYTES`, whether that is all of it, and the whole stream again.

    A failure while the head is read is raised later, where the stream comes to it.
    """
    taken: list[bytes] = []
    size = 0
    whole = False
    failure: Exception | None = None
    try:
        while size <= HEAD_BYTES and not whole:
            block = next(blocks, None)
            if block is None:
                whole = True
            else:
                taken.append(block)
                size += len(block)
    except (SourceError, OSError) as error:
        failure = error

    def again() -> Iterator[bytes]:
        taken.reverse()
        while taken:
            yield taken.pop()
        if failure:
            raise failure
        yield from blocks

    return b"".join(taken)[:HEAD_BYTES], whole, again()


def _from(blocks: Iterator[bytes], start: int) -> Iterator[bytes]:
    """The stream without its first `start` bytes."""
    for block in blocks:
        yield block[start:]
        start = max(start - len(block), 0)
