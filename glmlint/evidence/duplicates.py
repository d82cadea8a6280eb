"""Which rows of a run say the same: short hashes of conversations and prompts, merged in any order.

A row is remembered as eight bytes of blake2b of its conversation, its line, and, where a rule asks
for it, eight bytes of its prompt. In a run of 16 million rows two different conversations share a
hash with a chance of one in 140,000.

Memory is bounded by `LIMIT` bytes. Past it, rows whose hash has a low bit set are forgotten, then
those with the next bit set, and so on: equal rows stay or go together, whatever the order in which
parts are merged, so that what is left is an exact answer for one conversation in 2, 4, 8 …
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.evidence.near_duplicates import SIGNATURE, signatures
from glmlint.evidence.tables import Table, distinct, extended, in_order, kept
from glmlint.read.sample import encode_sample

LIMIT: Final = 200 << 20
"""Bytes of a run's tables: 17 million rows, 10 million with prompts, 390,000 with signatures."""

SHORTEST_PROMPT: Final = 64
"""Bytes of a prompt, JSON around it included. "Hello" asked twice is not a duplicate."""

_KEY: Final = ("key", "<u8")
_PROMPT: Final = ("prompt", "<u8")
_LINE: Final = ("line", "<u4")

_ANSWER: Final = b'{"role":"assistant"'


def conversation(value: Any) -> bytes | None:
    """The bytes that stand for a row of any shape: its messages, in a fixed order of their keys.

    Well-formed rows come out as their typed form is encoded. None where there are no messages.
    """
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list) or not messages:
        return None
    plain = [_in_order(entry) if isinstance(entry, dict) else entry for entry in messages]
    whole = {"messages": plain} if value.get("tools") is None else {"messages": plain, "tools": value["tools"]}  # fmt: skip
    try:
        return encode_sample(whole)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError, OverflowError):
        return None


def _in_order(message: dict[str, Any]) -> dict[str, Any]:
    keys: tuple[str, ...] = ("role", "content", "metadata", "tools")
    first = {key: message[key] for key in keys if key in message}
    return {**first, **message}


def table(rows: list[tuple[bytes, int, bool]], prompts: bool = False, near: bool = False) -> Table:
    """The table of (conversation, line, whether the row is otherwise clean) triples.

    Its fields: `key`, `line` (twice the line plus a flag), maybe `prompt` and `signature`.

    A row without an answer, or with a prompt of a few letters, has its own key as prompt: it is
    like no other row.
    """
    contents = [content for content, _, _ in rows]
    fields: list[Any] = [_KEY, _LINE, *([_PROMPT] * prompts), *([SIGNATURE] * near)]
    found = np.empty(len(rows), fields)
    found["key"] = _hashes(contents)
    if prompts:
        found["prompt"] = found["key"]
        asked = [content[: max(content.rfind(_ANSWER), 0)] for content in contents]
        long = np.fromiter((len(prompt) >= SHORTEST_PROMPT for prompt in asked), bool, len(asked))
        found["prompt"][long] = _hashes([p for p in asked if len(p) >= SHORTEST_PROMPT])
    if near:
        found["signature"] = signatures(contents)
    found["line"] = [line << 1 | clean for _, line, clean in rows]
    return found


def _hashes(contents: list[bytes]) -> npt.NDArray[np.uint64]:
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(content, digest_size=8).digest() for content in contents])
    return np.frombuffer(digests, "<u8")


class Rows(Struct):
    """The rows of one file that are remembered."""

    table: Table | None = None
    """In the order in which they came."""

    def __len__(self) -> int:
        return 0 if self.table is None else len(self.table)

    @property
    def size(self) -> int:
        """Bytes."""
        return 0 if self.table is None else self.table.nbytes

    def add(self, table: Table) -> None:
        """Remember more rows; what is given is used up."""
        self.table = extended(self.table, table)

    def joined(self) -> Table:
        """All rows in the order of their lines."""
        if self.table is None:
            return np.empty(0, [_KEY, _LINE])
        self.table = in_order(self.table)
        return self.table

    def thin(self, level: int) -> None:
        """Keep one conversation in 2**level."""
        if self.table is None or not level:
            return
        mask = np.uint64((1 << level) - 1)
        names = self.table.dtype.names or ()

        def keeps(rows: Table) -> npt.NDArray[np.bool_]:
            # What rows have in common that are to be found: like rows mostly have one first value.
            if "signature" in names:
                by = rows["signature"][:, 0].astype(np.uint64)
            else:
                by = rows["prompt" if "prompt" in names else "key"]
            bits: npt.NDArray[np.bool_] = (by & mask) == 0
            return bits

        self.table = kept(self.table, keeps)


class RowPlace(Struct):
    """A row, and the first row that it repeats."""

    path: str
    line: int
    clean: bool
    """Whether nothing else was found in the row."""
    key: bytes
    first_path: str
    first_line: int
    shared: bytes = b""
    """The hash that both rows have."""


def repeats(tables: dict[str, Table], by: str = "key") -> Iterator[RowPlace]:
    """Every row with the same hash as an earlier one, by path and line.

    Args:
        tables: path -> rows. The first row is the one in the path that sorts first.
        by: "key", or "prompt": rows of one prompt whose conversations differ.
    """
    tables = {path: tables[path] for path in sorted(tables) if len(tables[path])}
    if not tables:
        return
    ordered = np.concatenate([rows[by] for rows in tables.values()])
    ordered.sort()
    same = ordered[1:] == ordered[:-1]
    same[1:] &= ~same[:-1]  # of three of a kind, one
    again = ordered[1:][same]
    del ordered, same
    first = _Firsts(again, [*tables])
    for number, rows in enumerate(tables.values()):
        for at, key, line in _among(rows, by, again):
            if not first.line[at]:
                first.see(at, number, key, line)
            elif by == "key" or first.key[at] != key:
                yield first.repeated(at, number, key, line)


def shared(
    tables: dict[str, Table], others: dict[str, Table], by: str, but: str | None = None
) -> Iterator[RowPlace]:
    """Every row of `tables` whose hash is also in `others`, with the first place there.

    Args:
        but: of those, the rows are left out whose hash of this name is in `others` as well.
    """
    if not tables or not others:
        return

    def in_both(name: str) -> Hashes:
        mine = np.concatenate([rows[name] for rows in tables.values()])
        mine.sort()
        found = distinct(np.concatenate([rows[name] for rows in others.values()]))
        return found[_are_in(found, mine)]

    hashes = in_both(by)
    out = None if but is None else in_both(but)
    paths = sorted({*tables, *others})
    first = _Firsts(hashes, paths)
    for path in sorted(others):
        for at, key, line in _among(others[path], by, hashes):
            if not first.line[at]:
                first.see(at, paths.index(path), key, line)
    for path in sorted(tables):
        for at, key, line in _among(tables[path], by, hashes, but, out):
            yield first.repeated(at, paths.index(path), key, line)


Hashes = npt.NDArray[np.uint64]
_BLOCK: Final = 1 << 16
"""Rows that are compared at a time."""


class _Firsts:
    """The first row of each of some hashes."""

    def __init__(self, hashes: Hashes, paths: list[str]) -> None:
        self.hashes = hashes
        self.paths = paths
        self.line = array("I", bytes(4 * len(hashes)))
        """As in a table; 0 until it is known."""
        self.file = array("I", bytes(4 * len(hashes)))
        self.key = array("Q", bytes(8 * len(hashes)))

    def see(self, at: int, file: int, key: int, line: int) -> None:
        """The first row with the hash at a place is known."""
        self.file[at], self.key[at], self.line[at] = file, key, line

    def repeated(self, at: int, file: int, key: int, line: int) -> RowPlace:
        """Another row with that hash."""
        return RowPlace(
            self.paths[file], line >> 1, bool(line & 1), key.to_bytes(8, "little"),
            self.paths[self.file[at]], self.line[at] >> 1,
            int(self.hashes[at]).to_bytes(8, "little"),
        )  # fmt: skip


def _among(
    rows: Table, by: str, hashes: Hashes, but: str | None = None, out: Hashes | None = None
) -> Iterator[tuple[int, int, int]]:
    """The place of its hash, the key and the line of each row that has one of the sorted hashes."""
    for start in range(0, len(rows), _BLOCK):
        some = rows[start : start + _BLOCK]
        hit = _are_in(some[by], hashes)
        if but is not None and out is not None:
            hit &= ~_are_in(some[but], out)
        some = some[hit]
        at = np.searchsorted(hashes, some[by])
        yield from zip(at.tolist(), some["key"].tolist(), some["line"].tolist(), strict=True)


def _are_in(some: Hashes, hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Which of some hashes are among the sorted ones."""
    if not len(hashes):
        return np.zeros(len(some), bool)
    places = np.minimum(np.searchsorted(hashes, some), len(hashes) - 1)
    return np.equal(hashes[places], some)
