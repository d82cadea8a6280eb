"""Turns of any chat format -> GLM messages: what the readers of several formats share."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from glmlint.convert import kinds
from glmlint.convert.base import GlmRow, Notes, Refused
from glmlint.finding import Pointer
from glmlint.read.formats import ROLE_ALIASES

Message = dict[str, Any]

LOSS_KEYS: Final[tuple[str, ...]] = (
    "loss",
    "loss_weight",
    "loss_mask",
    "weight",
    "train",
    "trainable",
)
"""Message keys by which trainers choose what is learned: kept as they are."""

REASONING_KEYS: Final = ("reasoning_content", "reasoning", "thinking")
_TEXT_PARTS: Final = ("text", "input_text", "output_text", "refusal")
_REASONING_PARTS: Final = ("reasoning", "thinking", "redacted_thinking")
_CALL_PARTS: Final = ("tool_call", "tool_use", "function_call")
_MEDIA: Final = ("image", "video", "audio", "file")
_MEDIA_COLUMNS: Final = ("images", "videos", "audios", "image", "video", "audio")
_READ_KEYS: Final = frozenset(
    (
        *("role", "from", "content", "value", "text", "tools", "metadata"),
        *("tool_calls", "function_call", "tool_call_id", *LOSS_KEYS, *REASONING_KEYS),
    )
)
_RESULT_KEYS: Final = _READ_KEYS | {"name", "parameters", "observation", "id"}
_CALLS_IN_TEXT: Final = (
    *("<tool_call>", "<|tool_call|>", "[TOOL_CALLS]"),
    *("```python\ntool_call(", "interpreter\n```python\n"),
)
_FOREIGN_MARKS: Final = ("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]")

_BLANK: Final[tuple[Any, ...]] = (None, "", [], {}, False)
_NO_PARAMETERS: Final = {"type": "object", "properties": {}}
_EMPTY_SCHEMA_KEYS: Final = frozenset(("type", "required", "description", "additionalProperties"))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode


def dump(value: Any) -> str:
    """JSON as `json.dumps` spaces it, with Chinese as it is. Raises ValueError on NaN."""
    return _encode(value)


def load(text: str) -> Any:
    """The JSON value of a text inside a row. Raises ValueError on anything else."""
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


# --- rows ----------------------------------------------------------------------------------------


def read_chat(row: Any, keys: Sequence[str], notes: Notes, question_only: bool = False) -> GlmRow:
    """A row with a list of turns under one of `keys`, and perhaps `system` and `tools` columns."""
    key, items = turns_of(row, keys)
    messages = read_turns(items, (key,), notes)
    if not question_only and all(message["role"] != "assistant" for message in messages):
        raise Refused(kinds.NO_ANSWER, key)
    consumed = {key, *read_columns(row, messages, notes)}
    return assemble(row, consumed, messages, notes)


def turns_of(row: Any, keys: Sequence[str]) -> tuple[str, list[Any]]:
    """The first of `keys` that holds a list with something in it, and the list."""
    if isinstance(row, dict):
        for key in keys:
            items = row.get(key)
            if isinstance(items, list) and items:
                return key, items
    raise Refused(kinds.NO_MESSAGES)


def read_columns(row: dict[str, Any], messages: list[Message], notes: Notes) -> list[str]:
    """Bring the row's `system`, `tools` and `functions` into the messages; the keys used up."""
    used = []
    if isinstance(system := row.get("system"), str):
        used.append("system")
        if not messages or messages[0]["role"] != "system":
            if system:
                messages.insert(0, {"role": "system", "content": system})
        elif system not in ("", messages[0]["content"]):
            notes.add(kinds.SYSTEM_COLUMN, "system")
    for key in ("tools", "functions"):
        if key in row:
            used.append(key)
            place_tools(messages, read_tools(row[key], (key,), notes))
    return used


def assemble(
    row: dict[str, Any], consumed: Collection[str], messages: list[Message], notes: Notes
) -> GlmRow:
    """The GLM row: `messages` where the first consumed key stood, the keys not consumed kept."""
    out: GlmRow = {}
    for key, value in row.items():
        if key in consumed:
            if "messages" not in out:
                out["messages"] = messages
                note_marks(messages, notes, key)
        elif key == "messages":
            if value not in _BLANK:
                notes.add(kinds.ROW_KEY, key)
        else:
            out[key] = value
    out.setdefault("messages", messages)
    note_columns(row, notes)
    return out


def note_marks(messages: list[Message], notes: Notes, *at: str | int) -> None:
    """Note once that texts hold the marks of another model's chat template."""
    if any(mark in message["content"] for message in messages for mark in _FOREIGN_MARKS):
        notes.add(kinds.FOREIGN_MARKS, *at)


def note_columns(row: dict[str, Any], notes: Notes) -> None:
    """Note what stands beside the messages and is kept, but that GLM recipes do not read."""
    for key in _MEDIA_COLUMNS:
        if row.get(key) not in _BLANK:
            notes.add(kinds.MEDIA, key)
    if row.get("label") is False:
        notes.add(kinds.LABEL_FALSE, "label")


def pairs(value: Any, *at: str | int) -> list[Message]:
    """`history`: a list of [question, answer] -> messages."""
    messages = []
    for index, pair in enumerate(value if isinstance(value, list) else []):
        if not (isinstance(pair, list) and len(pair) == 2):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, *at, index)
        for place, (role, text) in enumerate(zip(("user", "assistant"), pair, strict=True)):
            if not isinstance(text, str):
                kind = kinds.NO_ANSWER if place else kinds.NO_QUESTION
                raise Refused(kind, *at, index, place)
            messages.append({"role": role, "content": text})
    return messages


# --- turns ---------------------------------------------------------------------------------------


class Call(msgspec.Struct):
    """A tool call, and the id by which its result names it."""

    message: Message
    id: Any = None


class Turn(msgspec.Struct):
    """One entry of the list, read: its text as a message, its calls, or a tool's result."""

    role: str
    text: Message | None = None
    calls: list[Call] = []
    id: Any = None
    """Of a result: the id of its call."""


def read_turns(items: list[Any], at: Pointer, notes: Notes) -> list[Message]:
    """A list of turns in any spelling -> GLM messages. Raises Refused."""
    hoisted: list[Any] = []
    turns = [_read_turn(item, (*at, index), notes, hoisted) for index, item in enumerate(items)]
    messages: list[Message] = []
    index = 0
    while index < len(turns):
        turn = turns[index]
        index += 1
        if turn.text is not None:
            messages.append(turn.text)
        if len(turn.calls) < 2:
            messages += (call.message for call in turn.calls)
            continue
        notes.add(kinds.PARALLEL_CALLS, *at, index - 1)
        end = index
        while end < len(turns) and turns[end].role == "observation" and not turns[end].calls:
            end += 1
        messages += _interleave(turn.calls, turns[index:end], (*at, index - 1), notes)
        index = end
    place_tools(messages, hoisted)
    return messages


def _interleave(
    calls: list[Call], results: list[Turn], at: Pointer, notes: Notes
) -> Iterable[Message]:
    """Each of several calls with its result behind it, in the order of the calls."""
    texts = [result.text or {} for result in results]
    waiting: dict[str, list[Message]] = {}
    for result, text in zip(results, texts, strict=True):
        waiting.setdefault(str(result.id), []).append(text)
    ids = [str(call.id) for call in calls]
    named = len(set(ids)) == len(ids) and None not in (call.id for call in calls)
    if named and all(key in ids and len(found) == 1 for key, found in waiting.items()):
        for key, call in zip(ids, calls, strict=True):
            yield call.message
            yield from waiting.get(key, ())
    elif len(results) == len(calls) and all(result.id is None for result in results):
        notes.add(kinds.RESULTS_BY_ORDER, *at)
        for call, text in zip(calls, texts, strict=True):
            yield call.message
            yield text
    else:
        if results:
            notes.add(kinds.RESULTS_UNMATCHED, *at)
        yield from (call.message for call in calls)
        yield from texts


def _read_turn(item: Any, at: Pointer, notes: Notes, hoisted: list[Any]) -> Turn:
    if not isinstance(item, dict):
        raise Refused(kinds.MESSAGE_NOT_OBJECT, *at)
    role = role_of(item, at)
    kept = {key: item[key] for key in LOSS_KEYS if item.get(key) is not None}
    known = _RESULT_KEYS if role == "observation" else _READ_KEYS
    for key in item:
        if key not in known and item[key] not in _BLANK:
            notes.add(kinds.MEDIA if key in _MEDIA else kinds.MESSAGE_KEY, *at, key)
    for key in REASONING_KEYS:
        if item.get(key) not in _BLANK:
            notes.add(kinds.REASONING, *at, key)
    key = next((key for key in ("content", "value", "text") if key in item), "content")
    if role == "call":
        return Turn("assistant", calls=_calls_of_text(item.get(key), (*at, key), kept, notes))
    if role == "observation" and "observation" in item:
        return _chatglm3_tool(item, at, kept, notes)

    calls = _calls_of_keys(item, at, kept, notes)
    text = _text_of(item.get(key), (*at, key), kept, calls, notes)
    message: Message = {"role": role}
    if isinstance(item.get("metadata"), str):
        message["metadata"] = item["metadata"]
    elif item.get("metadata") not in _BLANK:
        notes.add(kinds.MESSAGE_KEY, *at, "metadata")
    message["content"] = text
    message |= kept
    tools = read_tools(item.get("tools"), (*at, "tools"), notes)
    if role == "system" and tools:
        message["tools"] = tools
    else:
        hoisted += tools
    if calls and not text:
        return Turn(role, None, calls)
    if item.get(key) is None:
        notes.add(kinds.NULL_CONTENT, *at, key)
    if role == "assistant" and _tells_of_call(text):
        notes.add(kinds.CALL_IN_TEXT, *at, key)
    return Turn(role, message, calls, item.get("tool_call_id"))


def _tells_of_call(text: str) -> bool:
    if any(mark in text for mark in _CALLS_IN_TEXT):
        return True
    return text.startswith("tool_call:") and "\narguments:" in text


def role_of(item: dict[str, Any], at: Pointer) -> str:
    """GLM's role of a turn, or "call". Raises Refused."""
    key = "role" if "role" in item else "from"
    role = item.get(key)
    known = ROLE_ALIASES.get(role.lower()) if isinstance(role, str) else None
    if known is None:
        raise Refused(kinds.UNKNOWN_ROLE, *at, key, detail=str(role)[:40])
    return known


def _text_of(content: Any, at: Pointer, kept: Message, calls: list[Call], notes: Notes) -> str:
    """The text of a turn's content. Calls among its parts are added to `calls`."""
    if content is None or isinstance(content, str):
        return content or ""
    if not _is_parts(content):
        notes.add(kinds.CONTENT_NOT_TEXT, *at)
        return dump(content)
    texts = []
    for index, part in enumerate(content):
        here = (*at, index)
        if isinstance(part, str):
            texts.append(part)
            continue
        type_ = part["type"]
        body = next((part[key] for key in ("text", "value", type_) if key in part), None)
        if type_ in _TEXT_PARTS and isinstance(body, str):
            texts.append(body)
        elif type_ in _REASONING_PARTS:
            notes.add(kinds.REASONING, *here)
        elif type_ in _CALL_PARTS:
            calls += _calls_of_text(part if body is None else body, here, kept, notes)
        else:
            media = any(word in type_ for word in _MEDIA)
            notes.add(kinds.MEDIA if media else kinds.PART, *here)
    if len(texts) > 1:
        notes.add(kinds.PARTS_JOINED, *at)
    return "\n".join(texts)


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("type"), str))
        for part in content
    )


def _chatglm3_tool(item: dict[str, Any], at: Pointer, kept: Message, notes: Notes) -> Turn:
    """ChatGLM3's role `tool`: the call and its result in one entry."""
    key = "observation"
    text = _text_of(item[key], (*at, key), kept, [], notes)
    observation = {"role": "observation", "content": text, **kept}
    if item.get("name") in _BLANK and item.get("parameters") in _BLANK:
        return Turn("observation", observation)
    call = _call(item.get("name"), item.get("parameters"), at, kept, notes)
    # A call and its result are one turn here: the result stands where a second call would.
    return Turn("assistant", call.message, [Call(observation)])


# --- calls ---------------------------------------------------------------------------------------


class _Spoken(msgspec.Struct):
    """A call as JSON text has it; the arguments stay as they are written."""

    name: str
    arguments: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_spoken: Final = msgspec.json.Decoder(_Spoken | list[_Spoken]).decode


def _calls_of_text(value: Any, at: Pointer, kept: Message, notes: Notes) -> list[Call]:
    """ShareGPT's function_call: JSON text of one call or a list, with name and arguments."""
    if isinstance(value, dict):
        return [_call_of_object(value, at, kept, notes)]
    if not isinstance(value, str):
        raise Refused(kinds.CALL_UNREADABLE, *at)
    try:
        load(value)  # msgspec reads what `json` does not, such as a repeated key of ours
        spoken = _decode_spoken(value.encode())
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise Refused(kinds.CALL_UNREADABLE, *at, detail=value[:40]) from None
    calls = []
    for one in spoken if isinstance(spoken, list) else [spoken]:
        raw = one.parameters if one.arguments is msgspec.UNSET else one.arguments
        text = None if raw is msgspec.UNSET else bytes(raw).decode()
        if text is not None and text[0] in 'n"':  # null, or arguments that are a string already
            text = load(text)
        calls.append(_call(one.name, text, at, kept, notes))
    if not calls:
        raise Refused(kinds.CALL_UNREADABLE, *at, detail=value[:40])
    return calls


def _calls_of_keys(item: dict[str, Any], at: Pointer, kept: Message, notes: Notes) -> list[Call]:
    """OpenAI's `tool_calls`, or the older `function_call`."""
    value = item.get("tool_calls")
    here: Pointer = (*at, "tool_calls")
    if value in _BLANK:
        value = item.get("function_call")
        if value in _BLANK:
            return []
        here = (*at, "function_call")
        return _calls_of_text(value, here, kept, notes)
    if isinstance(value, str):
        try:
            value = load(value)
        except ValueError:
            raise Refused(kinds.CALL_UNREADABLE, *here, detail=str(value)[:40]) from None
    if not isinstance(value, list):
        raise Refused(kinds.CALL_UNREADABLE, *here)
    return [_call_of_object(call, (*here, n), kept, notes) for n, call in enumerate(value)]


def _call_of_object(value: Any, at: Pointer, kept: Message, notes: Notes) -> Call:
    if not isinstance(value, dict):
        raise Refused(kinds.CALL_UNREADABLE, *at)
    function = value["function"] if isinstance(value.get("function"), dict) else value
    keys = ("arguments", "parameters", "input")
    arguments = next((function[key] for key in keys if key in function), None)
    return _call(function.get("name"), arguments, at, kept, notes, value.get("id"))


def _call(
    name: Any, arguments: Any, at: Pointer, kept: Message, notes: Notes, id_: Any = None
) -> Call:
    """The call as a GLM message. Arguments that are text are kept byte for byte."""
    if not isinstance(name, str) or not name:
        raise Refused(kinds.CALL_UNREADABLE, *at)
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        notes.add(kinds.EMPTY_ARGUMENTS, *at)
        arguments = "{}"
    elif not isinstance(arguments, str):
        arguments = dump(arguments)
    message = {"role": "assistant", "metadata": name, "content": arguments, **kept}
    return Call(message, id_)


# --- tools ---------------------------------------------------------------------------------------


def read_tools(value: Any, at: Pointer, notes: Notes) -> list[Any]:
    """A tool list in any spelling (JSON text, one tool, bare functions) -> GLM's. May be empty."""
    if isinstance(value, str) and value.strip():
        try:
            value = load(value)
        except ValueError:
            raise Refused(kinds.TOOLS_UNREADABLE, *at, detail=str(value)[:40]) from None
    if value in _BLANK or (isinstance(value, str) and not value.strip()):
        return []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise Refused(kinds.TOOLS_UNREADABLE, *at)
    return [_read_tool(tool, (*at, index), notes) for index, tool in enumerate(value)]


def _read_tool(tool: Any, at: Pointer, notes: Notes) -> dict[str, Any]:
    if isinstance(tool, str):  # a list of JSON texts
        try:
            tool = load(tool)
        except ValueError:
            raise Refused(kinds.TOOLS_UNREADABLE, *at, detail=str(tool)[:40]) from None
    if not isinstance(tool, dict):
        raise Refused(kinds.TOOLS_UNREADABLE, *at)
    function: dict[str, Any]
    if isinstance(tool.get("function"), dict):
        function = tool["function"]
        tool = tool if "type" in tool else {"type": "function", **tool}
    elif isinstance(tool.get("name"), str):
        # `type: function` beside the name is the flat form of OpenAI's later API.
        function = {k: v for k, v in tool.items() if k != "type" or v != "function"}
        tool = {"type": "function", "function": function}
    elif isinstance(tool.get("type"), str):
        return dict(tool)  # a built-in tool
    else:
        raise Refused(kinds.TOOLS_UNREADABLE, *at)
    if not isinstance(function.get("name"), str):
        raise Refused(kinds.TOOLS_UNREADABLE, *at)
    if (parameters := _with_properties(function.get("parameters"))) is not None:
        notes.add(kinds.PARAMETERS_ADDED, *at)
        function = {**function, "parameters": parameters}
    return {**tool, "function": function}


def _with_properties(parameters: Any) -> dict[str, Any] | None:
    """The schema of a function that takes nothing, completed; None where nothing is to be done."""
    if parameters in (None, {}, ""):
        return dict(_NO_PARAMETERS)
    if not isinstance(parameters, dict) or parameters.get("properties") is not None:
        return None
    if parameters.keys() - {"properties"} <= _EMPTY_SCHEMA_KEYS:
        return {**parameters, "properties": {}}
    return None


def place_tools(messages: list[Message], tools: list[Any]) -> None:
    """Put tools on the system message that opens the conversation; made where there is none."""
    if not tools:
        return
    if not messages or messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": ""})
    present = messages[0].get("tools", [])
    messages[0]["tools"] = present + [tool for tool in tools if tool not in present]
