"""What a document becomes by a fix, as the smallest changes of its text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from msgspec import Struct, structs

from glmlint.finding import json_pointer
from glmlint.fix.changed_words import alike_ends
from glmlint.fix.files import repaired
from glmlint.fix.ignores import with_ignores
from glmlint.fix.rows import Repair, cures, read_rows, repair_of, repair_row
from glmlint.lsp.check import Checked, Marked, RowSpan
from glmlint.plan import Plan
from glmlint.rules.base import all_rules
from glmlint.trainer.chat import common_length
from glmlint.trainer.row import Row

MOST_LINES: Final = 20_000
"""Lines between the first and the last that change, of which equal ones are looked for."""


MOST_TOKENS: Final = 4_000
"""Tokens of JSON in what changes of one row, of which equal ones are looked for."""

SHORT: Final = 64
"""Code points of what is replaced as a whole, even where a part of it stays."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|\s+|[^\s"]|"', re.DOTALL)


class Change(Struct, frozen=True):
    """A range of a document, in code points, and what is to stand there."""

    start: int
    stop: int
    new: str


class Repairs:
    """What may be repaired in a document, ready for its rows."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.safe = self._repair(unsafe=False)
        self.all = self._repair(unsafe=True)

    def _repair(self, *, unsafe: bool) -> Repair:
        checked = self.checked
        repair = repair_of(checked.plan, checked.context, unsafe)
        return structs.replace(repair, drops=False, survey=checked.survey)


class RowFixes:
    """What can be done for the findings of one row."""

    def __init__(self, repairs: Repairs, row: RowSpan) -> None:
        self._repairs = repairs
        self._row = row
        rows = self._read()
        self._cures = list(cures(rows[0], repairs.all)) if len(rows) == 1 else []

    def _read(self) -> list[Row]:
        """The row, anew: what rules say of it is kept with it."""
        checked = self._repairs.checked
        return read_rows(checked.path, [self._row.raw], checked.context)[0]

    def cure(self, marked: Marked) -> list[Change]:
        """The changes that repair one finding; none where no edit of the row alone does."""
        finding = marked.finding
        fitting = [
            cure
            for cure in self._cures
            if cure.rule == finding.rule
            and cure.problem.pointer is not None
            and json_pointer(cure.problem.pointer) == finding.pointer
        ]
        fitting.sort(key=lambda cure: cure.problem.text.en != finding.kind)
        return self._changes(fitting[0].raw) if fitting else []

    def all_safe(self) -> list[Change]:
        """The changes that repair all that is safe to repair in the row."""
        rows = self._read()
        done = repair_row(rows[0], self._repairs.safe).raw if len(rows) == 1 else None
        return [] if done is None else self._changes(done)

    def ignore(self, rule: str) -> list[Change]:
        """The changes that write a rule into the row's ignore key."""
        done = with_ignores(self._row.raw, {rule})
        return [] if done is None else self._changes(done[0])

    def _changes(self, raw: bytes) -> list[Change]:
        row = self._row
        old = self._repairs.checked.text.whole[row.start : row.stop]
        return list(_inside(old, raw.decode(), row.start))


def fix_document(checked: Checked, rule: str | None = None) -> list[Change]:
    """The changes that `--fix` would make: all that is safe, or all that one rule asks for."""
    plan = checked.plan if rule is None else _only(checked.plan, rule)
    unsafe = rule is not None and all_rules()[rule].rule.fix == "unsafe"
    text = checked.text
    new = repaired(text.data, checked.path, plan, checked.context, unsafe=unsafe)
    return list(changes(text.whole, new.decode("utf-8", "replace")))


def _only(plan: Plan, rule: str) -> Plan:
    def only(rules: dict[str, str]) -> dict[str, str]:
        return {name: level for name, level in rules.items() if name == rule}

    blocks = (dataclasses.replace(block, rules=only(block.rules)) for block in plan.per_file)
    return dataclasses.replace(plan, rules=only(plan.rules), per_file=tuple(blocks))


def changes(old: str, new: str) -> Iterator[Change]:
    """What differs, from the first change to the last: whole lines, or a part of one.

    No change begins or ends inside a line break, where a client knows no place.
    """
    before, after = _lines(old), _lines(new)
    head, tail = alike_ends(before, after)
    ours, theirs = before[head : len(before) - tail], after[head : len(after) - tail]
    at = sum(map(len, before[:head]))
    starts = [at]
    for line in ours:
        starts.append(starts[-1] + len(line))
    for i1, i2, j1, j2 in _blocks(ours, theirs):
        if i2 - i1 == j2 - j1:
            for number, (a, b) in enumerate(zip(ours[i1:i2], theirs[j1:j2], strict=True), i1):
                yield from _of_line(a, b, starts[number])
        else:
            yield Change(starts[i1], starts[i2], "".join(theirs[j1:j2]))


def _lines(text: str) -> list[str]:
    """Lines with their ends, at LF alone."""
    lines = text.split("\n")
    last = lines.pop()
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def _blocks(ours: list[str], theirs: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of lines that differ."""
    if len(ours) == len(theirs):
        yield from ((n, n + 1, n, n + 1) for n in range(len(ours)) if ours[n] != theirs[n])
    elif len(ours) + len(theirs) > MOST_LINES:
        yield 0, len(ours), 0, len(theirs)
    else:
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs).get_opcodes():
            if tag != "equal":
                yield i1, i2, j1, j2


def _of_line(old: str, new: str, at: int) -> Iterator[Change]:
    if old == new:
        return
    inside, other = old.rstrip("\r\n"), new.rstrip("\r\n")
    if old[len(inside) :] != new[len(other) :]:
        yield Change(at, at + len(old), new)
    else:
        yield from _inside(inside, other, at)


def _inside(old: str, new: str, at: int) -> Iterator[Change]:
    """The changes of a row: tokens of JSON that differ, or a part of a long one."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    head, tail = alike_ends(before, after)
    ours, theirs = before[head : len(before) - tail], after[head : len(after) - tail]
    at += sum(map(len, before[:head]))
    blocks: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(ours), 0, len(theirs))]
    if len(ours) + len(theirs) <= MOST_TOKENS:
        blocks = SequenceMatcher(None, ours, theirs).get_opcodes()
    for tag, i1, i2, j1, j2 in blocks:
        piece = "".join(ours[i1:i2])
        if tag != "equal" and len(piece) <= SHORT:
            yield Change(at, at + len(piece), "".join(theirs[j1:j2]))
        elif tag != "equal":
            yield from _within(piece, "".join(theirs[j1:j2]), at)
        at += len(piece)


def _within(old: str, new: str, at: int) -> Iterator[Change]:
    """One change of a piece of text that has no line break at its ends."""
    if old == new:
        return
    head = common_length(old, new)
    tail = common_length(old[head:][::-1], new[head:][::-1])
    # A CR LF inside the piece stays whole.
    if old[head - 1 : head + 1] == "\r\n" or new[head - 1 : head + 1] == "\r\n":
        head -= 1
    if tail and "\r\n" in (
        old[-tail - 1 : len(old) - tail + 1],
        new[-tail - 1 : len(new) - tail + 1],
    ):
        tail -= 1
    yield Change(at + head, at + len(old) - tail, new[head : len(new) - tail])
