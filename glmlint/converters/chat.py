"""Turns of any chat format -> a dialogue: what the readers of several formats share."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from glmlint.converters import kinds
from glmlint.converters.base import Notes, Refused
from glmlint.converters.dialogue import Dialogue, Utterance, without_thought
from glmlint.finding import Pointer
from glmlint.read.formats import pair_of, role_in
from glmlint.read.spoken import ARGUMENT_KEYS, plain_arguments, spoken
from glmlint.trainer.conversation import TurnCall
from glmlint.trainer.forms.base import LOSS_KEYS, REASONING_KEYS

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


def read_chat(row: Any, keys: Sequence[str], notes: Notes, question_only: bool = False) -> Dialogue:
    """A row with a list of turns under one of `keys`, and perhaps `system` and `tools` columns."""
    key, items = turns_of(row, keys)
    turns = read_turns(items, (key,), notes)
    if not question_only and all(turn.role != "assistant" for turn in turns):
        raise Refused(kinds.NO_ANSWER, key)
    return assemble(row, {key}, turns, notes)


def turns_of(row: Any, keys: Sequence[str]) -> tuple[str, list[Any]]:
    """The first of `keys` that holds a list with something in it, and the list."""
    if isinstance(row, dict):
        for key in keys:
            items = row.get(key)
            if isinstance(items, list) and items:
                return key, items
    raise Refused(kinds.NO_MESSAGES)


def assemble(
    row: dict[str, Any],
    consumed: Collection[str],
    turns: list[Utterance],
    notes: Notes,
    system: str = "system",
    columns: Sequence[str] = ("tools", "functions"),
) -> Dialogue:
    """The dialogue of a row.

    Args:
        row: as it is written.
        consumed: the keys that `turns` come from.
        turns: what is said.
        notes: takes what is lost.
        system: the column of a system text.
        columns: those of tools.
    """
    used = set(consumed)
    if isinstance(text := row.get(system), str):
        used.add(system)
        if not turns or turns[0].role != "system":
            if text:
                turns.insert(0, Utterance("system", text, (system,), (system,)))
        elif text not in ("", turns[0].text):
            notes.add(kinds.SYSTEM_COLUMN, system)
    found = of_turns(turns)
    for key in columns:
        if key in row:
            used.add(key)
            add_tools(found, read_tools(row[key], (key,), notes))
    split_columns(found, row, used)
    note_marks(found, notes, *next(((key,) for key in row if key in used), ()))
    note_columns(row, notes)
    return found


def split_columns(dialogue: Dialogue, row: dict[str, Any], used: Collection[str]) -> None:
    """Keep the columns that nobody has read, in front of the turns and behind them."""
    beside = dialogue.before
    for key, value in row.items():
        if key in used:
            beside = dialogue.after
        else:
            beside[key] = value


def of_turns(turns: list[Utterance]) -> Dialogue:
    """The dialogue of turns alone; the tools of others than system messages count for the row."""
    found = Dialogue(turns, apart=True)
    add_tools(found, ())
    for turn in turns:
        if turn.role != "system" and turn.tools:
            add_tools(found, turn.tools)
            turn.tools = None
    return found


def add_tools(dialogue: Dialogue, tools: Sequence[Any]) -> None:
    """Tools beside those of the system message that opens the conversation, each once."""
    first = dialogue.turns[0] if dialogue.turns else None
    if first is not None and first.role == "system" and first.tools:
        dialogue.tools = first.tools + dialogue.tools
        first.tools = None
    dialogue.tools += [tool for tool in tools if tool not in dialogue.tools]


def note_marks(dialogue: Dialogue, notes: Notes, *at: str | int) -> None:
    """Note once that texts hold the marks of another model's chat template."""
    texts = [turn.whole or turn.text or "" for turn in dialogue.turns]
    texts += [call.arguments for turn in dialogue.turns for call in turn.calls]
    if any(mark in text for text in texts for mark in _FOREIGN_MARKS):
        notes.add(kinds.FOREIGN_MARKS, *at)


def note_columns(row: dict[str, Any], notes: Notes) -> None:
    """Note what stands beside the messages and is kept, but that GLM recipes do not read."""
    for key in _MEDIA_COLUMNS:
        if row.get(key) not in _BLANK:
            notes.add(kinds.MEDIA, key)
    if row.get("label") is False:
        notes.add(kinds.LABEL_FALSE, "label")


def history(value: Any, notes: Notes, *at: str | int) -> list[Utterance]:
    """What was said before, in any spelling: pairs, objects of two keys, or turns -> turns."""
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
    turns: list[Utterance] = []
    for index, entry in enumerate(value):
        if isinstance(entry, dict) and (keys := pair_of(entry)):
            turns += pair([entry.get(key) for key in keys], (*at, index), keys)
            note_keys(entry, keys, notes, *at, index)
        elif isinstance(entry, list) and len(entry) == 2:
            turns += pair(entry, (*at, index))
        else:
            raise Refused(kinds.HISTORY, *at, index)
    return turns


def pair(texts: Sequence[Any], at: Pointer, keys: Sequence[str | int] = (0, 1)) -> list[Utterance]:
    """A question and its answer -> two turns. `keys`: where each stands below `at`."""
    for text, key, kind in zip(texts, keys, (kinds.NO_QUESTION, kinds.NO_ANSWER), strict=True):
        if not isinstance(text, str):
            raise Refused(kind, *at, key)
    return [
        Utterance(role, text, at, (*at, key))
        for role, text, key in zip(("user", "assistant"), texts, keys, strict=True)
    ]


def side(value: Any, role: str, key: str, notes: Notes) -> list[Utterance]:
    """A question or an answer: text, one message, or a list of messages."""
    if isinstance(value, str):
        return [Utterance(role, value, (key,), (key,))]
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


def read_turns(items: list[Any], at: Pointer, notes: Notes) -> list[Utterance]:
    """A list of turns in any spelling. Raises Refused."""
    return [
        turn for index, item in enumerate(items) for turn in _read_turn(item, (*at, index), notes)
    ]


def _read_turn(item: Any, at: Pointer, notes: Notes) -> list[Utterance]:
    if not isinstance(item, dict):
        raise Refused(kinds.MESSAGE_NOT_OBJECT, *at)
    role = role_of(item, at)
    key = _content_key(item)
    turn = Utterance("assistant" if role == "call" else role, None, at, (*at, key))
    turn.kept = {key: item[key] for key in LOSS_KEYS if item.get(key) is not None}
    known = _RESULT_KEYS if role == "observation" else _READ_KEYS
    for other, value in item.items():
        if other in known or value in _BLANK:
            continue
        if other in _MEDIA:
            notes.add(kinds.MEDIA, *at, other)
        else:
            turn.rest[other] = value
    if role == "observation" and isinstance(item.get("name"), str) and item["name"]:
        turn.rest["name"] = item["name"]
    _read_reasoning(item, turn, notes)
    if role == "call":
        _read_call_text(item.get(key), (*at, key), turn, notes)
        return [turn]
    if role == "observation" and item.get("observation") is not None:
        return _chatglm3_tool(item, turn, notes)

    turn.calls = _calls_of_keys(item, at, notes)
    results: list[Utterance] = []
    turn.text = _text_of(item.get(key), (*at, key), turn, results, notes)
    tools = read_tools(item.get("tools"), (*at, "tools"), notes)
    if tools:
        turn.tools = tools
    if results and not turn.text:
        return [*results, *([turn] if turn.calls else [])]
    metadata = item.get("metadata")
    if isinstance(metadata, str):
        if role == "assistant" and metadata.strip() and not turn.calls:
            if item.get(key) is None:
                notes.add(kinds.NULL_CONTENT, *at, key)
            turn.calls, turn.text = (TurnCall(metadata, turn.text or "", at),), None
            return [turn]
        turn.metadata = metadata
    elif metadata not in _BLANK:
        turn.rest["metadata"] = metadata
    if role == "assistant" and _tells_of_call(turn.text or ""):
        notes.add(kinds.CALL_IN_TEXT, *at, key)
    if role == "observation":
        turn.answers = item.get("tool_call_id")
    return [*results, turn]


def _read_reasoning(item: dict[str, Any], turn: Utterance, notes: Notes) -> None:
    """The thought that stands under a key of its own."""
    for key in REASONING_KEYS:
        value = item.get(key)
        if isinstance(value, str) and value and turn.role == "assistant" and not turn.reasoning:
            turn.reasoning, turn.reasoning_at = value, (*turn.at, key)
        elif value not in _BLANK and value != turn.reasoning:
            notes.add(kinds.REASONING_UNREAD, *turn.at, key)


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
    content: Any, at: Pointer, turn: Utterance, results: list[Utterance], notes: Notes
) -> str | None:
    """The text of a turn's content, None where there is none.

    Calls and thoughts among its parts join those of the turn, results of tools `results`.
    """
    if content is None or isinstance(content, str):
        return content
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
            if isinstance(body, str) and turn.role == "assistant":
                turn.reasoning = f"{turn.reasoning}\n{body}" if turn.reasoning else body
                turn.reasoning_at = here
            else:
                notes.add(kinds.REASONING_UNREAD, *here)
        elif type_ in _CALL_PARTS:
            turn.calls += _calls_of(part if body is None else body, here, notes)
        elif type_ in _RESULT_PARTS:
            results.append(_result_part(part, here, turn, notes))
        else:
            media = any(word in type_ for word in _MEDIA)
            notes.add(kinds.MEDIA if media else kinds.PART, *here)
    if len(texts) > 1:
        notes.add(kinds.PARTS_JOINED, *at)
    return "\n".join(texts)


def _result_part(part: dict[str, Any], at: Pointer, turn: Utterance, notes: Notes) -> Utterance:
    """A tool's result among the parts of a message, as Anthropic has it."""
    key = next((key for key in ("content", "output", "result", "text") if key in part), "content")
    result = Utterance("observation", None, at, (*at, key), kept=turn.kept)
    result.text = _text_of(part.get(key), (*at, key), result, [], notes) or ""
    named = next((part[key] for key in ("tool_use_id", "tool_call_id", "id") if key in part), None)
    result.answers = named
    return result


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("type"), str))
        for part in content
    )


def _chatglm3_tool(item: dict[str, Any], turn: Utterance, notes: Notes) -> list[Utterance]:
    """ChatGLM3's role `tool`: the call and its result in one entry."""
    key = "observation"
    turn.rest.pop("name", None)
    turn.text_at = (*turn.at, key)
    turn.text = _text_of(item[key], turn.text_at, turn, [], notes) or ""
    turn.calls = ()
    if item.get("name") in _BLANK and item.get("parameters") in _BLANK:
        return [turn]
    call = _call(item.get("name"), item.get("parameters"), turn.at, notes)
    return [Utterance("assistant", None, turn.at, calls=(call,), kept=turn.kept), turn]


# --- calls ---------------------------------------------------------------------------------------


def _read_call_text(value: Any, at: Pointer, turn: Utterance, notes: Notes) -> None:
    """A turn whose role says that it is a call: text or value of one call or a list."""
    before, turn.calls = _spoken_calls(value, at, notes)
    if not before:
        return
    text = value if isinstance(value, str) else ""
    tagged = text.find("<tool_call>")
    if tagged >= 0 and inked(text[:tagged]) == inked(before):
        before = text[:tagged]
    elif (end := text.find(before)) >= 0:
        end += len(before)
        before = text[: len(text) - len(text[end:].lstrip())]
    turn.in_front, turn.text = True, before
    split_thought(turn)


def inked(text: str) -> str:
    """A text without its blanks."""
    return "".join(text.split())


def split_thought(turn: Utterance) -> None:
    """Take a thought out of the text in front of which it stands."""
    found = without_thought(turn.text or "") if turn.role == "assistant" else None
    if found is not None and turn.reasoning is None:
        turn.whole = turn.text
        turn.reasoning, turn.text = found
        turn.reasoning_at = turn.text_at


def _spoken_calls(value: Any, at: Pointer, notes: Notes) -> tuple[str, tuple[TurnCall, ...]]:
    """What stands before the calls, and the calls; the arguments stay as they are written."""
    said = spoken(value)
    if said is None:
        raise Refused(kinds.CALL_UNREADABLE, *at, detail=_short(value))
    calls = []
    for one in said.calls:
        if not one.whole:
            notes.add(kinds.CALL_KEY, *at)
        calls.append(_call(one.name, one.arguments, at, notes, one.id))
    return said.before, tuple(calls)


def _calls_of(value: Any, at: Pointer, notes: Notes) -> tuple[TurnCall, ...]:
    """The calls of a value that is nothing else."""
    if isinstance(value, dict):
        return (_call_of_object(value, at, notes),)
    before, calls = _spoken_calls(value, at, notes)
    if before:
        raise Refused(kinds.CALL_UNREADABLE, *at, detail=_short(value))
    return calls


def _calls_of_keys(item: dict[str, Any], at: Pointer, notes: Notes) -> tuple[TurnCall, ...]:
    """OpenAI's `tool_calls`, or the older `function_call`."""
    value = item.get("tool_calls")
    here: Pointer = (*at, "tool_calls")
    if value in _BLANK:
        value = item.get("function_call")
        if value in _BLANK:
            return ()
        here = (*at, "function_call")
        return _calls_of(value, here, notes)
    if isinstance(value, str | dict):
        return _calls_of(value, here, notes)
    if not isinstance(value, list):
        raise Refused(kinds.CALL_UNREADABLE, *here)
    return tuple(_call_of_object(call, (*here, n), notes) for n, call in enumerate(value))


def _call_of_object(value: Any, at: Pointer, notes: Notes) -> TurnCall:
    if not isinstance(value, dict):
        raise Refused(kinds.CALL_UNREADABLE, *at)
    function = value["function"] if isinstance(value.get("function"), dict) else value
    arguments = next((function[key] for key in ARGUMENT_KEYS if key in function), None)
    return _call(function.get("name"), arguments, at, notes, value.get("id"))


def _call(name: Any, arguments: Any, at: Pointer, notes: Notes, id_: Any = None) -> TurnCall:
    """The call, its arguments as text. Those that are text are kept byte for byte."""
    if not isinstance(name, str) or not name:
        raise Refused(kinds.CALL_UNREADABLE, *at)
    if isinstance(arguments, str):
        arguments = plain_arguments(arguments)
    if arguments is None:
        notes.add(kinds.EMPTY_ARGUMENTS, *at)
        arguments = "{}"
    elif not isinstance(arguments, str):
        arguments = dump(arguments)
    return TurnCall(name, arguments, at, None if id_ is None else str(id_))


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
