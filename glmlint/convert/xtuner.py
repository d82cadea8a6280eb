"""XTuner: `conversation` of entries with input and output, the first with the system text."""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import Message, assemble, note_keys, pair, read_columns, turns_of


def read(row: Any, notes: Notes) -> GlmRow:
    """Each entry is a question and its answer; an entry's `system` comes before them."""
    key, entries = turns_of(row, ("conversation", "conversations", "messages"))
    messages: list[Message] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, key, index)
        if isinstance(entry.get("system"), str) and entry["system"]:
            messages.append({"role": "system", "content": entry["system"]})
        asked, answered = "input", "output"
        messages += pair((entry.get(asked), entry.get(answered)), (key, index), (asked, answered))
        note_keys(entry, ("system", asked, answered), notes, key, index)
    consumed = {key, *read_columns(row, messages, notes)}
    return assemble(row, consumed, messages, notes)


FORMAT = Format(
    name="xtuner",
    recognised=("xtuner",),
    about="conversation of input and output",
    read=read,
)
