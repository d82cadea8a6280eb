"""Rows of a file that a table wrote, without the nulls that it put in for absent keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.read.formats import TURN_KEYS
from glmlint.read.nulls import KeySets, argument_nulls, tool_nulls, without
from glmlint.read.source import Chunk, InputFile, read_chunks
from glmlint.read.survey import Survey

_SAID: Final = ("role", "content", "from", "value", "text")
_TOOLS: Final = ("tools", "functions")


def surveyed(file: InputFile) -> tuple[Survey | None, Iterator[Chunk]]:
    """What is known of a file that may come from a table, None for all others; and its rows.

    A file is read up to its first null, or to its end where there is none; and all of it where the keys
    of its turns do not differ. Of a pipe the first rows decide, so that others are not kept waiting.
    Raises SourceError.
    """
    chunks = read_chunks(file)
    survey = Survey()
    if file.copy is not None:
        first = list(islice(chunks, 1))
        survey.read(first)
        if survey.hopeless or not any(map(_has_null, first)):
            return None, chain(first, chunks)
    elif not any(map(_has_null, chunks)):
        return None, read_chunks(file)
    else:
        chunks = read_chunks(file)
    for chunk in chunks:
        survey.read([chunk])
        if survey.hopeless and file.copy is None:  # all of a pipe has to be read into its copy
            break
    return None if survey.hopeless else survey, read_chunks(file)


def _has_null(chunk: Chunk) -> bool:
    return any(b"null" in raw for raw in chunk.lines)


def unpadded(row: Any, survey: Survey | None) -> tuple[Any, list[Pointer]]:
    """A row without its padding, and where that stood; the row itself where it has none."""
    if not isinstance(row, dict):
        return row, []
    nulls = KeySets() if survey is None else survey.nulls
    places: list[Pointer] = []
    for key in TURN_KEYS:
        turns = row.get(key)
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            continue
        if len(turns) > 1 and _is_padded(turns):
            for index, turn in enumerate(turns):
                places += ((key, index, name) for name in turn if _is_absent(turn, name))
                places += _of_list(turn.get("tools"), (key, index, "tools"), nulls)
            for name in _TOOLS:
                places += _of_list(row.get(name), (name,), nulls)
        if survey is not None:
            schemas = _schemas(row)
            for index, turn in enumerate(turns):
                places += _of_calls(turn, (key, index), survey, schemas)
    return without(row, places), places


def _is_padded(turns: list[dict[str, Any]]) -> bool:
    """Whether all turns have the same keys, some of them null."""
    keys = turns[0].keys()
    return all(turn.keys() == keys for turn in turns) and any(
        _is_absent(turn, name) for turn in turns for name in turn
    )


def _is_absent(turn: dict[str, Any], name: str) -> bool:
    return turn[name] is None and name not in _SAID


def _of_list(tools: Any, at: Pointer, nulls: KeySets) -> Iterator[Pointer]:
    if isinstance(tools, list):
        for index, tool in enumerate(tools):
            yield from tool_nulls(tool, (*at, index), nulls.at(*at, 0))


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
    turn: dict[str, Any], at: Pointer, survey: Survey, schemas: dict[str, Any]
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
            place = survey.nulls.at(*here)
            called = survey.called.get(name)
            yield from argument_nulls(
                function.get("arguments"), here, place, schemas.get(name), called
            )
