"""The facts of a file -> what one version of `datasets` makes of it: types, conflicts, nulls."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import msgspec

from glmlint.loader.columns import (
    Column,
    ListOf,
    Path_,
    Step,
    StructOf,
    lists_of_json,
    name_of,
    where,
)
from glmlint.loader.facts import (
    CLASH,
    DOUBLE,
    FRACTION,
    KEPT,
    KINDS,
    LED,
    NOT,
    NULLS,
    SEEN,
    TYPED,
    TYPES,
    WIDE,
    Node,
    scalar_of,
)

FILLS_MISSING: Final = (3, 1)
"""Before it, a later chunk has to have every key of the first one."""
USE_JSON: Final = (4, 7)
SCAN_FORGIVES: Final = (4, 8, 5)
"""Before it, a line that pandas' codec can't read in the first chunk makes the load fail."""
BOM_STRIPPED: Final = (5, 1)
VALIDATES: Final = (5, 2)
"""From it on Arrow's result is checked, and the rows are read one by one where it is broken."""


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """One path at which rows don't agree, and what the loader makes of that."""

    path: Path_
    reason: str
    """types, late-key, missing-key, row-not-object, no-columns, null-first-item, blank-line,
    byte-order-mark, integer-too-big or agent-trace, null-row; or one of `OF_FORM`."""
    types: tuple[tuple[str, int], ...] = ()
    """(type, first line) pairs, earliest first."""
    outcome: str
    """load-fails; crashes (the process ends with a segmentation fault); loads-as-json (as written,
    from 4.7 on); loads-as-text (other types become strings); loads-quoted (every text of the path
    gets JSON quotes, from the chunk of `line` on); loads-cast (another type, see `types`);
    loses-values (become null); loads-garbled (other values, or the process crashes); loads-reread
    (row by row, which fails where the rows' structs differ); other-rows (rows that are not the
    file's)."""
    error: str = ""
    """Class of the exception that `load_dataset` raises."""
    cause: str = ""
    """Class of the exception behind it; empty where that is not claimed."""
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


OF_FORM: Final = (
    "cut",
    "over-lines",
    "several-on-a-line",
    "one-object",
    "one-list",
    "list-rows",
    "text-rows",
)
"""Reasons that lie in how the rows stand in the file, and not in what they are."""


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


class Conflicts:
    """What a way to read the file finds that rows don't agree on."""

    def __init__(self) -> None:
        self.conflicts: list[Conflict] = []

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
        """Note that the load ends, and why."""
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


class Reading(Conflicts):
    """One version's reading of one file: the types of its columns and what goes wrong."""

    def __init__(
        self,
        release: tuple[int, ...],
        spoiled: dict[str, int],
        one_block: bool,
        listed: bool = False,
    ) -> None:
        """A reading of one file.

        Args:
            release: of `datasets`.
            spoiled: what pandas' codec can't read line by line in the first chunk -> its line.
            one_block: whether the first chunk is one Arrow block from 4.7 on.
            listed: whether the rows are the elements of an array, rewritten.
        """
        super().__init__()
        self.listed = listed
        self.json = release >= USE_JSON
        self.release = release
        self.spoiled = spoiled
        self.one_block = one_block and self.json
        self.json_paths: set[Path_] = set()

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
            self.fail((), "row-not-object", "" if self.listed else "ArrowInvalid", line, types)
        column = StructOf({key: self.column(child, (key,)) for key, child in node.keys.items()})
        if not column.fields and node.facts and not self.conflicts:
            self.fail((), "no-columns", "ValueError", min(node.facts.values()), error="ValueError")
        if self._is_trace(column) and not self.listed:
            self.fail((), "agent-trace", "ImportError", node.facts["object"])
        return column

    def as_texts(self, elements: Node) -> Column:
        """The type of an array's elements where each becomes a row with the one column `text`."""
        line = min(elements.facts.values(), default=1)
        self.conflicts.append(
            Conflict(path=(), reason="text-rows", outcome="other-rows", line=line)
        )
        return StructOf({"text": self.column(elements, ("text",))})

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
        if line is None and not KINDS & node.facts.keys() and not TYPED & node.facts.keys():
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
        return scalar_of(node, kind, mixed)

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
        for name in TYPES:
            line = node.facts.get(name)
            if line is None:
                continue
            types = ((name_of(column), 0), (name, line))
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
        found = [(fact, line) for fact, line in node.facts.items() if fact in TYPED]
        found += [(fact.split()[2], node.facts[fact]) for fact in mixes]
        types = tuple(sorted(found, key=itemgetter(1, 0)))
        if self.json:
            if column == "string" and self._split_below(node, path):
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
        facts = node.facts
        kinds = {fact: line for fact, line in facts.items() if fact in TYPES}
        kinds |= {fact.split()[2]: line for fact, line in facts.items() if fact.startswith("mix ")}
        if not self.json or not (lists_of_json(column) or _became_json_before(node, column, kinds)):
            return False
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
        """First lines of rows that are not objects."""
        return [
            line
            for fact, line in node.facts.items()
            if fact.startswith("mix ") or (fact in TYPES and fact != "object")
        ]

    def _split_below(self, node: Node, path: Path_) -> bool:
        """Whether a path below some objects becomes `Json`, which other values here don't have.

        In a column of the rows, lists count as well.
        """
        kinds = {fact.rpartition(" ")[2] for fact in node.facts}
        if "object" not in kinds and not (len(path) == 1 and "array" in kinds):
            return False
        types = sum(1 for fact in node.facts if fact in TYPED or fact.startswith("mix "))
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
        elif (
            column == "string"
            and self.json
            and len(path) == 1
            and not self._split_below(node, path)
        ):
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
            ("double", "int64"): KEPT if self.json and self.json_paths else FRACTION,
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


def _became_json_before(node: Node, column: Column, kinds: dict[str, int]) -> bool:
    """Whether an earlier chunk has mixed items at this path: from then on they are Json items."""
    if not isinstance(column, ListOf) or node.item is None:
        return False
    mixed = [line for fact, line in node.item.facts.items() if fact.startswith("mix ")]
    odd = [line for kind, line in kinds.items() if kind != "array"]
    return bool(mixed and odd) and min(mixed) < min(odd)


def _is_mixed(node: Node) -> bool:
    """Whether two kinds met in one chunk, here or below; of facts as `as_types` gives them."""
    if any(fact.startswith("mix ") for fact in node.facts):
        return True
    return any(map(_is_mixed, node.keys.values())) or (
        node.item is not None and _is_mixed(node.item)
    )


def _children(node: Node, column: Column) -> Iterator[tuple[Step, Node, Column]]:
    if isinstance(column, ListOf) and node.item is not None:
        yield 0, node.item, column.item
    elif isinstance(column, StructOf):
        for key, child in node.keys.items():
            yield key, child, column.fields[key]


def find_padding(node: Node, column: Column, path: Path_, found: list[Padding]) -> None:
    if isinstance(column, StructOf):
        for key, absent in node.absent.items():
            line = node.keys[key].facts[SEEN]
            found.append(Padding(path=(*path, key), line=line, absent=absent))
    for step, child, below in _children(node, column):
        find_padding(child, below, (*path, step), found)


def find_moments(node: Node, column: Column, path: Path_, found: list[tuple[Path_, int]]) -> None:
    if column == "timestamp":
        found.append((path, node.facts["string"]))
    for step, child, below in _children(node, column):
        find_moments(child, below, (*path, step), found)
