"""ms-swift: `messages` with tool calls and their results in messages of their own, `tools` beside them.

A `tool_call` is JSON text of a name and arguments; several in a row are made at once, and as many
`tool_response` messages follow in the same order. (`tool` is the older name of a result.)

Source: docs/source_en/Customization/Custom-dataset.md and Instruction/Agent-support.md of ms-swift 4.6.
"""

from __future__ import annotations

from typing import Any

from glmlint.convert.base import Format, Notes
from glmlint.convert.chat import read_chat
from glmlint.convert.dialogue import Dialogue
from glmlint.read.formats import TURN_KEYS


def read(row: Any, notes: Notes) -> Dialogue:
    """Also where LLaMA-Factory's role `function` holds the calls."""
    return read_chat(row, TURN_KEYS, notes)


FORMAT = Format(
    name="swift",
    recognised=("swift",),
    about="messages with the roles tool_call and tool_response, tools beside them",
    read=read,
)
