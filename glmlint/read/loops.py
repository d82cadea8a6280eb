"""Loops in a text: one piece of it again and again, at its end or in the middle.

A row is first judged by its bytes (`looping`) and each answer by a few of its characters
(`may_loop`); only what passes is searched. All of it is linear in the text, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from glmlint.patterns import Pattern

TAIL: Final = 16
"""Characters that must come again."""
LONGEST_UNIT: Final = 1024
SHORTEST_LOOP: Final = 60
"""Characters of the longest unit, and of the shortest loop in words."""

_INSIDE: Final = 240
"""Characters of the shortest loop inside an answer that is reported, those of tiny units apart: they
lie in its bytes as a row of equal words."""
_STRIDE: Final = 160
_NEAR: Final = 128
"""Characters between the places at which `may_loop` looks, and how far from each."""
_FAR: Final = 4 * _STRIDE
"""Between those from which it looks as far as the longest unit reaches."""
_STEP: Final = 24
"""Characters between the places from which `loops` starts."""
_LAGS: Final = (1, 3, 7, 9, 11, 13, 15)
"""Distances of equal words of eight bytes: units of 1 to 15 bytes, and of many lengths up to 120."""
_BLOCK: Final = 1 << 14
"""Words compared at a time: they stay in the cache."""
_WORDS: Final = 4
"""Equal words in a row that make a row of bytes worth a look."""


class Loop(NamedTuple):
    """A piece of text that stands several times in a row."""

    start: int
    """Index of its first character."""
    size: int
    """Characters of the unit."""
    length: int
    """Characters of the whole."""

    @property
    def times(self) -> int:
        """How often the unit stands there, whole."""
        return self.length // self.size

    @property
    def stop(self) -> int:
        """Index after its last character."""
        return self.start + self.length


def looping(whole: bytes) -> Iterator[npt.NDArray[np.int64]]:
    """Places in some bytes where a short unit seems to come again and again, a part at a time."""
    words = np.frombuffer(whole, "<u8", len(whole) // 8)
    for at in range(0, len(words), _BLOCK):
        for places in _repeated(words[at : at + _BLOCK + _LAGS[-1]]):
            yield 8 * (places + at)


def _repeated(words: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Where several words in a row are the same as those a lag before."""
    for lag in _LAGS:
        same = np.flatnonzero(words[lag:] == words[:-lag])
        if len(same) >= _WORDS:
            last = same[_WORDS - 1 :]
            yield last[last - same[: 1 - _WORDS] == _WORDS - 1]


def may_loop(text: str) -> bool:
    """Whether a text ends as it went on shortly before, or does so at one of some places inside."""
    if text[-1:].isspace():
        text = text.rstrip()
    size = len(text)
    if size < SHORTEST_LOOP:
        return False
    if text.rfind(text[-TAIL:], -LONGEST_UNIT - TAIL, -1) >= 0:
        return True
    if size < _INSIDE:
        return False
    find = text.find
    middle = size // 2
    if find(text[middle : middle + TAIL], middle + 1, middle + TAIL + _NEAR) >= 0:
        return True
    return size > 2 * _STRIDE and (
        any(
            find(text[at : at + TAIL], at + 1, at + TAIL + _NEAR) >= 0
            for at in range(_STRIDE, size - _STRIDE, _STRIDE)
        )
        or any(
            find(text[at : at + TAIL], at + 1, at + TAIL + LONGEST_UNIT) >= 0
            for at in range(_FAR, size - _FAR, _FAR)
        )
    )


def loops(text: str) -> Iterator[Loop]:
    """The places of a text where a unit stands at least twice and is found again, in order.

    Those of less than `2 * _STEP` characters may be missed.
    """
    at, size, done = 0, len(text), 0
    while at + TAIL < size:
        again = text.find(text[at : at + TAIL], at + 1, at + TAIL + LONGEST_UNIT)
        if again < 0:
            at += _STEP
            continue
        unit = again - at
        half = unit // 2
        if half > TAIL and not (
            text[at + TAIL : at + half] == text[again + TAIL : again + half]
            or text[max(at - half, 0) : at] == text[again - min(half, at) : again]
        ):
            at += _STEP  # what is the same there is shorter than the unit
            continue
        stop = again + _common(text, at, again)
        start = at - _common_before(text, at, again, at - done)
        if stop - start >= max(_STEP, 2 * unit):
            yield Loop(start, unit, stop - start)
            done = stop
            at = max(stop, at + _STEP)
        else:
            at += _STEP


def _common(text: str, left: int, right: int) -> int:
    """How many characters are the same from two places on."""
    size, width = 0, 64
    most = len(text) - right
    while size < most:
        width = min(width, most - size)
        if text[left + size : left + size + width] == text[right + size : right + size + width]:
            size += width
            width *= 2
        elif width == 1:
            break
        else:
            width = max(width // 2, 1)
    return size


def _common_before(text: str, left: int, right: int, most: int) -> int:
    """How many characters are the same before two places, at most so many."""
    most = min(most, left)
    size, width = 0, 16
    while size < most:
        width = min(width, most - size)
        if text[left - size - width : left - size] == text[right - size - width : right - size]:
            size += width
            width *= 2
        elif width == 1:
            break
        else:
            width = max(width // 2, 1)
    return size


_SEPARATORS: Final = frozenset("-=_*~#.·—–…─━═+<>^:•∙`'\" \t\r\n\u3000")
"""What lines between parts, blanks to be filled in and rows of dots are made of."""


def kind_of(unit: str) -> str:
    """What a unit is made of: "blank", "separator", "table", "words", "digits" or "symbols"."""
    if unit.isspace():
        return "blank"
    if _SEPARATORS.issuperset(unit):
        return "separator"
    cells = "|" in unit or "\t" in unit or "\\\\" in unit or ("&" in unit and "&nbsp" not in unit)
    if cells or not unit.strip(", "):
        return "table"
    if _LETTER.search(unit):
        return "words"
    return "digits" if any(map(str.isdigit, unit)) else "symbols"


def shown(unit: str) -> str:
    """A unit as it begins where a sentence or a word does, on one line and not too long."""
    if unit.isspace():
        return "⏎" if "\n" in unit else "␣"
    twice = unit + unit
    begin = _SENTENCE.search(twice) or _WORD.search(twice)
    start = begin.end() - 1 if begin is not None and begin.end() <= len(unit) else 0
    text = twice[start : start + len(unit)].strip().replace("\n", "⏎")
    return text if len(text) <= 40 else text[:39] + "…"


_SENTENCE: Final = Pattern(r"[.!?。！？…，；\n]\s*[^\W\d_]")
_WORD: Final = Pattern(r"\s\S")
_LETTER: Final = Pattern(r"[^\W\d_]")
