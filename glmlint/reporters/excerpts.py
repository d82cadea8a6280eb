"""The piece of a row that a finding is about, cut to the width of a terminal, with its place marked."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from glmlint.finding import Excerpt
from glmlint.visible import visible

LONGEST_MARK = 30
"""Cells of the longest underline; what is longer is marked at its beginning."""


@dataclass(frozen=True)
class Line:
    """A line of a row as it is printed, and where in it the finding is."""

    before: str
    text: str
    after: str

    @property
    def indent(self) -> int:
        """Cells before the marked part."""
        return cell_len(self.before)

    @property
    def mark(self) -> str:
        """What stands under the marked part where there is no colour."""
        cells = cell_len(self.text)
        return "^" * cells if 0 < cells <= LONGEST_MARK else "^"


def fitted(excerpt: Excerpt, width: int) -> Line:
    """The excerpt in at most `width` cells: the marked part first, then what stands around it."""
    before_cut, text_cut, after_cut = excerpt.cut
    text, whole = _head(visible(excerpt.text), width * 2 // 3)
    if not whole or text_cut:
        return Line(_ahead(excerpt, width // 4, before_cut), text.rstrip("…") + "…", "")
    room = width - cell_len(text)
    ahead = _ahead(excerpt, max(room // 3, room - cell_len(visible(excerpt.after)) - 2), before_cut)
    after, whole = _head(visible(excerpt.after), room - cell_len(ahead) - 1)
    return Line(ahead, text, after if whole and not after_cut else after + "…")


def ahead(text: str, room: int, *, cut: bool) -> str:
    """The end of what stands before the marked part, in at most so many cells.

    Args:
        text: printable.
        room: cells.
        cut: whether more of the row stands before it.
    """
    if cell_len(text) <= room and not cut:
        return text
    used, place = 2, len(text)
    while place and (used := used + cell_len(text[place - 1])) <= room:
        place -= 1
    return "… " + text[place:].lstrip(" ")


def head(text: str, room: int, *, more: bool = False) -> str:
    """The beginning of a text that fits, with `…` where that is not all.

    Args:
        text: printable.
        room: cells.
        more: whether more of it follows in the row.
    """
    shown, whole = _head(text, room - more)
    return shown if whole and not more else shown + "…"


def _ahead(excerpt: Excerpt, room: int, cut: bool) -> str:
    return ahead(visible(excerpt.before), room, cut=cut)


def _head(text: str, room: int) -> tuple[str, bool]:
    """The beginning of a text that fits, and whether that is all of it."""
    if cell_len(text) <= room:
        return text, True
    used = 0
    for place, char in enumerate(text):
        used += cell_len(char)
        if used > room - 1:
            return text[:place], False
    return text, True
