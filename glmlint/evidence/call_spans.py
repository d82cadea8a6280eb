"""Where the name and the arguments of a call are written, inside the text that holds them."""

from __future__ import annotations

from typing import Any, Final

from glmlint.evidence.calls import Call, decode
from glmlint.finding import Pointer, value_at
from glmlint.read.span import Positions
from glmlint.trainer.row import Row

_WAYS: Final[tuple[Pointer, ...]] = (
    ("function", "arguments"), ("function_call", "arguments"), ("arguments",), ("parameters",), (),
)  # fmt: skip
"""Where the arguments stand in what holds a call; the call's own text, at last."""

Span = tuple[int, int]


def argument_span(row: Row, call: Call, path: Pointer, *, key: bool = False) -> Span | None:
    """Start and stop of an argument in the row's text; None where it is not found there.

    Args:
        row: that makes the call.
        call: one of its calls.
        path: of the argument, in the arguments; () for all of them.
        key: its key, in place of its value.
    """
    if call.form == "name-arguments-list":
        return None
    held = value_at(row.value, call.at)
    if isinstance(held, str):
        start = held.find(call.text)
        return None if start < 0 else _in_text(row, call.at, call.text, start, path, key=key)
    for way in _WAYS:
        at = (*call.at, *way)
        arguments = value_at(row.value, at)
        if isinstance(arguments, str):
            return _in_text(row, at, arguments, 0, path, key=key)
        if isinstance(arguments, dict):
            whole = (*at, *path)
            return row.positions.key(whole) if key else row.positions.byte_range(whole)
    return None


def arguments_span(row: Row, at: Pointer) -> Span | None:
    """Start and stop of the arguments of a call that is written at that place, as an object."""
    for way in _WAYS[:-1]:
        if (found := row.positions.byte_range((*at, *way))) is not None:
            return found
    return None


def text_span(row: Row, call: Call, start: int, stop: int) -> Span | None:
    """Start and stop of a part of the call's own text (`Call.text`) in the row's text."""
    held = value_at(row.value, call.at)
    ahead = held.find(call.text) if isinstance(held, str) else -1
    return None if ahead < 0 else row.positions.part(call.at, ahead + start, ahead + stop)


def name_span(row: Row, call: Call) -> Span | None:
    """Start and stop of the name of the called tool in the row's text."""
    if call.form == "metadata":
        return row.positions.byte_range(("messages", call.message, "metadata"))
    held = value_at(row.value, call.at)
    if isinstance(held, str):
        at = held.find(call.name)
        return None if at < 0 else row.positions.part(call.at, at, at + len(call.name))
    for way in (("function", "name"), ("function_call", "name"), ("name",)):
        if value_at(row.value, (*call.at, *way)) == call.name:
            return row.positions.byte_range((*call.at, *way))
    return None


def _in_text(
    row: Row, at: Pointer, text: str, start: int, path: Pointer, *, key: bool
) -> Span | None:
    """An argument in JSON text that a string holds from `start` on."""
    inner = Positions(text)
    outer: Any = decode(text)
    if isinstance(outer, dict) and path and value_at(outer, path[:1]) is None:
        path = (next((way for way in ("arguments", "parameters") if way in outer), ""), *path)
    found = inner.key(path) if key else inner.byte_range(path)
    if found is None:
        return None
    return row.positions.part(at, start + found[0], start + found[1])
