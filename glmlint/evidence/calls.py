"""The tools that a row declares and the tool calls that it makes, whatever form they are in.

Three forms of a call are in use (GLM-4 #684, LLaMA-Factory #9772): the name in `metadata` with the
arguments as content, which is what the model itself writes; the name on the first line of the
content; and `{"name", "arguments"}` as content, the sample of the official README.

A text is taken for a call only where it is meant as one: `metadata` says so, an observation
follows, or it names a tool that the row declares. A JSON answer of an assistant is not a call.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct

from glmlint.evidence.arguments import ArgumentSchema
from glmlint.evidence.padded import padded
from glmlint.finding import Pointer, value_at
from glmlint.patterns import Pattern
from glmlint.read.formats import ROLE_ALIASES, role_in
from glmlint.read.sample import Message, read
from glmlint.trainer.row import Row, per_row
from glmlint.trainer.template import BUILT_IN

_TOOL_LISTS: Final = 4096
"""How many distinct tool lists are remembered."""

_OPEN: Final = ("{", "[")

_LONG_TEXT: Final = 1 << 18
"""A longer tool list is not remembered."""


class Turn(Struct, gc=False):
    """One message that is an object; UNSET where a key is absent. Any value may be anywhere."""

    message: int
    role: Any
    content: Any
    metadata: Any
    tools: Any
    """Decoded, or the bytes of the JSON text."""


class Tool:
    """One entry of a tool list, in whatever form it is written."""

    def __init__(self, index: int, value: Any) -> None:
        self.index = index
        self.value = value
        self.kind = value.get("type") if isinstance(value, dict) else None
        """The value of `type`; None when there is none."""
        function = value.get("function") if isinstance(value, dict) else None
        self.function: dict[str, Any] = (
            function
            if isinstance(function, dict)
            else value
            if isinstance(value, dict) and "name" in value
            else {}
        )
        """The object that holds name and parameters: `function`, or the entry in a short form."""
        name = self.function.get("name")
        if not isinstance(name, str):
            name = self.kind if self.built_in else ""
        self.name: str = name or ""
        """"" when it has none."""
        self.fault = _shape_fault(value)
        """What is wrong with the shape, as a variant of `tool-shape`; None for a valid one."""

    @property
    def built_in(self) -> bool:
        """Whether it is one of GLM-4's own tools, whose calls are code or free text."""
        return isinstance(self.kind, str) and self.kind in BUILT_IN

    @property
    def function_at(self) -> Pointer:
        """Place in the entry of the object that holds name and parameters."""
        return ("function",) if self.function is not self.value else ()

    @cached_property
    def schema(self) -> ArgumentSchema | None:
        """The schema of the arguments; None for a tool without `parameters`."""
        parameters = self.function.get("parameters")
        return ArgumentSchema(parameters) if isinstance(parameters, dict) else None


def _shape_fault(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "not-object"
    kind = value.get("type")
    function = value.get("function")
    if "function" not in value:
        if isinstance(kind, str) and kind in BUILT_IN:
            return None
        return "short" if "name" in value else "no-function"
    if not isinstance(function, dict):
        return "function-not-object"
    if kind is None:
        return "no-type"
    name = function.get("name")
    if not isinstance(name, str) or not name:
        return "no-name"
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return "no-parameters"
    if not isinstance(parameters.get("properties"), dict):
        return "no-properties"
    return None


class ToolSet:
    """One `tools` value: its entries, and what the rules ask of them, worked out once."""

    def __init__(self, value: Any) -> None:
        self.value = value
        """The decoded value; for JSON inside a string, what the string holds."""
        self.in_string = isinstance(value, str)
        blank = isinstance(value, str) and not value.strip()
        if isinstance(value, str):
            self.value = value = decode(value)
        self.empty = blank or value in ([], {}) or (self.in_string and value is None)
        """Whether it says that there are no tools: an empty list, or text without one."""
        if isinstance(value, dict):
            value = [value]
        entries = value if isinstance(value, list) else []
        self.tools = [
            Tool(index, decode(entry) if isinstance(entry, str) else entry)
            for index, entry in enumerate(entries)
        ]
        self.by_name = {tool.name: tool for tool in reversed(self.tools) if tool.name}
        self.misshapen = [tool for tool in self.tools if tool.fault is not None]
        self.string_entries = [i for i, entry in enumerate(entries) if isinstance(entry, str)]

    @cached_property
    def repeated(self) -> list[Tool]:
        """Entries whose name an earlier entry has."""
        counts = Counter(tool.name for tool in self.tools if tool.name)
        if len(counts) == len(self.tools):
            return []
        return [
            tool for tool in self.tools if counts[tool.name] > 1 and self.by_name[tool.name] is not tool
        ]  # fmt: skip

    @cached_property
    def with_bad_schema(self) -> list[Tool]:
        """Well-formed entries whose `parameters` are not a valid JSON Schema."""
        return [
            tool
            for tool in self.tools
            if tool.fault is None and tool.schema is not None and tool.schema.faults
        ]

    @cached_property
    def with_unjudged_schema(self) -> list[Tool]:
        """Well-formed entries whose `parameters` take too much work to be judged."""
        return [
            tool
            for tool in self.tools
            if tool.fault is None and tool.schema is not None and tool.schema.unjudged
        ]

    @cached_property
    def oddly_named(self) -> list[Tool]:
        """Entries with a name that many servers refuse, or that is a built-in tool's."""
        return [
            tool
            for tool in self.tools
            if tool.name and not tool.built_in and (tool.name in BUILT_IN or not _GOOD_NAME.fullmatch(tool.name))
        ]  # fmt: skip

    @cached_property
    def plain(self) -> bool:
        """Whether rules find nothing in the list itself, but maybe a lack of descriptions."""
        odd = self.empty or self.repeated or self.oddly_named or self.misshapen
        return not (odd or self.with_bad_schema or self.with_unjudged_schema)

    @cached_property
    def undescribed(self) -> list[Tool]:
        """Functions without a description that is a text."""
        return [
            tool
            for tool in self.tools
            if tool.name
            and not tool.built_in
            and not (isinstance(text := tool.function.get("description"), str) and text.strip())
        ]


_GOOD_NAME: Final = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")


class Declared(Struct):
    """A tool list of the row."""

    message: int | None
    """Index of the message; None for the row's own `tools` where nothing reads them, -1 where the
    trainer does."""
    role: Any
    at: Pointer
    tools: ToolSet

    def place(self, tool: Tool, *inside: str | int) -> Pointer:
        """Place of something in a tool; of the text that holds it, where that is a string."""
        if self.tools.in_string:
            return self.at
        if not isinstance(self.tools.value, list):
            return (*self.at, *inside)
        if tool.index in self.tools.string_entries:
            return (*self.at, tool.index)
        return (*self.at, tool.index, *inside)


class Call(Struct):
    """One tool call, its arguments decoded."""

    message: int
    form: str
    """"metadata", "first-line", "name-arguments", "name-arguments-list"."""
    name: str
    text: str
    """The arguments as they are written; the whole content in the `name-arguments` forms."""
    arguments: Any
    """UNSET where the text is not valid JSON, or is a built-in tool's."""
    tool: Tool | None
    """The declared tool; None for an unknown one and where the row declares none."""
    has_text: bool
    """Whether `text` is just the arguments."""
    written: Pointer | None = None
    """Where the call is, in a row of another form than GLM's."""

    @property
    def at(self) -> Pointer:
        """Place of the content that holds the arguments."""
        return self.written or ("messages", self.message, "content")

    @property
    def free(self) -> bool:
        """A call of a built-in tool: code or free text, which can't be checked."""
        return self.name in BUILT_IN and (self.tool is None or self.tool.built_in)


def dumps(value: Any) -> str:
    """A value as JSON text."""
    return json.dumps(value, ensure_ascii=False)


def may_hold_json(value: Any) -> bool:
    """Whether a value is a string that begins as the JSON of an object or a list does."""
    return isinstance(value, str) and value.lstrip()[:1] in _OPEN


def holds_json(value: Any) -> Any:
    """What a string holds that is the JSON of an object or a list; None for anything else."""
    if may_hold_json(value):
        inner = decode(value)
        return inner if isinstance(inner, dict | list) else None
    return None


def encoded_twice(call: Call) -> list[str]:
    """Names of arguments that are JSON text where the tool asks for an object or an array."""
    schema = call.tool.schema if call.tool is not None else None
    if schema is None or not isinstance(call.arguments, dict):
        return []
    if not any(map(may_hold_json, call.arguments.values())):
        return []
    properties = schema.schema.get("properties")
    found = []
    for name, value in call.arguments.items():
        inner = holds_json(value)
        if inner is not None and isinstance(properties, dict):
            part = properties.get(name)
            wanted = part.get("type") if isinstance(part, dict) else None
            if wanted == ("object" if isinstance(inner, dict) else "array"):
                found.append(name)
    return found


def taught(row: Row, message: int) -> bool:
    """Whether the message is trained; True as well where the trainer raises at the row."""
    return row.layout is None or row.printed.get(message, False)


_decode_fast: Final = msgspec.json.Decoder().decode


def decode(text: str) -> Any:
    """The JSON value of a text, as Python's `json` reads it; UNSET where it is not valid JSON."""
    try:
        return _decode_fast(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return UNSET


def decode_whole(text: str) -> Any:
    """The JSON value of a text, where it can be written again with nothing lost; UNSET elsewhere.

    A key that occurs twice would lose one of its values, and an infinity is not valid JSON.
    """
    try:
        found = read(text.encode())
    except UnicodeEncodeError:
        return UNSET
    return UNSET if found.defect is not None or found.non_finite else found.value


@lru_cache(_TOOL_LISTS)
def _tool_set(text: bytes | str) -> ToolSet:
    return ToolSet(json.loads(text))


def tool_set(value: Any) -> ToolSet:
    """The tool list of a `tools` value: decoded, or the bytes of its JSON text."""
    try:
        text = value if isinstance(value, bytes) else json.dumps(value)
        return _tool_set(text) if len(text) <= _LONG_TEXT else ToolSet(json.loads(text))
    except (ValueError, RecursionError):
        return ToolSet(value)


def foreign(row: Row) -> bool:
    """Whether rules about tools leave the row to `other-format` (see `Row.foreign`)."""
    return row.conversation is not None or row.foreign is not None


@per_row
def turns(row: Row) -> list[Turn]:
    """The row's messages that are objects, or the turns of a row in another form."""
    if row.conversation is not None:
        return [
            Turn(index, turn.role, UNSET if turn.text is None else turn.text, UNSET, UNSET)
            for index, turn in enumerate(row.conversation.turns)
        ]
    if row.sample is not None:
        return [
            Turn(
                index, m.role, m.content, m.metadata, UNSET if m.tools is UNSET else bytes(m.tools)
            )
            for index, m in enumerate(row.sample.messages)
        ]
    return [
        Turn(
            index,
            message.get("role", UNSET),
            message.get("content", UNSET),
            message.get("metadata", UNSET),
            message.get("tools", UNSET),
        )
        for index, message in row.good_messages
    ]


@per_row
def declared(row: Row) -> list[Declared]:
    """Every tool list of the row, wherever it is; the row's own last."""
    if row.conversation is not None:
        at = row.conversation.tools_at
        return [] if at is None else [Declared(-1, None, at, tool_set(value_at(row.value, at)))]
    if row.sample is not None:
        lists = iter(row.tools)
        found = [
            Declared(index, message.role, ("messages", index, "tools"), tool_set(next(lists)))
            for index, message in enumerate(row.sample.messages if row.tools else ())
            if message.tools is not UNSET
        ]
    else:
        found = [
            Declared(
                turn.message, turn.role, ("messages", turn.message, "tools"), tool_set(turn.tools)
            )
            for turn in turns(row)
            if turn.tools is not UNSET
        ]
    if not row.plain:
        value = row.value
        if isinstance(value, dict) and value.get("tools"):
            found.append(Declared(None, None, ("tools",), tool_set(value["tools"])))
    return found


@per_row
def tools_by_name(row: Row) -> dict[str, Tool]:
    """Every tool of the row that has a name."""
    if row.plain and row.conversation is None and len(row.tools) < 2:
        return tool_set(row.tools[0]).by_name if row.tools else {}
    lists = declared(row)
    if len(lists) == 1:
        return lists[0].tools.by_name
    found: dict[str, Tool] = {}
    for entry in reversed(lists):
        found.update(entry.tools.by_name)
    return found


@per_row
def calls(row: Row) -> list[Call]:
    """Every tool call of the row, in order."""
    return list(_read_calls(row))


def _read_calls(row: Row) -> Iterator[Call]:
    tools = tools_by_name(row)
    if row.conversation is not None:
        for index, spoken in enumerate(row.conversation.turns):
            for made in spoken.calls:
                tool = tools.get(made.name)
                text = made.arguments if isinstance(made.arguments, str) else dumps(made.arguments)
                arguments = decode(text) if isinstance(made.arguments, str) else made.arguments
                if isinstance(arguments, dict) and None in arguments.values():
                    arguments = _without_padding(row, arguments, made.at)
                yield Call(index, "turn", made.name, text, arguments, tool, False, made.at)
        return
    if row.sample is not None:
        said = row.sample.messages
        for index, message in enumerate(said):
            if message.role != "assistant":
                continue
            name, text = message.metadata, message.content
            if name is not UNSET and name.strip():
                yield _call(index, "metadata", name, text, tools)
            elif text:
                answered = index + 1 < len(said) and said[index + 1].role == "observation"
                if tools or answered:
                    yield from _in_content(index, text, tools, answered)
        return
    messages = turns(row)
    results = {turn.message for turn in messages if turn.role == "observation"}
    for turn in messages:
        content = turn.content
        if turn.role != "assistant" or type(content) is not str:
            continue
        metadata = turn.metadata
        if type(metadata) is str and metadata.strip():
            yield _call(turn.message, "metadata", metadata, content, tools)
        elif content and (tools or turn.message + 1 in results):
            yield from _in_content(turn.message, content, tools, turn.message + 1 in results)


def _without_padding(row: Row, arguments: dict[str, Any], at: Pointer) -> dict[str, Any]:
    """The arguments that somebody wrote: nulls for those of other functions are left to `null-padding`."""
    nulls = padded(row)
    ways = ((*at, "function", "arguments"), (*at, "arguments"))
    return {
        key: value
        for key, value in arguments.items()
        if value is not None or all((*way, key) not in nulls for way in ways)
    }


def _call(index: int, form: str, name: str, text: str, tools: dict[str, Tool]) -> Call:
    tool = tools.get(name)
    free = name in BUILT_IN and (tool is None or tool.built_in)
    return Call(index, form, name, text, UNSET if free else decode(text), tool, True)


_FIRST_LINE: Final = Pattern(r"\s*([\w.:-]{1,64})[ \t]*\r?\n(.*)", re.DOTALL)


def _in_content(index: int, content: str, tools: dict[str, Tool], answered: bool) -> Iterator[Call]:
    text = content.lstrip()
    if text[:1] in _OPEN:
        value = decode(text)
        entries = value if isinstance(value, list) else [value]
        form = "name-arguments-list" if isinstance(value, list) else "name-arguments"
        named = [_name_and_arguments(entry) for entry in entries]
        if named and all(named) and (answered or any(pair and pair[0] in tools for pair in named)):
            for pair in named:
                if pair is not None:
                    name, arguments = pair
                    yield Call(index, form, name, content, arguments, tools.get(name), False)
        return
    match = _FIRST_LINE.match(content)
    if match is None:
        return
    name, rest = match[1], match[2]
    if rest.lstrip().startswith("{") or (name in BUILT_IN and answered):
        call = _call(index, "first-line", name, rest, tools)
        if name in tools or (answered and (call.free or isinstance(call.arguments, dict))):
            yield call


def _name_and_arguments(value: Any) -> tuple[str, Any] | None:
    if isinstance(value, dict) and isinstance(value.get("name"), str) and value["name"]:
        for key in ("arguments", "parameters"):
            if key in value and len(value) <= 3:
                return value["name"], value[key]
    return None


_TOOL_EXCEPTIONS: Final = frozenset(
    ("KeyError", "TypeError", "AttributeError", "NotImplementedError", "UndefinedError")
)
_TOOL_KEYS: Final = frozenset(("'type'", "'function'", "'parameters'", "'properties'", "'name'"))


def exception_at(row: Row, message: int) -> str | None:
    """The exception with which the trainer ends at this message's tools; None for none."""
    error = row.error
    if error is None or error.exception not in _TOOL_EXCEPTIONS:
        return None
    if error.at is not None and error.at[:2] != ("messages", message):
        return None
    if error.exception == "KeyError" and error.detail not in _TOOL_KEYS:
        return None
    return error.exception


class Flow(NamedTuple):
    """How calls and results follow each other."""

    unanswered: list[int]
    """Messages of calls that neither a result nor the end of the row follows."""
    uncalled: list[int]
    """Observations without a call before them."""
    last_call: int | None
    """The call that the row ends with."""
    parallel: list[Parallel]
    """Several calls in a row, before their results or at the end of the row."""


class Parallel(NamedTuple):
    """Consecutive calls, and the results that follow them."""

    calls: list[int]
    """Messages of the calls."""
    results: list[int]
    number: int
    """How many calls they are: one message may hold several."""
    answered: int
    """How many results they are: one message may hold a list of them."""


_NO_CALLS: Final = Parallel([], [], 0, 0)
"""Before the first call of a row, and after its results."""


@per_row
def flow(row: Row) -> Flow:
    """Which calls have no result and which results no call. Several calls or results may follow
    one another: parallel calls, and the built-in browser's several results."""
    numbers: dict[int, int] = {}
    for call in calls(row):
        numbers[call.message] = numbers.get(call.message, 0) + 1
    for message in _foreign_calls(row):
        numbers.setdefault(message, 1)
    parallel: list[Parallel] = []
    group = _NO_CALLS
    unanswered: list[int] = []
    uncalled: list[int] = []
    waiting: int | None = None
    after_result = False
    said: Iterable[tuple[int, Turn | Message]]
    if row.sample is not None and row.conversation is None:
        said = enumerate(row.sample.messages)
    else:
        said = ((turn.message, turn) for turn in turns(row))
    for index, turn in said:
        if index in numbers:
            number = numbers[index]
            if group.results or waiting is None:
                group = Parallel([index], [], number, 0)
            else:
                group.calls.append(index)
                group = group._replace(number=group.number + number)
            waiting, after_result = index, False
        elif _is_result(turn):
            if waiting is None and not after_result and turn.role == "observation":
                uncalled.append(index)
            if group.number > 1 and (waiting is not None or after_result):
                group.results.append(index)
                group = group._replace(answered=group.answered + _results_in(turn.content))
                if len(group.results) == 1:
                    parallel.append(group)
                else:
                    parallel[-1] = group
            waiting, after_result = None, True
        else:
            if waiting is not None:
                unanswered.append(waiting)
            waiting, after_result = None, False
            group = _NO_CALLS
    if group.number > 1 and not group.results:
        parallel.append(group)
    return Flow(unanswered, uncalled, waiting, parallel)


def _results_in(content: Any) -> int:
    """How many results a message holds: the objects of a JSON list, else one."""
    value = content if isinstance(content, list) else holds_json(content)
    together = isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
    return max(len(value), 1) if together else 1


def _is_result(turn: Turn | Message) -> bool:
    """Whether the turn is a tool's result, by whatever name its role has."""
    role = turn.role
    if role == "observation":
        return True
    if role in ("user", "assistant", "system"):
        return False
    return isinstance(role, str) and ROLE_ALIASES.get(role.strip().lower()) == "observation"


def _foreign_calls(row: Row) -> set[int]:
    """Messages that are a call in another form: `tool_calls`, `function_call`, or its own role."""
    if row.plain:
        return set()
    if row.conversation is not None:
        return set()
    return {
        index
        for index, message in row.good_messages
        if message.get("tool_calls") or message.get("function_call") or role_in(message) == "call"
    }
