"""How ms-swift reads a row: which columns it takes, and the messages that it makes of them.

Source: ms-swift 4.6.0, swift/dataset/preprocessor/core.py and swift/template/template_inputs.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from glmlint.loader.ujson_numbers import stored, stored_text
from glmlint.recipes.swift_parts.python import NoLiteral, literal, refuses
from glmlint.trainer.errors import Dropped

Form = Literal["messages", "alpaca", "response"]
"""Which of its readers ms-swift takes."""

TURN_COLUMNS: Final = ("messages", "conversation", "conversations")
SYSTEM_COLUMNS: Final = ("system", "system_prompt")
QUERY_COLUMNS: Final = ("query", "prompt", "input", "instruction", "question", "problem")
RESPONSE_COLUMNS: Final = (
    "response", "answer", "output", "targets", "target", "answer_key", "answers", "solution",
    "text", "completion", "content",
)  # fmt: skip
MEDIA_COLUMNS: Final = {
    "images": "images", "image": "images", "audios": "audios", "audio": "audios",
    "videos": "videos", "video": "videos",
}  # fmt: skip

USER_ROLES: Final = ("user", "human")
ASSISTANT_ROLES: Final = ("assistant", "gpt", "bot")
CALL_ROLES: Final = ("function_call",)
RESULT_ROLES: Final = ("function_response", "observation", "observations")
"""What these two spell with "_" may be spelled with "-"."""
ROLES: Final = ("system", "user", "tool_call", "tool_response", "tool", "assistant")
"""The roles that ms-swift has after reading; a row with another one is left out."""

_KEPT: Final = frozenset(("role", "content", "loss", "loss_scale"))
"""The keys of a message that are read; `name` of a tool result is kept and of no use to GLM."""


class SwiftMessage(Struct):
    """One message as ms-swift has it after reading."""

    role: str
    content: Any
    owner: int
    """Index of the turn that it comes from."""
    loss: Any | UnsetType = UNSET
    loss_scale: Any | UnsetType = UNSET


class Read(Struct):
    """What the reader makes of a row."""

    messages: list[SwiftMessage]
    tools: list[Any] | None
    settings: Any
    """The row's `chat_template_kwargs`."""
    rejected: Any = UNSET
    """The row's `rejected_response`; UNSET without that column."""
    rejected_messages: Any = ()
    """The other conversation of a row of preferences, which supervised training reads and forgets."""


class Columns(Struct, frozen=True):
    """The options by which a user names columns."""

    columns: Mapping[str, str]
    """Written column -> the one that ms-swift knows."""
    automatic: bool
    """Whether well-known other names of columns are taken too."""


def read(row: dict[str, Any], columns: Columns) -> Read:
    """Read a row as `AutoPreprocessor` does.

    Raises:
        Dropped: the row is left out.
    """
    row, form, _ = named(row, columns)
    return _READERS[form](row)


def named(row: dict[str, Any], columns: Columns) -> tuple[dict[str, Any], Form, dict[str, str]]:
    """The row under ms-swift's own column names, its form, and where each column is written."""
    form, names = _named(tuple(row), tuple(columns.columns.items()), columns.automatic)
    return {name: row[written] for name, written in names.items()}, form, dict(names)


@lru_cache(maxsize=32)
def _named(
    written: tuple[str, ...], columns: tuple[tuple[str, str], ...], automatic: bool
) -> tuple[Form, dict[str, str]]:
    """The form of rows with these columns, and where each column is written."""
    names = {name: name for name in written}
    names = _renamed(names, dict(columns))
    form: Form = "response"
    if any(name in names for name in TURN_COLUMNS):
        form = "messages"
    elif "instruction" in names and "input" in names:
        form = "alpaca"
    if automatic:
        names = _renamed(names, _ALIASES[form])
    return form, names


_ALIASES: Final[dict[Form, dict[str, str]]] = {
    "messages": {
        **MEDIA_COLUMNS,
        **dict.fromkeys(TURN_COLUMNS, "messages"),
        **dict.fromkeys(SYSTEM_COLUMNS, "system"),
    },
    "response": {
        **MEDIA_COLUMNS,
        **dict.fromkeys(SYSTEM_COLUMNS, "system"),
        **dict.fromkeys(QUERY_COLUMNS, "query"),
        **dict.fromkeys(RESPONSE_COLUMNS, "response"),
    },
}
_ALIASES["alpaca"] = _ALIASES["response"]


def _renamed(names: dict[str, str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Columns under new names; none is renamed where several would get the same name.

    Args:
        names: name -> how it is written in the row.
        aliases: another name, in any case -> new name.
    """
    spelled = {name.lower(): name for name in names}
    found = {
        spelled[alias.lower()]: new for alias, new in aliases.items() if alias.lower() in spelled
    }
    count = Counter(found.values())
    found = {name: new for name, new in found.items() if count[new] == 1}
    return {found.get(name, name): written for name, written in names.items()}


@refuses("bad-row")
def _read_messages(row: dict[str, Any]) -> Read:
    if row.get("rejected_messages") is not None:
        others = _turns({"messages": row["rejected_messages"]}) or ()
        shown = [
            {"role": other.role, "content": None if other.content is UNSET else other.content}
            for other in others
        ]
        row = {**row, "rejected_messages": shown}
    found = _turns(row)
    if found is None:
        raise Dropped("no-messages")
    return _checked(row, found)


@refuses("bad-row")
def _read_response(row: dict[str, Any]) -> Read:
    return _checked(row, _pairs(row))


@refuses("bad-row")
def _read_alpaca(row: dict[str, Any]) -> Read:
    row = dict(row)
    instruction, text = row.pop("instruction", None), row.pop("input", None)
    output = row.pop("output", None)
    if output is not None:
        row["response"] = output
    query = f"{instruction}\n{text}" if instruction and text else instruction or text
    assert isinstance(query, str), f"query: {query}"
    row["query"] = query
    return _checked(row, _pairs(row))


_READERS: Final[dict[Form, Callable[[dict[str, Any]], Read]]] = {
    "messages": _read_messages,
    "alpaca": _read_alpaca,
    "response": _read_response,
}


def _pairs(row: dict[str, Any]) -> list[SwiftMessage]:
    """Messages of the columns system, history, query and response."""
    response = row.get("response")
    if isinstance(response, list):
        response = response[0]
    history = history_of(row)
    system = row.get("system")
    found: list[SwiftMessage] = []
    if system is not None:
        found.append(SwiftMessage("system", system, 0))
    for pair in [*history, [row.get("query"), response]]:
        assert isinstance(pair, list | tuple)
        for role, content in zip(("user", "assistant"), (pair[0], pair[1]), strict=True):
            if content is not None:
                found.append(SwiftMessage(role, content, len(found)))
    return found


def history_of(row: dict[str, Any]) -> list[Any]:
    """The column of earlier questions and answers. Raises what Python raises on other values."""
    history = row.get("history") or []
    if isinstance(history, str):
        history = literal(history)
    if not isinstance(history, list):
        raise AttributeError(f"{type(history).__name__!r} object has no attribute 'append'")
    return history


def listed(value: Any) -> Any:
    """A list of turns that is written as a text. Raises what Python's readers of it raise."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return literal(value)


def _turns(row: dict[str, Any]) -> list[SwiftMessage] | None:
    """The row's list of turns; None where there is none to read."""
    turns = listed(row["messages"])
    if not turns or isinstance(turns, str):
        return None
    written = [_Turn(turn, index) for index, turn in enumerate(turns)]
    written = _normalized(written)
    for turn in written:
        for key, names in (("role", ("role", "from")), ("content", ("content", "value"))):
            for name in names:
                if name in turn.value:
                    turn.value[key] = turn.value.pop(name)
    system = row.get("system")
    first = written[0].value
    if "role" not in first and "content" not in first:
        return _question_answer(written, system)
    lead = (
        [] if first["role"] == "system" or system is None else [SwiftMessage("system", system, 0)]
    )
    return [
        *lead,
        *(
            SwiftMessage(
                _role(turn.value["role"]),
                turn.value.get("content", UNSET),
                turn.index + len(lead),
                turn.value.get("loss", UNSET),
                turn.value.get("loss_scale", UNSET),
            )
            for turn in written
        ),
    ]


def _question_answer(turns: list[_Turn], system: Any) -> list[SwiftMessage]:
    """Turns that hold a question and its answer each."""
    found = [] if system is None else [SwiftMessage("system", system, 0)]
    for turn in turns:
        for key, names in (("user", USER_ROLES), ("assistant", ASSISTANT_ROLES)):
            for name in names:
                if name in turn.value:
                    turn.value[key] = turn.value.pop(name)
    for turn in turns:
        for role in ("user", "assistant"):
            found.append(SwiftMessage(role, turn.value[role], len(found)))
    return found


def _role(role: Any) -> str:
    if role in USER_ROLES:
        return "user"
    if role in ASSISTANT_ROLES:
        return "assistant"
    spelled = role.replace("-", "_")
    if spelled in CALL_ROLES:
        return "tool_call"
    return "tool_response" if spelled in RESULT_ROLES else str(role)


class _Turn(Struct):
    """A turn on its way to a message: a copy of its object, and its index in the row."""

    value: Any
    index: int

    def __post_init__(self) -> None:
        if isinstance(self.value, dict):
            self.value = dict(self.value)


def _normalized(turns: list[_Turn]) -> list[_Turn]:
    """Calls and results of other providers' forms as turns of their own."""
    if any(turn.value.get("tool_calls") for turn in turns):
        return _from_openai(turns)
    if any(_has_blocks(turn.value.get("content")) for turn in turns):
        return _from_anthropic(turns)
    return turns


def _has_blocks(content: Any) -> bool:
    return isinstance(content, list) and any(
        block.get("type") in ("tool_use", "tool_result")
        or (block.get("type") == "image" and "source" in block)
        for block in content
    )


def _loss_of(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("loss", "loss_scale") if key in value}


def _from_openai(turns: list[_Turn]) -> list[_Turn]:
    turns = list(turns)
    found: list[_Turn] = []
    for index, turn in enumerate(turns):
        value = turn.value
        calls = value.get("tool_calls") if value.get("role") == "assistant" else None
        if not calls:
            found.append(turn)
            continue
        order = {call.get("id"): place for place, call in enumerate(calls)}
        end = index + 1
        while end < len(turns) and turns[end].value.get("role") in ("tool", "tool_response"):
            end += 1
        results = turns[index + 1 : end]
        if (
            None not in order
            and len(order) == len(calls) == len(results)
            and set(order) == {result.value.get("tool_call_id") for result in results}
        ):
            turns[index + 1 : end] = sorted(
                results, key=lambda result: order[result.value["tool_call_id"]]
            )
        if value.get("content"):
            kept = {key: item for key, item in value.items() if key in _KEPT}
            found.append(_Turn(kept, turn.index))
        for call in calls:
            function = call.get("function", call)
            arguments = function.get("arguments", {})
            if isinstance(arguments, str):
                with suppress(json.JSONDecodeError):
                    arguments = json.loads(arguments)
            content = {"name": function["name"], "arguments": arguments}
            made = {"role": "tool_call", "content": content, **_loss_of(value)}
            found.append(_Turn(made, turn.index))
    return found


def _from_anthropic(turns: list[_Turn]) -> list[_Turn]:
    found: list[_Turn] = []
    calls: list[Any] = []
    for turn in turns:
        value = turn.value
        content = value.get("content")
        if not isinstance(content, list):
            found.append(turn)
            calls = []
            continue
        if calls:
            content = _in_order_of(calls, content)
        calls = [block for block in content if block.get("type") == "tool_use"]
        loss = _loss_of(value)
        said: list[Any] = []

        def flush(
            said: list[Any] = said,
            value: dict[str, Any] = value,
            loss: dict[str, Any] = loss,
            at: int = turn.index,
        ) -> None:
            if said:
                found.append(_Turn({"role": value["role"], "content": "".join(said), **loss}, at))
                said.clear()

        for block in content:
            kind = block.get("type")
            if kind == "text":
                said.append(block.get("text", ""))
            elif kind == "image":
                said.append("<image>")
                _image_source(block)
            elif kind == "tool_use":
                flush()
                call = {"name": block["name"], "arguments": block.get("input", {})}
                found.append(_Turn({"role": "tool_call", "content": call, **loss}, turn.index))
            elif kind == "tool_result":
                flush()
                result = _block_text(block.get("content", ""))
                made = {"role": "tool_response", "content": result, **loss}
                found.append(_Turn(made, turn.index))
            else:
                raise ValueError(f"Unsupported Anthropic content block type: {kind}")
        flush()
    return found


def _in_order_of(calls: list[Any], content: list[Any]) -> list[Any]:
    """Content with the results at its start in the order of the calls, where every call has one."""
    order = {block.get("id"): place for place, block in enumerate(calls)}
    end = 0
    while end < len(content) and content[end].get("type") == "tool_result":
        end += 1
    results = content[:end]
    if (
        None not in order
        and len(order) == len(calls) == len(results)
        and set(order) == {result.get("tool_use_id") for result in results}
    ):
        return sorted(results, key=lambda result: order[result["tool_use_id"]]) + content[end:]
    return content


def _block_text(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts = []
    for block in content:
        kind = block.get("type")
        if kind == "text":
            parts.append(block.get("text", ""))
        elif kind == "image":
            parts.append("<image>")
            _image_source(block)
        else:
            raise ValueError(f"Unsupported Anthropic content block type: {kind}")
    return "".join(parts)


def _image_source(block: dict[str, Any]) -> None:
    source = block.get("source") or {}
    kind = source.get("type")
    if kind == "base64":
        if not source.get("media_type") or not source.get("data"):
            raise ValueError(f"Invalid Anthropic base64 image block: {block}")
    elif kind == "url":
        if not source.get("url"):
            raise ValueError(f"Invalid Anthropic URL image block: {block}")
    else:
        raise ValueError(f"Unsupported Anthropic image source type: {kind}")


def _checked(row: dict[str, Any], messages: list[SwiftMessage]) -> Read:
    """The last steps of every reader: what has to be there, and how Arrow keeps it."""
    if row.get("objects") is not None:
        for box in row["objects"]["bbox"]:
            assert len(box) in (2, 4), f"len(box): {len(box)}"
    rejected = row.get("rejected_response", UNSET)
    if rejected is None or (isinstance(rejected, str) and rejected == messages[-1].content):
        raise NoLiteral("rejected-response", "ValueError", f"rejected_response: {rejected}")
    if not messages:
        raise NoLiteral("no-messages", "AssertionError", "messages: []")
    for message in messages:
        _check(message)
        message.content = stored(message.content)
        if message.loss is not UNSET:
            message.loss = stored(message.loss)
        if message.loss_scale is not UNSET:
            message.loss_scale = stored(message.loss_scale)
    return Read(
        messages,
        _tools(row.get("tools")),
        row.get("chat_template_kwargs"),
        rejected,
        row.get("rejected_messages") or (),
    )


def _check(message: SwiftMessage) -> None:
    owner = message.owner
    if message.content is UNSET:
        raise NoLiteral("no-content", "KeyError", "'content'", owner)
    if message.role in ROLES and message.content is not None:
        return
    shown = f"message: {{'role': {message.role!r}, 'content': {message.content!r}}}"
    if message.role not in ROLES:
        raise NoLiteral("unknown-role", "AssertionError", shown, owner)
    raise NoLiteral("null-content", "AssertionError", shown, owner)


def _tools(tools: Any) -> list[Any] | None:
    if tools is None:
        return None
    if isinstance(tools, str):
        with suppress(json.JSONDecodeError):
            tools = json.loads(tools)
    if not isinstance(tools, list):
        tools = [tools]
    kept = [without_padding(tool) for tool in tools]
    return [stored_text(tool) if isinstance(tool, str) else stored(tool) for tool in kept]


_MAPS: Final = (
    "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"
)  # fmt: skip
"""Keys of a JSON Schema whose values map a user's names to schemas."""


def without_padding(schema: Any) -> Any:
    """A tool without the nulls that Arrow may have put into it."""
    if isinstance(schema, list):
        return [without_padding(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("default", "const") or key.startswith("x-"):
            kept[key] = value
        elif value is None:
            continue
        elif key in ("enum", "examples"):
            kept[key] = value
        elif key in _MAPS and isinstance(value, dict):
            kept[key] = {
                name: without_padding(item) for name, item in value.items() if item is not None
            }
        else:
            kept[key] = without_padding(value)
    return kept
