"""What the readers of forms share: a form, its registry, and values as they are found in rows."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from msgspec import Struct

from glmlint.finding import Pointer
from glmlint.trainer.conversation import Conversation, Speech, TurnCall
from glmlint.trainer.forms.names import Names

LOSS_KEYS: Final = ("loss", "train", "trainable", "loss_weight", "loss_mask", "weight")
"""Keys of a turn by which some trainers choose what is learned."""
_LOSS_KEYS: Final = frozenset(LOSS_KEYS)

REASONING_KEYS: Final = ("reasoning_content", "reasoning", "thinking")


class Form(Struct, frozen=True):
    """A form of rows. A module of this folder holds it as `FORM`."""

    name: str
    """As `formatting` and `convert` spell it."""
    names: Names
    """Its columns and tags, where no others are named."""
    matches: Callable[[Any], bool]
    """Whether a row has this form, as far as its keys tell."""
    read: Callable[[Mapping[str, Any], Names], Conversation]
    """Row -> what it says. Never raises: what can't be read is left out."""


def between(text: str, opens: str, closes: str, start: int = 0) -> tuple[str, str] | None:
    """The first part of a text between two marks, with them and without; None where there is none.

    What a search for `opens(.*?)closes` finds, in time that grows with the text alone.
    """
    first = text.find(opens, start)
    last = -1 if first < 0 else text.find(closes, first + len(opens))
    if last < 0:
        return None
    return text[first : last + len(closes)], text[first + len(opens) : last]


@cache
def all_forms() -> dict[str, Form]:
    """Every form by name, found in this folder."""
    package = importlib.import_module("glmlint.trainer.forms")
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        form = getattr(importlib.import_module(f"{package.__name__}.{info.name}"), "FORM", None)
        if isinstance(form, Form):
            found[form.name] = form
    return found


def text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def column(row: Mapping[str, Any], name: str | None) -> Any:
    """The value of a column; None where the row or the form has none."""
    return None if name is None else row.get(name)


def system_turn(row: Mapping[str, Any], name: str | None) -> list[Speech]:
    """The turn that a column of system text is: none where it is empty or no text."""
    text = column(row, name)
    if not isinstance(text, str) or not text or name is None:
        return []
    return [Speech("system", text, (name,), (name,))]


def decoded(value: Any) -> Any:
    """A JSON value that a row holds as text; one that is not text as it is, None without a value."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def loss_of(turn: Mapping[str, Any]) -> bool | float | None:
    """The turn's own loss switch."""
    if _LOSS_KEYS.isdisjoint(turn):
        return None
    return next(
        (turn[key] for key in LOSS_KEYS if isinstance(turn.get(key), bool | int | float)), None
    )


def reasoning_of(turn: Mapping[str, Any], at: Pointer) -> tuple[str | None, Pointer | None]:
    """The turn's thought in a key of its own, and where it is written."""
    for key in REASONING_KEYS:
        if isinstance(turn.get(key), str):
            return turn[key], (*at, key)
    return None, None


def calls_of(value: Any, at: Pointer) -> tuple[TurnCall, ...]:
    """Calls as objects with name and arguments, one or a list; () where it is something else."""
    calls = value if isinstance(value, list) else [value]
    found = []
    for index, call in enumerate(calls):
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            return ()
        arguments = call.get("arguments", call.get("parameters"))
        here = (*at, index) if isinstance(value, list) else at
        found.append(TurnCall(call["name"], arguments, here, text_or_none(call.get("id"))))
    return tuple(found)


def unread(row: Mapping[str, Any], *used: str | None) -> tuple[str, ...]:
    """The keys of the row that are not among those used."""
    return tuple(key for key in row if key not in used)
