"""Rows as one version of `datasets` gives them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from glmlint.loader.columns import Column, ListOf, Path_, StructOf
from glmlint.loader.facts import DOUBLE, ORDER, PADS, TYPED, Node
from glmlint.loader.texts import as_bool, as_double, as_int64, moment
from glmlint.loader.ujson_numbers import rewritten, stored, stored_text
from glmlint.loader.verdict import Conflict


def lost_paths(conflicts: list[Conflict]) -> frozenset[Path_]:
    """Paths whose scalars become null."""
    return frozenset(c.path for c in conflicts if c.outcome == "loses-values")


class Load(msgspec.Struct, frozen=True):
    """What one version of `datasets` makes of the `messages` of one file."""

    column: Column
    through_json: bool
    """Whether the file went through pandas' codec, which loses decimals."""
    lost: frozenset[Path_]
    changes: bool
    """Whether any row may come back otherwise than written."""

    def messages(self, messages: list[Any]) -> Any:
        """The list as the trainer receives it."""
        return fitted(messages, self.column, ("messages",), self.through_json, self.lost)

    @property
    def keeps_keys(self) -> bool:
        """Whether messages come back with their own keys: then only floats in them can change."""
        return self.column == "json" or self.column == ListOf("json")

    @property
    def added(self) -> frozenset[str] | None:
        """The keys that every message gets, null where it has none of its own.

        None where texts may come back otherwise, or messages are no objects.
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
        return fitted(tools, column, ("messages", 0, "tools"), self.through_json, self.lost)


def may_change(node: Node, column: Column, path: Path_, through_json: bool) -> bool:
    """Whether some value of a chunk may come back otherwise, by its facts as `as_types` gives them."""
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
        return node.item is not None and may_change(
            node.item, column.item, (*path, 0), through_json
        )
    if kinds - {"object"} or node.absent or PADS in facts or column.fields.keys() - node.keys:
        return True
    # Messages are asked for their keys by name; a tool is printed as it stands.
    printed = len(path) > 2
    if printed and (ORDER in facts or list(node.keys) != list(column.fields)):
        return True
    return any(
        may_change(child, column.fields[key], (*path, key), through_json)
        for key, child in node.keys.items()
    )


def _has_floats(node: Node) -> bool:
    if DOUBLE in node.facts or "double" in node.facts:
        return True
    below = [*node.keys.values(), *([node.item] if node.item is not None else [])]
    return any(map(_has_floats, below))


def fitted(
    value: object, column: Column, path: Path_, through_json: bool, lost: frozenset[Path_]
) -> Any:
    """A value as its column gives it back."""
    if value is None:
        return None
    if isinstance(column, StructOf):
        if not isinstance(value, dict):
            return dict.fromkeys(column.fields) if path in lost or value is None else value
        return {
            key: fitted(value.get(key), below, (*path, key), through_json, lost)
            for key, below in column.fields.items()
        }
    if isinstance(column, ListOf):
        if not isinstance(value, list):
            return value
        return [fitted(item, column.item, (*path, 0), through_json, lost) for item in value]
    if column == "json":
        return stored_text(value) if isinstance(value, str) else stored(value)
    if through_json and isinstance(value, float):
        value = rewritten(value)
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
