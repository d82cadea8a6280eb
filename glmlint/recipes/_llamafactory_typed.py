"""The converters of `_llamafactory_rows` for typed rows: the same turns, only faster."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from glmlint.finding import Pointer
from glmlint.read.sample import read_strictly
from glmlint.recipes._llamafactory_rows import (
    Given,
    SpokenTurn,
    finished_openai,
    merged,
    odd,
    out_of_turn,
    roles_of,
)
from glmlint.trainer.errors import Dropped
from glmlint.trainer.forms.names import Names
from glmlint.trainer.forms.typed import decoder, facts_of
from glmlint.trainer.layout import SYSTEM


class Unusual(Exception):
    """A typed row that only the slow way reads."""


Converter = Callable[[Any, Names, Mapping[str, str]], Given]


class Way(msgspec.Struct, frozen=True):
    """The fast way for the rows of one form."""

    key: bytes
    """What the bytes of such a row hold."""
    decode: Callable[[bytes], Any]
    names: Names
    roles: dict[str, str]
    """Tag -> role."""
    convert: Converter

    def facts(self, row: Any) -> int:
        """Facts of the turns of a typed row."""
        return facts_of(row.messages, self.roles, bool(getattr(row, "tools", None)))


def way(formatting: str, names: Names, other: str | None = None) -> Way | None:
    """The fast way for one form; None where there is none.

    Args:
        other: a key that a row must not have to be of this form.
    """
    openai = formatting == "openai"
    if formatting == "alpaca" or names.messages is None:
        return None
    decode = decoder(names, openai=openai, other=other)
    if decode is None:
        return None
    roles = {tag: role for tag, role in roles_of(names).items() if tag is not None}
    convert = from_openai if openai else from_sharegpt
    return Way(msgspec.json.encode(names.messages), decode, names, roles, convert)


def _start(row: Any, names: Names) -> tuple[int, int, Any, int, Pointer]:
    """As `Start` of the converters: first turn, turns more in front, system text, owner, place."""
    messages = row.messages
    if names.system_tag and messages and messages[0].role == names.system_tag:
        return 1, 0, messages[0].content, 0, (names.messages or "", 0)
    system = getattr(row, "system", "")
    system = "" if system is UNSET else system
    return 0, int(bool(system)), system, 0 if system else SYSTEM, (names.system or "",)


def from_sharegpt(row: Any, names: Names, roles: Mapping[str, str]) -> Given:
    """`from_sharegpt`. Raises Dropped."""
    first, more, system, owner, at = _start(row, names)
    accepted = (
        (names.user_tag, names.observation_tag),
        (names.assistant_tag, names.function_tag),
    )
    key = names.messages or ""
    turns = []
    for place, message in enumerate(row.messages[1:] if first else row.messages):
        role = message.role
        if role not in accepted[place % 2]:
            raise Dropped("invalid-role-tag", "Invalid role tag", (key, place + first))
        index = place + first
        turns.append(SpokenTurn(roles[role], message.content, index + more, (key, index)))
    fault = odd(turns, names)
    if fault is not None:
        raise fault
    tools = getattr(row, "tools", "")
    tools = "" if tools is UNSET else tools
    return Given(turns, system, owner, at, tools=tools, tools_at=(names.tools or "",))


def from_openai(row: Any, names: Names, roles: Mapping[str, str]) -> Given:
    """`from_openai`. Raises Dropped and Unusual."""
    first, more, system, owner, at = _start(row, names)
    key = names.messages or ""
    turns: list[SpokenTurn] = []
    results: list[SpokenTurn] = []
    for place, message in enumerate(row.messages[1:] if first else row.messages, first):
        role, content = message.role, message.content
        if message.tool_calls and role in (names.assistant_tag, names.function_tag):
            content, role = _calls(message.tool_calls), names.function_tag
            if role is None:
                raise Unusual
        if role == names.observation_tag:
            if content is None:
                raise Unusual
            results.append(SpokenTurn("observation", content, place + more, (key, place)))
            continue
        if results:
            turns.append(merged(results))
            results = []
        if role not in roles:
            raise Unusual
        turns.append(SpokenTurn(roles[role], content, place + more, (key, place)))
    fault = out_of_turn(turns) or odd(turns, names)
    if fault is not None:
        raise fault
    given = Given(turns, system, owner, at, tools=_tools(row), tools_at=(names.tools or "",))
    finished_openai(given)
    return given


def _calls(calls: list[Any]) -> str:
    functions = [read_strictly(bytes(call.function)) for call in calls]
    if any(function is None for function in functions):
        raise Unusual
    return json.dumps(functions, ensure_ascii=False)


def _tools(row: Any) -> Any:
    raw = getattr(row, "tools", UNSET)
    if raw is UNSET:
        return ""
    written = bytes(raw)
    if written[:1] == b'"':
        return msgspec.json.decode(written, type=str)
    value = None if written == b"null" else read_strictly(written)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if value is None and written != b"null":
        raise Unusual
    return value
