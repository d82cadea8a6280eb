"""GLM: `messages` of role and content, calls by `metadata`, tools on the system message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmlint.trainer.conversation import Conversation, Speech, TurnCall
from glmlint.trainer.forms.base import Form, decoded, loss_of, reasoning_of, text_or_none, unread
from glmlint.trainer.forms.names import Names


def matches(value: Any) -> bool:
    """Messages with a key or a role that this form alone has."""
    messages = value.get("messages") if isinstance(value, dict) else None
    return isinstance(messages, list) and any(
        isinstance(message, dict)
        and ("metadata" in message or "tools" in message or message.get("role") == "observation")
        for message in messages
    )


def read(row: Mapping[str, Any], names: Names) -> Conversation:
    """One turn for each message; the tools of the first message that has some."""
    del names
    messages = row.get("messages")
    turns: list[Speech] = []
    tools: Any = None
    tools_at = None
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        at = ("messages", index)
        if not isinstance(message, dict):
            turns.append(Speech("", None, at))
            continue
        text, name = text_or_none(message.get("content")), message.get("metadata")
        calls: tuple[TurnCall, ...] = ()
        if message.get("role") == "assistant" and isinstance(name, str) and name:
            calls, text = (TurnCall(name, message.get("content"), at),), None
        role = message.get("role")
        text_at = (*at, "content") if text is not None else None
        reasoning, reasoning_at = reasoning_of(message, at)
        turns.append(
            Speech(
                role if isinstance(role, str) else "",
                text, at, text_at, reasoning, reasoning_at, calls, loss_of(message),
            )
        )  # fmt: skip
        if tools is None and message.get("tools"):
            tools, tools_at = decoded(message["tools"]), (*at, "tools")
    return Conversation(turns, tools, tools_at, unread(row, "messages"))


FORM = Form("glm", Names(messages="messages"), matches, read)
