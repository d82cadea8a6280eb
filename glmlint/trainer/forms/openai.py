"""OpenAI: `messages` of role and content, with `tool_calls`; `tools` beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.trainer.conversation import Conversation, Speech, TurnCall
from glmlint.trainer.forms.base import (
    Form,
    loss_of,
    reasoning_of,
    text_or_none,
)
from glmlint.trainer.forms.names import Names
from glmlint.trainer.forms.sharegpt import read_list

_TEXT_PARTS: Final = ("text", "input_text", "output_text")


def matches(value: Any) -> bool:
    """A list under the key that this form has."""
    return isinstance(value, dict) and isinstance(value.get("messages"), list)


def read(row: Mapping[str, Any], names: Names) -> Conversation:
    """One turn for each message."""
    return read_list(row, names, _turn)


def _turn(entry: Any, at: Pointer, names: Names, roles: Mapping[str | None, str]) -> Speech:
    if not isinstance(entry, dict):
        return Speech("", None, at)
    said = entry.get(names.role_tag or "")
    role = roles.get(said, said) if isinstance(said, str) else ""
    content = entry.get(names.content_tag or "")
    text = text_or_none(content)
    text_at: Pointer | None = None
    if text is not None:
        text_at = (*at, names.content_tag or "")
    elif isinstance(content, list):
        parts = [part["text"] for part in content if _is_text(part)]
        text = "\n".join(parts) if parts else None
    reasoning, reasoning_at = reasoning_of(entry, at)
    calls = _calls(entry, at)
    return Speech(role, text, at, text_at, reasoning, reasoning_at, calls, loss_of(entry))


def _is_text(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.get("type") in _TEXT_PARTS
        and isinstance(part.get("text"), str)
    )


def _calls(entry: Mapping[str, Any], at: Pointer) -> tuple[TurnCall, ...]:
    found = []
    calls = entry.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            here = (*at, "tool_calls", index)
            id_ = text_or_none(call.get("id"))
            found.append(TurnCall(function["name"], function.get("arguments"), here, id_))
    one = entry.get("function_call")
    if isinstance(one, dict) and isinstance(one.get("name"), str):
        found.append(TurnCall(one["name"], one.get("arguments"), (*at, "function_call")))
    return tuple(found)


FORM = Form(
    "openai",
    Names(
        messages="messages",
        tools="tools",
        role_tag="role",
        content_tag="content",
        user_tag="user",
        assistant_tag="assistant",
        observation_tag="tool",
        function_tag="function",
        system_tag="system",
        optional=frozenset(("tools",)),
    ),
    matches,
    read,
)
