"""The types of columns as Arrow has them, and paths into rows."""

from __future__ import annotations

from typing import NamedTuple

Step = str | int
Path_ = tuple[Step, ...]
"""Object keys, and 0 for the items of a list, as `datasets` writes its field paths."""


class ListOf(NamedTuple):
    """A list column."""

    item: Column


class StructOf(NamedTuple):
    """A struct column: its fields in the order in which they first appear."""

    fields: dict[str, Column]


Column = str | ListOf | StructOf
"""null, bool, int64, double, string, timestamp, json, or a list or struct of these; unknown where
the load fails."""


def where(path: Path_) -> str:
    """`("messages", 0, "content")` -> `messages[].content`; the row itself is `the row`."""
    text = ""
    for step in path:
        if step == 0:
            text += "[]"
        else:
            text += f".{step}" if text else str(step)
    return text or "the row"


def lists_of_json(column: Column) -> bool:
    return isinstance(column, ListOf) and (column.item == "json" or lists_of_json(column.item))


def name_of(column: Column) -> str:
    if isinstance(column, str):
        return column
    return "array" if isinstance(column, ListOf) else "object"
