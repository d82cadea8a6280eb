"""Alpaca: `instruction`, `input`, `output`, with `history` and `system` beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmlint.finding import Pointer
from glmlint.trainer.conversation import Conversation, Speech
from glmlint.trainer.forms.base import (
    Form,
    column,
    decoded,
    system_turn,
    text_or_none,
    unread,
)
from glmlint.trainer.forms.names import Names


def matches(value: Any) -> bool:
    """An instruction with an output."""
    return isinstance(value, dict) and "instruction" in value and "output" in value


def read(row: Mapping[str, Any], names: Names) -> Conversation:
    """The system column, the pairs of the history, the question, and the answer where there is one."""
    turns = system_turn(row, names.system)
    history = column(row, names.history)
    for index, pair in enumerate(history if isinstance(history, list) else []):
        for place, role in enumerate(("user", "assistant")):
            text = text_or_none(pair[place]) if isinstance(pair, list) and len(pair) == 2 else None
            at: Pointer = (names.history or "", index, place)
            turns.append(Speech(role, text, at, at if text is not None else None))
    asked = [
        (name, row[name])
        for name in (names.prompt, names.query)
        if name and isinstance(row.get(name), str) and row[name]
    ]
    at = (asked[0][0] if asked else names.prompt or "",)
    text = "\n".join(text for _, text in asked) if asked else None
    turns.append(Speech("user", text, at, at if len(asked) == 1 else None))
    answer = column(row, names.response)
    if isinstance(answer, str) and names.response:
        turns.append(Speech("assistant", answer, (names.response,), (names.response,)))
    used = (
        *(names.prompt, names.query, names.response),
        *(names.history, names.system, names.tools),
    )
    return Conversation(
        turns,
        decoded(column(row, names.tools)),
        (names.tools,) if column(row, names.tools) is not None and names.tools else None,
        unread(row, *used),
    )


FORM = Form(
    "alpaca",
    Names(
        system="system",
        history="history",
        optional=frozenset(("input", "history", "system")),
    ),
    matches,
    read,
)
