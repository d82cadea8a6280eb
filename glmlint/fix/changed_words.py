"""The words that change between two texts of one row."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from glmlint.patterns import Pattern

Place = tuple[int, int, int, int]
"""Start and stop in the old text, and start and stop in the new one."""

_VALUE: Final = Pattern(
    r'"(?:[^"\\]++|\\.)*+"[\s:,\[\]{}]*+|[\s:,\[\]{}]++|[^\s:,\[\]{}"]++|"', re.DOTALL
)
_WORD: Final = Pattern(r"\\u[0-9a-fA-F]{4}|\\.|[A-Za-z0-9_]++|\s++|.", re.DOTALL)
_LETTER: Final = Pattern(r"[A-Za-z0-9_]")

_MOST_PAIRS: Final = 500_000
"""Equal pieces of two texts that are compared with each other; beyond it they are walked through."""

_AHEAD: Final = 12
"""Pieces of a long text in which a change ends."""

_ALIKE: Final = 3
"""Equal pieces after which two texts go on together."""

_NEAR: Final = 3
"""Code points between two changes that are one for a reader."""


def changed_places(old: str, new: str) -> list[Place]:
    """Where two texts differ, in their order: by values of JSON first, then by words in them."""
    found: list[Place] = []
    for a1, a2, b1, b2 in _differing(old, new, _VALUE):
        for c1, c2, d1, d2 in _differing(old[a1:a2], new[b1:b2], _WORD):
            place = _trimmed(old, new, (a1 + c1, a1 + c2, b1 + d1, b1 + d2))
            if found and place[0] - found[-1][1] <= _NEAR and place[2] - found[-1][3] <= _NEAR:
                place = (found[-1][0], place[1], found.pop()[2], place[3])
            found.append(place)
    return found


def _differing(old: str, new: str, piece: Pattern[str]) -> Iterator[Place]:
    """Places that differ, in whole pieces."""
    a, b = piece.findall(old), piece.findall(new)
    start, stop = alike_ends(a, b)
    begin = sum(map(len, a[:start]))
    a, b = a[start : len(a) - stop], b[start : len(b) - stop]
    if not a and not b:
        return
    ends_a, ends_b = _ends(a, begin), _ends(b, begin)
    counts = Counter(b)
    found = _walked if sum(counts[one] for one in a) > _MOST_PAIRS else _compared
    for a1, a2, b1, b2 in found(a, b):
        yield ends_a[a1], ends_a[a2], ends_b[b1], ends_b[b2]


def _compared(a: list[str], b: list[str]) -> Iterator[Place]:
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            yield a1, a2, b1, b2


def _walked(a: list[str], b: list[str]) -> Iterator[Place]:
    """As `_compared` for long lists: after a difference, both go on together within a few pieces,
    or the rest is one difference."""
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            i, j = i + 1, j + 1
            continue
        step = next(
            (
                (p, both - p)
                for both in range(1, 2 * _AHEAD)
                for p in range(both + 1)
                if a[i + p : i + p + _ALIKE] == b[j + both - p : j + both - p + _ALIKE]
            ),
            None,
        )
        if step is None:
            break
        p, q = step
        a2, b2 = min(i + p, len(a)), min(j + q, len(b))
        yield i, a2, j, b2
        i, j = a2, b2
    if i < len(a) or j < len(b):
        yield i, len(a), j, len(b)


def _ends(pieces: list[str], at: int) -> list[int]:
    ends = [at]
    for piece in pieces:
        ends.append(ends[-1] + len(piece))
    return ends


def alike_ends(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """How many items two sequences share at their start, and of the rest at their end."""
    most = min(len(a), len(b))
    start = 0
    while start < most and a[start] == b[start]:
        start += 1
    stop = 0
    while stop < most - start and a[-1 - stop] == b[-1 - stop]:
        stop += 1
    return start, stop


def _trimmed(old: str, new: str, place: Place) -> Place:
    """The place without what both texts share at its edges, but with whole words."""
    a1, a2, b1, b2 = place
    start, stop = alike_ends(old[a1:a2], new[b1:b2])
    a1, a2, b1, b2 = a1 + start, a2 - stop, b1 + start, b2 - stop
    if a1 < a2 and b1 < b2:
        while (
            start
            and _LETTER.match(old, a1 - 1)
            and (_LETTER.match(old, a1) or _LETTER.match(new, b1))
        ):
            a1, b1, start = a1 - 1, b1 - 1, start - 1
        while (
            stop
            and _LETTER.match(old, a2)
            and (_LETTER.match(old, a2 - 1) or _LETTER.match(new, b2 - 1))
        ):
            a2, b2, stop = a2 + 1, b2 + 1, stop - 1
    return a1, a2, b1, b2
