"""Where rows stand in the bytes of their file, as far as a loader's outcome depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import msgspec

from glmlint.loader import ALONE, BOM, LINES, Cut, Cuts, ShapeForm, block_size
from glmlint.read.scan import Row


class Place(msgspec.Struct):
    """Where a chunk's rows stand in the unpacked file: offsets of bytes.

    In an array, offsets of what `datasets` from 4.7 on writes of it: one element a line.
    """

    starts: list[int]
    """Where each row's line starts."""
    stops: list[int]
    """Where each row's line ends, with its line end."""
    blanks: list[tuple[int, int]]
    """(1-based line, offset) of the first blank line, and of the first one after each border."""
    begin: int
    """Where the chunk begins: 0, or where the chunk before it ends."""
    end: int
    borders: list[int]
    """Where `datasets` starts reading again, as far as the chunk reaches (see `loader`)."""
    loader_bytes: int
    """How much it reads at a time, but for the rest of a line."""
    bom: bool
    """Whether the file opens with a byte order mark."""
    form: ShapeForm = LINES
    over_lines: list[tuple[int, int]] = []
    """(1-based line, offset) of values that have no line of their own."""
    cuts: dict[str, Cut] = {}
    """Way of reading -> the first value that it cuts; all that is known so far."""
    lost: bool = False
    """Whether where the file is cut is not known."""


class Placer(Protocol):
    """Follows the rows of a file that do not stand on lines."""

    def add(self, row: Row) -> None:
        """The next row."""

    def take(self) -> Place:
        """Where the rows stand that were added since the last call."""


_VALUES: Final = ShapeForm("values")


class OverLines:
    """Follows values that stand one after the other, over lines."""

    def __init__(self, chunk: int, bom: bool, limit: int) -> None:
        self.spans: list[tuple[int, int]] = []
        """Where rows begin and end in the bytes; the last is the next row's."""
        self._chunk = chunk
        self._bom = bom
        self._lead = len(BOM) if bom else 0
        self._cuts = Cuts(chunk, bom=bom, limit=limit)
        self._place = self._next(0)
        self._ended = 0  # line on which the last value ended
        self._returns = False  # whether a carriage return has been seen

    def watch(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The file's bytes, which pass by before its values."""
        for block in self._cuts.watch(blocks):
            self._returns = self._returns or b"\r" in block
            yield block

    def _next(self, begin: int) -> Place:
        return Place([], [], [], begin, begin, [0], self._chunk, self._bom, _VALUES)

    def add(self, row: Row) -> None:
        number, raw, _ = row
        start, end = (self._lead + at for at in self.spans[-1])
        self.spans.clear()
        place = self._place
        self._cuts.value(start, end, number)
        inner = raw.count(b"\n")
        # In a file of carriage returns one byte between two values is the end of a line.
        apart = bool(place.stops) and start == place.stops[-1] and self._returns
        place.starts.append(start)
        place.stops.append(end + 1)
        shares = number == self._ended and not apart
        if inner or shares or b"\r" in raw:
            place.over_lines.append((number, start))
        self._ended = number + inner

    def take(self) -> Place:
        place = self._place
        place.end = max([place.begin, *place.stops[-1:]])
        place.borders = list(self._cuts.borders)
        place.cuts = dict(self._cuts.found)
        place.lost = self._cuts.lost
        self._place = self._next(place.end)
        return place


_BRACE_WITHIN: Final = 100
"""`datasets` looks at so many bytes for the brace of an array's first object."""

_TWO = bytes(range(0xC2, 0xE0))
_THREE = bytes(range(0xE0, 0xF0))
_FOUR = bytes(range(0xF0, 0xF5))


class InArray:
    """Follows the elements of one array."""

    def __init__(self, chunk: int, bom: bool, head: bytes) -> None:
        self._chunk = chunk
        self._bom = bom
        as_text = b"{" not in head[:_BRACE_WITHIN].split(b'"', 1)[0]
        self._form = ShapeForm("array", bare=head.startswith(b"["), as_text=as_text)
        self._place = self._next(0)

    def _next(self, begin: int) -> Place:
        return Place([], [], [], begin, begin, [0], self._chunk, self._bom, self._form)

    def add(self, row: Row) -> None:
        raw = row[1]
        place = self._place
        place.starts.append(place.end)
        # Past that size everything is one block, wherever it stands.
        exact = place.end <= ALONE * block_size(self._chunk)
        place.end += (_written_bytes(raw) if exact else len(raw)) + 1
        place.stops.append(place.end)

    def take(self) -> Place:
        place = self._place
        self._place = self._next(place.end)
        return place


def _written_bytes(raw: bytes) -> int:
    """The bytes of a value as pandas' codec writes it: in ASCII, without white space."""
    try:
        text = msgspec.json.encode(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return len(raw)
    size = len(text)
    two, three, four = (size - len(text.translate(None, lead)) for lead in (_TWO, _THREE, _FOUR))
    return size + 4 * two + 3 * three + 8 * four + text.count(b"/")
