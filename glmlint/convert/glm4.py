"""GLM's own form: left as it is, but for roles by other names and tools at the wrong place."""

from __future__ import annotations

from typing import Any

from glmlint.convert.base import Format, GlmRow, Notes
from glmlint.convert.chat import REASONING_KEYS, note_columns, read_chat
from glmlint.read.sample import ROLES


def read(row: Any, notes: Notes) -> GlmRow:
    """The row itself where it is in order; else what can be put right is."""
    if isinstance(row, dict) and not any(row.get(key) for key in ("tools", "functions", "system")):
        messages = row.get("messages")
        if isinstance(messages, list) and messages and all(map(_in_order, messages)):
            note_columns(row, notes)
            return row
    return read_chat(row, ("messages",), notes)


def write(row: GlmRow, _: Notes) -> dict[str, Any]:
    """Every conversion comes by here: there is nothing left to do."""
    return row


def _in_order(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in ROLES
        and isinstance(message.get("content"), str)
        and isinstance(message.get("metadata", ""), str)
        and isinstance(tools := message.get("tools", []), list)
        and all(isinstance(tool, dict) for tool in tools)
        and (message["role"] == "system" or "tools" not in message)
        and not message.get("tool_calls")
        and not message.get("function_call")
        and not any(message.get(key) for key in REASONING_KEYS)
    )


FORMAT = Format(
    name="glm4",
    recognised=("glm",),
    about="messages of system, user, assistant and observation",
    read=read,
    write=write,
)
