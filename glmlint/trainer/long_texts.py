"""A long text -> ids, a part at a time: the memory that merging takes does not grow with the text.

An encoder takes some 70 bytes for each byte of one unbroken piece: a word of 60 MB, a line of
blanks. Parts are cut where that changes no id:

- at a border, where GLM-4's split pattern ends a piece whatever stands around;
- inside a piece, between two tokens that may stand side by side. Tokens are what merging gives of
  a text exactly if each two neighbours are (van Antwerpen and Neubeck, "So many tokens, so little
  time", 2024), and the two at the cut are seen together in the ids of a short text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from glmlint.patterns import Pattern

Ids = npt.NDArray[np.uint32]

PART: Final = 1 << 18
"""Characters of a part; more where there is no place for a cut."""
AROUND: Final = 1 << 13
"""Characters of one kind that must stand on both sides of a cut inside a piece."""
ZONE: Final = 3 * AROUND
"""Characters before the end of a part in which a border is looked for: they hold one, or AROUND of
one kind."""
_TRIES: Final = 64

# No piece holds a letter and a digit, nor another sign after one of them, nor a blank after any
# sign. Only signs of which every version of Unicode says the same are looked at.
_LETTER: Final = (
    "A-Za-z\u00c0-\u00d6\u0430-\u044f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
)
_BORDER: Final = Pattern(
    rf"(?<=\S)(?=[ \t])|(?<=[{_LETTER}])(?=[0-9])|(?<=[0-9])(?=[{_LETTER}])"
    rf"|(?<=[{_LETTER}0-9])(?=[!-/:-@\[-`{{-~\r\n\u3001\u3002\u201c\u201d\uff0c\uff01\uff1f\uff1a\uff1b])"
)
_SIGNS: Final = frozenset(
    ("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Mn", "Me", "Mc")
)
_CONTROLS: Final = frozenset("\u200d\ufe0f")
"""Categories of signs other than letters, digits and white space, and what stands between emoji."""
_BLANKS: Final = Pattern(r"[ \t\u00a0\u3000]+")
_SPACE: Final = Pattern(r"[ \t\u00a0\u3000\r\n]+")
_NO_SPACE: Final = Pattern(r"\S")

T = TypeVar("T")
Encode = Callable[[str], Ids]
TokenBytes = Callable[[int], bytes]


def encode_long(
    text: str, encode: Encode, token_bytes: TokenBytes, keep: Callable[[Ids], T], part: int = PART
) -> list[T]:
    """The ids of a text, in arrays that follow each other.

    Args:
        text: ordinary text.
        encode: the ids of a text, by GLM-4's split pattern and merges of bytes.
        token_bytes: what one id stands for.
        keep: what is kept of each array, such as its length.
        part: characters of a part.
    """
    spaces = _Spaces(text)
    found: list[T] = []
    sure = 0, 0  # the last border: arrays before it, and where it is
    at, size = 0, part
    awaited: int | None = None  # the id with which this part begins, if the last cut is right
    while at + size < len(text):
        stop = at + size
        end = _border(text, at, stop)
        behind = "" if end else spaces.behind(stop)
        ids = encode(text[at : end or stop] + behind)
        if awaited is not None and ids[:1].tolist() != [awaited]:
            break
        if end:
            found.append(keep(ids))
            at, size, awaited = end, part, None
            sure = len(found), at
        elif (cut := _inside(text, stop, ids, encode, token_bytes, behind)) is not None:
            at, kept, awaited = cut
            found.append(keep(ids[:kept]))
            size = part
        else:
            size *= 2
    else:
        ids = encode(text[at:])
        if awaited is None or ids[:1].tolist() == [awaited]:
            return [*found, keep(ids)]
    # What stands far after a cut has changed the id at it: from the last border on as a whole.
    return [*found[: sure[0]], keep(encode(text[sure[1] :]))]


def _border(text: str, at: int, stop: int) -> int:
    """The last border of a part that is to end at `stop`; 0 where there is none near."""
    for zone in (ZONE // 64, ZONE):
        begin = max(stop - zone, at + 1)
        if borders := [match.start() for match in _BORDER.finditer(text, begin, stop)]:
            return borders[-1]
    # Digits are pieces of three, from the first of them on.
    digits = text[begin:stop]
    if not (digits.isascii() and digits.isdecimal()):
        return 0
    first = at + len(text[at:stop].rstrip("0123456789"))
    if first > at and not re.match(f"[\0-\x7f{_LETTER}]", text[first - 1]):
        return 0  # it may be a digit of another script
    return first + (stop - first) // 3 * 3


class _Spaces:
    """Where white space goes on after a place, and whether a line break stands in that."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.begin = self.end = 0
        self.last = -1

    def behind(self, stop: int) -> str:
        """What has to stand after a part that ends there, so that its last piece is not another.

        White space before a line break is one piece with it. A part that ends in between would be
        cut elsewhere.
        """
        text = self.text
        if not _SPACE.fullmatch(text, stop - 1, stop + 1):
            return ""
        if not self.begin <= stop < self.end:
            found = _NO_SPACE.search(text, stop)
            self.begin, self.end = stop, found.start() if found else len(text)
            self.last = max(text.rfind(sign, stop, self.end) for sign in "\r\n")
        return "\n" if self.last >= stop else ""


def _inside(
    text: str, stop: int, ids: Ids, encode: Encode, token_bytes: TokenBytes, behind: str
) -> tuple[int, int, int] | None:
    """A cut before `stop`, the end of a part with these ids, inside a piece that goes on after it.

    Returns:
        Where it is, how many of the ids stand before it, and the id after it.
    """
    zone = text[max(stop - AROUND, 0) : stop + AROUND]
    if not (
        (_SPACE if behind else _BLANKS).fullmatch(zone)
        or zone.isalpha()
        or {unicodedata.category(sign) for sign in set(zone) - _CONTROLS} <= _SIGNS
    ):
        return None
    tail = [token_bytes(token) for token in ids[-2 * _TRIES :].tolist()]
    place = stop + len(behind)
    tried = 0
    for back in range(1, len(tail) - 4):
        place -= _characters(tail[-back])
        if place < stop - AROUND * 3 // 4 or tried == _TRIES:
            return None
        if back < 3 or _inner(tail[-back]):
            continue
        tried += 1
        before = next(
            (n for n in range(2, 8) if n + back <= len(tail) and not _inner(tail[-back - n])), 0
        )
        begin = place - sum(map(_characters, tail[-back - before : -back]))
        if not before or begin < stop - AROUND:
            continue
        kept = len(ids) - back
        together = encode(text[begin : place + AROUND // 2] + behind)
        alone = encode(text[place : place + AROUND // 2] + behind)
        if (
            len(together) > before
            and together[:before].tolist() == ids[kept - before : kept].tolist()
            and together[before] == alone[0]
        ):
            return place, kept, int(alone[0])
    return None


def _characters(token: bytes) -> int:
    """How many characters begin in a token."""
    return sum(byte & 0xC0 != 0x80 for byte in token)


def _inner(token: bytes) -> bool:
    """Whether a token begins inside a character."""
    return token[:1] != b"" and token[0] & 0xC0 == 0x80
