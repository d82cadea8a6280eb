"""What is known of one path of the rows: kinds, keys, and what goes with what, in small facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from glmlint.loader.texts import as_bool, as_double, as_int64, moment

NO_SHAPES: Final[dict[tuple[Any, ...], list[tuple[str, Node]]]] = {}
NO_LISTS: Final[dict[int, object]] = {}
"""What a node has before it has any; shared, and never added to: there may be many nodes."""


class Node:
    """The facts of one path: name -> first line, and the paths below it."""

    __slots__ = ("absent", "always", "facts", "item", "keys", "lists", "places", "shapes")

    def __init__(self) -> None:
        self.facts: dict[str, int] = {}
        """Kinds (boolean, number, string, array, object) and what is said below of some."""
        self.keys: dict[str, Node] = {}
        self.absent: dict[str, int] = {}
        """Key -> the first object that lacks it."""
        self.item: Node | None = None
        self.shapes: dict[tuple[Any, ...], list[tuple[str, Node]]] = NO_SHAPES
        """Objects seen: their keys and types -> the keys whose values still matter."""
        self.lists: dict[int, object] = NO_LISTS
        """Lists seen, by identity: a tool list that the decoder shares is walked once."""
        self.always: set[str] | None = None
        """The keys that no object lacks; None where that has to be computed."""
        self.places: dict[str, int] | None = None
        """The place of each key in `keys`; None where that has to be computed."""

    def __getstate__(self) -> tuple[Any, ...]:
        return self.facts, self.keys, self.absent, self.item

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.facts, self.keys, self.absent, self.item = state
        self.shapes, self.lists, self.always, self.places = NO_SHAPES, NO_LISTS, None, None

    def lacking(self, keys: Collection[str], line: int) -> None:
        """An object has these keys and no others: those that it is the first to lack are noted.

        Work grows with the object, not with the keys that the path has.
        """
        if self.always is None:
            self.always = self.keys.keys() - self.absent.keys()
        for key in [key for key in self.always if key not in keys]:
            self.always.remove(key)
            self.absent[key] = line

    def in_order(self, keys: Iterable[str]) -> bool:
        """Whether keys stand in the order in which they first appeared."""
        if self.places is None or len(self.places) != len(self.keys):
            self.places = {key: place for place, key in enumerate(self.keys)}
        places = [self.places[key] for key in keys if key in self.places]
        return places == sorted(places)

    def kinds(self) -> list[str]:
        """The JSON kinds other than null, earliest first."""
        return sorted(filter(KINDS.__contains__, self.facts), key=self.facts.__getitem__)


KINDS: Final = frozenset(("boolean", "number", "string", "array", "object"))
KIND: Final[dict[type, str]] = {
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
DOUBLE: Final = "double"  # a number that is not an int64
FRACTION: Final = "fraction"  # one that int64 can't hold
KEPT: Final = "kept fraction"  # one that it can't hold after pandas' codec either, as 1e-12 can
WIDE: Final = "wide"  # an int64 that a double can't hold exactly
BIG: Final = "big"  # an integer that is not an int64
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
REFUSED: Final = tuple(NOT.values())
MAX_SHAPES: Final = 256
MAX_LISTS: Final = 64


def see_text(facts: dict[str, int], text: str, line: int) -> None:
    """Facts of a text. Ordinary text refuses every reading at once, so this soon stops."""
    for refused, read in zip(REFUSED, (moment, as_int64, as_double, as_bool), strict=True):
        if refused not in facts and read(text) is None:
            facts[refused] = line


def begin_kind(facts: dict[str, int], kind: str, line: int) -> None:
    """A kind that is new at its path."""
    if KINDS & facts.keys():
        facts.setdefault(CLASH, line)
    elif NULLS in facts:
        facts[LED] = line
    facts[kind] = line


def is_settled(node: Node, kind: type) -> bool:
    """Whether another value of this Python type can teach nothing about the path."""
    if kind is str:
        return all(map(node.facts.__contains__, REFUSED)) and CLASH not in node.facts
    return kind is bool or kind is type(None)


def forget_speedups(node: Node) -> None:
    """Drop what only speeds up further rows."""
    node.shapes, node.lists, node.always, node.places = NO_SHAPES, NO_LISTS, None, None
    for child in node.keys.values():
        forget_speedups(child)
    if node.item is not None:
        forget_speedups(node.item)


def join(first: Node, second: Node, one_block: bool) -> None:
    """Put the facts of a later part into `first`; `one_block` where both lie in one Arrow block."""
    first.always = first.places = None
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
        if (there := first.keys.get(key)) is not None:
            join(there, node, one_block)
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
        own = mine.get(fact)
        if own is None or line < own:
            mine[fact] = line
    if second.item is not None:
        if first.item is None:
            first.item = second.item
        else:
            join(first.item, second.item, one_block)


Place = tuple[int, int, tuple[str, ...]]
"""The first line of a path, its depth, and its keys: by these, parents come before children."""


def new_paths(known: list[Node], nodes: list[Node], *, forget: Place | None = None) -> list[Place]:
    """The paths below `nodes` that are below none of `known`, each once, in no order.

    Args:
        forget: those that do not come before it are taken out, and are not among these.
    """
    found: list[Place] = []
    waiting: list[tuple[list[Node], list[Node], int, tuple[str, ...]]] = [(known, nodes, 1, ())]
    while waiting:
        mine, theirs, depth, path = waiting.pop()
        for key in dict.fromkeys(key for node in theirs for key in node.keys):
            own = [node.keys[key] for node in mine if key in node.keys]
            below = [node.keys[key] for node in theirs if key in node.keys]
            inner = (*path, key)
            if not own:
                place = min(node.facts[SEEN] for node in below), depth, inner
                if forget is not None and place >= forget:
                    for node in theirs:
                        node.keys.pop(key, None)
                        node.absent.pop(key, None)
                        node.always = node.places = None
                    continue
                found.append(place)
            waiting.append((own, below, depth + 1, inner))
        items = [node.item for node in theirs if node.item is not None]
        if items:
            own = [node.item for node in mine if node.item is not None]
            waiting.append((own, items, depth + 1, path))
    return found


def as_types(node: Node) -> Node:
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
        column = scalar_of(node, kind, mixed=len(kinds) > 1)
        typed.facts[column] = node.facts[kind]
        keep = {"int64": (WIDE,), "double": (FRACTION, KEPT), "string": REFUSED}.get(column, ())
        for fact in keep if len(kinds) == 1 else (DOUBLE, *REFUSED):
            if fact in node.facts:
                typed.facts[fact] = node.facts[fact]
    typed.keys = {key: as_types(child) for key, child in node.keys.items()}
    typed.item = as_types(node.item) if node.item is not None else None
    return typed


def scalar_of(node: Node, kind: str, mixed: bool = False) -> str:
    """The type of a column of one kind; `array` and `object` stay."""
    if kind == "number":
        return "double" if DOUBLE in node.facts else "int64"
    if kind == "string":
        return "string" if mixed or NOT["timestamp"] in node.facts else "timestamp"
    return "bool" if kind == "boolean" else kind


def copy_of(node: Node) -> Node:
    copy = Node()
    copy.facts = dict(node.facts)
    copy.keys = {key: copy_of(child) for key, child in node.keys.items()}
    copy.absent = dict(node.absent)
    copy.item = copy_of(node.item) if node.item is not None else None
    return copy


TYPES: Final = ("bool", "int64", "double", "string", "timestamp", "array", "object")
TYPED: Final = frozenset(TYPES)
