"""Turns of any chat format -> GLM messages: what the readers of several formats share."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from glmlint.convert import kinds
from glmlint.convert.base import GlmRow, Notes, Refused
from glmlint.finding import Pointer
from glmlint.read.formats import pair_of, role_in
from glmlint.read.spoken import ARGUMENT_KEYS, plain_arguments, spoken

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
_RESULT_PARTS: Final = ("tool_result", "function_call_output")
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


def history(value: Any, notes: Notes, *at: str | int) -> list[Message]:
    """What was said before, in any spelling: pairs, objects of two keys, or turns -> messages."""
    if isinstance(value, str) and value.strip():
        try:
            value = load(value)
        except ValueError:
            raise Refused(kinds.HISTORY, *at, detail=value[:40]) from None
    if value in _BLANK or (isinstance(value, str) and not value.strip()):
        return []
    if not isinstance(value, list):
        raise Refused(kinds.HISTORY, *at)
    if isinstance(value[0], dict) and pair_of(value[0]) is None:
        return read_turns(value, at, notes)
    messages = []
    for index, entry in enumerate(value):
        if isinstance(entry, dict) and (keys := pair_of(entry)):
            messages += pair([entry.get(key) for key in keys], (*at, index), keys)
            note_keys(entry, keys, notes, *at, index)
        elif isinstance(entry, list) and len(entry) == 2:
            messages += pair(entry, (*at, index))
        else:
            raise Refused(kinds.HISTORY, *at, index)
    return messages


def pair(texts: Sequence[Any], at: Pointer, keys: Sequence[str | int] = (0, 1)) -> list[Message]:
    """A question and its answer -> two messages. `keys`: where each stands below `at`."""
    for text, key, kind in zip(texts, keys, (kinds.NO_QUESTION, kinds.NO_ANSWER), strict=True):
        if not isinstance(text, str):
            raise Refused(kind, *at, key)
    return [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant"), texts, strict=True)
    ]


def side(value: Any, role: str, key: str, notes: Notes) -> list[Message]:
    """A question or an answer: text, one message, or a list of messages."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, dict):
        return read_turns([value], (key,), notes)
    if isinstance(value, list) and value:
        return read_turns(value, (key,), notes)
    raise Refused(kinds.NO_QUESTION if role == "user" else kinds.NO_ANSWER, key)


def note_keys(entry: dict[str, Any], known: Collection[str], notes: Notes, *at: str | int) -> None:
    """Note the keys of an object that have gone nowhere."""
    for key, value in entry.items():
        if key not in known and value not in _BLANK:
            notes.add(kinds.MESSAGE_KEY, *at, key)


# --- turns ---------------------------------------------------------------------------------------


class Call(msgspec.Struct):
    """A tool call, and the id by which its result names it."""

    message: Message
    id: Any = None


class Turn(msgspec.Struct):
    """One entry of the list, read: its text as a message, its calls, or a tool's result."""

    role: str
    at: Pointer
    text: Message | None = None
    calls: list[Call] = []
    id: Any = None
    """Of a result: the id of its call."""


def read_turns(items: list[Any], at: Pointer, notes: Notes) -> list[Message]:
    """A list of turns in any spelling -> GLM messages. Raises Refused."""
    hoisted: list[Any] = []
    turns = [
        turn
        for index, item in enumerate(items)
        for turn in _read_turn(item, (*at, index), notes, hoisted)
    ]
    messages: list[Message] = []
    index = 0
    while index < len(turns):
        turn = turns[index]
        index += 1
        if turn.text is not None:
            messages.append(turn.text)
        calls = list(turn.calls)
        if len(calls) > 1:
            notes.add(kinds.PARALLEL_CALLS, *turn.at)
        # Calls in a row, before any result, were made at once, whatever the form writes them in.
        while calls and index < len(turns) and turns[index].calls and turns[index].text is None:
            calls += turns[index].calls
            index += 1
        end = index
        while end < len(turns) and turns[end].role == "observation" and not turns[end].calls:
            end += 1
        if len(calls) > 1:
            messages += _interleave(calls, turns[index:end], turn.at, notes)
            index = end
        else:
            messages += (call.message for call in calls)
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


def _read_turn(item: Any, at: Pointer, notes: Notes, hoisted: list[Any]) -> list[Turn]:
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
    key = _content_key(item)
    if role == "call":
        return [_call_turn(item.get(key), (*at, key), kept, notes)]
    if role == "observation" and item.get("observation") is not None:
        return _chatglm3_tool(item, at, kept, notes)

    calls = _calls_of_keys(item, at, kept, notes)
    results: list[Turn] = []
    text = _text_of(item.get(key), (*at, key), kept, calls, results, notes)
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
    if (calls or results) and not text:
        return [*results, *([Turn(role, at, None, calls)] if calls else [])]
    if item.get(key) is None:
        notes.add(kinds.NULL_CONTENT, *at, key)
    if role == "assistant" and message.get("metadata", "").strip() and not calls:
        return [Turn(role, at, None, [Call(message)])]
    if role == "assistant" and _tells_of_call(text):
        notes.add(kinds.CALL_IN_TEXT, *at, key)
    return [*results, Turn(role, at, message, calls, item.get("tool_call_id"))]


def _content_key(item: dict[str, Any]) -> str:
    """The key under which a turn keeps what is said."""
    keys = ("content", "value", "text")
    said = next((key for key in keys if item.get(key) is not None), None)
    return said or next((key for key in keys if key in item), "content")


def _tells_of_call(text: str) -> bool:
    if any(mark in text for mark in _CALLS_IN_TEXT):
        return True
    return text.startswith("tool_call:") and "\narguments:" in text


def role_of(item: dict[str, Any], at: Pointer) -> str:
    """GLM's role of a turn, or "call". Raises Refused."""
    known = role_in(item)
    if known is None:
        key = "role" if item.get("role") is not None or "from" not in item else "from"
        raise Refused(kinds.UNKNOWN_ROLE, *at, key, detail=_short(item.get(key)))
    return known


def _short(value: Any) -> str:
    """A value as a refusal shows it."""
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _text_of(
    content: Any,
    at: Pointer,
    kept: Message,
    calls: list[Call],
    results: list[Turn],
    notes: Notes,
) -> str:
    """The text of a turn's content. Calls and results among its parts join `calls` and `results`."""
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
            calls += _calls_of(part if body is None else body, here, kept, notes)
        elif type_ in _RESULT_PARTS:
            results.append(_result_part(part, here, kept, notes))
        else:
            media = any(word in type_ for word in _MEDIA)
            notes.add(kinds.MEDIA if media else kinds.PART, *here)
    if len(texts) > 1:
        notes.add(kinds.PARTS_JOINED, *at)
    return "\n".join(texts)


def _result_part(part: dict[str, Any], at: Pointer, kept: Message, notes: Notes) -> Turn:
    """A tool's result among the parts of a message, as Anthropic has it."""
    key = next((key for key in ("content", "output", "result", "text") if key in part), "content")
    text = _text_of(part.get(key), (*at, key), kept, [], [], notes)
    message = {"role": "observation", "content": text, **kept}
    named = next((part[key] for key in ("tool_use_id", "tool_call_id", "id") if key in part), None)
    return Turn("observation", at, message, [], named)


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("type"), str))
        for part in content
    )


def _chatglm3_tool(item: dict[str, Any], at: Pointer, kept: Message, notes: Notes) -> list[Turn]:
    """ChatGLM3's role `tool`: the call and its result in one entry."""
    key = "observation"
    text = _text_of(item[key], (*at, key), kept, [], [], notes)
    result = Turn("observation", at, {"role": "observation", "content": text, **kept})
    if item.get("name") in _BLANK and item.get("parameters") in _BLANK:
        return [result]
    call = _call(item.get("name"), item.get("parameters"), at, kept, notes)
    return [Turn("assistant", at, None, [call]), result]


# --- calls ---------------------------------------------------------------------------------------


def _call_turn(value: Any, at: Pointer, kept: Message, notes: Notes) -> Turn:
    """A turn whose role says that it is a call: text or value of one call or a list."""
    before, calls = _spoken_calls(value, at, kept, notes)
    if not before:
        return Turn("assistant", at, None, calls)
    notes.add(kinds.TEXT_BEFORE_CALL, *at)
    return Turn("assistant", at, {"role": "assistant", "content": before, **kept}, calls)


def _spoken_calls(value: Any, at: Pointer, kept: Message, notes: Notes) -> tuple[str, list[Call]]:
    """What stands before the calls, and the calls; the arguments stay as they are written."""
    said = spoken(value)
    if said is None:
        raise Refused(kinds.CALL_UNREADABLE, *at, detail=_short(value))
    calls = []
    for one in said.calls:
        if not one.whole:
            notes.add(kinds.CALL_KEY, *at)
        calls.append(_call(one.name, one.arguments, at, kept, notes, one.id))
    return said.before, calls


def _calls_of(value: Any, at: Pointer, kept: Message, notes: Notes) -> list[Call]:
    """The calls of a value that is nothing else."""
    if isinstance(value, dict):
        return [_call_of_object(value, at, kept, notes)]
    before, calls = _spoken_calls(value, at, kept, notes)
    if before:
        raise Refused(kinds.CALL_UNREADABLE, *at, detail=_short(value))
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
        return _calls_of(value, here, kept, notes)
    if isinstance(value, str | dict):
        return _calls_of(value, here, kept, notes)
    if not isinstance(value, list):
        raise Refused(kinds.CALL_UNREADABLE, *here)
    return [_call_of_object(call, (*here, n), kept, notes) for n, call in enumerate(value)]


def _call_of_object(value: Any, at: Pointer, kept: Message, notes: Notes) -> Call:
    if not isinstance(value, dict):
        raise Refused(kinds.CALL_UNREADABLE, *at)
    function = value["function"] if isinstance(value.get("function"), dict) else value
    arguments = next((function[key] for key in ARGUMENT_KEYS if key in function), None)
    return _call(function.get("name"), arguments, at, kept, notes, value.get("id"))


def _call(
    name: Any, arguments: Any, at: Pointer, kept: Message, notes: Notes, id_: Any = None
) -> Call:
    """The call as a GLM message. Arguments that are text are kept byte for byte."""
    if not isinstance(name, str) or not name:
        raise Refused(kinds.CALL_UNREADABLE, *at)
    if isinstance(arguments, str):
        arguments = plain_arguments(arguments)
    if arguments is None:
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
