"""Where a JSON pointer stands in a row's bytes: looked up late, only for rows with a finding."""

from __future__ import annotations

import json
import re
from array import array
from typing import Final

from glmlint.finding import Excerpt, Location, Pointer
from glmlint.patterns import Pattern
from glmlint.read.scan import Ahead

_SPACE: Final = Pattern(r"[ \t\r\n]*")
_STRING: Final = Pattern(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ATOM: Final = Pattern(r"[^,\]}\s]+")
_STRUCTURE: Final = Pattern(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


_LONG: Final = 4096
"""Characters of a list or an object whose end is remembered, whatever the size of the text."""
_SHORT: Final = 64
"""Characters of one whose end is remembered in a text of ordinary size: in a long one they are many."""


class Positions:
    """Where the values of one JSON text stand; each array and object is walked through once."""

    def __init__(self, text: str, ahead: Ahead = (0, 0, 0)) -> None:
        self.text = text
        self.ahead = ahead
        """What stands before the text in its line."""
        self._ruler: _Ruler | None = None
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
        start = self.nearest(pointer)[0]
        line_start = self.text.rfind("\n", 0, start) + 1 if self._broken else 0
        return start - line_start + 1 + (0 if line_start else self.ahead[0])

    def nearest(self, pointer: Pointer) -> tuple[int, int]:
        """Start and stop (code points) of the value, or of its nearest parent that is there."""
        while (found := self.byte_range(pointer)) is None:
            pointer = pointer[:-1]  # the whole text, at the latest, is there
        return found

    def part(self, pointer: Pointer, start: int, stop: int) -> tuple[int, int] | None:
        """Where a part of a string is written; None where the pointer names no string.

        Args:
            pointer: of the string, as it is read.
            start: of the part, in code points of the string.
            stop: of the part.
        """
        found = self.byte_range(pointer)
        if found is None or self.text[found[0] : found[0] + 1] != '"':
            return None
        begin = _written(self.text, found[0] + 1, found[1], start)
        return begin, _written(self.text, begin, found[1], stop - start)

    def key(self, pointer: Pointer) -> tuple[int, int] | None:
        """Where the key stands whose value the pointer names, quotes included; None without one."""
        found = self.byte_range(pointer) if pointer and isinstance(pointer[-1], str) else None
        if found is None:
            return None
        stop = self.text.rfind('"', 0, self.text.rfind(":", 0, found[0])) + 1
        start = self.text.rfind('"', 0, stop - 1)
        while start > 0 and _escaped(self.text, start):
            start = self.text.rfind('"', 0, start)
        return (start, stop) if start >= 0 else None

    def span(self, start: int, stop: int, line: int) -> Location:
        """What editors need to find a part of the text.

        Args:
            start: where it begins, in code points of the text.
            stop: where it ends.
            line: 1-based line where the text begins.
        """
        if self._ruler is None:
            self._ruler = _Ruler(self.text, self.ahead)
        ruler = self._ruler
        (first, at), (last, end) = ruler.place(start), ruler.place(stop)
        return Location(line + first, line + last, *zip(at, end, strict=True))

    def excerpt(self, start: int, stop: int, around: int) -> Excerpt:
        """A part of the text with at most `around` code points before, in and after it."""
        begin, end = max(start - around, 0), min(stop + around, len(self.text))
        inside = min(stop, start + around)
        after = self.text[stop:end] if inside == stop else ""
        cut = (begin > 0, inside < stop, end < len(self.text))
        return Excerpt(self.text[begin:start], self.text[start:inside], after, cut)


_STEP: Final = 1024
"""Code points between two places of a ruler."""


class _Ruler:
    """Lines and columns of places in a text, in code points, bytes and units of UTF-16."""

    def __init__(self, text: str, ahead: Ahead) -> None:
        self.text = text
        self.ahead = ahead
        self.plain = text.isascii()
        self._known: list[tuple[int, int]] = [(0, 0)]
        """Bytes and units before every `_STEP`th code point."""

    def place(self, at: int) -> tuple[int, tuple[int, int, int]]:
        """Lines below the first, and the 1-based column in each unit."""
        start = self.text.rfind("\n", 0, at) + 1
        lines = self.text.count("\n", 0, at) if start else 0
        ahead = (0, 0, 0) if start else self.ahead
        here, begin = self._sizes(at), self._sizes(start)
        return lines, (
            at - start + ahead[0] + 1,
            here[0] - begin[0] + ahead[1] + 1,
            here[1] - begin[1] + ahead[2] + 1,
        )

    def _sizes(self, at: int) -> tuple[int, int]:
        """Bytes and units before a place."""
        if self.plain:
            return at, at
        step = at // _STEP
        while len(self._known) <= step:
            done = (len(self._known) - 1) * _STEP
            self._known.append(self._add(self._known[-1], self.text[done : done + _STEP]))
        return self._add(self._known[step], self.text[step * _STEP : at])

    @staticmethod
    def _add(before: tuple[int, int], piece: str) -> tuple[int, int]:
        size = len(piece.encode("utf-8", "surrogatepass"))
        units = len(piece.encode("utf-16-le", "surrogatepass")) // 2
        return before[0] + size, before[1] + units


_ESCAPE: Final = Pattern(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.",
    re.DOTALL,
)
"""A character of a string that JSON writes as an escape."""


def _escaped(text: str, at: int) -> bool:
    """Whether an odd number of backslashes stands before a place."""
    start = at
    while start and text[start - 1] == "\\":
        start -= 1
    return bool((at - start) % 2)


def _written(text: str, at: int, end: int, number: int) -> int:
    """Where so many characters of a string end, which begin at `at`, as they are written."""
    for match in _ESCAPE.finditer(text, at, end):  # up to there each character is one
        start, stop = match.span()
        if at + number <= start:
            break
        number -= start - at + 1
        at = stop
    return min(at + number, end)


def byte_range(text: str, pointer: Pointer) -> tuple[int, int] | None:
    """As `Positions.byte_range`, for one look at a text."""
    return Positions(text).byte_range(pointer)


def _skip_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # the pattern matches anything


def _long_ends(text: str) -> dict[int, int]:
    """Where each long list and object ends: without that the inner ones are read again and again."""
    found: dict[int, int] = {}
    if len(text) < _SHORT:
        return found
    least = min(max(len(text) >> 10, _SHORT), _LONG)
    opened: list[int] = []
    for match in _STRUCTURE.finditer(text):
        first = text[match.start()]
        if first in "[{":
            opened.append(match.start())
        elif first in "]}" and opened:
            begin = opened.pop()
            if match.end() - begin >= least:
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
