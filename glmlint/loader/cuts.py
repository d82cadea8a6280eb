"""Where `datasets` cuts a file whose values stand over lines, and which value a cut falls into.

`datasets` reads 10 MiB and then up to the next line feed. Arrow parses such a chunk in blocks, and
takes each block's last line end for the end of a value: it knows nothing of brackets. So a file of
objects over several lines loads as long as every cut happens to fall between two of them.

Sources: datasets 4.0.0, 4.4.1, 4.7.0 and 5.2.0 (packaged_modules/json), pyarrow 26.0.1
(cpp/src/arrow/util/delimiting.cc, json/chunker.cc), each compared by running it; see docs/loader.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

CHUNK: Final = 10 << 20
"""Bytes that `datasets` reads at a time (JsonConfig.chunksize), before it finishes the line."""
ARROW_BLOCK: Final = 16 << 10
"""The smallest block, in bytes, in which Arrow parses; else a 32nd of the chunk."""
ALONE: Final = 8
"""From 4.7 a chunk of more than this many Arrow blocks is parsed as one block."""
BOM: Final = b"\xef\xbb\xbf"

BLOCKS: Final = "blocks"
"""Below 4.7: every chunk is parsed in blocks."""
ALONE_WITH_BOM: Final = "alone, with the byte order mark"
"""From 4.7 to 5.0: a big chunk is one block; a byte order mark counts."""
ALONE_WITHOUT_BOM: Final = "alone"
"""From 5.1 on the byte order mark is taken away first."""

_line_ends = re.compile(rb"[\r\n]+").search


class Cut(msgspec.Struct, frozen=True):
    """A cut that falls into a value: what is parsed there is not valid JSON, and the load fails."""

    line: int
    """1-based line where the value starts."""
    offset: int
    """Byte of the unpacked file after which it is cut."""
    later: bool
    """Whether that is past the first chunk."""


def block_size(chunk: int) -> int:
    """The bytes in which Arrow parses a chunk at first."""
    return max(chunk // 32, ARROW_BLOCK)


def cut_points(data: bytes, block: int) -> list[int] | None:
    """Where Arrow cuts a chunk that it parses in blocks of so many bytes, in order.

    A block's last line end ends what is parsed with it; the rest is parsed with the next block's
    beginning, up to the end of its first run of line ends. None where a block has no line end
    that could end what stands open: Arrow refuses ("straddling object"), and `datasets` doubles the
    size of the blocks.
    """
    points: list[int] = []
    size = len(data)
    begun = False  # whether the block before left something open
    for at in range(0, size, block):
        end = min(at + block, size)
        start = at
        if begun:
            found = _line_ends(data, at, end)
            if found is None and end < size:
                return None
            start = end if found is None else found.end()
            points.append(start)
        if end < size:
            last = max(data.rfind(b"\n", start, end), data.rfind(b"\r", start, end))
            cut = start if last < 0 else last + 1
            points.append(cut)
            begun = cut < end
    return points


class Cuts:
    """Follows the bytes of a file of values, and says which values are cut by which versions.

    The bytes come first, a chunk at a time (`watch`), then the values that stand in them (`value`).
    """

    def __init__(self, chunk: int = CHUNK, *, bom: bool = False, limit: int) -> None:
        """A follower of one file.

        Args:
            chunk: bytes that the loader reads at a time.
            bom: whether the file opens with a byte order mark, which is not among the bytes.
            limit: bytes past the chunk's size in which its last line has to end.
        """
        self.borders = [0]
        """Where the chunks begin, as far as bytes have come."""
        self.found: dict[str, Cut] = {}
        """Way of reading -> the first value that it cuts."""
        self.lost = False
        """Whether a line was too long to follow: then nothing is known of what comes after it."""
        self._chunk = chunk
        self._bom = bom
        self._limit = limit
        ways = (BLOCKS, ALONE_WITHOUT_BOM, ALONE_WITH_BOM) if bom else (BLOCKS, ALONE_WITHOUT_BOM)
        self._blocks = dict.fromkeys(ways, block_size(chunk))
        self._waiting: dict[str, list[int]] = {way: [] for way in ways}

    def watch(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same bytes, a chunk of the loader's at a time."""
        held: list[bytes] = [BOM] if self._bom else []
        size = sum(map(len, held))
        skip = size
        for block in blocks:
            if self.lost:
                yield block
                continue
            held.append(block)
            size += len(block)
            over = size - self._chunk
            # The bytes before the block are joined only where it may end the chunk's last line.
            if over <= 0 or (len(block) < over <= self._limit and b"\n" not in block):
                continue
            data = b"".join(held)
            while len(data) > self._chunk and (end := data.find(b"\n", self._chunk) + 1):
                self._cut(data[:end], ends=False)
                yield data[skip:end]
                data, skip = data[end:], 0
            held, size = [data], len(data)
            if size > self._chunk + self._limit:
                self.lost = True
                yield data[skip:]
                held, skip = [], 0
        data = b"".join(held)
        if len(data) > skip:
            self._cut(data, ends=True)
            yield data[skip:]

    def _cut(self, data: bytes, ends: bool) -> None:
        """Work out where a chunk is cut; `ends`: no other one follows."""
        start = self.borders[-1]
        if not ends:
            self.borders.append(start + len(data))
        for way, block in self._blocks.items():
            bare = self._bom and start == 0 and way == ALONE_WITHOUT_BOM
            text, at = (data[len(BOM) :], start + len(BOM)) if bare else (data, start)
            if way != BLOCKS and len(text) // ALONE > block:
                block = len(text)
            while (points := cut_points(text, block)) is None:
                block *= 2
            self._blocks[way] = block
            cuts = [at + point for point in points if point < len(text)]
            if not ends:
                cuts.append(self.borders[-1])
            self._waiting[way][:0] = reversed(cuts)  # the next one is the last

    def value(self, start: int, end: int, line: int) -> None:
        """A value that stands from byte `start` to `end` of the file; `line` is where it starts."""
        for way, waiting in self._waiting.items():
            while waiting and waiting[-1] <= start:
                waiting.pop()
            if waiting and waiting[-1] < end and way not in self.found:
                later = len(self.borders) > 1 and waiting[-1] > self.borders[1]
                self.found[way] = Cut(line, waiting[-1], later)
