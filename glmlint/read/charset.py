"""Encodings that are not UTF-8: UTF-16 and UTF-32 files are read as UTF-8, others are guessed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

BOM: Final = codecs.BOM_UTF8

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32 (little-endian)"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32 (big-endian)"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 (little-endian)"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 (big-endian)"),
)
_UNMARKED_LE: Final = re.compile(rb"(?:[\t\n\r -~]\0){2}").match
_UNMARKED_BE: Final = re.compile(rb"(?:\0[\t\n\r -~]){2}").match

CODECS: Final = {
    "GB18030/GBK": "gb18030",
    "Big5": "big5",
    "Shift-JIS": "cp932",
    "UTF-16": "utf-16",
    "Latin-1/Windows-1252": "cp1252",
}
"""Python's codec for each encoding that `encoding_guess` names and that can be decoded."""

DAMAGED: Final = "UTF-8 with damaged bytes"
BINARY: Final = "binary"


def wide_encoding(head: bytes, whole: bool) -> tuple[str, str, int] | None:
    """(codec, name, bytes of the mark) of a file in UTF-16 or UTF-32; None for any other.

    Without a mark, UTF-16 is recognised where the file begins with ASCII in it and the head
    decodes.
    """
    for mark, codec, name in _MARKS:
        if head.startswith(mark):
            return codec, name, len(mark)
    for begins, codec, name in (
        (_UNMARKED_LE, *_MARKS[2][1:]),
        (_UNMARKED_BE, *_MARKS[3][1:]),
    ):
        if begins(head):
            try:
                codecs.getincrementaldecoder(codec)().decode(head, final=whole)
            except UnicodeDecodeError:
                return None
            return codec, name, 0
    return None


def to_utf8(blocks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    """The same text in UTF-8; what does not decode is U+FFFD."""
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def decoded(raw: bytes, codec: str) -> bytes | None:
    """A row in UTF-8; None where it cannot be decoded as a whole, or would be several lines then."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    breaks = sum(map(text.count, "\r\n")) > raw.count(b"\r") + raw.count(b"\n")
    return None if breaks else text.encode("utf-8", "replace")


def encoding_guess(line: bytes) -> str:
    """Likely encoding of a line that is not UTF-8: a key of `CODECS`, `DAMAGED` or `BINARY`.

    A guess, from 4 KB: the encodings of East Asia are told apart by how many of the characters
    are frequent ones in them.
    """
    sample = line[:4096]
    zeros = sample.count(0)
    if zeros:
        return "UTF-16" if zeros * 4 >= len(sample) and len(sample) > 1 else BINARY
    high = sum(byte > 0x7F for byte in sample)
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    if control * 20 > len(sample):
        return BINARY
    damaged = sample.decode("utf-8", "replace").count("�")
    # Two bytes in three of a UTF-8 text's non-ASCII part must be in order to call it that.
    if damaged * 3 <= high - damaged:
        return DAMAGED
    shares = {name: _frequent(sample, name) for name in _FREQUENT}
    best = max(shares, key=lambda name: shares[name])
    lonely = len(re.findall(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])", sample))
    if lonely * 3 > high * 2 and shares[best] < 0.95:
        return _latin(sample)
    return best if shares[best] >= 0.6 else _latin(sample)


def _latin(sample: bytes) -> str:
    """Western text has letters and few bytes that Windows-1252 leaves undefined."""
    undefined = len(re.findall(rb"[\x81\x8d\x8f\x90\x9d]", sample))
    letters = len(re.findall(rb"[A-Za-z]", sample))
    western = not undefined and letters >= sum(byte > 0x7F for byte in sample)
    return "Latin-1/Windows-1252" if western else BINARY


def _gb_frequent(pair: bytes) -> bool:
    """GB 2312: punctuation, and the 3,755 characters of level 1."""
    return (
        len(pair) == 2 and (0xA1 <= pair[0] <= 0xA3 or 0xB0 <= pair[0] <= 0xD7) and pair[1] > 0xA0
    )


def _big5_frequent(pair: bytes) -> bool:
    """Big5: punctuation, and the 5,401 characters of level 1."""
    return len(pair) == 2 and 0xA1 <= pair[0] <= 0xC6


def _sjis_frequent(pair: bytes) -> bool:
    """Shift-JIS: punctuation, kana, and the kanji of level 1."""
    return len(pair) == 2 and 0x81 <= pair[0] <= 0x97


_FREQUENT: Final[dict[str, Callable[[bytes], bool]]] = {
    "GB18030/GBK": _gb_frequent,
    "Big5": _big5_frequent,
    "Shift-JIS": _sjis_frequent,
}


def _frequent(sample: bytes, name: str) -> float:
    """Share of frequent characters among the non-ASCII ones; 0 where the sample does not decode."""
    codec = CODECS[name]
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeDecodeError:
        return 0.0
    wide = [char for char in text if char > "\x7f"]
    if not wide:
        return 0.0
    return sum(map(_FREQUENT[name], (char.encode(codec) for char in wide))) / len(wide)
