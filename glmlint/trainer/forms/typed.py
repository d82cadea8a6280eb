"""Typed rows of ShareGPT's and OpenAI's forms: decoded some ten times faster than any JSON value.

The types are made for the names that a form has, and take only valid rows. What they don't
know of a row they pass over in silence, so the caller asks whether that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from glmlint.read.facts import Fact
from glmlint.read.textfacts import answer_facts, turn_facts
from glmlint.trainer.forms.names import Names

Text = str | None | UnsetType

_MEDIA: Final = ("images", "videos", "audios", "kto_tag")


class TypedCall(msgspec.Struct, omit_defaults=True):
    """An entry of `tool_calls`, as far as a trainer reads it."""

    function: Raw
    # Passed over, but known: a row that has nothing else needs no second look.
    id: Raw | UnsetType = UNSET
    type: Raw | UnsetType = UNSET


def _struct(name: str, fields: Sequence[tuple[str, str | None, Any]]) -> Any:
    """A struct type of (field, its key in the JSON, type); a field without a key is left out.

    A type that takes no value at all is not required. Raises ValueError where two have one key.
    """
    known = [(field, kind) for field, key, kind in fields if key is not None]
    keys = {field: key for field, key, _ in fields if key is not None}
    return msgspec.defstruct(
        name,
        [(field, kind, UNSET) if _optional(kind) else (field, kind) for field, kind in known],
        rename=keys,
        omit_defaults=True,
    )


def _optional(kind: Any) -> bool:
    return UnsetType in getattr(kind, "__args__", ())


def decoder(
    names: Names, *, openai: bool, other: str | None = None
) -> Callable[[bytes], Any] | None:
    """A decoder of rows with `messages`, and `system` and `tools` where they are named.

    Args:
        names: columns and tags.
        openai: whether messages may have `tool_calls`, null content, and tools as a list.
        other: a key that a row must not have to be of this form.

    Returns:
        None where such rows can't be typed: names that clash, or columns of pictures.
    """
    if any(getattr(names, column) for column in _MEDIA) or not names.messages:
        return None
    if not (names.role_tag and names.content_tag):
        return None
    text: Any = str | None if openai else str
    turn = [("role", names.role_tag, str), ("content", names.content_tag, text)]
    if openai:
        turn.append(("tool_calls", "tool_calls", list[TypedCall] | None | UnsetType))
        turn += [("call_id", "tool_call_id", Raw | UnsetType), ("name", "name", Raw | UnsetType)]
    column: Any = Text if openai else str | None
    tools: Any = Raw | UnsetType if openai else column
    try:
        message = _struct("Turn", turn)
        row = _struct(
            "Row",
            [
                ("messages", names.messages, list[message]),  # type: ignore[valid-type]
                ("system", names.system, Text if names.system in names.optional else column),
                ("tools", names.tools, tools if openai or names.tools not in names.optional else Text),
                ("other", other, Raw | UnsetType),
            ],
        )  # fmt: skip
    except (ValueError, TypeError):
        return None
    return msgspec.json.Decoder(row).decode


def facts_of(turns: Sequence[Any], roles: Mapping[str, str], tools: bool) -> int:
    """Facts of typed turns, as `prepare` finds them in GLM messages.

    Args:
        roles: tag -> the role of the turn, "function" for a turn of calls.
        tools: whether the row has any.
    """
    facts = Fact.TOOLS | Fact.CALLS if tools else 0
    spoken = []
    for turn in turns:
        role = roles.get(turn.role, "")
        text = turn.content
        if role == "function" or getattr(turn, "tool_calls", None):
            role = "assistant"
            facts |= Fact.CALLS
        elif not text or text.isspace():
            facts |= Fact.EMPTY
        elif role == "assistant":
            facts |= answer_facts(text)
            if text[0] in '{["':
                facts |= Fact.CALLS
        spoken.append(role or "?")
    return facts | turn_facts(tuple(spoken))
