"""Nulls of a row that a table put in: keys that some other message or tool has, as null in all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.read.nulls import KeySets, tool_nulls
from glmlint.trainer.row import Row, per_row

_SAID: Final = ("role", "content")
"""Keys that every message has anyway: null there is for `null-content` and `missing-role`."""


@per_row
def padded(row: Row) -> frozenset[Pointer]:
    """The places of such nulls, where all messages of the row have the same keys; mostly none."""
    return frozenset(padding(row)) if row.sample is None and not row.foreign else frozenset()


def padding(row: Row, nulls: KeySets | None = None) -> Iterator[Pointer]:
    """The same in order; with what is known of the whole file, more of them are sure."""
    messages = row.messages
    if len(messages) < 2 or not all(isinstance(message, dict) for message in messages):
        return
    keys = messages[0].keys()
    if any(message.keys() != keys for message in messages):
        return
    if not any(value is None for message in messages for value in message.values()):
        return
    for index, message in enumerate(messages):
        for key, value in message.items():
            if value is None and key not in _SAID:
                yield "messages", index, key
        yield from _of_list(message.get("tools"), ("messages", index, "tools"), nulls)
    yield from _of_list(row.value.get("tools"), ("tools",), nulls)


def _of_list(tools: Any, at: Pointer, nulls: KeySets | None) -> Iterator[Pointer]:
    if isinstance(tools, list):
        place = None if nulls is None else nulls.at(*at, 0)
        for index, tool in enumerate(tools):
            yield from tool_nulls(tool, (*at, index), place)
