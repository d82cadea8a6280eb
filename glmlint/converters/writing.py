"""What the writers of several formats share: rows from dialogues, and what is noted on the way."""

from __future__ import annotations

import json
from collections.abc import Collection

from glmlint.converters import kinds
from glmlint.converters.base import Notes
from glmlint.converters.chat import dump
from glmlint.converters.dialogue import CLOSES, OPENS, Dialogue, Message, Utterance
from glmlint.trainer.conversation import TurnCall


def with_thought(turn: Utterance, notes: Notes) -> str:
    """The text of a turn, its thought in front of it; noted where the row has it elsewhere."""
    if turn.whole is not None or turn.reasoning is None:
        return turn.words()
    notes.add(kinds.THOUGHT_IN_TEXT, *(turn.reasoning_at or turn.at))
    return f"{OPENS}{turn.reasoning}{CLOSES}{turn.text or ''}"


def note_leftovers(turn: Utterance, notes: Notes, own: Collection[str] = ()) -> None:
    """Note what a turn holds that the target has no place for, but for the keys that are its own."""
    if turn.tools is not None:
        kind = kinds.TOOLS_ELSEWHERE if turn.tools else kinds.EMPTY_TOOLS
        notes.add(kind, *turn.at, "tools")
    if turn.metadata and turn.role != "assistant":
        notes.add(kinds.METADATA, *turn.at, "metadata")
    note_rest(turn, notes, own)


def note_rest(turn: Utterance, notes: Notes, own: Collection[str] = ()) -> None:
    """Note the keys of a turn that are not the target's own; a result's `name` is its call's."""
    for key in turn.rest:
        if key not in own and not (key == "name" and turn.role == "observation"):
            notes.add(kinds.MESSAGE_KEY, *turn.at, key)


def note_empty(turn: Utterance, notes: Notes) -> None:
    """Note that a turn without content becomes an empty one."""
    if turn.text is None and not turn.calls:
        notes.add(kinds.NULL_CONTENT, *(turn.text_at or turn.at))


def row_of(
    dialogue: Dialogue, said: Message, notes: Notes, reserved: Collection[str] = ()
) -> Message:
    """The row: what is said, between the columns that stood around it.

    `reserved`: keys by which the target means something else; what they hold is left out.
    """
    out: Message = {}
    for columns, written in ((dialogue.before, {}), (dialogue.after, said)):
        out |= written
        for key, value in columns.items():
            if key not in said and key not in reserved:
                out[key] = value
            elif value not in (None, "", [], {}, False):
                notes.add(kinds.ROW_KEY, key)
    return out


def is_object(text: str) -> bool:
    """Whether a text is one JSON object, with nothing around it."""
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def call_text(call: TurnCall, notes: Notes) -> str:
    """A call as JSON. The arguments go in as they are written, so that no byte of them changes."""
    arguments = call.arguments
    if not is_object(arguments):
        notes.add(kinds.NOT_OBJECT, *call.at)
        arguments = dump(arguments)
    return f'{{"name": {dump(call.name)}, "arguments": {arguments}}}'
