"""Nulls that a loader put in: which objects of a file all have the same keys, as Arrow gives them.

Arrow holds objects as structs: all objects at one place (of one key path, whatever the list) have the
same keys, and where an object had none of a key, it comes back with null. So `Dataset.to_json`,
`to_parquet` and pandas write such files. Where two objects at one place differ in their keys, no table
wrote them, and every null was written by somebody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from msgspec import Struct, field

from glmlint.finding import Pointer

MAX_PLACES: Final = 20_000
"""Places that are followed in one file; past them nothing is said of it."""


class NullPlace(Struct):
    """The objects and lists at one place."""

    keys: frozenset[str] | None = None
    """The keys of the first object; None before there is one."""
    uniform: bool = True
    """Whether all objects have those keys."""
    valued: set[str] = field(default_factory=set)
    """Keys that are something else than null in some object."""
    nulled: set[str] = field(default_factory=set)
    """Keys that are null in some object."""
    below: dict[str, NullPlace] = field(default_factory=dict)
    item: NullPlace | None = None


class KeySets(Struct):
    """The keys of all objects of a file, by place. What differs is not followed any further."""

    root: NullPlace = field(default_factory=NullPlace)
    places: int = 1

    def add(self, value: Any) -> None:
        """One row, decoded."""
        self._see(self.root, value)

    def _see(self, place: NullPlace, value: Any) -> None:
        if self.places > MAX_PLACES:
            return
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict | list):
                    if place.item is None:
                        place.item = self._new()
                    self._see(place.item, item)
        elif isinstance(value, dict) and place.uniform:
            keys = value.keys()
            if place.keys is None:
                place.keys = frozenset(keys)
            elif keys != place.keys:
                place.uniform, place.below, place.item = False, {}, None
                return
            for key, inner in value.items():
                if inner is None:
                    place.nulled.add(key)
                    continue
                place.valued.add(key)
                if isinstance(inner, dict | list):
                    if key not in place.below:
                        place.below[key] = self._new()
                    self._see(place.below[key], inner)

    def _new(self) -> NullPlace:
        self.places += 1
        return NullPlace()

    @property
    def known(self) -> bool:
        """Whether all places were followed."""
        return self.places <= MAX_PLACES

    def at(self, *path: str | int) -> NullPlace | None:
        """What is known of a place, where all that hold it are uniform, too; any index is a list's item."""
        place: NullPlace | None = self.root
        for part in path:
            if place is None or not place.uniform:
                return None
            place = place.item if isinstance(part, int) else place.below.get(part)
        return place if place is not None and place.uniform and self.known else None


# --- tools ---------------------------------------------------------------------------------------

_KEYWORDS: Final = frozenset(
    (
        *("type", "description", "title", "enum", "properties", "required", "items", "format"),
        *("additionalProperties", "patternProperties", "propertyNames", "minProperties"),
        *("maxProperties", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"),
        *("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "contains", "prefixItems"),
        *("$ref", "$defs", "definitions", "$schema", "$id", "nullable", "deprecated", "readOnly"),
        *("writeOnly", "dependentRequired", "dependentSchemas"),
    )
)
"""Keywords of JSON Schema for which null is not a value. (`default`, `const` and `examples` may be null.)"""

_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by name."""
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_INSIDE: Final = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
)


def tool_nulls(tool: Any, at: Pointer, place: NullPlace | None = None) -> Iterator[Pointer]:
    """The nulls of one tool that cannot be intended.

    Where a schema wants something else null says the same as no key. What could be meant, such as
    `"default": null`, is among them only where the file is known to come from a table.

    Args:
        tool: an entry of a tool list.
        at: its place in the row.
        place: what is known of that place in the whole file (`KeySets.at`).
    """
    if not isinstance(tool, dict):
        return
    for key, value in tool.items():
        if value is None and key not in ("name", "type"):
            yield (*at, key)
    function = tool.get("function")
    if isinstance(function, dict):
        at, place = (*at, "function"), _below(place, "function")
        for key, value in function.items():
            if value is None and key != "name":
                yield (*at, key)
    else:
        function = tool
    here = _below(place, "parameters")
    parameters = function.get("parameters")
    yield from _schema_nulls(parameters, (*at, "parameters"), here, _holds_padding(here))


def _schema_nulls(
    schema: Any, at: Pointer, place: NullPlace | None, from_table: bool
) -> Iterator[Pointer]:
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        here = (*at, key)
        inner = _below(place, key)
        if value is None:
            padded = from_table and is_padding(place, key)
            if key in _KEYWORDS or padded:
                yield here
        elif key in _MAPS and isinstance(value, dict):
            for name, part in value.items():
                if part is None:
                    yield (*here, name)
                else:
                    yield from _schema_nulls(part, (*here, name), _below(inner, name), from_table)
        elif key in _INSIDE:
            yield from _schema_nulls(value, here, inner, from_table)
        elif key in _LISTS and isinstance(value, list):
            for index, part in enumerate(value):
                yield from _schema_nulls(part, (*here, index), _below(inner, index), from_table)


def without(value: Any, places: Iterable[Pointer]) -> Any:
    """The value without the keys at some places below it; what holds none is shared, not copied."""
    inside: dict[str | int, list[Pointer]] = {}
    for place in places:
        inside.setdefault(place[0], []).append(place[1:])
    if not inside:
        return value
    if isinstance(value, list):
        return [
            without(item, inside[index]) if index in inside else item
            for index, item in enumerate(value)
        ]
    return {
        key: without(item, inside[key]) if key in inside else item
        for key, item in value.items()
        if () not in inside.get(key, ())
    }


def is_padding(place: NullPlace | None, key: str) -> bool:
    """Whether a null of that key is one that a table put in: some object there has a value for it."""
    return place is not None and place.uniform and key in place.valued and key in place.nulled


def _holds_padding(place: NullPlace | None) -> bool:
    """Whether a schema has properties that are null: no author writes that, a table does."""
    properties = _below(place, "properties")
    return properties is not None and bool(properties.nulled)


def _below(place: NullPlace | None, part: str | int) -> NullPlace | None:
    if place is None or not place.uniform:
        return None
    return place.item if isinstance(part, int) else place.below.get(part)


# --- arguments -----------------------------------------------------------------------------------


def argument_nulls(
    arguments: Any,
    at: Pointer,
    place: NullPlace | None,
    schema: Any,
    called: Collection[str] | None,
) -> Iterator[Pointer]:
    """The nulls in a call's arguments, given as an object, that are arguments of other functions.

    Of a row whose turns are padded. An argument that is null was put in where the function does not
    take it; or, where the file shows that a table wrote the arguments too, where the function may go
    without it and does not take null. A null that could be meant is not among them.

    Args:
        arguments: the value.
        at: its place in the row.
        place: what is known of that place in the whole file.
        schema: the function's `parameters`; None where they are not known.
        called: arguments that some call of the same function has a value for; None: not known.
    """
    if not isinstance(arguments, dict):
        return
    properties = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    needed = required if isinstance(required, list) else []
    open_ = isinstance(schema, dict) and schema.get("additionalProperties") not in (None, False)
    for key, value in arguments.items():
        wanted = properties.get(key) if isinstance(properties, dict) else None
        if value is not None:
            yield from argument_nulls(value, (*at, key), _below(place, key), wanted, None)
        elif not isinstance(properties, dict):
            if called is not None and key not in called and is_padding(place, key):
                yield (*at, key)
        elif wanted is None:
            if not open_ or is_padding(place, key):
                yield (*at, key)
        elif is_padding(place, key) and key not in needed and not _takes_null(wanted):
            yield (*at, key)


def _takes_null(schema: Any) -> bool:
    """Whether a value of this schema may be null, as far as it is simple to see."""
    if not isinstance(schema, dict):
        return True
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind) or schema.get("nullable"):
        return True
    for key in ("anyOf", "oneOf"):
        if isinstance(parts := schema.get(key), list):
            return any(map(_takes_null, parts))
    if isinstance(enum := schema.get("enum"), list):
        return None in enum
    return kind is None
