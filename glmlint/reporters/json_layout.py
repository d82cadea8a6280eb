"""JSON that programs read and people look into: an entry a line, down to some depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.visible import json_text


def laid_out(value: Any, depth: int) -> Iterator[str]:
    """The lines of a JSON value; objects and lists that stand deeper are on one line."""
    yield from _lines(value, depth, "", "")


def _lines(value: Any, depth: int, head: str, tail: str) -> Iterator[str]:
    if not depth or not value or not isinstance(value, dict | list):
        yield head + json_text(value) + tail
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield head + opening
    if isinstance(value, dict):
        entries = [(json_text(key) + ": ", entry) for key, entry in value.items()]
    else:
        entries = [("", entry) for entry in value]
    for place, (key, entry) in enumerate(entries, 1):
        yield from _lines(entry, depth - 1, key, "," if place < len(entries) else "")
    yield closing + tail
