"""LLaMA-Factory's converters: a row of a file -> turns, system text and tools, or why it is left out.

Source: llamafactory 0.9.5, data/converter.py. What it raises on odd rows is raised here too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.trainer.errors import Dropped
from glmlint.trainer.forms.names import Names
from glmlint.trainer.layout import SYSTEM

ASKS: Final = ("user", "observation")
ANSWERS: Final = ("assistant", "function")

NO_THINKING: Final = "detailed thinking off"
"""What the converter of OpenAI rows puts into every system text, whatever the model."""
THINKING: Final = "detailed thinking on"

NEXT_RESULT: Final = "\n</tool_response>\n<tool_response>\n"
"""What it puts between results that follow one another."""


@dataclass
class SpokenTurn:
    """One turn as the converter gives it."""

    role: str
    """One of `ASKS` or `ANSWERS`, or "system" where it stands in the wrong place."""
    content: Any
    owner: int
    """Index of the turn in the row's `Conversation`."""
    at: Pointer
    parts: tuple[tuple[str, int], ...] = ()
    """(text, owner) of a content that several turns have written; () for one of one turn."""


@dataclass
class Given:
    """A row as the converter gives it: question and answer in turn."""

    turns: list[SpokenTurn]
    system: Any = ""
    system_owner: int = SYSTEM
    system_at: Pointer = ()
    system_more: str = ""
    """What the converter puts after the system text."""
    tools: Any = ""
    tools_at: Pointer = ()
    media: Mapping[str, Any] = field(default_factory=dict)
    """"image", "video" or "audio" -> what stands in its column."""
    media_at: Mapping[str, Pointer] = field(default_factory=dict)


class At:
    """Where in the row the package is, for the place of what it raises."""

    def __init__(self) -> None:
        self.place: Pointer = ()


def _column(row: Mapping[str, Any], name: str | None, names: Names) -> Any:
    """A column's value; "" without a name. Raises KeyError where the row lacks one that is named."""
    if not name:
        return ""
    return row.get(name) if name in names.optional else row[name]


def roles_of(names: Names) -> dict[Any, str]:
    """Tag -> role, as the converters map them."""
    return {
        names.user_tag: "user",
        names.assistant_tag: "assistant",
        names.observation_tag: "observation",
        names.function_tag: "function",
        names.system_tag: "system",
    }


@dataclass
class Start:
    """How a list of messages begins."""

    messages: Any
    first: int
    """The place of the first message that is not a system text: 1 or 0."""
    more: int
    """By how many turns the row's `Conversation` is longer in front: 1 for a system column."""
    system: Any
    owner: int
    at: Pointer
    """Where the system text stands."""

    @property
    def rest(self) -> Any:
        """The messages after the system text."""
        return self.messages[1:] if self.first else self.messages


Column = Callable[[Mapping[str, Any], str | None, Names], Any]


def _begin(row: Mapping[str, Any], names: Names, at: At, column: Column) -> Start:
    messages = row[names.messages]  # type: ignore[index]
    key = names.messages or ""
    at.place = (key,)
    if names.system_tag and len(messages) != 0:
        at.place = (key, 0)
        if messages[0][names.role_tag] == names.system_tag:
            return Start(messages, 1, 0, messages[0][names.content_tag], 0, (key, 0))
    at.place = (names.system or "",)
    system = column(row, names.system, names)
    written = isinstance(system, str) and bool(system)
    return Start(messages, 0, int(written), system, 0 if written else SYSTEM, at.place)


def from_sharegpt(row: Mapping[str, Any], names: Names, at: At) -> Given:
    """`SharegptDatasetConverter`. Raises Dropped where it skips the row."""
    start = _begin(row, names, at, _column)
    roles = roles_of(names)
    accepted = (
        (names.user_tag, names.observation_tag),
        (names.assistant_tag, names.function_tag),
    )
    turns: list[SpokenTurn] = []
    fault = None
    for place, message in enumerate(start.rest):
        at.place = (names.messages or "", place + start.first)
        if message[names.role_tag] not in accepted[place % 2]:
            fault = Dropped("invalid-role-tag", "Invalid role tag", at.place)
            break
        role, content = roles[message[names.role_tag]], message[names.content_tag]
        turns.append(SpokenTurn(role, content, place + start.first + start.more, at.place))
    fault = fault or odd(turns, names)
    at.place = (names.tools or "",)
    tools = _column(row, names.tools, names)
    given = Given(turns, start.system, start.owner, start.at, tools=tools)
    return _finished(given, row, names, at, fault)


def from_openai(row: Mapping[str, Any], names: Names, at: At) -> Given:
    """`OpenAIDatasetConverter`. Raises Dropped where it skips the row."""
    start = _begin(row, names, at, _given)
    roles = roles_of(names)
    turns: list[SpokenTurn] = []
    results: list[SpokenTurn] = []
    for place, message in enumerate(start.rest, start.first):
        at.place = (names.messages or "", place)
        role, content = message[names.role_tag], message[names.content_tag]
        if role in (names.assistant_tag, names.function_tag) and (
            calls := message.get("tool_calls")
        ):
            content = json.dumps([call["function"] for call in calls], ensure_ascii=False)
            role = names.function_tag
        if role == names.observation_tag:
            results.append(SpokenTurn("observation", content, place + start.more, at.place))
            continue
        if results:
            turns.append(merged(results))
            results = []
        turns.append(SpokenTurn(roles[role], content, place + start.more, at.place))
    fault = out_of_turn(turns) or odd(turns, names)
    tools = _given(row, names.tools, names)
    at.place = (names.tools or "",)
    if isinstance(tools, dict | list):
        tools = json.dumps(tools, ensure_ascii=False)
    at.place = start.at
    given = Given(turns, start.system, start.owner, start.at, tools=tools)
    finished_openai(given)
    return _finished(given, row, names, at, fault)


def out_of_turn(turns: list[SpokenTurn]) -> Dropped | None:
    """Why questions and answers do not take turns."""
    for place, turn in enumerate(turns):
        if turn.role not in (ANSWERS if place % 2 else ASKS):
            return Dropped("invalid-role-tag", "Invalid role tag", turn.at)
    return None


def finished_openai(given: Given) -> None:
    """What the converter of OpenAI rows does to every system text. Raises where it is none."""
    system, tools = given.system, given.tools
    if not system:
        given.system = system if tools else NO_THINKING
    elif tools:
        given.system_more = "\n"
    elif not (THINKING in system or NO_THINKING in system):
        given.system_more = "\n" + NO_THINKING
    if given.system_more and not isinstance(system, str):
        given.system, given.system_more = _added(system, given.system_more), ""


def _given(row: Mapping[str, Any], name: str | None, names: Names) -> Any:
    """A column that may be missing, as the OpenAI converter reads it."""
    del names
    return row.get(name, "") if name else ""


class ArrowInvalid(ValueError):
    """What pyarrow raises where the converted row is stored."""


def _added(value: Any, text: str) -> Any:
    """`value += text` of a value that is not a string: only a list takes it, letter by letter."""
    value = value.copy() if isinstance(value, list) else value
    mixed = isinstance(value, list) and any(isinstance(item, dict) for item in value)
    value += text
    if mixed:
        raise ArrowInvalid("cannot mix struct and non-struct, non-null values")
    return value


def merged(results: list[SpokenTurn]) -> SpokenTurn:
    """Results that follow one another, as one turn."""
    content = NEXT_RESULT.join(result.content for result in results)
    first = results[0]
    if len(results) > 1:
        first.parts = (
            (first.content, first.owner),
            *((NEXT_RESULT + result.content, result.owner) for result in results[1:]),
        )
    first.content = content
    return first


def from_alpaca(row: Mapping[str, Any], names: Names, at: At) -> Given:
    """`AlpacaDatasetConverter`. Raises Dropped where there is no answer."""
    system = row.get(names.system) if names.system else ""
    turns: list[SpokenTurn] = []
    owner = int(isinstance(system, str) and bool(system))
    history = _column(row, names.history, names)
    for index, pair in enumerate(history if isinstance(history, list) else []):
        at.place = (names.history or "", index)
        asked, answered = pair
        turns.append(SpokenTurn("user", asked, owner, (*at.place, 0)))
        turns.append(SpokenTurn("assistant", answered, owner + 1, (*at.place, 1)))
        owner += 2
    question: list[Any] = []
    places: list[Pointer] = []
    for name in (names.prompt, names.query):
        at.place = (name or "",)
        if text := _column(row, name, names):
            question.append(text)
            places.append(at.place)
    at.place = places[0] if places else (names.prompt or "",)
    turns.append(SpokenTurn("user", "\n".join(question), owner, at.place))
    fault = None
    at.place = (names.response or "",)
    answer = _column(row, names.response, names)
    if names.response and isinstance(answer, str):
        turns.append(SpokenTurn("assistant", answer, owner + 1, at.place))
    else:
        fault = Dropped("no-answer", "Dropped invalid example", at.place)
    at.place = (names.system or "",)
    system = _column(row, names.system, names)
    whose = 0 if isinstance(system, str) and system else SYSTEM
    at.place = (names.tools or "",)
    tools = _column(row, names.tools, names)
    given = Given(turns, system, whose, (names.system or "",), tools=tools)
    return _finished(given, row, names, at, fault)


def odd(turns: list[SpokenTurn], names: Names) -> Dropped | None:
    """Why a list of turns is not a list of pairs."""
    at = (names.messages or "",)
    if len(turns) % 2:
        return Dropped("invalid-message-count", "Invalid message count", at)
    return None if turns else Dropped("no-messages", "Dropped invalid example", at)


def _finished(
    given: Given, row: Mapping[str, Any], names: Names, at: At, fault: Dropped | None
) -> Given:
    """The columns beside the turns. A row is left out only where none that is named is missing."""
    given.tools_at = (names.tools or "",)
    columns = {"image": names.images, "video": names.videos, "audio": names.audios}
    given.media_at = {kind: (name,) for kind, name in columns.items() if name}
    given.media = {kind: row[name] for kind, name in columns.items() if name}
    if names.kto_tag:
        at.place = (names.kto_tag,)
        if isinstance(row[names.kto_tag], bool) and fault is None:
            fault = Dropped("two-answers", "Dropped invalid example", at.place)
    if fault is not None:
        raise fault
    return given


Converter = Callable[[Mapping[str, Any], Names, At], Given]

CONVERTERS: Final[dict[str, Converter]] = {
    "sharegpt": from_sharegpt,
    "openai": from_openai,
    "alpaca": from_alpaca,
}
"""`formatting` -> what converts its rows."""
