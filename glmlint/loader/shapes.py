"""What `datasets.load_dataset("json")` makes of a file, worked out from the shapes of its rows.

`Shapes` sees each row once and keeps, for every path, the first line of each thing that Arrow's
JSON reader or a later cast would trip over. It never holds rows, merges with the state of the
following part of the file, and then says what a version of `datasets` does: which paths make the
load fail, and how a row looks afterwards.

Sources: datasets 2.20, 4.4.1, 4.7.0, 4.8.5 and 5.2.0 (packaged_modules/json, table, utils/json),
pyarrow 26 (cpp/src/arrow/json), read and compared by running them; see docs/loader.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from glmlint.loader.columns import Column, Path_, StructOf, where
from glmlint.loader.cuts import (
    ALONE,
    ALONE_WITH_BOM,
    ALONE_WITHOUT_BOM,
    BLOCKS,
    CHUNK,
    Cut,
    block_size,
)
from glmlint.loader.facts import (
    BIG,
    DOUBLE,
    FRACTION,
    KEPT,
    KIND,
    MAX_LISTS,
    MAX_SHAPES,
    NO_LISTS,
    NO_SHAPES,
    NULLS,
    ORDER,
    REFUSED,
    SEEN,
    WIDE,
    Node,
    as_types,
    begin_kind,
    copy_of,
    forget_speedups,
    is_settled,
    join,
    new_paths,
    see_text,
)
from glmlint.loader.rows import How, Load, has_times, lost_paths, may_change, whole_row
from glmlint.loader.table import table_changes, table_column
from glmlint.loader.tabled import Tabled
from glmlint.loader.ujson_numbers import MAX_INTEGER, MIN_INTEGER, rewritten
from glmlint.loader.verdict import (
    BOM_STRIPPED,
    SCAN_FORGIVES,
    USE_JSON,
    Conflict,
    Padding,
    Reading,
    find_moments,
    find_padding,
)
from glmlint.plan import version

MAX_PATHS: Final = 50_000
"""Paths that are kept of a file, 600 bytes each. Past it new keys are not followed: see
`Shapes.overflow`."""
_MOST_AT_ONCE: Final = 4
"""How many times as many a range of a file may have until it is put together with others."""


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


class ShapeForm(msgspec.Struct, frozen=True):
    """How the rows stand in a file."""

    kind: Literal["lines", "values", "array"] = "lines"
    """One a line; one after the other, over lines; the elements of one array."""
    bare: bool = True
    """Of an array: whether its bracket is the first byte, a byte order mark apart."""
    as_text: bool = False
    """Of an array: whether from 4.7 on its elements are taken for texts, whatever they are."""


LINES: Final = ShapeForm()


class _Answer(NamedTuple):
    """What one version makes of the rows."""

    column: Column
    """The type that they get: a StructOf, as far as the load comes."""
    conflicts: list[Conflict]
    json_paths: frozenset[Path_]
    how: How
    first: Node | None
    """The facts of the rows from which the types are taken."""
    later: Node | None
    """The facts of the rows that are cast to these types, as types."""


_MAX_KNOWN: Final = 4096
_EXACT: Final = 2**53


class Segment:
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
    `bom` says whether the file opens with a byte order mark. The offsets of an array's elements are
    those of the lines that `datasets` makes of them.
    """

    def __init__(
        self,
        starts: Sequence[int] | None = None,
        *,
        chunk: int = CHUNK,
        bom: bool = False,
        form: ShapeForm = LINES,
    ) -> None:
        self.chunk = chunk
        self.bom = bom
        self.form = form
        self.rows = 0
        self.lost = False
        """Whether it is not known where the file is cut: see `Cuts.lost`."""
        self.overflow: int | None = None
        """The first line whose new keys were not followed, once MAX_PATHS paths are known."""
        self._fixed = starts is not None
        self._starts = list(starts[:-1]) if starts else [0]
        self._size = starts[-1] if starts else 0
        self._block = block_size(chunk)
        self._segments: list[Segment] = []
        self._later: Node | None = None
        self._spoiled: dict[tuple[str, bool], int] = {}
        """(what spoils pandas' reading of a line, whether in a later chunk) -> first line."""
        self._cuts: dict[str, Cut] = {}
        self._null_row: int | None = None
        self._null_first = False
        self._begin: int | None = None
        """Offset of the first row."""
        self._paths = 0
        """How many are known; what is in several segments may be counted in each."""
        self._counted = False
        """Whether it is counted once."""
        self._known: set[Hashable] = set()
        self._unsettled = False
        self._row_limit = -1
        self._end_limit = -1
        self._whole: tuple[Node | None, Node | None] | None = None
        self._resolved: dict[str, _Answer] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what only the process that sees the rows can use."""
        return {**self.__dict__, "_known": set(), "_whole": None, "_resolved": {}}

    # Seeing rows

    def add(
        self,
        value: object,
        line: int,
        offset: int,
        length: int = 0,
        key: Hashable = None,
        beside: bool = False,
    ) -> None:
        """One row: its decoded JSON, 1-based line, and the bytes of its line in the (unpacked) file.

        Rows come in the order of the file. `length` counts the line end. `key`: see `known`; with
        `beside` it stands for no value beside the messages: `add_beside` is told of those.
        """
        if offset > self._row_limit or offset + length > self._end_limit:
            self._enter(offset, length)
        if not self.rows:
            self._begin = offset
            self._null_first = value is None
        self.rows += 1
        if self._whole is not None:
            self._forget_answers()
        if value is None and self._null_row is None:
            self._null_row = line
        self._unsettled = False
        node = self._segments[-1].node
        self._see(node, value, line)
        if beside and self._unsettled:  # by the messages, or by others alone?
            self._unsettled = False
            self._see(node.keys["messages"], value["messages"], line)  # type: ignore[index]
        if key is not None and not self._unsettled and len(self._known) < _MAX_KNOWN:
            self._known.add(key)

    def known(self, key: Hashable, offset: int, length: int = 0) -> bool:
        """Count the row and skip it, if one of the same `key` added all that it can.

        For callers that know a row's shape without its decoded form. A key has to stand for
        everything but the characters of plain texts: the keys and types at every level in order,
        and lists or numbers by value; what `add_below` gets may be left out. Where False comes
        back, `add` it with the key.
        """
        if offset > self._row_limit or offset + length > self._end_limit:
            self._enter(offset, length)
        if key not in self._known:
            return False
        self.rows += 1
        if self._whole is not None:
            self._forget_answers()
        return True

    def known_below(self, key: Hashable) -> bool:
        """Whether a value of the last row's tool list, by its bytes, has added all that it can."""
        return key in self._known

    def add_below(self, path: Path_, value: object, line: int, key: Hashable) -> None:
        """One value of the last row, whose own key was known, at a path that such a row has."""
        node = self._segments[-1].node
        for step in path:
            below = node.item if step == 0 else node.keys.get(str(step))
            if below is None:
                return  # not followed, past MAX_PATHS: a row of the same key was added
            node = below
        self._unsettled = False
        self._see(node, value, line)
        if not self._unsettled and len(self._known) < _MAX_KNOWN:
            self._known.add(key)

    def add_beside(self, values: dict[str, object], line: int) -> None:
        """The values of the last row, whose key was known, that stand beside its messages."""
        keys = self._segments[-1].node.keys
        for name, value in values.items():
            node = keys.get(name)  # None past MAX_PATHS
            if node is not None and not (type(value) is str and is_settled(node, str)):
                self._see(node, value, line)

    def blank(self, line: int, offset: int) -> None:
        """A line of white space between rows: Arrow skips it, the reader for Json columns does not."""
        self._spoil("blank-line", line, offset)
        self._forget_answers()

    def over_lines(self, line: int, offset: int) -> None:
        """A row that has no line of its own, in a file of values over lines."""
        self._spoil("over-lines", line, offset)
        self._forget_answers()

    def several(self, line: int, offset: int) -> None:
        """A line with more than one row."""
        self._spoil("several-on-a-line", line, offset)
        self._forget_answers()

    def cut(self, cuts: dict[str, Cut], lost: bool) -> None:
        """Rows that some way of reading cuts in two, as `Cuts` finds them."""
        for way, cut in cuts.items():
            self._cuts.setdefault(way, cut)
        self.lost = self.lost or lost
        self._forget_answers()

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
        elif self.form.kind == "array":
            self._row_limit = self._size  # one chunk, whatever its size
        else:
            self._row_limit = start + self.chunk
        self._end_limit = start + (block + 1) * self._block
        if self._segments:
            forget_speedups(self._segments[-1].node)
            self._known.clear()
        self._segments.append(Segment(chunk, block, Node()))
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
                    join(one.node, two.node, same)
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
        typed = as_types(node)
        if self._later is None:
            self._later = typed
        else:
            join(self._later, typed, False)

    def _see(self, node: Node, value: object, line: int) -> None:
        """Facts of a value at its path."""
        kind = type(value)
        if kind is dict:
            self._see_object(node, value, line)  # type: ignore[arg-type]
            return
        if value is None:
            return
        facts = node.facts
        name = KIND.get(kind)
        if name is None:
            raise TypeError(f"not a JSON value: {kind.__name__}")
        if name not in facts:
            begin_kind(facts, name, line)
        if kind is str:
            if not all(map(facts.__contains__, REFUSED)):
                see_text(facts, value, line)  # type: ignore[arg-type]
                self._unsettled |= not all(map(facts.__contains__, REFUSED))
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
                        known = item.shapes.get
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
            if KEPT not in facts and FRACTION in facts:
                again = rewritten(value)  # type: ignore[arg-type]
                if again is not None and not (-(2.0**63) <= again < 2.0**63 and again.is_integer()):
                    facts[KEPT] = line

    def _see_integer(self, facts: dict[str, int], value: int, line: int) -> None:
        if -_EXACT <= value <= _EXACT:
            return
        if -(2**63) <= value < 2**63:
            facts.setdefault(WIDE, line)
            return
        facts.setdefault(DOUBLE, line)
        facts.setdefault(BIG, line)
        # -2**63 - 1 rounds to a float that int64 holds.
        if not -(2**63) - 1024 < value < 0:
            facts.setdefault(FRACTION, line)
            facts.setdefault(KEPT, line)
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
                if lists is NO_LISTS or len(lists) >= MAX_LISTS:
                    lists = child.lists = {}
                lists[id(item)] = item
            self._see(child, item, line)

    def _see_new_object(self, node: Node, value: dict[str, object], line: int) -> None:
        facts, keys = node.facts, node.keys
        if "object" not in facts:
            begin_kind(facts, "object", line)
            fresh = True
        else:
            fresh = False
        node.lacking(value, line)
        todo = []
        for key, item in value.items():
            child = keys.get(key)
            if child is None:
                if self._paths >= _MOST_AT_ONCE * MAX_PATHS:
                    if self.overflow is None:
                        self.overflow = line
                    continue
                self._paths += 1
                child = keys[key] = Node()
                child.facts[SEEN] = line
                if node.places is not None:
                    node.places[key] = len(keys) - 1
                if not fresh:
                    node.absent[key] = facts["object"]
                elif node.always is not None:
                    node.always.add(key)
            self._see(child, item, line)
            if not is_settled(child, type(item)):
                todo.append((key, child))
        if ORDER not in facts and not node.in_order(value):
            facts[ORDER] = line
        if node.shapes is NO_SHAPES:
            node.shapes = {}
        if len(node.shapes) < MAX_SHAPES:
            node.shapes[(*value, *map(type, value.values()))] = todo

    def merge(self, other: Shapes) -> Shapes:
        """Take in the state of the part of the file that follows, which is used up. Returns self.

        Associative. Raises ValueError where `other` does not know where its chunks begin.
        """
        if not other.rows and not other._spoiled:
            return self
        for way, cut in other._cuts.items():
            self._cuts.setdefault(way, cut)
        self.lost = self.lost or other.lost
        if self._null_row is None:
            self._null_row = other._null_row
        if not self.rows:
            self.form, self._begin = other.form, other._begin
            self._null_first = other._null_first
        if not other._fixed and (self.rows or self._spoiled):
            raise ValueError("the following part needs `starts`")
        self._forget_answers()
        self._bound(other)
        if other._fixed:
            self._fixed, self._starts, self._size = True, other._starts, other._size
        elif not self.rows:
            self._starts, self._size = other._starts, other._size
        self._segments += other._segments
        if other._later is not None:
            if self._later is None:
                self._later = other._later
            else:
                join(self._later, other._later, False)
        for what, line in other._spoiled.items():
            self._spoiled[what] = min(line, self._spoiled.get(what, line))
        self.rows += other.rows
        self.bom = self.bom or other.bom
        if self._segments:
            self._fold()
        self._row_limit, self._end_limit = other._row_limit, other._end_limit
        return self

    def bound(self) -> None:
        """See that no more than MAX_PATHS paths are known: those that came first stay."""
        if self._paths > MAX_PATHS and not self._counted:
            last, self.overflow = self.overflow, None
            self._paths = self._take(self, [], 0)
            self._counted = True
            if self.overflow is None:
                self.overflow = last

    def _bound(self, other: Shapes) -> None:
        """The same of both together, wherever the file is cut between them."""
        if not self._counted and self._paths + other._paths > MAX_PATHS:
            self._paths = len(new_paths([], self._nodes()))
            self._counted = True
        if self._counted:
            self._paths += self._take(other, self._nodes(), self._paths)
        else:
            self._paths += other._paths
        if self.overflow is None:
            self.overflow = other.overflow

    def _take(self, other: Shapes, mine: list[Node], known: int) -> int:
        """Leave those new paths in `other` for which there is room; returns their number."""
        theirs = other._nodes()
        new = sorted(new_paths(mine, theirs))
        free = MAX_PATHS - known if self.overflow is None else 0
        if len(new) <= free:
            return len(new)
        if self.overflow is None:
            self.overflow = new[free][0]
        return len(new_paths(mine, theirs, forget=new[free]))

    def _nodes(self) -> list[Node]:
        nodes = [segment.node for segment in self._segments]
        return nodes if self._later is None else [*nodes, self._later]

    # What the loader makes of them

    def conflicts(self, datasets: str, after: Shapes | None = None) -> list[Conflict]:
        """What this version of `datasets` makes of the disagreeing rows, worst and earliest first.

        `after`: the shapes of the split that is loaded first (train), to whose types this one is
        cast; then its own first chunk counts as a later one.
        """
        return sorted(
            self._resolve(datasets, after).conflicts,
            key=lambda c: (not c.fails, c.line, where(c.path), c.outcome),
        )

    def column(self, datasets: str) -> Column:
        """The type that the rows get: a StructOf, as far as the load comes."""
        return self._resolve(datasets, None).column

    def padding(self, datasets: str) -> list[Padding]:
        """The keys, at every level, that this version adds as null, in the order of their lines."""
        answer = self._resolve(datasets, None)
        found: list[Padding] = []
        if answer.first is not None:
            find_padding(answer.first, answer.column, (), found)
        return sorted(found, key=lambda p: (p.line, where(p.path)))

    def moments(self, datasets: str) -> list[tuple[Path_, int]]:
        """Paths whose texts all read as times, so that the trainer gets datetimes; first lines."""
        answer = self._resolve(datasets, None)
        found: list[tuple[Path_, int]] = []
        if answer.first is not None:
            find_moments(answer.first, answer.column, (), found)
        return found

    def pad(self, value: object, datasets: str) -> Any:
        """The row as the trainer receives it, where the load succeeds."""
        answer = self._resolve(datasets, None)
        return whole_row(value, answer.column, answer.how)

    def load(
        self,
        datasets: str,
        after: Shapes | None = None,
        reads: tuple[str, ...] | None = ("messages",),
    ) -> Load | None:
        """What this version gives the trainer for this file's rows.

        None where nothing is loaded, or nothing but rows that are not the file's, where no row has
        one of the columns, and where the file has too many paths to know.

        Args:
            datasets: the version.
            after: as in `conflicts`.
            reads: the columns that the trainer reads; None for all that there are.
        """
        answer = self._resolve(datasets, after)
        column, how = answer.column, answer.how
        overflow = self.overflow is not None or (after is not None and after.overflow is not None)
        if not isinstance(column, StructOf):
            return None
        read = column.fields.keys() if reads is None else [k for k in reads if k in column.fields]
        if not read or any(c.fails or c.outcome == "other-rows" for c in answer.conflicts):
            return None
        if overflow:
            # Below Json no path matters but for its floats: those not followed may have some.
            how = How(how.times or 1, how.by_pandas)
            whole = Load(column, how, True, reads, has_times(column))
            kept = [*read] == ["messages"] and whole.keeps_keys
            return whole if kept else None
        first = answer.first
        changes = any(
            may_change(node, column, read)
            for node in (as_types(first) if first is not None else None, answer.later)
            if node is not None
        )
        return Load(column, how, changes, reads, has_times(column))

    def table(self) -> Load | None:
        """What a table of the file's rows, such as a Parquet file, gives the trainer.

        None where no table can be made of the rows, and where the file has too many paths to know.
        """
        nodes = [segment.node for segment in self._segments]
        nodes += [] if self._later is None else [self._later]
        if not nodes or self.overflow is not None:
            return None
        whole = copy_of(nodes[0])
        for node in nodes[1:]:
            join(whole, copy_of(node), False)
        column = table_column(whole)
        if not isinstance(column, StructOf):
            return None
        return Load(column, How(), table_changes(whole), None, has_times(column))

    def _forget_answers(self) -> None:
        """There is more to know than when they were given."""
        self._whole = None
        self._resolved.clear()

    def _chunks(self) -> tuple[Node | None, Node | None]:
        """The first chunk's facts as they are, and those of the later ones as types."""
        if self._whole is None:
            self._whole = self._put_together()
        return self._whole

    def _put_together(self) -> tuple[Node | None, Node | None]:
        whole: dict[int, Node] = {}
        for segment in self._segments:
            node = copy_of(segment.node)
            if segment.chunk in whole:
                # Two segments of one chunk meet at the border of Arrow blocks.
                join(whole[segment.chunk], node, False)
            else:
                whole[segment.chunk] = node
        first = whole.pop(0, None)
        later = copy_of(self._later) if self._later is not None else None
        for chunk in sorted(whole):
            typed = as_types(whole[chunk])
            if later is None:
                later = typed
            else:
                join(later, typed, False)
        return first, later

    def _resolve(self, datasets: str, after: Shapes | None) -> _Answer:
        if after is None and datasets in self._resolved:
            return self._resolved[datasets]
        release = version(datasets)
        first, later = self._chunks()
        elements = self._elements(first)
        before = after._resolve(datasets, None) if after is not None else None
        if elements is None:
            answer = self._read_lines(release, first, later, before)
        elif self._written_anew(release):
            answer = self._read_anew(release, elements, before)
        else:
            answer = self._read_table(release, elements, before)
        if elements is not None and self.form.kind != "array" and elements.kinds() == ["object"]:
            line = min(elements.facts.values())
            answer.conflicts.append(
                Conflict(path=(), reason="one-list", outcome="other-rows", line=line)
            )
        if after is None:
            self._resolved[datasets] = answer
        return answer

    def _elements(self, first: Node | None) -> Node | None:
        """The facts of the rows of an array; None where the file is none.

        A file whose only line is a list is an array to `datasets`, too.
        """
        if first is None:
            return None
        if self.form.kind == "array":
            return first
        alone = self.rows == 1 and first.kinds() == ["array"]
        return (first.item or Node()) if alone else None

    def _written_anew(self, release: tuple[int, ...]) -> bool:
        """Whether the elements of an array are rewritten, one a line, and read as such."""
        if release < USE_JSON or (self.bom and release < BOM_STRIPPED):
            return False
        return self.form.bare and (self.form.kind == "array" or self._begin in (0, 3 * self.bom))

    def _read_anew(
        self, release: tuple[int, ...], elements: Node, before: _Answer | None
    ) -> _Answer:
        reading = Reading(release, {}, self._one_block(), listed=True)
        for (what, _), line in self._spoiled.items():
            if what == "integer-too-big":
                reading.fail((), what, "ValueError", line)
        if before is not None:
            return self._cast(reading, as_types(elements), before)
        as_text = self.form.as_text or (self.form.kind != "array" and not opens_object(elements))
        if not as_text:
            self._add_null_first(reading)
        column: Column
        if not as_text and elements.kinds() not in ([], ["object"]):
            # Arrow reads objects alone: where it fails, pandas is tried.
            return self._read_table(release, elements, None)
        first: Node = elements
        if as_text:
            column = reading.as_texts(elements)
            first = Node()
            first.keys["text"] = elements
        else:
            column = reading.root(elements)
        times = 2 if reading.json_paths else 1
        how = How(times, False, lost_paths(reading.conflicts))
        return _Answer(column, reading.conflicts, frozenset(reading.json_paths), how, first, None)

    def _read_table(
        self, release: tuple[int, ...], elements: Node, before: _Answer | None
    ) -> _Answer:
        if before is not None:
            return self._cast(Reading(release, {}, False), as_types(elements), before)
        table = Tabled()
        if self.bom and release < BOM_STRIPPED:
            cause = "ArrowInvalid" if not USE_JSON <= release < SCAN_FORGIVES else "ValueError"
            error = "ValueError" if cause == "ValueError" else "DatasetGenerationError"
            table.fail((), "byte-order-mark", cause, 1, error=error)
        elif USE_JSON <= release < SCAN_FORGIVES and not self.form.bare:
            line = min(elements.facts.values(), default=1)
            table.fail((), "over-lines", "ValueError", line, error="ValueError")
        for (what, _), line in self._spoiled.items():
            if what == "integer-too-big":
                table.fail((), what, "ArrowInvalid", line)
        column = table.root(elements, self._null_row, self._null_first)
        return _Answer(column, table.conflicts, frozenset(), How(0, True), elements, None)

    def _cast(self, reading: Reading, typed: Node, before: _Answer) -> _Answer:
        """Rows that are cast to the types of the split that is loaded first."""
        reading.json_paths |= before.json_paths
        reading.check(typed, before.column, ())
        how = How(before.how.times, before.how.by_pandas, lost_paths(reading.conflicts))
        paths = frozenset(reading.json_paths)
        return _Answer(before.column, reading.conflicts, paths, how, None, typed)

    def _read_lines(
        self,
        release: tuple[int, ...],
        first: Node | None,
        later: Node | None,
        before: _Answer | None,
    ) -> _Answer:
        spoiled = {what: line for (what, is_later), line in self._spoiled.items() if not is_later}
        if self.bom and release < BOM_STRIPPED:
            spoiled.setdefault("byte-order-mark", 1)
        reading = Reading(release, spoiled, self._one_block())
        self._add_null_first(reading)
        if before is None:
            self._add_cut(reading, release)
        column: Column
        types = later
        if before is not None:
            column = before.column
            reading.json_paths |= before.json_paths
            if first is not None:
                types = as_types(first)
                if later is not None:
                    join(types, later, False)
        elif first is None:
            column = StructOf({})
        else:
            column = reading.root(first)
        if types is not None:
            reading.check(types, column, ())
        quoted = any(conflict.outcome == "loads-quoted" for conflict in reading.conflicts)
        if (reading.json_paths or quoted) and release >= USE_JSON:
            for (what, is_later), line in self._spoiled.items():
                if is_later or before is not None:
                    reading.fail((), what, "ValueError", line, later=True)
        paths = frozenset(reading.json_paths)
        how = How(int(bool(paths)), False, lost_paths(reading.conflicts))
        return _Answer(column, reading.conflicts, paths, how, first, later)

    def _add_null_first(self, reading: Reading) -> None:
        """A null where Arrow expects the first object of all."""
        if self._null_first and self._null_row is not None:
            reading.conflicts.append(
                Conflict(path=(), reason="null-row", outcome="crashes", line=self._null_row)
            )

    def _add_cut(self, reading: Reading, release: tuple[int, ...]) -> None:
        """What comes of a row that is cut in two."""
        way = BLOCKS
        if release >= USE_JSON:
            way = ALONE_WITH_BOM if self.bom and release < BOM_STRIPPED else ALONE_WITHOUT_BOM
        cut = self._cuts.get(way)
        if cut is None:
            return
        if self.rows == 1:
            # Nothing else can be read of the file, but as a table it may be read.
            reading.conflicts.append(
                Conflict(path=(), reason="one-object", outcome="other-rows", line=cut.line)
            )
        else:
            reading.fail((), "cut", "ArrowInvalid", cut.line, later=cut.later)

    def _one_block(self) -> bool:
        """Whether from 4.7 on the first chunk is parsed as one Arrow block."""
        starts = self._starts
        if len(starts) > 1:
            length = starts[1] - starts[0]
        else:
            length = max(self._size, self._end_limit - self._block if not self._fixed else 0)
        return length // ALONE > self._block


def opens_object(elements: Node) -> bool:
    """Whether the first thing of all in an array that is not a bracket is an object."""
    node: Node | None = elements
    while node is not None and (kinds := node.kinds()) and kinds[0] == "array":
        node = node.item
    return node is not None and node.kinds()[:1] == ["object"]
