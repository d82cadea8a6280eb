"""Where a JSON pointer stands in a row's bytes: looked up late, only for rows with a finding."""

from __future__ import annotations

import json
import re
from typing import Final

from glmlint.finding import Pointer

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ATOM: Final = re.compile(r"[^,\]}\s]+")
_STRUCTURE: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


def byte_range(text: str, pointer: Pointer) -> tuple[int, int] | None:
    """Start and stop (code points) of the value that the pointer names; None when it is not there.

    For an object the last of repeated keys counts, as in Python's `json`.
    """
    at = _skip_space(text, 0)
    for part in pointer:
        child = _child(text, at, part)
        if child is None:
            return None
        at = child
    return at, _end(text, at)


def find(raw: bytes, pointer: Pointer) -> int | None:
    """1-based column, in code points of the line, of the value or of its nearest parent."""
    text = raw.decode("utf-8", "replace")
    while True:
        found = byte_range(text, pointer)
        if found is not None:
            line_start = text.rfind("\n", 0, found[0]) + 1
            return found[0] - line_start + 1
        if not pointer:
            return None
        pointer = pointer[:-1]


def _skip_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # the pattern matches anything


def _end(text: str, at: int) -> int:
    """Where the value that starts at `at` ends."""
    first = text[at : at + 1]
    if first == '"':
        match = _STRING.match(text, at)
        return match.end() if match else len(text)
    if first in ("{", "["):
        depth = 0
        for match in _STRUCTURE.finditer(text, at):
            if match.group() in "[{":
                depth += 1
            elif match.group() in "]}":
                depth -= 1
                if depth == 0:
                    return match.end()
        return len(text)
    match = _ATOM.match(text, at)
    return match.end() if match else at


def _child(text: str, at: int, part: str | int) -> int | None:
    opening = text[at : at + 1]
    if opening not in ("{", "["):
        return None
    place = _skip_space(text, at + 1)
    index = 0
    found: int | None = None
    while place < len(text) and text[place] not in "]}":
        if opening == "{":
            key = _STRING.match(text, place)
            if key is None:
                return found
            place = _skip_space(text, key.end())
            if text[place : place + 1] != ":":
                return found
            place = _skip_space(text, place + 1)
            if _same_key(key.group(), part):
                found = place
        elif index == part:
            return place
        end = _end(text, place)
        if end == place:
            return found
        place = _skip_space(text, end)
        if text[place : place + 1] == ",":
            place = _skip_space(text, place + 1)
        index += 1
    return found


def _same_key(quoted: str, part: str | int) -> bool:
    if "\\" not in quoted:
        return quoted[1:-1] == part
    try:
        return bool(json.loads(quoted, strict=False) == part)
    except ValueError:
        return False
