"""Where the nulls of one row stand that a table put in: in turns, in tools, in the arguments of calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.read.formats import TURN_KEYS
from glmlint.read.nulls import KeySets, argument_nulls, tool_nulls
from glmlint.read.survey import Survey

_SAID: Final = ("role", "content", "from", "value", "text")
"""Keys that every turn has anyway: null there means that nothing is said."""

_TOOLS: Final = ("tools", "functions")


def row_padding(row: Any, survey: Survey | None = None) -> Iterator[Pointer]:
    """The places in order; none in a row whose turns do not all have the same keys, some of them null.

    Args:
        row: decoded, of any format.
        survey: what is known of its whole file: then more nulls are sure.
    """
    if not isinstance(row, dict):
        return
    for key in TURN_KEYS:
        turns = row.get(key)
        if not isinstance(turns, list) or not _is_padded(turns):
            continue
        nulls = KeySets() if survey is None else survey.nulls
        schemas = _schemas(row)
        for index, turn in enumerate(turns):
            for name in turn:
                if _is_absent(turn, name):
                    yield key, index, name
            yield from _of_list(turn.get("tools"), (key, index, "tools"), nulls)
            yield from _of_calls(turn, (key, index), survey, schemas)
        for name in _TOOLS:
            yield from _of_list(row.get(name), (name,), nulls)


def _is_padded(turns: list[Any]) -> bool:
    """Whether all turns have the same keys, some of them null."""
    if len(turns) < 2 or not isinstance(turns[0], dict):
        return False
    keys = turns[0].keys()
    if not all(isinstance(turn, dict) and turn.keys() == keys for turn in turns):
        return False
    return any(_is_absent(turn, name) for turn in turns for name in turn)


def _is_absent(turn: dict[str, Any], name: str) -> bool:
    return turn[name] is None and name not in _SAID


def _of_list(tools: Any, at: Pointer, nulls: KeySets) -> Iterator[Pointer]:
    if isinstance(tools, list):
        place = nulls.at(*at, 0)
        for index, tool in enumerate(tools):
            yield from tool_nulls(tool, (*at, index), place)


def _schemas(row: dict[str, Any]) -> dict[str, Any]:
    """Function -> the schema of its arguments, of those that stand beside the turns."""
    found = {}
    for name in _TOOLS:
        tools = row.get(name)
        for tool in tools if isinstance(tools, list) else ():
            function = tool.get("function", tool) if isinstance(tool, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                found[function["name"]] = function.get("parameters")
    return found


def _of_calls(
    turn: dict[str, Any], at: Pointer, survey: Survey | None, schemas: dict[str, Any]
) -> Iterator[Pointer]:
    calls = turn.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        here: Pointer = (*at, "tool_calls", index)
        function = call if isinstance(call, dict) else {}
        if isinstance(function.get("function"), dict):
            function, here = function["function"], (*here, "function")
        name = function.get("name")
        if isinstance(name, str):
            here = (*here, "arguments")
            place = None if survey is None else survey.nulls.at(*here)
            called = None if survey is None else survey.called.get(name)
            yield from argument_nulls(
                function.get("arguments"), here, place, schemas.get(name), called
            )
