"""The text of an open document, and the places in it as a client counts them.

Places inside glmlint are offsets in code points. A client counts lines that end at LF, CR LF or CR,
and columns in units of UTF-16, UTF-8 or UTF-32, whatever was agreed on. `str.splitlines` would also
end lines at U+2028 and its like, which stand inside texts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Final

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_HALF: Final = re.compile("[\ud800-\udfff]")

Place = tuple[int, int]
"""0-based line, and 0-based column in the client's units."""


class DocumentText:
    """One version of a document's text."""

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        if _HALF.search(text):  # two changes may bring the halves of one character
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        self.text = text
        self.encoding = encoding
        """What columns count: "utf-8", "utf-16" or "utf-32"."""

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins, as the client counts lines."""
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    @cached_property
    def whole(self) -> str:
        """The text as it can be saved: half a character, which no file can hold, is U+FFFD."""
        return _HALF.sub("\ufffd", self.text)

    @cached_property
    def data(self) -> bytes:
        """The text in UTF-8."""
        return self.whole.encode()

    def line_end(self, line: int) -> int:
        """Where a line ends, its line break left out."""
        if line + 1 >= len(self.starts):
            return len(self.text)
        end = self.starts[line + 1]
        if self.text.startswith("\r\n", end - 2):
            return end - 2
        return end - 1

    def place(self, offset: int) -> Place:
        """The client's place of an offset."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self.starts, offset) - 1
        return line, self._units(self.text[self.starts[line] : offset])

    def offset(self, place: Place) -> int:
        """The offset of a client's place; one behind the end of its line is that end."""
        line, column = place
        if line < 0 or column < 0:
            return 0
        if line >= len(self.starts):
            return len(self.text)
        start, end = self.starts[line], self.line_end(line)
        if self.encoding == "utf-32":
            return min(start + column, end)
        piece = self.text[start : min(start + column, end)]  # no unit is longer than a character
        if piece.isascii() or (self.encoding == "utf-16" and max(piece, default="") <= "\uffff"):
            return start + len(piece)
        left = column
        for at, char in enumerate(piece):
            left -= self._units(char)
            if left < 0:
                return start + at
        return start + len(piece)

    def changed(self, begin: Place, end: Place, new: str) -> DocumentText:
        """The text with a range replaced."""
        start, stop = self.offset(begin), self.offset(end)
        return DocumentText(self.text[:start] + new + self.text[max(start, stop) :], self.encoding)

    def _units(self, piece: str) -> int:
        if self.encoding == "utf-32" or piece.isascii():
            return len(piece)
        if self.encoding == "utf-8":
            return len(piece.encode("utf-8", "surrogatepass"))
        return len(piece.encode("utf-16-le", "surrogatepass")) // 2
