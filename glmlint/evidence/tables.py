"""Tables of rows that grow and shrink in place: a copy of a large one would be as large again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[Any]
"""Structured rows, one of whose fields is `line`."""

_BLOCK: Final = 1 << 16
"""Rows that are looked at together."""


def extended(table: Table | None, part: Table) -> Table:
    """Both, one behind the other. The first may be used up."""
    if table is None or not len(table):
        return part
    if not len(part):
        return table
    size = len(table)
    if not table.flags.owndata:
        return np.concatenate((table, part))
    table.resize(size + len(part), refcheck=False)
    table[size:] = part
    return table


def distinct(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each number once, sorted. The array is used up. (`np.unique` imports `numpy.ma`, 10 ms.)"""
    numbers.sort()
    found: npt.NDArray[Any] = numbers[np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]]
    return found


def kept(table: Table, keeps: Callable[[Table], npt.NDArray[np.bool_]]) -> Table:
    """The rows for which a function says so, in their order. The table is used up."""
    if not table.flags.owndata:
        return table[keeps(table)]
    size = 0
    for start in range(0, len(table), _BLOCK):
        some = table[start : start + _BLOCK]
        some = some[keeps(some)]
        table[size : size + len(some)] = some
        size += len(some)
    del some
    table.resize(size, refcheck=False)
    return table


def in_order(table: Table) -> Table:
    """The rows by `line`; those of one line keep their order. The table is used up."""
    lines = table["line"]
    for start in range(0, len(lines) - 1, _BLOCK):
        some = lines[start : start + _BLOCK + 1]
        if np.any(some[1:] < some[:-1]):
            break
    else:
        return table
    order = np.argsort(lines, kind="stable")
    for name in table.dtype.names or ():
        table[name] = table[name][order]
    return table
