"""The types of an array's columns where `datasets` reads it with pandas and hands it to Arrow.

Below 4.7 every array is read so, and later ones whose bracket is not the file's first byte. No text
becomes a time; objects that differ get each other's keys; two kinds at one path end the load.

Sources: pandas 3.1.1 (io/json, DataFrame.convert_dtypes), pyarrow 26.0.1 (python/inference.cc),
compared by running them; see docs/loader.md.
"""

from __future__ import annotations

from typing import Final

from glmlint.loader.columns import Column, ListOf, Path_, StructOf
from glmlint.loader.facts import BIG, DOUBLE, FRACTION, WIDE, Node
from glmlint.loader.verdict import Conflict, Conflicts

_TYPES: Final = {"boolean": "bool", "number": "int64", "string": "string"}


class Tabled(Conflicts):
    """One array as pandas and Arrow read it: the types of its columns and what goes wrong."""

    def root(self, rows: Node, null_row: int | None, null_first: bool) -> Column:
        """The type of the rows.

        Args:
            rows: the facts of the array's elements.
            null_row: the first line of an element that is null.
            null_first: whether it is the first element.
        """
        kinds = rows.kinds()
        types = tuple((kind, rows.facts[kind]) for kind in kinds)
        if kinds[1:] == ["array"] and not _has_items(rows):
            kinds = kinds[:1]  # an empty list is an object without keys to pandas
        listed = kinds[:1] == ["array"] and not {"number", "boolean"} & {*kinds}
        if null_first:
            pass  # what follows is of the one column of texts, whatever it is
        elif "object" in kinds and null_row is not None:
            self.fail((), "row-not-object", "", null_row)
            return StructOf({})
        elif len(kinds) > 1 and not listed:
            # Which of several exceptions it is depends on what comes first.
            self.fail((), "row-not-object", "", types[1][1], types)
            return StructOf({})
        elif kinds == ["object"]:
            fields = {
                key: self._column(child, (key,), key in rows.absent)
                for key, child in rows.keys.items()
            }
            if not fields:
                self.fail((), "no-columns", "ValueError", types[0][1], error="ValueError")
            return StructOf(fields)
        reason = "list-rows" if "array" in kinds and not null_first else "text-rows"
        line = types[0][1] if types else null_row or 1
        self.conflicts.append(
            Conflict(path=(), reason=reason, types=types, outcome="other-rows", line=line)
        )
        return StructOf({})

    def _column(self, node: Node, path: Path_, missing: bool) -> Column:
        """A column of the table: numbers are pandas' own, all else is an object to it.

        Args:
            missing: whether some row lacks it.
        """
        if node.kinds() == ["number"]:
            if BIG in node.facts and not missing:
                return "unknown"  # unsigned, or floats beside it: as written, as far as is known
            return "double" if FRACTION in node.facts else "int64"
        return self._items(node, path, early=True)

    def _items(self, node: Node, path: Path_, early: bool) -> Column:
        """The type of Python objects.

        Args:
            early: whether Arrow stops at the first text, boolean or fraction of a list; the values
                of a key are all looked at.
        """
        kinds = node.kinds()
        facts = node.facts
        types = tuple((kind, facts[kind]) for kind in kinds)
        if not kinds:
            return "null"
        if "number" in kinds and BIG in facts:
            self.fail(path, "integer-too-big", "", facts[BIG])
        if len(kinds) > 1:
            begun, line = kinds[0], types[1][1]
            numbers = {*kinds} == {"boolean", "number"} and DOUBLE in facts
            if numbers and (not early or (begun == "number" and facts[DOUBLE] <= facts["boolean"])):
                return "double"
            whole = {*kinds} == {"boolean", "number"} and not (early and begun == "boolean")
            as_bytes = early and begun == "string"
            self.fail(
                path, "types", "ArrowTypeError" if whole or as_bytes else "ValueError", line, types
            )
            return "unknown"
        kind = kinds[0]
        if kind == "array":
            return ListOf(self._items(node.item, (*path, 0), True) if node.item else "null")
        if kind == "object":
            return StructOf(
                {key: self._items(child, (*path, key), False) for key, child in node.keys.items()}
            )
        if kind == "number" and DOUBLE in facts:
            if WIDE in facts:  # a double can't hold it
                both = (("int64", facts[WIDE]), ("double", facts[DOUBLE]))
                self.fail(path, "types", "ValueError", facts[WIDE], both)
            return "double"
        return _TYPES[kind]


def _has_items(rows: Node) -> bool:
    """Whether some row that is a list has an item."""
    return rows.item is not None and bool(rows.item.facts)
