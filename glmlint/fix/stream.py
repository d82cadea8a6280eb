"""One pass over a file: cuts it into rows and what stands between them, and writes it repaired.

The file is never held: rows come and go in batches, and as long as nothing has changed nothing is
written at all.
"""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedRandom, BufferedReader
from typing import IO, Final

from msgspec import Struct, field

from glmlint.evidence.report import FileStats
from glmlint.finding import Defect
from glmlint.fix.edit import one_line
from glmlint.fix.rows import Repair, Repaired, read_rows, repair_row
from glmlint.read.charset import BOM, to_utf8, wide_encoding
from glmlint.read.file_layout import Mode, detect, stand_in
from glmlint.read.scan import BLANK, after_blank, scan_values
from glmlint.read.source import HEAD_BYTES
from glmlint.rules.base import all_rules
from glmlint.trainer.row import Row

MAX_LINE: Final = 64 << 20
"""Bytes of the longest row that is read, as in `source.read_chunks`."""

_BLOCK: Final = 1 << 20
_BATCH: Final = 1 << 20


class Unrewritable(Exception):
    """The file cannot be written one row a line: a row over several lines cannot be read."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row}")
        self.row = row
        """1-based."""


class Undecodable(Exception):
    """A UTF-16 or UTF-32 file has bytes that are not valid in that encoding."""


class Piece(Struct):
    """Some bytes of a file: what stands before a row, the row, and its line end."""

    gap: bytes
    row: bytes | None = None
    """None: bytes that are kept as they are, whatever happens."""
    end: bytes = b""
    defect: Defect | None = None
    passed: tuple[int, int] | None = None
    """Where in the file more bytes stand that are kept, unread."""


class FileForm(Struct):
    """How the bytes of a file are laid out."""

    mode: Mode
    start: int
    """Bytes of the byte order mark."""
    codec: str | None
    """UTF-16 or UTF-32, where it is not UTF-8."""
    defects: list[Defect]
    """Faults of the whole file, as `source.read_chunks` reports them."""
    data: bool
    """False for what replaces the data: a Git LFS pointer, the text of a link."""


class Pass(Struct):
    """What one pass did."""

    fixed: Counter[str] = field(default_factory=Counter)
    """Repaired problems by rule."""
    rows: int = 0
    """Rows that were repaired or dropped, without those that an earlier pass had repaired."""
    marks: bytearray = field(default_factory=bytearray)
    """Of every row that is still there, 1 where this or an earlier pass has repaired it."""
    dropped: int = 0
    kept: int = 0
    """Rows that are still there, unread ones too."""
    left: list[int] = field(default_factory=list)
    """1-based numbers of rows whose edits undo each other."""
    reshaped: bool = False
    """The file may be read in another way now: rows went, or the form changed."""


def form_of(handle: IO[bytes], name: str) -> FileForm:
    """How the file's rows are laid out in it."""
    handle.seek(0)
    head = handle.read(HEAD_BYTES + 1)
    whole = len(head) <= HEAD_BYTES
    start, codec, defects = 0, None, []
    if wide := wide_encoding(head[:HEAD_BYTES], whole):
        codec, encoding, start = wide
        defects.append(Defect("not-utf8", {"encoding": encoding}))
        head = b"".join(to_utf8(iter([head[start:]]), codec))
    elif head.startswith(BOM):
        start = len(BOM)
        defects.append(Defect("byte-order-mark"))
        head = head[start:]
    head = head[:HEAD_BYTES]
    if stand_in(head, whole) or not head.strip(BLANK):
        return FileForm("lines", start, codec, defects, False)
    mode, kind = detect(head, whole, name.lower().endswith(".json"))
    if kind:
        defects.append(Defect("not-jsonl", {"kind": kind}))
    return FileForm(mode, start, codec, defects, True)


def wanted_rewrites(form: FileForm, path: str, repair: Repair) -> set[str]:
    """The rules about the whole file that may be satisfied by writing it in another form."""
    stats = FileStats(path, defects=form.defects, blank_lines=1, first_blank=1)
    stats.totals.samples = 1
    wanted = set()
    for name, severity in repair.checker.severities(path).items():
        loaded = all_rules()[name]
        if severity == "off" or loaded.check_file is None or not repair.allows(name):
            continue
        if repair.old.of_file(name, path):
            continue
        for problem in loaded.check_file(stats, repair.checker.plan):
            if any(edit.op == "rewrite" for edit in problem.edits):
                wanted.add(name)
    # Two objects on a line are a fault of rows, not of the file.
    on = repair.checker.severities(path).get("not-jsonl", "off") != "off"
    if on and not repair.old.of_rows("not-jsonl", "several-on-a-line", path):
        wanted.add("several-on-a-line")
    return wanted


# --- pieces --------------------------------------------------------------------------------------


def pieces(handle: IO[bytes], form: FileForm) -> Iterator[Piece]:
    """The whole file after its byte order mark, in order; the rows are those that `check` reads."""
    handle.seek(form.start)
    if form.mode == "lines":
        return _lines(handle)
    return _values(handle, form.mode == "array", form.start)


def _lines(handle: IO[bytes]) -> Iterator[Piece]:
    at = handle.tell()
    long: int | None = None  # where the line began that is too long to be read
    while line := handle.readline(MAX_LINE + 2):
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if long is None and len(content) > MAX_LINE:
            long = at
        at += len(line)
        if long is not None:
            if line.endswith(b"\n"):
                yield Piece(b"", passed=(long, at))
                long = None
        elif not content.strip(BLANK):
            more = _blank_lines(handle)
            at += len(more)
            yield Piece(line + more)
        else:
            yield Piece(b"", content, line[len(content) :])
    if long is not None:
        yield Piece(b"", passed=(long, at))


def _blank_lines(handle: IO[bytes]) -> bytes:
    """Blank lines that follow, as far as they are at hand: a million of them are few pieces."""
    ahead: bytes = handle.peek() if isinstance(handle, BufferedReader | BufferedRandom) else b""
    return handle.read(ahead.rfind(b"\n", 0, after_blank(ahead, 0)) + 1)


def _values(handle: IO[bytes], in_array: bool, start: int) -> Iterator[Piece]:
    """Rows that stand over lines, or in an array: where each one begins is looked up again."""
    blocks = iter(lambda: handle.read(_BLOCK), b"")
    at = start
    first = in_array
    for _, row, defect in scan_values(blocks, in_array, MAX_LINE):
        size = len(row)
        if defect is not None:
            if defect.rule == "line-too-long":
                size = int(defect.values["bytes"])
            elif not row or row == b"," or "after the end" in str(defect.values["reason"]):
                yield Piece(b"", defect=defect)  # no value: its bytes come with what follows
                continue
        gap = _gap(handle.fileno(), at, first)
        first = False
        begin = at + len(gap)
        at = begin + size
        if defect is None:
            yield Piece(gap, row)
        else:
            yield Piece(gap, defect=defect, passed=(begin, at))
    yield Piece(b"", passed=(at, os.fstat(handle.fileno()).st_size))


def _gap(number: int, at: int, opening: bool) -> bytes:
    """White space and commas from `at` on, and the bracket that opens the array."""
    gap = b""
    while block := os.pread(number, 256 if not gap else _BLOCK, at + len(gap)):
        rest = block
        if opening:
            rest = rest.lstrip(BLANK)
            if rest:
                rest, opening = rest[1:], False
        rest = rest.lstrip(BLANK + b",")
        gap += block[: len(block) - len(rest)]
        if rest:
            break
    return gap


# --- writing -------------------------------------------------------------------------------------


class Output:
    """Where the repaired file goes; opened at the first byte that differs from the original."""

    def __init__(self, source: IO[bytes], start: Callable[[], IO[bytes]]) -> None:
        self.source = source
        self.start = start
        self.kept = 0
        """Bytes from the start of the original that are the same so far."""
        self.stream: IO[bytes] | None = None

    def keep(self, data: bytes) -> None:
        """Bytes that come next in the original, too."""
        if self.stream is None:
            self.kept += len(data)
        else:
            self.stream.write(data)

    def change(self, data: bytes) -> None:
        """Bytes in place of others, or b"" where some are left out."""
        if self.stream is None:
            self.stream = self.start()
            self._copy(self.stream, 0, self.kept)
        self.stream.write(data)

    def keep_range(self, start: int, stop: int) -> None:
        """Bytes of the original, by their place."""
        if self.stream is None:
            self.kept += stop - start
        else:
            self._copy(self.stream, start, stop)

    def _copy(self, stream: IO[bytes], start: int, stop: int) -> None:
        while start < stop:
            block = os.pread(self.source.fileno(), min(_BLOCK, stop - start), start)
            if not block:
                break
            stream.write(block)
            start += len(block)


def utf8_copy(handle: IO[bytes], form: FileForm, out: IO[bytes]) -> None:
    """Write a UTF-16 or UTF-32 file in UTF-8. Raises Undecodable, and then `out` is of no use."""
    assert form.codec is not None  # asked only of such files
    handle.seek(form.start)
    decoder = codecs.getincrementaldecoder(form.codec)("strict")
    try:
        while block := handle.read(_BLOCK):
            out.write(decoder.decode(block).encode())
        out.write(decoder.decode(b"", final=True).encode())
    except UnicodeError:
        raise Undecodable from None


def run_pass(
    handle: IO[bytes],
    path: str,
    form: FileForm,
    output: Output,
    repair: Repair,
    rewrites: set[str],
    drops: Mapping[int, str] | None = None,
    marks: bytes | bytearray = b"",
    progress: Callable[[int, int], None] | None = None,
) -> Pass:
    """Write a file repaired.

    Args:
        handle: the file, in UTF-8.
        path: its name, which decides which rules hold for it.
        form: how its rows stand in it.
        output: where the new bytes go.
        repair: what may be done to rows.
        rewrites: which rules about the whole file may be satisfied.
        drops: 1-based numbers of rows that are to go, and the rule. Rows are not edited then.
        marks: of the rows as they are now, as in `Pass`; b"" where none has been repaired yet.
        progress: called with rows and bytes.

    Raises:
        Unrewritable: `rewrites` has `not-jsonl`, and a row can't be put on one line.
    """
    done = Pass()
    if form.start:
        if "byte-order-mark" in rewrites:
            output.change(b"")
            done.fixed["byte-order-mark"] += 1
            done.reshaped = True
        else:
            output.keep(BOM)
    reshape = form.mode != "lines" and "not-jsonl" in rewrites
    if reshape:
        done.fixed["not-jsonl"] += 1
        done.reshaped = True
    writer = _Writer(output, done, form.mode, rewrites, _line_end(handle, form))
    number = 0
    for batch in _batches(pieces(handle, form)):
        lines = [piece.row for piece in batch if piece.row is not None]
        if drops is None:
            groups = iter(read_rows(path, lines, repair.checker.context))
        for piece in batch:
            if piece.row is None:
                if reshape and piece.defect is not None:
                    raise Unrewritable(number + 1)
                writer.pass_on(piece)
                number += piece.defect is not None
                continue
            number += 1
            marked = marks[number - 1 : number] == b"\1"
            if drops is not None:
                if number in drops and repair.trail is not None:
                    repair.trail.drop(drops[number], piece.row)
                writer.plain(piece, number in drops, marked)
                continue
            rows = next(groups)
            if reshape and len(rows) > 1:
                raise Unrewritable(number)
            if reshape and rows[0].value is None and any(c in piece.row for c in b"\r\n"):
                raise Unrewritable(number)
            writer.rows(piece, rows, repair, number, marked)
        if progress is not None:
            progress(len(lines), sum(map(len, lines)))
    return done


def _batches(found: Iterable[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in found:
        batch.append(piece)
        size += len(piece.row or b"") + len(piece.gap) + 64
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _line_end(handle: IO[bytes], form: FileForm) -> bytes:
    handle.seek(form.start)
    return b"\r\n" if handle.readline(HEAD_BYTES).endswith(b"\r\n") else b"\n"


class _Writer:
    """Puts rows and the bytes between them together again."""

    def __init__(
        self, output: Output, done: Pass, mode: Mode, rewrites: set[str], line_end: bytes
    ) -> None:
        self.output = output
        self.done = done
        self.lines = mode == "lines"
        self.reshape = not self.lines and "not-jsonl" in rewrites
        self.split = "several-on-a-line" in rewrites
        self.close_up = self.lines and "blank-line" in rewrites
        self.line_end = line_end
        self.opening: bytes | None = None
        """What stands before the first row, while no row has been written."""
        self.started = False

    def pass_on(self, piece: Piece) -> None:
        """Bytes that stay."""
        if piece.defect is not None:
            self.done.marks.append(False)
        if self.reshape:
            return  # brackets and white space; anything else has stopped the pass
        if self.close_up and piece.gap:
            self.done.fixed["blank-line"] = 1
            self.done.reshaped = True
            self.output.change(b"")
        else:
            self.output.keep(self._gap(piece))
        if piece.passed:
            self.done.kept += self.lines or piece.defect is not None
            self.started |= piece.defect is not None
            self.output.keep_range(*piece.passed)

    def _gap(self, piece: Piece) -> bytes:
        """What is written before a piece: a dropped element takes the comma before it along,
        a dropped first one the comma after it."""
        if self.started or self.opening is None:
            return piece.gap
        gap, self.opening = self.opening, None
        return gap

    def plain(self, piece: Piece, drop: bool, marked: bool) -> None:
        """A row as it is, or none."""
        assert piece.row is not None  # pieces without a row are passed on
        if drop:
            self.done.dropped += 1
            self.done.rows += not marked
            self.done.reshaped = True
        else:
            self.done.marks.append(marked)
        self._write(piece, [] if drop else [piece.row], same=not drop)

    def rows(
        self, piece: Piece, rows: list[Row], repair: Repair, number: int, marked: bool
    ) -> None:
        """The row or the rows of a piece, repaired."""
        assert piece.row is not None  # pieces without a row are passed on
        split = len(rows) > 1 and self.split and self.lines
        if split:  # each is a row of its own, as it will be read the next time
            self.done.fixed["not-jsonl"] += len(rows) - 1
            self.done.reshaped = True
            rows = [read_rows(row.path, [row.raw], row.context)[0][0] for row in rows]
            for row in rows:
                if repair.trail is not None:
                    repair.trail.step("not-jsonl", piece.row, row.raw)
        results = [repair_row(row, repair) for row in rows]
        for result in results:
            self._count(result, number, marked)
        same = not split and all(
            result.raw == row.raw for result, row in zip(results, rows, strict=True)
        )
        if len(rows) == 1 or split:
            kept = [result.raw for result in results if result.raw is not None]
            self._write(piece, kept, same)
            fixed = [marked or bool(r.fixed) for r in results if r.raw is not None]
        else:
            kept = _in_place(piece.row, rows, results)
            if kept and repair.trail is not None:
                rules = ", ".join(dict.fromkeys(rule for one in results for rule in one.fixed))
                repair.trail.step(rules, piece.row, kept[0])
            self._write(piece, kept, same)
            fixed = [marked or any(result.fixed for result in results)] if kept else []
        self.done.marks += bytes(fixed)

    def _count(self, result: Repaired, number: int, marked: bool) -> None:
        done = self.done
        if result.left:
            done.left.append(number)
        if result.fixed:
            done.fixed += result.fixed
            done.rows += not marked
        if result.raw is None:
            done.dropped += 1
        if result.raw is None or "not-utf8" in result.fixed:
            done.reshaped = True

    def _write(self, piece: Piece, rows: list[bytes], same: bool) -> None:
        output = self.output
        self.done.kept += len(rows)
        if self.reshape:
            for row in rows:
                output.change(_on_one_line(row) + self.line_end)
            if not rows:
                output.change(b"")
            return
        if self.lines:
            if same:
                output.keep(rows[0] + piece.end)
            else:
                between = piece.end or self.line_end
                output.change(between.join(rows) + piece.end if rows else b"")
            return
        if not rows:
            if not self.started and self.opening is None:
                self.opening = piece.gap
            output.change(b"")
            return
        output.keep(self._gap(piece))
        self.started = True
        if same:
            output.keep(rows[0])
        else:
            output.change(rows[0])


def _in_place(line: bytes, rows: list[Row], results: list[Repaired]) -> list[bytes]:
    """A line of several values with its repaired values, where it stays one line."""
    parts = []
    at = 0
    for row, result in zip(rows, results, strict=True):
        start = line.index(row.raw, at)
        parts.append(line[at:start] if result.raw is not None else b"")
        parts.append(result.raw or b"")
        at = start + len(row.raw)
    rest = b"".join(parts)
    return [rest + line[at:]] if rest else []


def _on_one_line(row: bytes) -> bytes:
    if b"\n" not in row and b"\r" not in row:
        return row
    return one_line(row.decode()).encode()
