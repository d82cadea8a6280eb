"""ShareGPT: `conversations` of from and value, with `system` and `tools` beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.patterns import Pattern
from glmlint.trainer.conversation import Conversation, Speech, TurnCall
from glmlint.trainer.forms.base import (
    Form,
    between,
    calls_of,
    column,
    decoded,
    loss_of,
    reasoning_of,
    system_turn,
    text_or_none,
    unread,
)
from glmlint.trainer.forms.names import Names

_THOUGHT: Final = Pattern(r"<think>.*?</think>\s*", re.DOTALL)


def matches(value: Any) -> bool:
    """A list under the key that this form has."""
    return isinstance(value, dict) and isinstance(value.get("conversations"), list)


ReadTurn = Callable[[Any, Pointer, Names, Mapping[str | None, str]], Speech]
"""One entry of the list, where it is written, the names, and role as written -> role."""


def read(row: Mapping[str, Any], names: Names) -> Conversation:
    """One turn for each entry of the list."""
    return read_list(row, names, _turn)


def read_list(row: Mapping[str, Any], names: Names, read_turn: ReadTurn) -> Conversation:
    """A row with a list of turns: one for each entry, in front the system column where it counts."""
    key = names.messages or ""
    entries = row.get(key)
    entries = entries if isinstance(entries, list) else []
    roles = {
        names.system_tag: "system",
        names.user_tag: "user",
        names.observation_tag: "observation",
        names.assistant_tag: "assistant",
        names.function_tag: "assistant",
    }
    turns = [] if starts_with_system(entries, names) else system_turn(row, names.system)
    used = {key, names.tools} | ({names.system} if turns else set())
    for index, entry in enumerate(entries):
        turns.append(read_turn(entry, (key, index), names, roles))
    return Conversation(
        turns,
        decoded(column(row, names.tools)),
        (names.tools,) if column(row, names.tools) is not None and names.tools else None,
        unread(row, *used),
    )


def starts_with_system(entries: Any, names: Names) -> bool:
    """Whether the first turn is the system text, so that a system column does not count."""
    return (
        bool(names.system_tag)
        and isinstance(entries, list)
        and len(entries) > 0
        and isinstance(entries[0], dict)
        and entries[0].get(names.role_tag) == names.system_tag
    )


def _turn(entry: Any, at: Pointer, names: Names, roles: Mapping[str | None, str]) -> Speech:
    if not isinstance(entry, dict):
        return Speech("", None, at)
    said = entry.get(names.role_tag or "")
    role = roles.get(said, said) if isinstance(said, str) else ""
    place = (*at, names.content_tag or "")
    text = text_or_none(entry.get(names.content_tag or ""))
    text_at: Pointer | None = place if text is not None else None
    calls: tuple[TurnCall, ...] = ()
    if text is not None and said is not None and said == names.function_tag:
        calls, rest = calls_in(text, place)
        if calls and rest != text:
            text, text_at = rest or None, None
    reasoning, reasoning_at = reasoning_of(entry, at)
    return Speech(role, text, at, text_at, reasoning, reasoning_at, calls, loss_of(entry))


def calls_in(text: str, at: Pointer) -> tuple[tuple[TurnCall, ...], str]:
    """The calls that a text writes as JSON, and the text around them.

    The JSON stands alone, in `<tool_call>` tags, or after a thought.
    """
    call = between(text, "<tool_call>", "</tool_call>")
    thought = _THOUGHT.match(text)
    if call is not None:
        body, rest = call[1], text.replace(call[0], "")
    elif thought is not None:
        body, rest = text[thought.end() :], thought[0]
    else:
        body, rest = text, ""
    calls = calls_of(decoded(body), at)
    for one in calls:
        one.at = at  # one string holds them all
    return calls, rest if calls else text


FORM = Form(
    "sharegpt",
    Names(system="system", tools="tools", optional=frozenset(("system", "tools"))),
    matches,
    read,
)
