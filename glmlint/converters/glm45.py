"""GLM-4.5 and later: OpenAI's messages as the model's chat template wants them.

Arguments are objects, since the template asks for their items; a thought stands in `reasoning_content`,
and results follow the order of their calls, since it prints no ids.

Source: chat_template.jinja of zai-org/GLM-4.5.
"""

from __future__ import annotations

import json
from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes
from glmlint.converters.dialogue import Dialogue, Message
from glmlint.converters.openai import read, written
from glmlint.converters.writing import note_empty
from glmlint.trainer.conversation import TurnCall


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """As OpenAI's form, but for the arguments, and no null as content: the template prints None."""
    row = written(dialogue, notes, _as_object, in_order=True)
    for message in row["messages"]:
        if message["content"] is None:
            message["content"] = ""
    for turn in dialogue.turns:
        note_empty(turn, notes)
    return row


def _as_object(call: TurnCall, notes: Notes) -> Any:
    twice = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        found = dict(pairs)
        twice |= len(found) < len(pairs)
        return found

    try:
        value = json.loads(call.arguments, object_pairs_hook=once)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        notes.add(kinds.NOT_OBJECT, *call.at)
        return call.arguments
    if twice:
        notes.add(kinds.KEY_TWICE, *call.at)
    return value


FORMAT = Format(
    name="glm4.5",
    recognised=(),
    about="`messages` with `tool_calls` whose arguments are objects",
    notes="as `openai`",
    read=read,
    write=write,
    read_by="the chat templates of GLM-4.5 and later",
    written="as `openai`, but the arguments are objects, content is never null (the template would print `None`), and results follow the order of their calls (it prints no ids)",
)
