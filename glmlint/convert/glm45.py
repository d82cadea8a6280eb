"""GLM-4.5 and later: OpenAI's messages as the model's chat template wants them.

Arguments are objects, since the template asks for their items; a thought stands in `reasoning_content`.

Source: chat_template.jinja of zai-org/GLM-4.5.
"""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, Notes
from glmlint.convert.chat import load
from glmlint.convert.dialogue import Dialogue, Message
from glmlint.convert.openai import read, written
from glmlint.trainer.conversation import TurnCall


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """As OpenAI's form, but for the arguments."""
    return written(dialogue, notes, _as_object)


def _as_object(call: TurnCall, notes: Notes) -> Any:
    try:
        value = load(call.arguments)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        notes.add(kinds.NOT_OBJECT, *call.at)
        return call.arguments
    return value


FORMAT = Format(
    name="glm4.5",
    recognised=(),
    about="messages with tool_calls whose arguments are objects, for GLM-4.5 and later",
    read=read,
    write=write,
)
