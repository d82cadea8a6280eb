"""Where a JSON pointer stands in a row's bytes: looked up late, only for rows with a finding."""

from __future__ import annotations

import json
import re
from array import array
from typing import Final

from glmlint.finding import Pointer

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ATOM: Final = re.compile(r"[^,\]}\s]+")
_STRUCTURE: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


_LONG: Final = 4096
"""Characters of a list or an object whose end is remembered."""


class Positions:
    """Where the values of one JSON text stand; each array and object is walked through once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._inside: dict[int, dict[str | int, tuple[int, int]] | _Items] = {}
        self._broken = "\n" in text
        self._ends: dict[int, int] | None = None

    def byte_range(self, pointer: Pointer) -> tuple[int, int] | None:
        """Start and stop (code points) of the value that the pointer names; None when it is absent.

        For an object the last of repeated keys counts, as in Python's `json`.
        """
        if self._ends is None:
            self._ends = _long_ends(self.text)
        at = _skip_space(self.text, 0)
        if not pointer:
            return at, _end(self.text, at, self._ends)
        for part in pointer:
            if at not in self._inside:
                self._inside[at] = _children(self.text, at, self._ends)
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


def _long_ends(text: str) -> dict[int, int]:
    """Where each long list and object ends: without that the inner ones are read again and again."""
    found: dict[int, int] = {}
    if len(text) < _LONG:
        return found
    opened: list[int] = []
    for match in _STRUCTURE.finditer(text):
        first = text[match.start()]
        if first in "[{":
            opened.append(match.start())
        elif first in "]}" and opened:
            begin = opened.pop()
            if match.end() - begin >= _LONG:
                found[begin] = match.end()
    for begin in opened:  # what never closes goes to the end
        found[begin] = len(text)
    return found


class _Items:
    """Start and stop of each entry of a list, by its index."""

    def __init__(self) -> None:
        self.starts = array("q")
        self.stops = array("q")

    def get(self, index: str | int) -> tuple[int, int] | None:
        """Start and stop of one entry; None where there is none."""
        if not isinstance(index, int) or not 0 <= index < len(self.starts):
            return None
        return self.starts[index], self.stops[index]


def _end(text: str, at: int, ends: dict[int, int]) -> int:
    """Where the value that starts at `at` ends.

    Args:
        text: JSON.
        at: where a value starts.
        ends: those of the long lists and objects.
    """
    if at in ends:
        return ends[at]
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


def _children(
    text: str, at: int, ends: dict[int, int]
) -> dict[str | int, tuple[int, int]] | _Items:
    """Key or index -> start and stop of the value, of the array or object that starts at `at`."""
    found: dict[str | int, tuple[int, int]] = {}
    items = _Items()
    opening = text[at : at + 1]
    if opening not in ("{", "["):
        return found
    place = _skip_space(text, at + 1)
    while place < len(text) and text[place] not in "]}":
        part: str | None = None
        if opening == "{":
            key = _STRING.match(text, place)
            if key is None:
                return found
            place = _skip_space(text, key.end())
            if text[place : place + 1] != ":":
                return found
            place = _skip_space(text, place + 1)
            part = _key(key.group())
        end = _end(text, place, ends)
        if opening == "[":
            items.starts.append(place)
            items.stops.append(end)
        elif part is not None:
            found[part] = (place, end)
        if end == place:
            break
        place = _skip_space(text, end)
        if text[place : place + 1] == ",":
            place = _skip_space(text, place + 1)
    return items if opening == "[" else found


def _key(quoted: str) -> str | None:
    """The key that a quoted text spells; None for one that spells none."""
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        return None
