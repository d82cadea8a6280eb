"""Token views of rows for a page: which rows, which of their tokens, and these in few bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from msgspec import Struct, field

from glmlint.engine.finish import Result
from glmlint.engine.redact import MASK, hidden, hidden_spans
from glmlint.engine.show import ShowError, ShownSample, Token, sample_of
from glmlint.evidence.kinds import KINDS
from glmlint.finding import RANK, Finding, fingerprint, json_pointer, row_identity
from glmlint.read.source import Chunk, InputFile, SourceError, read_chunks
from glmlint.reporters.words import say
from glmlint.text import is_file
from glmlint.trainer.prepared import count_rows, prepared_rows
from glmlint.trainer.row import Row
from glmlint.visible import visible

MOST_ROWS: Final = 300
"""Rows with a token view."""

MOST_TOKENS: Final = 400_000
"""Tokens of all rows that are looked at for one report."""

_WHOLE: Final = 700
"""Cells of a row that is shown whole."""
_HEAD: Final = 60
_AROUND: Final = 110
"""Cells before and behind each place of interest in a longer row."""
_PLACES: Final = 5

_KIND: Final = {name: code for code, name in enumerate(KINDS)}
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class Cell(Struct, frozen=True, gc=False):
    """The fewest tokens that make whole characters, mostly one."""

    text: str
    ids: tuple[int, ...]
    """Empty where the text is hidden."""
    tokens: int
    state: str
    """What the trainer does with it, in a letter."""
    kind: int
    """Its place in `KINDS`."""
    owner: int
    teaches: str | None = None
    """What the label stands for, where that is another token."""


class Cells(Struct):
    """The different cells of a page: a row names them by number."""

    entries: list[list[Any]] = field(default_factory=list)
    """[text, id or ids, what is taught instead]; [text, null, tokens] of what is hidden."""
    _numbers: dict[Any, int] = field(default_factory=dict)

    def number(self, cell: Cell) -> int:
        """The cell's number, a new one where it is new."""
        key = (cell.text, cell.ids, cell.tokens, cell.teaches)
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            ids: Any = cell.ids[0] if len(cell.ids) == 1 else list(cell.ids) or None
            entry: list[Any] = [readable(cell.text), ids]
            if ids is None:
                entry.append(cell.tokens)
            elif cell.teaches is not None:
                entry.append(readable(cell.teaches))
            self.entries.append(entry)
        return self._numbers[key]


def readable(text: str) -> str:
    """The text as people get it; its line breaks stay."""
    return "\n".join(map(visible, text.split("\n")))


def base36(number: int) -> str:
    """A whole number from 0, as JavaScript's `parseInt(text, 36)` reads it."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits


STATES: Final = {"s": "supervised", "m": "masked", "l": "lost-token", "c": "cut"}
"""Letter -> the state's name, as `sample_text` and the words have it."""


def _state(token: Token) -> str:
    if token.kept:
        return "s" if token.supervised else "m"
    return "l" if token.supervised else "c"


def cells_of(tokens: Sequence[Token]) -> list[Cell]:
    """Tokens joined to whole characters; bytes that stay a part of one are written as `\\xNN`."""
    cells: list[Cell] = []
    held: list[Token] = []

    def flush() -> None:
        if held:
            data = b"".join(token.bytes for token in held)
            first = held[0]
            teaches = None if first.teaches is None else first.teaches.decode("utf-8", "replace")
            cells.append(
                Cell(
                    data.decode("utf-8", "backslashreplace"), tuple(token.id for token in held),
                    len(held), _state(first), _KIND.get(first.kind, 0), first.owner, teaches,
                )
            )  # fmt: skip
            held.clear()

    for token in tokens:
        if not held and token.teaches is None:
            try:  # nearly every token is whole characters
                text = token.bytes.decode()
            except UnicodeDecodeError:
                pass
            else:
                kind = _KIND.get(token.kind, 0)
                cells.append(Cell(text, (token.id,), 1, _state(token), kind, token.owner))
                continue
        if held and (
            _state(held[0]) != _state(token)
            or held[0].owner != token.owner
            or token.teaches is not None
        ):
            flush()
        held.append(token)
        if token.teaches is not None or not _unfinished(held):
            flush()
    flush()
    return cells


def _unfinished(tokens: Sequence[Token]) -> bool:
    """Whether the last character of the tokens goes on in the next one."""
    try:
        b"".join(token.bytes for token in tokens).decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(tokens) < 4
    return False


def without_hidden(cells: Sequence[Cell]) -> list[Cell]:
    """The cells as they may be shown: a mask stands for those of a key or a person's number."""
    starts, at = [], 0
    for cell in cells:
        starts.append(at)
        at += len(cell.text)
    spans = hidden_spans("".join(cell.text for cell in cells))
    if not spans:
        return list(cells)
    hidden = [
        any(start < place + len(cell.text) and place < end for start, end in spans)
        for place, cell in zip(starts, cells, strict=True)
    ]
    found: list[Cell] = []
    for (covered, _, _), run in groupby(
        zip(hidden, cells, strict=True), key=lambda pair: (pair[0], pair[1].state, pair[1].owner)
    ):
        group = [cell for _, cell in run]
        if covered:
            first = group[0]
            number = sum(cell.tokens for cell in group)
            group = [Cell(MASK, (), number, first.state, first.kind, first.owner)]
        found += group
    return found


def row_views(
    result: Result, findings: Sequence[Finding], room: int
) -> tuple[list[dict[str, Any]], list[tuple[int, int]], Cells]:
    """Views of the rows of findings, those of every rule before many of one.

    Args:
        result: a finished run; its files are read again.
        findings: those that the page shows.
        room: about how many bytes there are for the views.

    Returns:
        The views; for each finding the number of its view and the index of its message, -1 where
        there is none; the cells that the views name.
    """
    places = [(-1, -1)] * len(findings)
    wanted = _wanted(findings)
    lines: dict[tuple[str, int], list[int]] = {}
    for number in wanted:
        place = (findings[number].path, findings[number].line or 0)
        if place in lines or len(lines) < MOST_ROWS:
            lines.setdefault(place, []).append(number)
    found: dict[int, tuple[ShownSample, Row]] = {}
    by_row: dict[int, list[int]] = {}
    left = MOST_TOKENS
    for path in dict.fromkeys(path for path, _ in lines):
        of_file = {line: numbers for (other, line), numbers in lines.items() if other == path}
        for numbers, sample, row in _rows(path, of_file, findings, result, left):
            by_row[id(row)] = numbers
            found.update(dict.fromkeys(numbers, (sample, row)))
            left -= len(sample.tokens)
    cells = Cells()
    rows: list[dict[str, Any]] = []
    for number in wanted:
        if number not in found or places[number][0] >= 0:
            continue
        sample, row = found[number]
        owners = {one: _owner(row, sample, findings[one].pointer) for one in by_row[id(row)]}
        focus = {owner for owner in owners.values() if owner >= 0}
        view = _view(sample, focus, cells, result.plan.lang)
        room -= _size(view) + 2
        if room < 0:
            break
        for one, owner in owners.items():
            places[one] = (len(rows), owner)
        rows.append(view)
    return rows, places, cells


def _size(view: dict[str, Any]) -> int:
    return 80 + sum(len(str(part)) for part in view["g"]) * 2


def _wanted(findings: Sequence[Finding]) -> list[int]:
    """Numbers of the findings whose rows are shown: the first of each rule, then the second, …"""
    seen: dict[str, int] = {}
    order = []
    for number, finding in enumerate(findings):
        if finding.line is None:
            continue
        seen[finding.rule] = turn = seen.get(finding.rule, 0) + 1
        order.append((turn, -RANK[finding.severity], number))
    return [number for _, _, number in sorted(order)]


def _rows(
    path: str,
    lines: dict[int, list[int]],
    findings: Sequence[Finding],
    result: Result,
    left: int,
) -> Iterator[tuple[list[int], ShownSample, Row]]:
    """The rows of one file that start at some lines, with the numbers of their findings.

    Args:
        path: the file; nothing comes of standard input or a pipe.
        lines: line -> findings of rows there.
        findings: all of them.
        result: the run.
        left: how many tokens the rows may have together; longer ones are left out.
    """
    if not is_file(path):
        return
    last = max(lines)
    try:
        for chunk in read_chunks(InputFile(path)):
            at: dict[int, list[int]] = {}
            for place, line in enumerate(chunk.numbers):
                if line in lines:
                    at.setdefault(line, []).append(place)
            for line, among in at.items():
                for place, ours in _assigned(chunk, among, lines[line], findings).items():
                    context = result.context
                    row = next(prepared_rows(chunk.at([place]), context), None)
                    if row is None:
                        continue
                    if row.layout is not None:
                        count_rows([row], context)
                        if row.tokens > left:
                            continue
                        left -= row.tokens
                    try:
                        sample = sample_of(path, row, [], context)
                    except ShowError:
                        continue
                    yield ours, sample, row
            if chunk.numbers and chunk.numbers[-1] > last:
                break
    except (SourceError, OSError):  # gone or changed meanwhile: what there is, is shown
        return


def _assigned(
    chunk: Chunk, among: list[int], numbers: list[int], findings: Sequence[Finding]
) -> dict[int, list[int]]:
    """Place in the chunk -> findings of the row there; several rows may begin in one line."""
    if len(among) == 1:
        return {among[0]: numbers}
    found: dict[int, list[int]] = {}
    wanted = {findings[number].fingerprint: number for number in numbers}
    heads = {(findings[number].rule, findings[number].pointer) for number in numbers}
    for place in among[: MOST_ROWS * 20]:
        identity = row_identity(chunk.lines[place])
        for rule, pointer in heads:
            number = wanted.get(fingerprint(rule, pointer, identity))
            if number is not None:
                found.setdefault(place, []).append(number)
    return found


def _owner(row: Row, sample: ShownSample, pointer: str | None) -> int:
    """The index of the message that a JSON pointer leads into; -1 for none."""
    if not pointer:
        return -1
    places = {}
    for count in sample.messages:
        if count.index >= 0:
            places[json_pointer(row.at(count.index))] = count.index
    while pointer:
        if pointer in places:
            return places[pointer]
        pointer = pointer.rpartition("/")[0]
    return -1


def _view(sample: ShownSample, focus: set[int], cells: Cells, lang: str) -> dict[str, Any]:
    """A row as the page has it."""
    note = None
    if sample.unread:
        note = say("not-read", lang)
    elif sample.error is not None:
        note = say("raises", lang, error=visible(hidden(str(sample.error))))
    elif sample.dropped is not None:
        note = say("dropped", lang, reason=visible(hidden(sample.dropped)))
    shown = without_hidden(cells_of(sample.tokens))
    roles = {count.index: readable(hidden(count.role))[:60] for count in sample.messages}
    heads: dict[int, list[Any]] = {}
    before: int | None = None
    for place, cell in enumerate(shown):
        if cell.owner != before and (cell.owner >= 0 or before is None):
            heads[place] = [cell.owner, roles.get(cell.owner, "")]
        before = cell.owner
    view: dict[str, Any] = {
        "l": sample.line,
        "n": len(sample.tokens),
        "s": sum(token.supervised for token in sample.tokens),
        "x": sum(token.supervised and not token.kept for token in sample.tokens),
        "g": _segments(shown, heads, focus, cells),
    }
    cut = [cell.state in "lc" for cell in shown]
    if any(cut) and all(cut[cut.index(True) :]):
        view["b"] = 1  # one line tells where the budget ends
    if note is not None:
        view["e"] = note
    return view


def _segments(
    shown: list[Cell], heads: dict[int, list[Any]], focus: set[int], cells: Cells
) -> list[list[Any]]:
    """The parts of the row that are shown: [tokens before it, cells, runs of one state, heads]."""
    found = []
    offsets = [0]
    for cell in shown:
        offsets.append(offsets[-1] + cell.tokens)
    for start, stop in _windows(shown, heads, focus):
        part = shown[start:stop]
        runs = [
            f"{state}{_DIGITS[kind + 10]}{base36(len(list(group)))}"
            for (state, kind), group in groupby(part, key=lambda cell: (cell.state, cell.kind))
        ]
        at = [[place - start, *heads[place]] for place in range(start, stop) if place in heads]
        numbers = " ".join(base36(cells.number(cell)) for cell in part)
        found.append([offsets[start], numbers, " ".join(runs), at])
    return found


def _windows(
    shown: list[Cell], heads: dict[int, list[Any]], focus: set[int]
) -> list[tuple[int, int]]:
    size = len(shown)
    if size <= _WHOLE:
        return [(0, size)] if size else []
    states = "".join(cell.state for cell in shown)
    places = [place for place, (owner, _) in heads.items() if owner in focus]
    places += [states.find("s"), next((p for p, s in enumerate(states) if s in "lc"), -1)]
    windows = [(0, _HEAD), (size - _HEAD // 2, size)]
    windows += [
        (max(place - _AROUND // 4, 0), min(place + _AROUND, size))
        for place in places[:_PLACES]
        if place >= 0
    ]
    found: list[tuple[int, int]] = []
    for start, stop in sorted(windows):
        if found and start <= found[-1][1] + _HEAD:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found
