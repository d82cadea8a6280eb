"""An open document -> its findings and where they stand: what `glmlint check` says of the same bytes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from io import BytesIO
from typing import Final

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.lsp.document import DocumentText
from glmlint.plan import Plan
from glmlint.read.file_layout import detect
from glmlint.read.source import HEAD_BYTES, Chunk, InputFile, SourceError, read_bytes, read_chunks
from glmlint.read.survey import Survey
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context
from glmlint.trainer.chat import common_length
from glmlint.trainer.loaded import remember

MOST_FINDINGS: Final = 1000
"""Findings of one document that are shown: the first ones."""

CHUNK_BYTES: Final = 1 << 19
"""Bytes between two looks at whether the document has changed in the meantime."""

MOST_CHANGED: Final = 200_000
"""Code points of changed rows that are checked before all others are."""

LONGEST_LINE: Final = 20_000
"""Code points of a line that is marked as a whole; of a longer one the first is."""

HEAD: Final = 1 << 16
"""Code points in which a `.json` document shows what it is."""

_ROWS: Final = re.compile(
    r'"(?:messages|conversations?)"\s*:\s*\[|\A\s*\[\s*\{\s*"(?:instruction|prompt|question|query)"'
)
"""What tells rows of a trainer from `package.json` and the like."""


class Stale(Exception):
    """The document has changed or was closed: nobody waits for the answer any more."""


class RowSpan:
    """Where one row stands in the document."""

    def __init__(self, start: int, stop: int, line: int, raw: bytes) -> None:
        self.start = start
        self.stop = stop
        self.line = line
        """1-based, as findings count: lines end at LF alone."""
        self.raw = raw


class Marked:
    """One finding, and the code points of the document that it is about."""

    def __init__(self, finding: Finding, start: int, stop: int) -> None:
        self.finding = finding
        self.start = start
        self.stop = stop

    def meets(self, start: int, stop: int) -> bool:
        """Whether the finding stands in a range, or touches it."""
        return self.start <= stop and start <= self.stop


class Checked:
    """What is known of one version of a document."""

    def __init__(self, text: DocumentText, path: str, plan: Plan, context: Context) -> None:
        self.text = text
        self.path = path
        self.plan = plan
        self.context = context
        self.findings: list[Marked] = []
        self.left_out = 0
        """Findings beyond `MOST_FINDINGS`."""
        self.whole = True
        """Whether all of it was checked, and not its changed rows alone."""

    @cached_property
    def _lines(self) -> list[int]:
        """Where the lines of the file begin; a byte order mark belongs to none."""
        text = self.text.text
        first = int(text.startswith("\ufeff"))
        return [first, *(match.end() for match in re.finditer("\n", text))]

    def mark(self, finding: Finding) -> Marked:
        """Find the place of a finding; a document that was read in another encoding has none."""
        span, text = finding.span, self.text.text
        if span is not None and (span.end_line, span.columns[1]) != (span.line, span.columns[0]):
            start = self._at(span.line, span.columns[0])
            stop = self._at(span.end_line, span.columns[1])
            return Marked(finding, start, max(start, stop))
        if finding.line is None:
            start = len(text) - len(text.lstrip())
            return Marked(finding, start, min(start + 1, len(text)))
        start = stop = self._at(finding.line, finding.column or 1)
        if span is not None and (row := self.row(start)) is not None:
            stop = row.stop
        elif all_rules()[finding.rule].check_run is not None:
            stop = self._at(finding.line + 1, 1)
        size = len(text[start:stop].rstrip("\r\n"))
        if not 0 < size <= LONGEST_LINE:
            size = min(1, len(text) - start)
        return Marked(finding, start, start + size)

    def _at(self, line: int, column: int) -> int:
        """The offset of a 1-based line and column of the file."""
        if line > len(self._lines):
            return len(self.text.text)
        return min(self._lines[line - 1] + column - 1, len(self.text.text))

    @cached_property
    def rows(self) -> list[RowSpan]:
        """The rows in their order."""
        found = []
        try:
            for chunk in read_bytes(self.text.data, self.path):
                for place, (line, raw) in enumerate(zip(chunk.numbers, chunk.lines, strict=True)):
                    start = self._at(line, 1 + (chunk.aheads[place][0] if chunk.aheads else 0))
                    row = raw.decode("utf-8", "replace")
                    stop = start + len(row)
                    if row and self.text.whole[start:stop] == row:
                        found.append(RowSpan(start, stop, line, raw))
        except SourceError:
            pass  # told by the check
        return found

    @cached_property
    def one_a_line(self) -> bool:
        """Whether each row is a line of its own."""
        lines = [row.line for row in self.rows]
        return len(lines) == len(set(lines)) and not any(b"\n" in row.raw for row in self.rows)

    @cached_property
    def _begins(self) -> list[int]:
        return [row.start for row in self.rows]

    def row(self, offset: int) -> RowSpan | None:
        """The row at an offset, or the one that ends there."""
        at = bisect_right(self._begins, offset) - 1
        return self.rows[at] if at >= 0 and offset <= self.rows[at].stop else None

    @cached_property
    def _survey(self) -> Survey:
        survey = Survey()
        survey.read(read_bytes(self.text.data, self.path))
        return survey

    def survey(self) -> Survey:
        """What the whole document is like."""
        return self._survey


def holds_rows(name: str, text: str) -> bool:
    """Whether a document is data: by its name, and a `.json` by what it begins with."""
    return not name.lower().endswith(".json") or _ROWS.search(text[:HEAD]) is not None


def check_document(
    text: DocumentText,
    path: str,
    plan: Plan,
    context: Context,
    stale: Callable[[], bool] = lambda: False,
) -> Checked:
    """Find what `check` finds in a file of these bytes.

    Args:
        text: the document.
        path: its file's name, or a name in place of one.
        plan: the settings; no more than `MOST_FINDINGS` are kept.
        context: the plan's tokenizer and template.
        stale: whether the answer is of no use any more.

    Raises:
        Stale: it is not.
        SourceError: the bytes are no text of rows.
    """

    def go_on(_rows: int, _bytes: int) -> None:
        if stale():
            raise Stale

    checked = Checked(text, path, plan, context)
    context.loads.pop(path, None)
    report = Report()
    check_lines(_chunks(text.data, path), plan, context, go_on, report)
    shapes = report.file(path).shapes
    if remember(path, shapes, context, None) is not None:
        report.forget(path)
        check_lines(_chunks(text.data, path), plan, context, go_on, report)
    result = finish(report, plan, context)
    checked.findings = _in_order(checked.mark(finding) for finding in result.findings)
    checked.left_out = sum(result.rule_counts.values()) - len(result.findings)
    return checked


def _has_lines(text: str) -> bool:
    """Whether each line of a text is read as a row."""
    text = text.removeprefix("\ufeff")
    head = text[: HEAD_BYTES // 4]
    return detect(head.encode(), len(head) == len(text), False)[0] == "lines"


def _as_lines(text: str, path: str) -> Chunk:
    """Rows of which each is a line, whatever they look like alone."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip(" \t\r")]
    return Chunk(path, [line.encode() for _, line in rows], [number for number, _ in rows])


def _chunks(data: bytes, path: str) -> Iterator[Chunk]:
    """The rows of bytes, in chunks small enough to stop in between."""
    if data:
        return read_chunks(InputFile(path, BytesIO(data)), CHUNK_BYTES)
    return read_bytes(data, path)


def _in_order(found: Iterable[Marked]) -> list[Marked]:
    return sorted(found, key=lambda marked: (marked.start, marked.stop))


def check_changes(old: Checked, text: DocumentText) -> Checked | None:
    """What is known at once of a text that was changed: its changed rows are checked alone.

    What rules say of whole files and of rows compared with each other stays as it was, until the
    next check of the whole. None where rows are no lines, or too much has changed.
    """
    before, after = old.text.whole, text.whole
    if old.path.lower().endswith(".json") or not (old.one_a_line and _has_lines(after)):
        return None
    head = common_length(before, after)
    tail = common_length(before[head:][::-1], after[head:][::-1])
    start = before.rfind("\n", 0, head) + 1
    stop = before.find("\n", len(before) - tail) + 1 or len(before)
    moved = len(after) - len(before)
    piece = after[start : stop + moved]
    if len(piece) > MOST_CHANGED:
        return None
    report = Report()
    check_lines([_as_lines(piece, old.path)], old.plan, old.context, None, report)
    part = Checked(DocumentText(piece), old.path, old.plan, old.context)
    found = []
    for finding in finish(report, old.plan, old.context).findings:
        if all_rules()[finding.rule].check is not None and finding.line is not None:
            marked = part.mark(finding)
            found.append(Marked(finding, marked.start + start, marked.stop + start))
    for one in old.findings:
        if one.start < start or (one.start == 0 and one.finding.line is None):
            found.append(one)
        elif one.start >= stop:
            found.append(Marked(one.finding, one.start + moved, one.stop + moved))
    checked = Checked(text, old.path, old.plan, old.context)
    checked.findings = _in_order(found)[:MOST_FINDINGS]
    checked.left_out, checked.whole = old.left_out, False
    return checked
