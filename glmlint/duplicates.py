"""Which rows of a run say the same: short hashes of conversations and prompts, merged in any order.

A row is remembered as eight bytes of blake2b of its conversation, its line, and, where a rule asks
for it, eight bytes of its prompt. In a run of 16 million rows two different conversations share a
hash with a chance of one in 140,000.

Memory is bounded by `LIMIT` rows. Past it, rows whose hash has a low bit set are forgotten, then
those with the next bit set, and so on: equal rows stay or go together, whatever the order in which
parts are merged, so that what is left is an exact answer for one conversation in 2, 4, 8 …
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct, field

from glmlint.sample import encode_sample

LIMIT: Final = 1 << 24
"""Rows remembered in one run: 200 MB, or 340 MB with prompts."""

SHORTEST_PROMPT: Final = 64
"""Bytes of a prompt, JSON around it included. "Hello" asked twice is no repetition."""

_ROWS: Final = np.dtype([("key", "<u8"), ("line", "<u4")])
_PROMPTS: Final = np.dtype([("key", "<u8"), ("prompt", "<u8"), ("line", "<u4")])

Table = npt.NDArray[Any]
"""Structured rows: `key`, maybe `prompt`, and `line`, which is twice the line plus its flag."""

_ANSWER: Final = b'{"role":"assistant"'


def conversation(value: Any) -> bytes | None:
    """The bytes that stand for a row of any shape: its messages, in a fixed order of their keys.

    Rows of good shape come out as their typed form is encoded. None where there are no messages.
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


def table(rows: list[tuple[bytes, int, bool]], prompts: bool) -> Table:
    """The table of (conversation, line, whether the row is clean otherwise) triples.

    A row without an answer, or with a prompt of a few letters, has its own key as prompt: it is
    like no other row.
    """
    contents = [content for content, _, _ in rows]
    found = np.empty(len(rows), _PROMPTS if prompts else _ROWS)
    found["key"] = _hashes(contents)
    if prompts:
        found["prompt"] = found["key"]
        asked = [content[: max(content.rfind(_ANSWER), 0)] for content in contents]
        long = np.fromiter((len(prompt) >= SHORTEST_PROMPT for prompt in asked), bool, len(asked))
        found["prompt"][long] = _hashes([p for p in asked if len(p) >= SHORTEST_PROMPT])
    found["line"] = [line << 1 | clean for _, line, clean in rows]
    return found


def _hashes(contents: list[bytes]) -> npt.NDArray[np.uint64]:
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(content, digest_size=8).digest() for content in contents])
    return np.frombuffer(digests, "<u8")


class Rows(Struct):
    """The rows of one file that are remembered."""

    parts: list[Table] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def joined(self) -> Table:
        """All rows in the order of their lines."""
        if not self.parts:
            return np.empty(0, _ROWS)
        whole = self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)
        whole = whole[np.argsort(whole["line"], kind="stable")]
        self.parts = [whole]
        return whole

    def thin(self, level: int) -> None:
        """Keep one conversation in 2**level."""
        if not self.parts or not level:
            return
        mask = np.uint64((1 << level) - 1)
        whole = np.concatenate(self.parts)
        by = "prompt" if "prompt" in (whole.dtype.names or ()) else "key"
        self.parts = [whole[(whole[by] & mask) == 0]]


class Place(Struct):
    """A row, and the first row that it repeats."""

    path: str
    line: int
    clean: bool
    """Whether nothing else was found in the row."""
    key: bytes
    first_path: str
    first_line: int


def repeats(tables: dict[str, Table], by: str = "key") -> Iterator[Place]:
    """Every row with the same hash as an earlier one, by path and line.

    Args:
        tables: path -> rows. The first row is the one in the path that sorts first.
        by: "key", or "prompt": rows of one prompt whose conversations differ.
    """
    tables = {path: tables[path] for path in sorted(tables) if len(tables[path])}
    if not tables:
        return
    paths = list(tables)
    hashes = np.concatenate([rows[by] for rows in tables.values()])
    ordered = np.sort(hashes)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(shared):
        return
    several = np.flatnonzero(np.isin(hashes, shared))
    starts = np.cumsum([0, *map(len, tables.values())])
    whole = np.concatenate(list(tables.values()))[several]
    files = np.searchsorted(starts, several, side="right") - 1
    first: dict[int, tuple[str, int]] = {}
    keys: dict[int, int] = {}
    for row, file in zip(whole.tolist(), files.tolist(), strict=True):
        key, line, path = row[0], row[-1] >> 1, paths[file]
        same = key if by == "key" else row[1]
        if same not in first:
            first[same] = (path, line)
            keys[same] = key
        elif by == "key" or keys[same] != key:
            yield Place(path, line, bool(row[-1] & 1), key.to_bytes(8, "little"), *first[same])


def shared(tables: dict[str, Table], others: dict[str, Table], by: str) -> Iterator[Place]:
    """Every row of `tables` whose hash is also in `others`, with the first place there."""
    known: dict[int, tuple[str, int]] = {}
    if not tables or not others:
        return
    wanted = np.unique(np.concatenate([rows[by] for rows in tables.values()]))
    for path in sorted(others):
        rows = others[path]
        for row in rows[np.isin(rows[by], wanted)].tolist():
            known.setdefault(row[0] if by == "key" else row[1], (path, row[-1] >> 1))
    hashes = np.fromiter(known, np.uint64, len(known))
    for path in sorted(tables):
        rows = tables[path]
        for row in rows[np.isin(rows[by], hashes)].tolist():
            first = known[row[0] if by == "key" else row[1]]
            yield Place(path, row[-1] >> 1, bool(row[-1] & 1), row[0].to_bytes(8, "little"), *first)
