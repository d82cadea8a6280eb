"""Rows that are refused: where, and why, a broken one in the words of `check`."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct

from glmlint.converters.base import Kind, Refused
from glmlint.evidence.json_fault import printable
from glmlint.finding import Pointer, place
from glmlint.plan import Plan
from glmlint.read.sample import read
from glmlint.read.span import Positions
from glmlint.rules.base import all_rules, place_of
from glmlint.text import Text
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.row import Row


class Refusal(Struct, frozen=True):
    """One row that was not converted."""

    line: int
    column: int
    """1-based, in code points of the line."""
    kind: Kind
    pointer: Pointer
    detail: str
    """What stands there, in a few words; "" where that helps nobody."""
    rule: str | None = None
    """The rule of `check` whose words these are."""
    text: Text | None = None
    values: dict[str, Any] = {}

    def say(self, lang: str) -> str:
        """Why, on one line that nothing in the row can break."""
        if self.text is not None:
            return f"{self.rule}: {printable(self.text.say(lang, **self.values))}"
        words = self.kind.zh if lang == "zh" else self.kind.en
        parts = [self.detail, place(self.pointer) if self.pointer else ""]
        told = ("，" if lang == "zh" else ", ").join(printable(part) for part in parts if part)
        if not told:
            return words
        return f"{words}【{told}】" if lang == "zh" else f"{words} [{told}]"


def refusal(error: Refused, path: str, line: int, raw: bytes) -> Refusal:
    """The refusal of a row.

    Args:
        error: why `convert` does not take it.
        path: the file, as it was named.
        line: 1-based line where the row starts.
        raw: the row's bytes.
    """
    if error.defect is None:
        column = Positions(raw.decode("utf-8", "replace")).column(error.pointer)
        return Refusal(line, column, error.kind, error.pointer, error.detail)
    row = Row(path, line, raw, _context())
    row.defect = error.defect
    row.value_ = read(raw).value
    check = all_rules()[error.defect.rule].check
    for problem in check(row) if check is not None else ():
        column = row.positions.span(*place_of(problem, row.positions), line).columns[0]
        values = {"rows": 1, **problem.values}
        name = error.defect.rule
        return Refusal(line, column, error.kind, (), name, name, problem.text, values)
    return Refusal(line, error.defect.column or 1, error.kind, (), error.defect.rule)


@cache
def _context() -> Context:
    """What rows need that rules about bytes look at; asked only where a row is broken."""
    return open_context(Plan())
