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
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct, field

from glmlint.evidence.near_duplicates import SIGNATURE, signatures
from glmlint.read.sample import encode_sample

LIMIT: Final = 200 << 20
"""Bytes of a run's tables: 17 million rows, 10 million with prompts, 390,000 with signatures."""

SHORTEST_PROMPT: Final = 64
"""Bytes of a prompt, JSON around it included. "Hello" asked twice is not a duplicate."""

_KEY: Final = ("key", "<u8")
_PROMPT: Final = ("prompt", "<u8")
_LINE: Final = ("line", "<u4")

Table = npt.NDArray[Any]
"""Structured rows: `key`, `line` (twice the line plus a flag), maybe `prompt` and `signature`."""

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

    parts: list[Table] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.nbytes for part in self.parts)

    def joined(self) -> Table:
        """All rows in the order of their lines."""
        if not self.parts:
            return np.empty(0, [_KEY, _LINE])
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
        names = whole.dtype.names or ()
        # What rows have in common that are to be found: like rows mostly have one first value.
        if "signature" in names:
            by = whole["signature"][:, 0].astype(np.uint64)
        else:
            by = whole["prompt" if "prompt" in names else "key"]
        self.parts = [whole[(by & mask) == 0]]


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
    paths = list(tables)
    hashes = np.concatenate([rows[by] for rows in tables.values()])
    ordered = np.sort(hashes)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    shared = again[np.append(True, again[1:] != again[:-1])[: len(again)]]
    del ordered
    if not len(shared):
        return
    several = np.flatnonzero(np.isin(hashes, shared))
    starts = np.cumsum([0, *map(len, tables.values())])
    whole = np.concatenate([_columns(rows, by) for rows in tables.values()])[several]
    files = np.searchsorted(starts, several, side="right") - 1
    first: dict[int, tuple[str, int]] = {}
    keys: dict[int, int] = {}
    for (key, same, line), file in zip(whole.tolist(), files.tolist(), strict=True):
        line, clean, path = line >> 1, bool(line & 1), paths[file]
        if same not in first:
            first[same] = (path, line)
            keys[same] = key
        elif by == "key" or keys[same] != key:
            yield RowPlace(
                path, line, clean, key.to_bytes(8, "little"), *first[same],
                same.to_bytes(8, "little"),
            )  # fmt: skip


def shared(tables: dict[str, Table], others: dict[str, Table], by: str) -> Iterator[RowPlace]:
    """Every row of `tables` whose hash is also in `others`, with the first place there."""
    known: dict[int, tuple[str, int]] = {}
    if not tables or not others:
        return
    wanted = np.unique(np.concatenate([rows[by] for rows in tables.values()]))
    for path in sorted(others):
        rows = others[path]
        for _, same, line in _columns(rows[np.isin(rows[by], wanted)], by).tolist():
            known.setdefault(same, (path, line >> 1))
    hashes = np.fromiter(known, np.uint64, len(known))
    for path in sorted(tables):
        rows = tables[path]
        for key, same, line in _columns(rows[np.isin(rows[by], hashes)], by).tolist():
            yield RowPlace(path, line >> 1, bool(line & 1), key.to_bytes(8, "little"), *known[same])


def _columns(rows: Table, by: str) -> Table:
    """The key, the hash to compare by, and the line."""
    found = np.empty(len(rows), [_KEY, ("same", "<u8"), _LINE])
    found["key"], found["same"], found["line"] = rows["key"], rows[by], rows["line"]
    return found
