"""Rows as a table of Python objects gives them back, such as one that is written to Parquet.

Objects at one place get each other's keys, in the order in which these first appear, null where they had
none; whole numbers beside fractions become fractions. Nothing else changes. Two kinds of values at one
place, of which in most cases no table can be made, are left as they are.

Source: pyarrow 26.0.1 (`Table.from_pylist`, pandas' `to_parquet`), compared by running it.
"""

from __future__ import annotations

from typing import Any, Final

from glmlint.loader.columns import Column, ListOf, StructOf
from glmlint.loader.facts import DOUBLE, ORDER, PADS, Node
from glmlint.text import RunStopped, Text

MOST: Final = 1_000_000
"""Values that objects of one row may hold at one place once each has the keys of all others."""

_TOO_MANY: Final = Text(
    "as a table this row would hold more than {most:,} values: each object gets the keys of all others",
    "作为表格，这一行的值会超过 {most:,} 个：每个对象都会得到其他所有对象的键",
)


def as_table(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table of that row alone gives it back.

    Raises:
        RunStopped: it would be too large.
    """
    return {key: _fitted([value])[0] for key, value in row.items()}


def _fitted(values: list[Any]) -> list[Any]:
    """Values at one place of the table."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, dict) for value in given):
        keys = dict.fromkeys(key for value in given for key in value)
        if len(keys) * len(given) > MOST:
            raise RunStopped(_TOO_MANY, most=MOST)
        columns = {key: iter(_fitted([value.get(key) for value in given])) for key in keys}
        again = iter([{key: next(columns[key]) for key in keys} for _ in given])
        return [None if value is None else next(again) for value in values]
    if given and all(isinstance(value, list) for value in given):
        items = iter(_fitted([item for value in given for item in value]))
        return [None if value is None else [next(items) for _ in value] for value in values]
    kinds = {type(value) for value in given}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return values


_NUMBERS: Final = frozenset(("number", "int64", "double"))
_KINDS: Final = {
    **dict.fromkeys(_NUMBERS, "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("string", "timestamp"), "string"),
    "array": "array",
    "object": "object",
}
"""Facts of a path, as `facts` has them for parts of a file and for whole chunks -> the kind of values."""


def table_column(node: Node) -> Column:
    """The type of a column of a table, as far as it changes values: the others are "unknown"."""
    kinds = {_KINDS[fact] for fact in node.facts if fact in _KINDS}
    if any(fact.startswith("mix ") for fact in node.facts):
        return "unknown"
    if kinds == {"object"}:
        return StructOf({key: table_column(child) for key, child in node.keys.items()})
    if kinds == {"array"}:
        return ListOf(table_column(node.item) if node.item is not None else "null")
    if kinds == {"number"} and (DOUBLE in node.facts or "double" in node.facts):
        return "double"
    return "unknown" if kinds else "null"


def table_changes(node: Node) -> bool:
    """Whether some value comes back changed."""
    if node.absent or not node.facts.keys().isdisjoint((PADS, ORDER, DOUBLE, "double")):
        return True
    below = [*node.keys.values(), *([node.item] if node.item is not None else [])]
    return any(map(table_changes, below))
