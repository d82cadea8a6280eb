"""Turns of a question and an answer: `conversation` of human and assistant, or query and response, …"""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import (
    Message,
    assemble,
    note_keys,
    note_marks,
    pair,
    read_columns,
    turns_of,
)
from glmlint.read.formats import TURN_KEYS, pair_of, speakers_of


def read(row: Any, notes: Notes) -> GlmRow:
    """Each entry is a question with its answer, or what one of the two says; or the bare list."""
    if isinstance(row, list):
        messages = _entries(row, (), notes)
        note_marks(messages, notes)
        return {"messages": messages}
    key, entries = turns_of(row, TURN_KEYS)
    messages = _entries(entries, (key,), notes)
    consumed = {key, *read_columns(row, messages, notes)}
    return assemble(row, consumed, messages, notes)


def _entries(entries: list[Any], at: tuple[str | int, ...], notes: Notes) -> list[Message]:
    messages: list[Message] = []
    for index, entry in enumerate(entries):
        here = (*at, index)
        if not isinstance(entry, dict):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, *here)
        system = entry.get("system")
        if isinstance(system, str) and system:
            messages.append({"role": "system", "content": system})
        keys = pair_of(entry)
        if keys is not None:
            messages += pair([entry.get(key) for key in keys], here, keys)
            note_keys(entry, ("system", *keys), notes, *here)
            continue
        spoken = speakers_of(entry)
        if not spoken:
            raise Refused(kinds.NO_QUESTION, *here)
        messages += (
            {"role": role, "content": entry[key]} for key, role in spoken if role != "system"
        )
        note_keys(entry, [key for key, _ in spoken], notes, *here)
    if all(message["role"] != "assistant" for message in messages):
        raise Refused(kinds.NO_ANSWER, *at)
    return messages


FORMAT = Format(
    name="pairs",
    recognised=("pairs",),
    about="conversation of human and assistant, or of query and response",
    read=read,
)
