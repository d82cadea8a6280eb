"""One row as a Parquet file of that row gives it back: what pyarrow's inference makes of it."""

from __future__ import annotations

from typing import Any, Final

_INT64: Final = 1 << 63


def as_table(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the keys that objects at one place have from each other, null where they lack one.

    Where Arrow would refuse the row (two kinds of values at one place), that place is left as it is.
    """
    return {key: _fitted([value])[0] for key, value in row.items()}


def _fitted(values: list[Any]) -> list[Any]:
    """Values at one place of the table."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, dict) for value in given):
        keys = dict.fromkeys(key for value in given for key in value)
        columns = {key: iter(_fitted([value.get(key) for value in given])) for key in keys}
        again = iter([{key: next(columns[key]) for key in keys} for _ in given])
        return [None if value is None else next(again) for value in values]
    if given and all(isinstance(value, list) for value in given):
        items = iter(_fitted([item for value in given for item in value]))
        return [None if value is None else [next(items) for _ in value] for value in values]
    kinds = {type(value) for value in given}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return values
