"""Bytes of a packed stream -> those that were packed, a little at a time: gzip and Zstandard."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from glmlint.extras import install
from glmlint.read.faults import SourceError
from glmlint.text import Text

PACKED_BYTES: Final = 1 << 16
_UNPACKED_BYTES: Final = 1 << 20
# One zstd block of 4 bytes can stand for 128 KB: small bites keep the memory bounded.
_ZSTD_BYTES: Final = 1 << 10

_DAMAGED = Text(
    "the {kind} data is damaged; only the rows before are read",
    "{kind} 数据已损坏；只读取了损坏之前的行",
)
_TOO_SHORT = Text(
    "the {kind} data ends too early; only the rows before are read",
    "{kind} 数据不完整；只读取了中断之前的行",
)


def unpack_gzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    for block in in_blocks(blocks, PACKED_BYTES):
        while block:
            if member.eof:
                block = block.lstrip(b"\0")  # padding, as tape archives have it
                if not block:
                    break
                member = zlib.decompressobj(wbits=31)
            before = member.copy()
            try:
                yield member.decompress(block, _UNPACKED_BYTES)
            except zlib.error:
                yield from _before_damage(before, block)
                raise SourceError(_DAMAGED, kind="gzip") from None
            block = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        yield member.flush()
        raise SourceError(_TOO_SHORT, kind="gzip")


def _before_damage(member: zlib._Decompress, block: bytes) -> Iterator[bytes]:
    """What the bytes before the damaged one unpack to: one failed call would lose all of it."""
    for at in range(len(block)):
        try:
            yield member.decompress(block[at : at + 1])
        except zlib.error:
            return


def unpack_zstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise SourceError(
            Text(
                "compressed with zstd; to read it: {how}", "文件用 zstd 压缩；读取前请先运行 {how}"
            ),
            how=install("zstd"),
        ) from None
    unpacker = zstandard.ZstdDecompressor()
    frame = unpacker.decompressobj()
    for block in in_blocks(blocks, _ZSTD_BYTES):
        while block:
            if frame.eof:
                frame = unpacker.decompressobj()
            try:
                yield frame.decompress(block)
            except zstandard.ZstdError:
                raise SourceError(_DAMAGED, kind="zstd") from None
            block = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise SourceError(_TOO_SHORT, kind="zstd")


def in_blocks(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The stream in blocks of at most `size` bytes; small ones are joined."""
    held: list[bytes] = []
    held_size = 0
    failure: Exception | None = None
    while True:
        try:
            block = next(blocks, None)
        except (SourceError, OSError) as error:
            block, failure = None, error
        if held and (block is None or held_size + len(block) > size):
            yield b"".join(held)
            held, held_size = [], 0
        if block is None:
            break
        if len(block) < size:
            held.append(block)
            held_size += len(block)
        else:
            for at in range(0, len(block), size):
                yield block[at : at + size]
    if failure:
        raise failure
