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


class Positions:
    """Where the values of one JSON text stand; each array and object is walked through once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._inside: dict[int, dict[str | int, tuple[int, int]]] = {}
        self._broken = "\n" in text

    def byte_range(self, pointer: Pointer) -> tuple[int, int] | None:
        """Start and stop (code points) of the value that the pointer names; None when it is absent.

        For an object the last of repeated keys counts, as in Python's `json`.
        """
        at = _skip_space(self.text, 0)
        if not pointer:
            return at, _end(self.text, at)
        for part in pointer:
            if at not in self._inside:
                self._inside[at] = _children(self.text, at)
            found = self._inside[at].get(part)
            if found is None:
                return None
            at = found[0]
        return found

    def column(self, pointer: Pointer) -> int:
        """1-based column, in code points of the line, of the value or of its nearest parent."""
        while (found := self.byte_range(pointer)) is None:
            pointer = pointer[:-1]  # the whole text, at the latest, is there
        start = found[0]
        return start - (self.text.rfind("\n", 0, start) + 1 if self._broken else 0) + 1


def byte_range(text: str, pointer: Pointer) -> tuple[int, int] | None:
    """As `Positions.byte_range`, for one look at a text."""
    return Positions(text).byte_range(pointer)


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


def _children(text: str, at: int) -> dict[str | int, tuple[int, int]]:
    """Key or index -> start and stop of the value, of the array or object that starts at `at`."""
    found: dict[str | int, tuple[int, int]] = {}
    opening = text[at : at + 1]
    if opening not in ("{", "["):
        return found
    place = _skip_space(text, at + 1)
    index = 0
    while place < len(text) and text[place] not in "]}":
        part: str | int | None = index
        if opening == "{":
            key = _STRING.match(text, place)
            if key is None:
                return found
            place = _skip_space(text, key.end())
            if text[place : place + 1] != ":":
                return found
            place = _skip_space(text, place + 1)
            part = _key(key.group())
        end = _end(text, place)
        if part is not None:
            found[part] = (place, end)
        if end == place:
            return found
        place = _skip_space(text, end)
        if text[place : place + 1] == ",":
            place = _skip_space(text, place + 1)
        index += 1
    return found


def _key(quoted: str) -> str | None:
    """The key that a quoted text spells; None for one that spells none."""
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        return None
