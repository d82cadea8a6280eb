"""What `datasets.load_dataset("json")` makes of a file, worked out from the shapes of its rows.

`Shapes` sees each row once and keeps, for every path, the first line of each thing that Arrow's
JSON reader or a later cast would trip over. It never holds rows, merges with the state of the
following part of the file, and then says what a version of `datasets` does: which paths make the
load fail, and how a row looks afterwards.

Sources: datasets 2.20, 4.4.1, 4.7.0, 4.8.5 and 5.2.0 (packaged_modules/json, table, utils/json),
pyarrow 26 (cpp/src/arrow/json), read and compared by running them; see docs/loader.md.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from glmlint.plan import version
from glmlint.ujson_numbers import MAX_INTEGER, MIN_INTEGER, rewritten, stored, stored_text

CHUNK: Final = 10 << 20
"""Bytes that `datasets` reads at a time (JsonConfig.chunksize), before it finishes the line."""
ARROW_BLOCK: Final = 16 << 10
"""The smallest block, in bytes, in which Arrow parses; else a 32nd of the chunk."""
ALONE: Final = 8
"""From 4.7 a chunk of more than this many Arrow blocks is parsed as one block."""
MAX_PATHS: Final = 200_000
"""Paths that one state keeps. Past it new keys are not followed: see `Shapes.overflow`."""

FILLS_MISSING: Final = (3, 1)
"""Before it, a later chunk has to have every key of the first one."""
USE_JSON: Final = (4, 7)
SCAN_FORGIVES: Final = (4, 8, 5)
"""Before it, a line that pandas' codec can't read in the first chunk makes the load fail."""
BOM_STRIPPED: Final = (5, 1)
VALIDATES: Final = (5, 2)
"""From it on Arrow's result is checked, and the rows are read one by one where it is broken."""

Step = str | int
Path_ = tuple[Step, ...]
"""Object keys, and 0 for the items of a list, as `datasets` writes its field paths."""


class ListOf(NamedTuple):
    """A list column."""

    item: Column


class StructOf(NamedTuple):
    """A struct column: its fields in the order in which they first appear."""

    fields: dict[str, Column]


Column = str | ListOf | StructOf
"""null, bool, int64, double, string, timestamp, json, or a list or struct of these; unknown where
the load fails."""


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """One path at which rows don't agree, and what the loader makes of that."""

    path: Path_
    reason: str
    """types, late-key, missing-key, row-not-object, no-columns, null-first-item, blank-line,
    byte-order-mark, integer-too-big or agent-trace."""
    types: tuple[tuple[str, int], ...] = ()
    """(type, first line) pairs, earliest first."""
    outcome: str
    """load-fails; crashes (the process ends with a segmentation fault); loads-as-json (as written,
    from 4.7 on); loads-as-text (other types become strings); loads-quoted (every text of the path
    gets JSON quotes, from the chunk of `line` on); loads-cast (another type, see `types`);
    loses-values (become null); loads-garbled (other values, or the process crashes); loads-reread
    (row by row, which fails where the rows' structs differ)."""
    error: str = ""
    """Class of the exception that `load_dataset` raises."""
    cause: str = ""
    """Class of the exception behind it."""
    line: int
    """The first line at which the second type, or the new key, stands."""
    later: bool = False
    """Whether it is a later chunk that disagrees with the first one."""

    @property
    def fails(self) -> bool:
        """Whether nothing is loaded."""
        return self.outcome in ("load-fails", "crashes")

    @property
    def where(self) -> str:
        """The path for people: `messages[].content`."""
        return where(self.path)


class Padding(msgspec.Struct, frozen=True, kw_only=True):
    """A key that only some objects have, so that the loader gives the others a null."""

    path: Path_
    """Ends with the key."""
    line: int
    """The first object that has the key."""
    absent: int
    """The first object that has it not."""

    @property
    def where(self) -> str:
        """The path for people: `messages[].metadata`."""
        return where(self.path)


def where(path: Path_) -> str:
    """`("messages", 0, "content")` -> `messages[].content`; the row itself is `the row`."""
    text = ""
    for step in path:
        if step == 0:
            text += "[]"
        else:
            text += f".{step}" if text else str(step)
    return text or "the row"


def chunk_starts(path: Path, chunk: int = CHUNK) -> list[int]:
    """Offsets at which `datasets` begins a chunk of a plain file, its size last.

    A chunk is `chunk` bytes and then up to the next line end: where the bytes end with a line end,
    the whole next line comes along. Reads one line a chunk, not the file. Raises OSError.
    """
    starts = [0]
    with path.open("rb") as file:
        size = file.seek(0, 2)
        while (position := starts[-1] + chunk) < size:
            file.seek(position)
            while piece := file.readline(1 << 20):
                if piece.endswith(b"\n"):
                    break
            if file.tell() >= size:
                break
            starts.append(file.tell())
    return [*starts, size]


class Node:
    """The facts of one path: name -> first line, and the paths below it."""

    __slots__ = ("absent", "facts", "item", "keys", "lists", "shapes")

    def __init__(self) -> None:
        self.facts: dict[str, int] = {}
        """Kinds (boolean, number, string, array, object) and what is said below of some."""
        self.keys: dict[str, Node] = {}
        self.absent: dict[str, int] = {}
        """Key -> the first object that lacks it."""
        self.item: Node | None = None
        self.shapes: dict[tuple[Any, ...], list[tuple[str, Node]]] = {}
        """Objects seen: their keys and types -> the keys whose values still matter."""
        self.lists: dict[int, object] = {}
        """Lists seen, by identity: a tool list that the decoder shares is walked once."""

    def __getstate__(self) -> tuple[Any, ...]:
        return self.facts, self.keys, self.absent, self.item

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.facts, self.keys, self.absent, self.item = state
        self.shapes, self.lists = {}, {}

    def kinds(self) -> list[str]:
        """The JSON kinds other than null, earliest first."""
        return sorted(filter(KINDS.__contains__, self.facts), key=self.facts.__getitem__)


KINDS: Final = frozenset(("boolean", "number", "string", "array", "object"))
_KIND: Final[dict[type, str]] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}

# Facts beside the kinds.
SEEN: Final = "seen"  # a key, whatever its value
CLASH: Final = "clash"  # two kinds within one Arrow block
DOUBLE: Final = "double"  # a number that is no int64
FRACTION: Final = "fraction"  # one that int64 can't hold
WIDE: Final = "wide"  # an int64 that a double can't hold exactly
NULLS: Final = "nulls"  # a null item of a list, at first
LED: Final = "led"  # the first item that is not null, after a null one, within one Arrow block
ORDER: Final = "order"  # an object whose keys come in another order than that of first appearance
PADS: Final = "pads"  # of a whole chunk: an object that lacks a key of another one
NOT: Final[dict[str, str]] = {  # a text that does not read as the type
    "timestamp": "not timestamp",
    "int64": "not int64",
    "double": "not double",
    "bool": "not bool",
}
_REFUSED: Final = tuple(NOT.values())

_MAX_SHAPES: Final = 256
_MAX_LISTS: Final = 64
_MAX_KNOWN: Final = 4096
_EXACT: Final = 2**53

_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d)(?::(\d\d)(?::(\d\d))?)?(?:Z|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII,
)
_INTEGER: Final = re.compile(r"-?\d+|0[xX][0-9a-fA-F]{1,16}", re.ASCII)
_DOUBLE: Final = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_BOOLS: Final = {"true": True, "false": False, "1": True, "0": False}


def moment(text: str) -> datetime | None:
    """The time that Arrow's JSON reader takes a text for, in UTC, or None.

    A column whose every text reads so becomes `timestamp[s]`: the trainer gets datetimes.
    """
    if text[4:5] != "-" or not (match := _MOMENT.fullmatch(text)):
        return None
    year, month, day, hour, minute, second, sign, zone_hour, zone_minute = match.groups()
    try:
        value = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
        if sign:
            if int(zone_hour) > 23 or int(zone_minute or 0) > 59:
                return None
            shift = timedelta(hours=int(zone_hour), minutes=int(zone_minute or 0))
            value = value - shift if sign == "+" else value + shift
    except (ValueError, OverflowError):
        return None
    return value


def _as_int64(text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    if text[:2] in ("0x", "0X"):
        value = int(text, 16)
        return value - (1 << 64) if value >> 63 else value
    return int(text) if len(text) < 40 and -(2**63) <= int(text) < 2**63 else None


def _as_double(text: str) -> float | None:
    return float(text) if _DOUBLE.fullmatch(text) else None


def _as_bool(text: str) -> bool | None:
    return _BOOLS.get(text.lower())


def _see_text(facts: dict[str, int], text: str, line: int) -> None:
    """Facts of a text. Ordinary text refuses every reading at once, so this soon stops."""
    for refused, read in zip(_REFUSED, (moment, _as_int64, _as_double, _as_bool), strict=True):
        if refused not in facts and read(text) is None:
            facts[refused] = line


def _begin(facts: dict[str, int], kind: str, line: int) -> None:
    """A kind that is new at its path."""
    if KINDS & facts.keys():
        facts.setdefault(CLASH, line)
    elif NULLS in facts:
        facts[LED] = line
    facts[kind] = line


def _settled(node: Node, kind: type) -> bool:
    """Whether another value of this Python type can teach nothing about the path."""
    if kind is str:
        return all(map(node.facts.__contains__, _REFUSED)) and CLASH not in node.facts
    return kind is bool or kind is type(None)


def _forget(node: Node) -> None:
    """Drop what only speeds up further rows."""
    node.shapes, node.lists = {}, {}
    for child in node.keys.values():
        _forget(child)
    if node.item is not None:
        _forget(node.item)


def _join(first: Node, second: Node, one_block: bool) -> None:
    """Put the facts of a later part into `first`; `one_block` where both lie in one Arrow block."""
    mine, theirs = first.facts, second.facts
    if one_block and CLASH not in mine:
        before = KINDS & mine.keys()
        fresh = [theirs[kind] for kind in KINDS & theirs.keys() if kind not in mine]
        if before and fresh:
            mine[CLASH] = min(fresh)
    if one_block and KINDS & theirs.keys():
        if KINDS & mine.keys():
            theirs.pop(LED, None)
        elif NULLS in mine:
            mine[LED] = min(theirs[kind] for kind in KINDS & theirs.keys())
    began, begins = mine.get("object"), theirs.get("object")
    if begins is not None:
        for key in first.keys:
            if key not in second.keys:
                first.absent.setdefault(key, begins)
    if second.keys and ORDER not in mine:
        # New keys go to the end, so only the keys of both can stand in another order.
        shared = [key for key in second.keys if key in first.keys]
        if shared != list(second.keys)[: len(shared)] or shared != [
            key for key in first.keys if key in second.keys
        ]:
            mine[ORDER] = begins or theirs.get(SEEN, 0)
    for key, node in second.keys.items():
        if (own := first.keys.get(key)) is not None:
            _join(own, node, one_block)
            if key in second.absent:
                first.absent.setdefault(key, second.absent[key])
        else:
            first.keys[key] = node
            if began is not None:
                first.absent[key] = began
            elif key in second.absent:
                first.absent[key] = second.absent[key]
    for fact, line in theirs.items():
        # Later chunks are closed in any order, so the first line is the smaller one.
        mine[fact] = min(line, mine.get(fact, line))
    if second.item is not None:
        if first.item is None:
            first.item = second.item
        else:
            _join(first.item, second.item, one_block)


def _typed(node: Node) -> Node:
    """A whole chunk's facts, kinds replaced by the types that Arrow gives to the chunk.

    Only what a cast to the first chunk's types can ask of it stays, so that later chunks can be
    put together: `mix A B` says that kind B came after kind A in one chunk.
    """
    typed = Node()
    if SEEN in node.facts:
        typed.facts[SEEN] = node.facts[SEEN]
    kinds = node.kinds()
    for fact in (CLASH, LED, NULLS, ORDER):
        if fact in node.facts:
            typed.facts[fact] = node.facts[fact]
    if node.absent:
        typed.facts[PADS] = min(node.absent.values())
    for kind in kinds[1:]:
        typed.facts[f"mix {kinds[0]} {kind}"] = node.facts[kind]
    for kind in kinds[:1]:
        column = _scalar(node, kind, mixed=len(kinds) > 1)
        typed.facts[column] = node.facts[kind]
        keep = {"int64": (WIDE,), "double": (FRACTION,), "string": _REFUSED}.get(column, ())
        for fact in keep if len(kinds) == 1 else (DOUBLE, *_REFUSED):
            if fact in node.facts:
                typed.facts[fact] = node.facts[fact]
    typed.keys = {key: _typed(child) for key, child in node.keys.items()}
    typed.item = _typed(node.item) if node.item is not None else None
    return typed


def _scalar(node: Node, kind: str, mixed: bool = False) -> str:
    """The type of a column of one kind; `array` and `object` stay."""
    if kind == "number":
        return "double" if DOUBLE in node.facts else "int64"
    if kind == "string":
        return "string" if mixed or NOT["timestamp"] in node.facts else "timestamp"
    return "bool" if kind == "boolean" else kind


class _Segment:
    """Neighbouring rows of one chunk: those of one Arrow block, or of several whole ones."""

    __slots__ = ("block", "chunk", "node")

    def __init__(self, chunk: int, block: int | None, node: Node) -> None:
        self.chunk = chunk
        self.block = block
        self.node = node

    def __getstate__(self) -> tuple[Any, ...]:
        return self.chunk, self.block, self.node

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.chunk, self.block, self.node = state


class Shapes:
    """What the loader's outcome depends on, of one file or of a range of its bytes.

    `starts` (from `chunk_starts`) is needed for a range that does not begin the file; without it
    the chunks are counted from the rows' offsets, and the last row's end is taken for the size.
    `bom` says whether the file opens with a byte order mark.
    """

    def __init__(
        self, starts: Sequence[int] | None = None, *, chunk: int = CHUNK, bom: bool = False
    ) -> None:
        self.chunk = chunk
        self.bom = bom
        self.rows = 0
        self.overflow: int | None = None
        """The first line whose new keys were not followed, once MAX_PATHS paths are known."""
        self._fixed = starts is not None
        self._starts = list(starts[:-1]) if starts else [0]
        self._size = starts[-1] if starts else 0
        self._block = max(chunk // 32, ARROW_BLOCK)
        self._segments: list[_Segment] = []
        self._later: Node | None = None
        self._spoiled: dict[tuple[str, bool], int] = {}
        """(what spoils pandas' reading of a line, whether in a later chunk) -> first line."""
        self._paths = 0
        self._known: set[Hashable] = set()
        self._unsettled = False
        self._row_limit = -1
        self._end_limit = -1
        self._resolved: dict[str, tuple[Column, list[Conflict], frozenset[Path_]]] = {}

    # Seeing rows

    def add(
        self,
        value: object,
        line: int,
        offset: int,
        length: int = 0,
        key: Hashable = None,
    ) -> None:
        """One row: its decoded JSON, 1-based line, and the bytes of its line in the (unpacked) file.

        Rows come in the order of the file. `length` counts the line end. `key`: see `known`.
        """
        if offset > self._row_limit or offset + length > self._end_limit:
            self._enter(offset, length)
        self.rows += 1
        if self._resolved:
            self._resolved = {}
        self._unsettled = False
        self._see(self._segments[-1].node, value, line)
        if key is not None and not self._unsettled and len(self._known) < _MAX_KNOWN:
            self._known.add(key)

    def known(self, key: Hashable, offset: int, length: int = 0) -> bool:
        """Count the row and skip it, if one of the same `key` told all that it could tell.

        For callers that know a row's shape without its decoded form. A key has to stand for
        everything but the characters of plain texts: the keys and types at every level in order,
        and lists or numbers by value (a tool list by its bytes). Where False comes back, `add` it
        with the key.
        """
        if offset > self._row_limit or offset + length > self._end_limit:
            self._enter(offset, length)
        if key not in self._known:
            return False
        self.rows += 1
        if self._resolved:
            self._resolved = {}
        return True

    def blank(self, line: int, offset: int) -> None:
        """A line of white space between rows: Arrow skips it, the reader for Json columns does not."""
        self._spoil("blank-line", line, offset)
        self._resolved = {}

    def _spoil(self, what: str, line: int, offset: int | None) -> None:
        chunk = self._segments[-1].chunk if offset is None else self._chunk_of(offset)
        self._spoiled.setdefault((what, chunk > 0), line)

    def _chunk_of(self, offset: int) -> int:
        if not self._fixed and offset > self._starts[-1] + self.chunk:
            self._starts.append(offset)
        return bisect_right(self._starts, offset) - 1

    def _enter(self, offset: int, length: int) -> None:
        """Open the segment of a row that lies in another chunk or Arrow block than the last."""
        chunk = self._chunk_of(offset)
        start = self._starts[chunk]
        end = max(offset + length - 1, offset)
        block = (end - start) // self._block
        if self._fixed and chunk + 1 < len(self._starts):
            self._row_limit = self._starts[chunk + 1] - 1
        else:
            self._row_limit = start + self.chunk
        self._end_limit = start + (block + 1) * self._block
        if self._segments:
            _forget(self._segments[-1].node)
            self._known.clear()
        self._segments.append(_Segment(chunk, block, Node()))
        self._fold()

    def _fold(self) -> None:
        """Join what is complete: all but the first and the last segment may be bounded by others."""
        segments = self._segments
        i = 0
        while i + 1 < len(segments):
            one, two = segments[i], segments[i + 1]
            if one.chunk == two.chunk:
                same = one.block is not None and one.block == two.block
                # The ends stay open for `merge`, so only inner blocks are put together.
                if same or (i > 0 and i + 2 < len(segments)):
                    _join(one.node, two.node, same)
                    if not same:
                        one.block = None
                    del segments[i + 1]
                    continue
            i += 1
        first, last = segments[0].chunk, segments[-1].chunk
        for segment in [s for s in segments[1:-1] if s.chunk not in (0, first, last)]:
            self._close(segment.node)
            segments.remove(segment)

    def _close(self, node: Node) -> None:
        typed = _typed(node)
        if self._later is None:
            self._later = typed
        else:
            _join(self._later, typed, False)

    def _see(self, node: Node, value: object, line: int) -> None:
        """Facts of a value at its path."""
        kind = type(value)
        if kind is dict:
            self._see_object(node, value, line)  # type: ignore[arg-type]
            return
        if value is None:
            return
        facts = node.facts
        name = _KIND.get(kind)
        if name is None:
            raise TypeError(f"not a JSON value: {kind.__name__}")
        if name not in facts:
            _begin(facts, name, line)
        if kind is str:
            if not all(map(facts.__contains__, _REFUSED)):
                _see_text(facts, value, line)  # type: ignore[arg-type]
                self._unsettled |= not all(map(facts.__contains__, _REFUSED))
        elif kind is list:
            item = node.item
            if item is None:
                item = node.item = Node()
            known = item.shapes.get
            for child in value:  # type: ignore[attr-defined]
                if type(child) is dict:
                    todo = known((*child, *map(type, child.values())))
                    if todo is None:
                        self._see_new_object(item, child, line)
                    elif todo:
                        self._see_known_object(item, child, line, todo)
                elif child is None:
                    item.facts.setdefault(NULLS, line)
                else:
                    self._see(item, child, line)
        elif kind is int:
            self._see_integer(facts, value, line)  # type: ignore[arg-type]
        elif kind is float:
            facts.setdefault(DOUBLE, line)
            if FRACTION not in facts and not (
                -(2.0**63) <= value < 2.0**63 and value.is_integer()  # type: ignore[operator, attr-defined]
            ):
                facts[FRACTION] = line

    def _see_integer(self, facts: dict[str, int], value: int, line: int) -> None:
        if -_EXACT <= value <= _EXACT:
            return
        if -(2**63) <= value < 2**63:
            facts.setdefault(WIDE, line)
            return
        facts.setdefault(DOUBLE, line)
        # -2**63 - 1 rounds to a float that int64 holds.
        if not -(2**63) - 1024 < value < 0:
            facts.setdefault(FRACTION, line)
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            self._spoil("integer-too-big", line, None)

    def _see_object(self, node: Node, value: dict[str, object], line: int) -> None:
        todo = node.shapes.get((*value, *map(type, value.values())))
        if todo is None:
            self._see_new_object(node, value, line)
        elif todo:
            self._see_known_object(node, value, line, todo)

    def _see_known_object(
        self, node: Node, value: dict[str, object], line: int, todo: list[tuple[str, Node]]
    ) -> None:
        """An object of known shape: only the values that can still teach something."""
        for key, child in todo:
            item = value[key]
            if type(item) is list and node is not self._segments[-1].node:
                # `lists` holds the list, so its identity can't be given to another one.
                lists = child.lists
                if lists.get(id(item)) is item:
                    continue
                if len(lists) >= _MAX_LISTS:
                    lists.clear()
                lists[id(item)] = item
            self._see(child, item, line)

    def _see_new_object(self, node: Node, value: dict[str, object], line: int) -> None:
        facts, keys = node.facts, node.keys
        if "object" not in facts:
            _begin(facts, "object", line)
            fresh = True
        else:
            fresh = False
        for key in keys:
            if key not in value:
                node.absent.setdefault(key, line)
        todo = []
        for key, item in value.items():
            child = keys.get(key)
            if child is None:
                if self._paths >= MAX_PATHS:
                    if self.overflow is None:
                        self.overflow = line
                    continue
                self._paths += 1
                child = keys[key] = Node()
                child.facts[SEEN] = line
                if not fresh:
                    node.absent[key] = facts["object"]
            self._see(child, item, line)
            if not _settled(child, type(item)):
                todo.append((key, child))
        if ORDER not in facts and [key for key in keys if key in value] != [
            key for key in value if key in keys
        ]:
            facts[ORDER] = line
        if len(node.shapes) < _MAX_SHAPES:
            node.shapes[(*value, *map(type, value.values()))] = todo

    def merge(self, other: Shapes) -> Shapes:
        """Take in the state of the part of the file that follows, which is used up. Returns self.

        Associative. Raises ValueError where `other` does not know where its chunks begin.
        """
        if not other.rows and not other._spoiled:
            return self
        if not other._fixed and (self.rows or self._spoiled):
            raise ValueError("the following part needs `starts`")
        self._resolved = {}
        if other._fixed:
            self._fixed, self._starts, self._size = True, other._starts, other._size
        elif not self.rows:
            self._starts, self._size = other._starts, other._size
        self._segments += other._segments
        if other._later is not None:
            if self._later is None:
                self._later = other._later
            else:
                _join(self._later, other._later, False)
        for what, line in other._spoiled.items():
            self._spoiled[what] = min(line, self._spoiled.get(what, line))
        self.rows += other.rows
        self.bom = self.bom or other.bom
        self._paths += other._paths
        if self.overflow is None:
            self.overflow = other.overflow
        if self._segments:
            self._fold()
        self._row_limit, self._end_limit = other._row_limit, other._end_limit
        return self

    # What the loader makes of them

    def conflicts(self, datasets: str, after: Shapes | None = None) -> list[Conflict]:
        """What this version of `datasets` makes of the disagreeing rows, worst and earliest first.

        `after`: the shapes of the split that is loaded first (train), to whose types this one is
        cast; then its own first chunk counts as a later one.
        """
        return sorted(
            self._resolve(datasets, after)[1],
            key=lambda c: (not c.fails, c.line, where(c.path), c.outcome),
        )

    def column(self, datasets: str) -> Column:
        """The type that the rows get: a StructOf, as far as the load comes."""
        return self._resolve(datasets, None)[0]

    def padding(self, datasets: str) -> list[Padding]:
        """The keys, at every level, that this version adds as null, in the order of their lines."""
        first, _ = self._chunks()
        found: list[Padding] = []
        if first is not None:
            _padding(first, self.column(datasets), (), found)
        return sorted(found, key=lambda p: (p.line, where(p.path)))

    def moments(self, datasets: str) -> list[tuple[Path_, int]]:
        """Paths whose texts all read as times, so that the trainer gets datetimes; first lines."""
        first, _ = self._chunks()
        found: list[tuple[Path_, int]] = []
        if first is not None:
            _moments(first, self.column(datasets), (), found)
        return found

    def pad(self, value: object, datasets: str) -> Any:
        """The row as the trainer receives it, where the load succeeds."""
        column, conflicts, json_paths = self._resolve(datasets, None)
        if value is None and isinstance(column, StructOf):
            return dict.fromkeys(column.fields)
        return _fit(value, column, (), bool(json_paths), _lost(conflicts))

    def load(self, datasets: str, after: Shapes | None = None) -> Load | None:
        """What this version gives the trainer for the `messages` of this file's rows.

        None where nothing is loaded, where no row has messages, and where the file has too many
        paths to know.

        Args:
            datasets: the version.
            after: as in `conflicts`.
        """
        column, conflicts, json_paths = self._resolve(datasets, after)
        overflow = self.overflow is not None or (after is not None and after.overflow is not None)
        if overflow or not isinstance(column, StructOf) or "messages" not in column.fields:
            return None
        if any(conflict.fails for conflict in conflicts):
            return None
        messages = column.fields["messages"]
        first, later = self._chunks()
        through_json = bool(json_paths)
        changes = any(
            _changes(node.keys["messages"], messages, ("messages",), through_json)
            for node in (_typed(first) if first is not None else None, later)
            if node is not None and "messages" in node.keys
        )
        return Load(messages, through_json, _lost(conflicts), changes)

    def _chunks(self) -> tuple[Node | None, Node | None]:
        """The first chunk's facts as they are, and those of the later ones as types."""
        whole: dict[int, Node] = {}
        for segment in self._segments:
            node = _copied(segment.node)
            if segment.chunk in whole:
                # Two segments of one chunk meet at the border of Arrow blocks.
                _join(whole[segment.chunk], node, False)
            else:
                whole[segment.chunk] = node
        first = whole.pop(0, None)
        later = _copied(self._later) if self._later is not None else None
        for chunk in sorted(whole):
            typed = _typed(whole[chunk])
            if later is None:
                later = typed
            else:
                _join(later, typed, False)
        return first, later

    def _resolve(
        self, datasets: str, after: Shapes | None
    ) -> tuple[Column, list[Conflict], frozenset[Path_]]:
        if after is None and datasets in self._resolved:
            return self._resolved[datasets]
        release = version(datasets)
        first, later = self._chunks()
        spoiled = {what: line for (what, is_later), line in self._spoiled.items() if not is_later}
        if self.bom and release < BOM_STRIPPED:
            spoiled.setdefault("byte-order-mark", 1)
        reading = _Reading(release, spoiled, self._one_block())
        column: Column
        if after is not None:
            column, _, json_paths = after._resolve(datasets, None)
            reading.json_paths |= json_paths
            if first is not None:
                typed = _typed(first)
                if later is not None:
                    _join(typed, later, False)
                later = typed
        elif first is None:
            column = StructOf({})
        else:
            column = reading.root(first)
        if later is not None:
            reading.check(later, column, ())
        quoted = any(conflict.outcome == "loads-quoted" for conflict in reading.conflicts)
        if (reading.json_paths or quoted) and release >= USE_JSON:
            for (what, is_later), line in self._spoiled.items():
                if is_later or after is not None:
                    reading.fail((), what, "ValueError", line, later=True)
        result = (column, reading.conflicts, frozenset(reading.json_paths))
        if after is None:
            self._resolved[datasets] = result
        return result

    def _one_block(self) -> bool:
        """Whether from 4.7 on the first chunk is parsed as one Arrow block."""
        starts = self._starts
        if len(starts) > 1:
            length = starts[1] - starts[0]
        else:
            length = max(self._size, self._end_limit - self._block if not self._fixed else 0)
        return length // ALONE > self._block


def _copied(node: Node) -> Node:
    copy = Node()
    copy.facts = dict(node.facts)
    copy.keys = {key: _copied(child) for key, child in node.keys.items()}
    copy.absent = dict(node.absent)
    copy.item = _copied(node.item) if node.item is not None else None
    return copy


_FROM: Final[dict[str, dict[str, str]]] = {
    "bool": {"bool": "", "int64": "loads-cast", "double": "loads-cast", "string": "loads-as-text"},
    "int64": {
        "bool": "loads-cast",
        "int64": "",
        "double": "",
        "string": "loads-as-text",
        "timestamp": "loads-cast",
    },
    "double": {"bool": "loads-cast", "int64": "", "double": "", "string": "loads-as-text"},
    "string": {
        "bool": "loads-cast",
        "int64": "loads-cast",
        "double": "loads-cast",
        "string": "",
        "timestamp": "loads-cast",
    },
    "timestamp": {"int64": "loads-cast", "string": "loads-as-text", "timestamp": ""},
}
"""Type of a later chunk -> type of the first -> what the cast does; absent: Arrow has none."""

_TYPES: Final = ("bool", "int64", "double", "string", "timestamp", "array", "object")
_TYPED: Final = frozenset(_TYPES)


class _Reading:
    """One version's reading of one file: the types of its columns and what goes wrong."""

    def __init__(self, release: tuple[int, ...], spoiled: dict[str, int], one_block: bool) -> None:
        self.json = release >= USE_JSON
        self.release = release
        self.spoiled = spoiled
        self.one_block = one_block and self.json
        self.conflicts: list[Conflict] = []
        self.json_paths: set[Path_] = set()

    def fail(
        self,
        path: Path_,
        reason: str,
        cause: str,
        line: int,
        types: tuple[tuple[str, int], ...] = (),
        later: bool = False,
        error: str = "DatasetGenerationError",
    ) -> None:
        self.conflicts.append(
            Conflict(
                path=path,
                reason=reason,
                types=types,
                outcome="load-fails",
                error=error,
                cause=cause,
                line=line,
                later=later,
            )
        )

    def note(
        self,
        path: Path_,
        outcome: str,
        line: int,
        types: tuple[tuple[str, int], ...],
        later: bool = False,
    ) -> None:
        self.conflicts.append(
            Conflict(
                path=path, reason="types", types=types, outcome=outcome, line=line, later=later
            )
        )

    def root(self, node: Node) -> Column:
        """The type of the rows, from the first chunk."""
        if self.json and self.spoiled and self.release < SCAN_FORGIVES:
            what, line = min(self.spoiled.items(), key=lambda item: item[1])
            self.fail((), what, "ValueError", line, error="ValueError")
        kinds = node.kinds()
        if any(kind != "object" for kind in kinds):
            line = min(node.facts[kind] for kind in kinds if kind != "object")
            types = tuple((kind, node.facts[kind]) for kind in kinds)
            self.fail((), "row-not-object", "ArrowInvalid", line, types)
        column = StructOf({key: self.column(child, (key,)) for key, child in node.keys.items()})
        if not column.fields and node.facts and not self.conflicts:
            self.fail((), "no-columns", "ValueError", min(node.facts.values()), error="ValueError")
        if self._is_trace(column):
            self.fail((), "agent-trace", "ImportError", node.facts["object"])
        return column

    def column(self, node: Node, path: Path_) -> Column:
        """The type of a path, from the first chunk."""
        kinds = node.kinds()
        self._led(node, path)
        if not kinds:
            return "null"
        types = tuple((kind, node.facts[kind]) for kind in kinds)
        if self.json and not self.spoiled:
            if kinds == ["object"] and (not node.keys or node.absent):
                self.json_paths.add(path)
                return "json"
            if len(kinds) > 1 and ("array" in kinds or "object" in kinds):
                return self._as_json(path, types)
        if len(kinds) > 1:
            return self._mixed(node, path, types)
        return self._single(node, kinds[0], path)

    def _led(self, node: Node, path: Path_, later: bool = False) -> None:
        """Arrow's reader loses count in a list column whose first item is null."""
        line = node.facts.get(LED)
        if line is None and not KINDS & node.facts.keys() and not _TYPED & node.facts.keys():
            line = node.facts.get(NULLS)
        if line is not None:
            self.conflicts.append(
                Conflict(
                    path=path,
                    reason="null-first-item",
                    outcome="loads-garbled" if self.release < VALIDATES else "loads-reread",
                    line=line,
                    later=later,
                )
            )

    def _single(self, node: Node, kind: str, path: Path_, mixed: bool = False) -> Column:
        if kind == "array":
            return ListOf(self.column(node.item, (*path, 0)) if node.item else "null")
        if kind == "object":
            return StructOf(
                {key: self.column(child, (*path, key)) for key, child in node.keys.items()}
            )
        return _scalar(node, kind, mixed)

    def _as_json(self, path: Path_, types: tuple[tuple[str, int], ...]) -> Column:
        self.json_paths.add(path)
        self.note(path, "loads-as-json", types[1][1], types)
        return "json"

    def _mixed(self, node: Node, path: Path_, types: tuple[tuple[str, int], ...]) -> Column:
        """Two kinds at one path of the first chunk."""
        clash = node.facts.get(CLASH, types[1][1] if self.one_block else None)
        if clash is not None:
            if not self.json:
                self.fail(path, "types", "ArrowInvalid", clash, types)
                return "unknown"
            if self.spoiled:
                self.fail(path, "types", "ValueError", clash, types, error="ValueError")
                return "unknown"
            return self._as_json(path, types)
        begun = types[0][0]
        for kind, line in types[1:]:
            self._across(path, begun, kind, line, types)
        return self._single(node, begun, path, mixed=True)

    def _across(
        self,
        path: Path_,
        begun: str,
        kind: str,
        line: int,
        types: tuple[tuple[str, int], ...],
        later: bool = False,
    ) -> None:
        """Kind `begun` in one Arrow block, `kind` in a following one of the same chunk."""
        if begun == "string" and kind == "number":
            self.note(path, "loads-as-text", line, types, later)
        elif begun == "object" and kind != "array":
            self.note(path, "loses-values", line, types, later)
        elif begun == "boolean" or (begun == "number" and kind == "string"):
            self.fail(path, "types", "ArrowInvalid", line, types, later)
        else:
            self.note(path, "crashes", line, types, later)

    def check(self, node: Node, column: Column, path: Path_) -> None:
        """Later chunks against the types of the first one."""
        if column in ("json", "unknown"):
            return
        if not path and (odd := self._odd_rows(node)):
            self.fail(path, "row-not-object", "ArrowInvalid", min(odd), later=True)
            return
        if self._iterated(node, column, path) or self._check_mixed(node, column, path):
            return
        self._led(node, path, later=True)
        for name in _TYPES:
            line = node.facts.get(name)
            if line is None:
                continue
            types = ((_name(column), 0), (name, line))
            if name == "array":
                if isinstance(column, ListOf):
                    if node.item is not None:
                        self.check(node.item, column.item, (*path, 0))
                    continue
                self.fail(path, "types", "TypeError", line, types, later=True)
                self._clashes_below(node, path)
            elif name == "object":
                self._check_object(node, column, path, line, types)
            elif not isinstance(column, str) or column == "null":
                self.fail(path, "types", "TypeError", line, types, later=True)
            else:
                self._check_scalar(node, name, column, path, line, types)

    def _check_mixed(self, node: Node, column: Column, path: Path_) -> bool:
        mixes = [fact for fact in node.facts if fact.startswith("mix ")]
        if not mixes:
            return False
        line = min(node.facts[fact] for fact in mixes)
        found = [(fact, line) for fact, line in node.facts.items() if fact in _TYPED]
        found += [(fact.split()[2], node.facts[fact]) for fact in mixes]
        types = tuple(sorted(found, key=itemgetter(1, 0)))
        if self.json:
            if column == "string" and self._split_below(node):
                self.fail(path, "types", "TypeError", line, types, later=True)
            elif column == "string":
                self.note(path, "loads-quoted", line, types, later=True)
            elif self._reads_back(node, column, mixes):
                self.note(path, "loads-cast", line, types, later=True)
            else:
                cause = (
                    "ArrowInvalid" if isinstance(column, str) and column != "null" else "TypeError"
                )
                self.fail(path, "types", cause, line, types, later=True)
            return True
        if CLASH in node.facts:
            self.fail(path, "types", "ArrowInvalid", node.facts[CLASH], types, later=True)
            return True
        for fact in sorted(mixes):
            _, begun, kind = fact.split()
            self._across(path, begun, kind, node.facts[fact], types, later=True)
        return False

    def _iterated(self, node: Node, column: Column, path: Path_) -> bool:
        """A text or an object where the first chunk has a list of Json items.

        The items are asked for one by one: those of a text are its characters, those of an object
        its keys, and those of a number raise.
        """
        if not self.json or not _lists_of_json(column):
            return False
        facts = node.facts
        kinds = {fact: line for fact, line in facts.items() if fact in _TYPES}
        kinds |= {fact.split()[2]: line for fact, line in facts.items() if fact.startswith("mix ")}
        types = (("array", 0), *sorted(kinds.items(), key=itemgetter(1, 0)))
        single = [
            kind for kind in kinds if kind in ("number", "boolean", "int64", "double", "bool")
        ]
        if single:
            line = min(kinds[kind] for kind in single)
            self.fail(path, "types", "TypeError", line, types, later=True)
        elif odd := [line for kind, line in kinds.items() if kind != "array"]:
            self.note(path, "loads-garbled", min(odd), types, later=True)
        if isinstance(column, ListOf) and node.item is not None:
            self.check(node.item, column.item, (*path, 0))
        return True

    def _odd_rows(self, node: Node) -> list[int]:
        """First lines of rows that are no objects."""
        return [
            line
            for fact, line in node.facts.items()
            if fact.startswith("mix ") or (fact in _TYPES and fact != "object")
        ]

    def _split_below(self, node: Node) -> bool:
        """Whether a path below some objects becomes `Json`, which other values here don't have."""
        if "object" not in node.facts and not any(fact.endswith(" object") for fact in node.facts):
            return False
        types = sum(1 for fact in node.facts if fact in _TYPED or fact.startswith("mix "))
        below = [*node.keys.values(), *([node.item] if node.item else [])]
        return types > 1 and any(map(_is_mixed, below))

    def _reads_back(self, node: Node, column: Column, mixes: list[str]) -> bool:
        """Whether numbers beside texts all read as the numbers of the first chunk."""
        if column not in ("int64", "double") or {*mixes} - {
            "mix string number",
            "mix number string",
        }:
            return False
        return NOT[column] not in node.facts and not (column == "int64" and DOUBLE in node.facts)

    def _check_object(
        self,
        node: Node,
        column: Column,
        path: Path_,
        line: int,
        types: tuple[tuple[str, int], ...],
    ) -> None:
        if isinstance(column, StructOf):
            if self.release < FILLS_MISSING:
                for key in column.fields:
                    if key not in node.keys or key in node.absent:
                        self._misfit((*path, key), "missing-key", node.absent.get(key, line))
            for key, child in node.keys.items():
                if key in column.fields:
                    self.check(child, column.fields[key], (*path, key))
                else:
                    self._misfit((*path, key), "late-key", child.facts[SEEN])
                    self._clashes_below(child, (*path, key))
        elif column == "string" and self.json and len(path) == 1 and not self._split_below(node):
            self.note(path, "loads-as-text", line, types, later=True)
        else:
            self.fail(path, "types", "TypeError", line, types, later=True)
            self._clashes_below(node, path)

    def _clashes_below(self, node: Node, path: Path_) -> None:
        """Below 4.7 a clash at a path that the first chunk has not at all is met by the parser first."""
        if self.json:
            return
        if CLASH in node.facts:
            self.fail(path, "types", "ArrowInvalid", node.facts[CLASH], later=True)
        for key, child in node.keys.items():
            self._clashes_below(child, (*path, key))
        if node.item is not None:
            self._clashes_below(node.item, (*path, 0))

    def _misfit(self, path: Path_, reason: str, line: int) -> None:
        if len(path) > 1:
            self.fail(path, reason, "TypeError", line, later=True)
        else:
            # Below 4.7 the cast is the writer's, which raises its own error with no cause.
            cause = "CastError" if self.json else "DatasetGenerationCastError"
            error = "DatasetGenerationError" if self.json else cause
            self.fail(path, reason, cause, line, later=True, error=error)

    def _check_scalar(
        self,
        node: Node,
        name: str,
        column: str,
        path: Path_,
        line: int,
        types: tuple[tuple[str, int], ...],
    ) -> None:
        outcome = _FROM[name].get(column)
        if outcome is None:
            self.fail(path, "types", "ArrowNotImplementedError", line, types, later=True)
            return
        refusal = {
            ("int64", "double"): WIDE,
            ("double", "int64"): FRACTION,
        }.get((name, column), NOT.get(column, "") if name == "string" else "")
        if refusal in node.facts:
            self.fail(path, "types", "ArrowInvalid", node.facts[refusal], types, later=True)
        elif outcome:
            self.note(path, outcome, line, types, later=True)

    def _is_trace(self, column: StructOf) -> bool:
        """Whether 4.8.5 and later take the file for a log of a coding assistant."""
        fields = column.fields
        if self.release < SCAN_FORGIVES:
            return False
        if fields.get("type") == "string" and "json" in (
            fields.get("message"),
            fields.get("payload"),
        ):
            return True
        if self.release < BOM_STRIPPED:
            return False
        if all(fields.get(key) == "string" for key in ("id", "source", "model", "system_prompt")):
            messages = fields.get("messages")
            return isinstance(messages, ListOf) or messages == "json"
        texts = all(fields.get(key) == "string" for key in ("type", "id", "cwd"))
        return texts and fields.get("version") == "int64"


def _is_mixed(node: Node) -> bool:
    """Whether two kinds met in one chunk, here or below; of facts as `_typed` gives them."""
    if any(fact.startswith("mix ") for fact in node.facts):
        return True
    return any(map(_is_mixed, node.keys.values())) or (
        node.item is not None and _is_mixed(node.item)
    )


def _lists_of_json(column: Column) -> bool:
    return isinstance(column, ListOf) and (column.item == "json" or _lists_of_json(column.item))


def _name(column: Column) -> str:
    if isinstance(column, str):
        return column
    return "array" if isinstance(column, ListOf) else "object"


def _lost(conflicts: list[Conflict]) -> frozenset[Path_]:
    """Paths whose scalars become null."""
    return frozenset(c.path for c in conflicts if c.outcome == "loses-values")


class Load(msgspec.Struct, frozen=True):
    """What one version of `datasets` makes of the `messages` of one file."""

    column: Column
    through_json: bool
    """Whether the file went through pandas' codec, which loses decimals."""
    lost: frozenset[Path_]
    changes: bool
    """Whether any row may come back otherwise than written."""

    def messages(self, messages: list[Any]) -> Any:
        """The list as the trainer receives it."""
        return _fit(messages, self.column, ("messages",), self.through_json, self.lost)

    @property
    def keeps_keys(self) -> bool:
        """Whether messages come back with their own keys: then only floats in them can change."""
        return self.column == "json" or self.column == ListOf("json")


def _changes(node: Node, column: Column, path: Path_, through_json: bool) -> bool:
    """Whether some value of a chunk may come back otherwise, by its facts as `_typed` gives them."""
    facts = node.facts
    kinds = {fact for fact in facts if fact in _TYPED}
    if column == "json":
        texts = {"string", "timestamp"} & kinds or any(
            fact.startswith("mix ") and "string" in fact for fact in facts
        )
        return bool(texts) or _has_floats(node)
    if any(fact.startswith("mix ") for fact in facts):
        return True
    if isinstance(column, str):
        # A null column has no values; a float may lose decimals, or be a whole number made a float.
        return column in ("double", "timestamp", "unknown") or bool(kinds - {column})
    if isinstance(column, ListOf):
        if kinds - {"array"}:
            return True
        return node.item is not None and _changes(node.item, column.item, (*path, 0), through_json)
    if kinds - {"object"} or node.absent or PADS in facts or column.fields.keys() - node.keys:
        return True
    # Messages are asked for their keys by name; a tool is printed as it stands.
    printed = len(path) > 2
    if printed and (ORDER in facts or list(node.keys) != list(column.fields)):
        return True
    return any(
        _changes(child, column.fields[key], (*path, key), through_json)
        for key, child in node.keys.items()
    )


def _has_floats(node: Node) -> bool:
    if DOUBLE in node.facts or "double" in node.facts:
        return True
    below = [*node.keys.values(), *([node.item] if node.item is not None else [])]
    return any(map(_has_floats, below))


def _children(node: Node, column: Column) -> Iterator[tuple[Step, Node, Column]]:
    if isinstance(column, ListOf) and node.item is not None:
        yield 0, node.item, column.item
    elif isinstance(column, StructOf):
        for key, child in node.keys.items():
            yield key, child, column.fields[key]


def _padding(node: Node, column: Column, path: Path_, found: list[Padding]) -> None:
    if isinstance(column, StructOf):
        for key, absent in node.absent.items():
            line = node.keys[key].facts[SEEN]
            found.append(Padding(path=(*path, key), line=line, absent=absent))
    for step, child, below in _children(node, column):
        _padding(child, below, (*path, step), found)


def _moments(node: Node, column: Column, path: Path_, found: list[tuple[Path_, int]]) -> None:
    if column == "timestamp":
        found.append((path, node.facts["string"]))
    for step, child, below in _children(node, column):
        _moments(child, below, (*path, step), found)


def _fit(
    value: object, column: Column, path: Path_, through_json: bool, lost: frozenset[Path_]
) -> Any:
    """A value as its column gives it back."""
    if value is None:
        return None
    if isinstance(column, StructOf):
        if not isinstance(value, dict):
            return dict.fromkeys(column.fields) if path in lost or value is None else value
        return {
            key: _fit(value.get(key), below, (*path, key), through_json, lost)
            for key, below in column.fields.items()
        }
    if isinstance(column, ListOf):
        if not isinstance(value, list):
            return value
        return [_fit(item, column.item, (*path, 0), through_json, lost) for item in value]
    if column == "json":
        return stored_text(value) if isinstance(value, str) else stored(value)
    if through_json and isinstance(value, float):
        value = rewritten(value)
        if value is None:
            return None
    return _scalar_fit(value, column)


def _scalar_fit(value: object, column: str) -> object:
    if column == "double" and isinstance(value, int):
        return float(value)
    if column == "double" and isinstance(value, str):
        return _as_double(value)
    if column == "int64":
        if isinstance(value, int | float):
            small = isinstance(value, float) or -(2**63) <= value < 2**63
            return int(value) if small else int(float(value))
        if isinstance(value, str):
            return _as_int64(value)
    if column == "bool" and not isinstance(value, bool):
        return _as_bool(value) if isinstance(value, str) else bool(value)
    if column == "timestamp":
        return moment(value) if isinstance(value, str) else datetime(1970, 1, 1) + _seconds(value)
    if column == "string" and not isinstance(value, str):
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return value


def _seconds(value: object) -> timedelta:
    return timedelta(seconds=value) if isinstance(value, int) else timedelta()
