"""Rows that ask to be left alone with some rules: 16 bytes of each, and what their lists say once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field, structs

from glmlint.evidence.tables import Table, extended, in_order

MOST: Final = 10_000
"""Different lists that are kept of a file. Of a further one only those names count that stand for a
rule which compares rows, and no name of it is unused: data may make each of its lists another one."""

_FIELDS: Final[Any] = [("line", "<u4"), ("kind", "<u4"), ("content", "<u8")]


class Ignores(Struct):
    """What a row ignores, and what came of it."""

    names: dict[str, frozenset[str]]
    """Rules, families or ALL, as the row has them, and the rules that each stands for."""
    judged: list[str]
    """Those of them for which a rule was on that might have found something."""
    fault: bool = False
    """The key holds something else than `{"ignore": ["rule", …]}`."""
    used: set[str] = field(default_factory=set)
    matched: dict[str, list[str]] = field(default_factory=dict)
    """Rule -> those of the names that stand for it, where it was asked about."""
    clean: bool = True
    """Whether nothing was found in the row."""

    def match(self, rule: str) -> bool:
        """Whether the row ignores that rule; remembers that the name was used."""
        found = self.matched.get(rule)
        if found is None:
            found = [name for name, rules in self.names.items() if rule in rules]
            self.matched[rule] = found
            self.used.update(found)
        return bool(found)


class IgnoredRows:
    """The rows of one file, or of a part of it, that have an ignore key."""

    def __init__(self) -> None:
        self._kinds: list[Ignores] = []
        """All that rows ignore, each once; never changed."""
        self._places: dict[Hashable, int] = {}
        """Where each of them is."""
        self._table: Table = np.empty(0, _FIELDS)
        """Of each row its line, the place of what it ignores, and what stands for its content."""
        self._lines: npt.NDArray[np.uint32] | None = None
        """The lines of the table, once it is in their order."""

    def __getstate__(self) -> tuple[list[Ignores], Table]:
        return self._kinds, self._table

    def __setstate__(self, state: tuple[list[Ignores], Table]) -> None:
        self._kinds, self._table = state
        self._lines = None
        self._places = {_key(one): place for place, one in enumerate(self._kinds)}

    def __len__(self) -> int:
        return len(self._table)

    def add(self, rows: Iterable[tuple[int, bytes, Ignores]], across: frozenset[str]) -> None:
        """Add rows that have been checked.

        Args:
            rows: line, the eight bytes of `finding.row_identity`, and what is ignored.
            across: the rules that compare rows: only these may still ask.
        """
        found = [
            (line, self._place(_later(one, across)), int.from_bytes(content, "little"))
            for line, content, one in rows
        ]
        self._table = extended(self._table, np.array(found, _FIELDS))
        self._lines = None

    def merge(self, other: IgnoredRows) -> None:
        """Take in the rows of another part, which are used up."""
        if len(other):
            places = np.array([*map(self._place, other._kinds)], np.uint32)
            other._table["kind"] = places[other._table["kind"]]
            self._table = extended(self._table, other._table)
            self._lines = None

    def match(self, line: int, rule: str) -> int:
        """How many rows of a line ignore a rule; remembers that their names were used."""
        count = 0
        if len(self):
            table, lines = self._ordered()
            first, last = np.searchsorted(lines, np.array((line, line + 1), np.uint32)).tolist()
            for at in range(first, last):
                one = self._kinds[table["kind"][at]]
                names = {name for name, rules in one.names.items() if rule in rules}
                if not names <= one.used:
                    table["kind"][at] = self._known(structs.replace(one, used=one.used | names))
                count += bool(names)
        return count

    def rows(self) -> Iterator[tuple[int, bytes, Ignores]]:
        """Line, the eight bytes of its content, and what is ignored, by line."""
        for row in self._ordered()[0]:
            line, kind, content = row.item()
            yield line, content.to_bytes(8, "little"), self._kinds[kind]

    def _ordered(self) -> tuple[Table, npt.NDArray[np.uint32]]:
        if self._lines is None:
            self._table = in_order(self._table)
            self._lines = np.ascontiguousarray(self._table["line"])
        return self._table, self._lines

    def _place(self, one: Ignores) -> int:
        if len(self._kinds) >= MOST and _key(one) not in self._places:
            names = {name: rules for name, rules in one.names.items() if rules}
            one = structs.replace(one, names=names, judged=[], used=one.used & names.keys())
        return self._known(one)

    def _known(self, one: Ignores) -> int:
        place = self._places.setdefault(_key(one), len(self._kinds))
        if place == len(self._kinds):
            self._kinds.append(one)
        return place


def _later(one: Ignores, across: frozenset[str]) -> Ignores:
    names = {name: rules & across for name, rules in one.names.items()}
    return structs.replace(one, names=names, matched={})


def _key(one: Ignores) -> Hashable:
    return tuple(one.names.items()), tuple(one.judged), one.fault, frozenset(one.used), one.clean
