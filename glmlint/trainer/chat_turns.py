"""What rows say whose messages a chat template renders: turns in the order of the messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from glmlint.finding import Pointer
from glmlint.patterns import Pattern
from glmlint.trainer.base import Context
from glmlint.trainer.conversation import Conversation, Speech, TurnCall
from glmlint.trainer.forms import glm
from glmlint.trainer.forms.base import (
    all_forms,
    decoded,
    loss_of,
    reasoning_of,
    text_or_none,
    unread,
)

_NAMES_TOOL = Pattern(r"""['"]tool['"]""")
"""A template that prints results of the role `tool` as such asks for it by name."""

_NAMES_OBSERVATION = Pattern(r"""['"]observation['"]""")

_RESULTS = frozenset(("tool", "observation"))


def turns_of(
    messages: Any, at: Pointer, keys: tuple[str, str] = ("role", "content")
) -> list[Speech]:
    """A turn for each message, whatever it is.

    Args:
        messages: a list; of anything else there are none.
        at: where the list is written.
        keys: of a message's role and of its content.
    """
    entries = messages if isinstance(messages, list) else []
    return [_turn(entry, (*at, index), *keys) for index, entry in enumerate(entries)]


def _turn(entry: Any, at: Pointer, role_key: str, content_key: str) -> Speech:
    if not isinstance(entry, dict):
        return Speech("", None, at)
    role = entry.get(role_key)
    role = role if isinstance(role, str) else ""
    content = entry.get(content_key)
    text = text_or_none(content)
    calls = _calls(entry, at)
    name = entry.get("metadata")
    if role == "assistant" and not calls and isinstance(name, str) and name:
        calls, text = (TurnCall(name, content, at),), None
    text_at = (*at, content_key) if text is not None else None
    if text is None and isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        text = "".join(part for part in parts if isinstance(part, str)) or None
    thought, thought_at = reasoning_of(entry, at)
    spoken = "observation" if role in _RESULTS else role
    return Speech(spoken, text, at, text_at, thought, thought_at, calls, loss_of(entry))


def _calls(entry: Mapping[str, Any], at: Pointer) -> tuple[TurnCall, ...]:
    found = []
    calls = entry.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else []):
        said = call.get("function") or call if isinstance(call, dict) else None
        if isinstance(said, dict) and isinstance(said.get("name"), str):
            id_ = text_or_none(call.get("id"))
            where = (*at, "tool_calls", index)
            found.append(TurnCall(said["name"], said.get("arguments"), where, id_))
    one = entry.get("function_call")
    if isinstance(one, dict) and isinstance(one.get("name"), str):
        found.append(TurnCall(one["name"], one.get("arguments"), (*at, "function_call")))
    return tuple(found)


def conversation(
    row: Mapping[str, Any], turns: list[Speech], *used: str, tools: str | None = "tools"
) -> Conversation:
    """The turns and what stands beside them.

    Args:
        row: whose they are.
        turns: as the layout counts them.
        used: keys of the row that are read.
        tools: the key of its tool list.
    """
    listed = decoded(row.get(tools)) if tools is not None else None
    at: Pointer | None = (tools,) if listed is not None and tools is not None else None
    if listed is None:
        of_messages = all_forms()["glm"].read(row, all_forms()["glm"].names)
        listed, at = of_messages.tools, of_messages.tools_at
    return Conversation(turns, listed, at, unread(row, tools, *used))


def reads_messages(
    form: str, row: Any, context: Context, keys: Collection[str] | None = None
) -> bool:
    """Whether the template prints what the messages of a row say.

    Args:
        form: "glm" or "openai", as `read.formats.recognise` names it.
        row: with `messages`.
        context: whose template is meant.
        keys: of a message that reach the template beside role and content; None: all do.
    """

    def arrives(key: str) -> bool:
        return (keys is None or key in keys) and key in context.template.source

    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list):
        return False  # turns that stand under another key
    listed = messages
    entries = [entry for entry in listed if isinstance(entry, dict)]
    if form == "openai":
        calls = any(entry.get("tool_calls") for entry in entries)
        results = any(entry.get("role") == "tool" for entry in entries)
        return (not calls or arrives("tool_calls")) and (
            not results or _NAMES_TOOL.search(context.template.source) is not None
        )
    if not glm.matches(row):
        return True
    named = any("metadata" in entry for entry in entries)
    results = any(entry.get("role") == "observation" for entry in entries)
    prints_results = context.template.known or _NAMES_OBSERVATION.search(context.template.source)
    # Whether tools of a message are printed shows in the layout: `message-not-printed` looks there.
    return (not named or arrives("metadata")) and (not results or bool(prints_results))
