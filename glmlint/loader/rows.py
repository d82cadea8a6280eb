"""Rows as one version of `datasets` gives them back."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from glmlint.loader.columns import Column, ListOf, Path_, StructOf
from glmlint.loader.facts import DOUBLE, ORDER, PADS, TYPED, Node
from glmlint.loader.texts import as_bool, as_double, as_int64, moment
from glmlint.loader.ujson_numbers import read_float, rewritten, stored, stored_text
from glmlint.loader.verdict import Conflict


def lost_paths(conflicts: list[Conflict]) -> frozenset[Path_]:
    """Paths whose scalars become null."""
    return frozenset(c.path for c in conflicts if c.outcome == "loses-values")


class How(NamedTuple):
    """What happens to values on their way, beside the types."""

    times: int = 0
    """How many times pandas' codec writes the file, which costs decimals."""
    by_pandas: bool = False
    """Whether pandas reads the file, which costs fewer."""
    lost: frozenset[Path_] = frozenset()
    """Paths whose scalars become null."""

    def number(self, value: float) -> float | None:
        """A float of a column of numbers, as it comes back."""
        if self.by_pandas:
            return read_float(repr(value)) if math.isfinite(value) else value
        for _ in range(self.times):
            again = rewritten(value)
            if again is None:
                return None
            value = again
        return value


class Load(msgspec.Struct, frozen=True):
    """What one version of `datasets` makes of the rows of one file."""

    columns: StructOf
    """The type of the rows."""
    how: How
    changes: bool
    """Whether any row may come back changed, in the columns that are read."""
    reads: tuple[str, ...] | None = None
    """The columns that the trainer reads; None for all."""
    times: bool = False
    """Whether some texts come back as `datetime`."""

    def row(self, value: Any) -> Any:
        """The row as the trainer receives it: with every column, null where it had none.

        Texts that Arrow takes for times come back as `datetime`.
        """
        return whole_row(value, self.columns, self.how)

    def changed(self, value: dict[str, Any]) -> dict[str, Any] | None:
        """The row as the trainer receives it; None where what it reads of it is as written.

        Only the columns that the trainer reads are rebuilt, where those are known.
        """
        if self.reads is None:
            loaded: dict[str, Any] = self.row(value)
            # Unlike ==, repr tells 0 from 0.0, and one order of keys from another.
            same = loaded.keys() == value.keys() and all(
                repr(item) == repr(value[key]) for key, item in loaded.items()
            )
            return None if same else loaded
        anew = {
            key: fitted(value[key], self.columns.fields[key], (key,), self.how)
            for key in self.reads
            if key in self.columns.fields and isinstance(value.get(key), list | dict)
        }
        changed = {key: item for key, item in anew.items() if repr(item) != repr(value[key])}
        return {**value, **changed} if changed else None

    @property
    def column(self) -> Column:
        """The type of `messages`."""
        return self.columns.fields.get("messages", "null")

    def messages(self, messages: list[Any]) -> Any:
        """The list as the trainer receives it."""
        return fitted(messages, self.column, ("messages",), self.how)

    @property
    def keeps_keys(self) -> bool:
        """Whether messages come back with their own keys: then only floats in them can change."""
        return self.column == "json" or self.column == ListOf("json")

    @property
    def added(self) -> frozenset[str] | None:
        """The keys that every message gets, null where it has none of its own.

        None where texts may come back changed, or messages are not objects.
        """
        if self.keeps_keys:
            return frozenset()
        if not isinstance(self.column, ListOf) or not isinstance(self.column.item, StructOf):
            return None
        fields = self.message_fields
        texts = [fields[key] for key in ("role", "content", "metadata") if key in fields]
        plain = all(column in ("string", "null") for column in texts)
        return frozenset(fields) if plain else None

    @property
    def message_fields(self) -> dict[str, Column]:
        """The keys that every message gets, with their types; none where each keeps its own."""
        if isinstance(self.column, ListOf) and isinstance(self.column.item, StructOf):
            return self.column.item.fields
        return {}

    def tools(self, tools: list[Any]) -> Any:
        """A tool list as the trainer receives it. Only where `added` is known."""
        column = self.message_fields.get("tools", "json")
        return fitted(tools, column, ("messages", 0, "tools"), self.how)


def has_times(column: Column) -> bool:
    """Whether Arrow takes texts somewhere in a column for times."""
    if isinstance(column, StructOf):
        return any(map(has_times, column.fields.values()))
    return has_times(column.item) if isinstance(column, ListOf) else column == "timestamp"


def may_change(rows: Node, columns: StructOf, read: Collection[str]) -> bool:
    """Whether some row of a chunk may come back changed in the columns that are read.

    Args:
        rows: the facts of the chunk, as `as_types` gives them.
        columns: the type of the rows.
        read: names of columns.
    """
    if [*read] != ["messages"] and (PADS in rows.facts or rows.absent):
        return True  # some row lacks a column
    for key in read:
        child = rows.keys.get(key)
        if child is None:
            if key != "messages":
                return True
        elif _may_change(child, columns.fields[key], (key,)):
            return True
    return False


def _may_change(node: Node, column: Column, path: Path_) -> bool:
    """Whether some value of a chunk may come back changed, by its facts as `as_types` gives them."""
    facts = node.facts
    kinds = {fact for fact in facts if fact in TYPED}
    if column == "json":
        texts = {"string", "timestamp"} & kinds or any(
            fact.startswith("mix ") and "string" in fact for fact in facts
        )
        return bool(texts) or _has_floats(node)
    if any(fact.startswith("mix ") for fact in facts):
        return True
    if isinstance(column, str):
        # A null column has no values; a float may lose decimals, or be a whole number made a float.
        return column in ("double", "timestamp", "unknown") or bool(kinds - {column})
    if isinstance(column, ListOf):
        if kinds - {"array"}:
            return True
        return node.item is not None and _may_change(node.item, column.item, (*path, 0))
    if kinds - {"object"} or node.absent or PADS in facts or column.fields.keys() - node.keys:
        return True
    # Messages are asked for their keys by name; a tool is printed as it stands.
    printed = len(path) > 2 or path[0] != "messages"
    if printed and (ORDER in facts or list(node.keys) != list(column.fields)):
        return True
    return any(
        _may_change(child, column.fields[key], (*path, key)) for key, child in node.keys.items()
    )


def _has_floats(node: Node) -> bool:
    if DOUBLE in node.facts or "double" in node.facts:
        return True
    below = [*node.keys.values(), *([node.item] if node.item is not None else [])]
    return any(map(_has_floats, below))


def whole_row(value: Any, column: Column, how: How) -> Any:
    """A row as its columns give it back; one that is null has nulls, and so has `[]` by pandas."""
    if (value is None or (value == [] and how.by_pandas)) and isinstance(column, StructOf):
        return dict.fromkeys(column.fields)
    return fitted(value, column, (), how)


def fitted(value: object, column: Column, path: Path_, how: How) -> Any:
    """A value as its column gives it back."""
    if value is None:
        return None
    if isinstance(column, StructOf):
        if not isinstance(value, dict):
            return dict.fromkeys(column.fields) if path in how.lost else value
        return {
            key: fitted(value.get(key), below, (*path, key), how)
            for key, below in column.fields.items()
        }
    if isinstance(column, ListOf):
        if not isinstance(value, list):
            return value
        return [fitted(item, column.item, (*path, 0), how) for item in value]
    if column == "json":
        return stored_text(value) if isinstance(value, str) else stored(value, how.times)
    if isinstance(value, float):
        value = how.number(value)
        if value is None:
            return None
    return _scalar_fit(value, column)


def _scalar_fit(value: object, column: str) -> object:
    if column == "double" and isinstance(value, int):
        return float(value)
    if column == "double" and isinstance(value, str):
        return as_double(value)
    if column == "int64":
        if isinstance(value, int | float):
            small = isinstance(value, float) or -(2**63) <= value < 2**63
            return int(value) if small else int(float(value))
        if isinstance(value, str):
            return as_int64(value)
    if column == "bool" and not isinstance(value, bool):
        return as_bool(value) if isinstance(value, str) else bool(value)
    if column == "timestamp":
        return moment(value) if isinstance(value, str) else datetime(1970, 1, 1) + _seconds(value)
    if column == "string" and not isinstance(value, str):
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return value


def _seconds(value: object) -> timedelta:
    return timedelta(seconds=value) if isinstance(value, int) else timedelta()
