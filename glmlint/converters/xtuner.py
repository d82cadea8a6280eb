"""XTuner: `conversation` of entries with input and output, the first with the system text."""

from __future__ import annotations

from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import assemble, note_keys, pair, turns_of
from glmlint.converters.dialogue import Dialogue, Utterance


def read(row: Any, notes: Notes) -> Dialogue:
    """Each entry is a question and its answer; an entry's `system` comes before them."""
    key, entries = turns_of(row, ("conversation", "conversations", "messages"))
    turns: list[Utterance] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, key, index)
        if isinstance(entry.get("system"), str) and entry["system"]:
            at = (key, index, "system")
            turns.append(Utterance("system", entry["system"], at, at))
        asked, answered = "input", "output"
        turns += pair((entry.get(asked), entry.get(answered)), (key, index), (asked, answered))
        note_keys(entry, ("system", asked, answered), notes, key, index)
    return assemble(row, {key}, turns, notes)


FORMAT = Format(
    name="xtuner",
    recognised=("xtuner",),
    about="`conversation` of `system`, `input`, `output`",
    read=read,
)
