"""ShareGPT: `conversations` of from and value, with `system` and `tools` beside them."""

from __future__ import annotations

import json
from typing import Any, Final

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes
from glmlint.convert.chat import LOSS_KEYS, dump, read_chat

_FROM: Final = {
    "system": "system",
    "user": "human",
    "assistant": "gpt",
    "observation": "observation",
}
_ASKS: Final = ("human", "observation")


def read(row: Any, notes: Notes) -> GlmRow:
    """Both spellings of the turns; `tools` as JSON text or as a list."""
    return read_chat(row, ("conversations", "conversation", "messages"), notes)


def write(row: GlmRow, notes: Notes) -> dict[str, Any]:
    """As LLaMA-Factory reads it: calls as JSON text, tools as JSON text of bare functions."""
    turns: list[dict[str, Any]] = []
    tools: list[Any] = []
    for index, message in enumerate(row["messages"]):
        at = ("messages", index)
        first = index == 0 and message["role"] == "system"
        if first:
            tools = message.get("tools") or []
        if first and only_for_tools(row["messages"]):
            continue
        turns.append(_turn(message, notes, *at))
        note_leftovers(message, first, notes, *at)
    out: dict[str, Any] = {}
    for key, value in row.items():
        if key == "messages":
            out["conversations"] = turns
            if tools:
                out["tools"] = dump([_bare(tool, notes, n) for n, tool in enumerate(tools)])
        elif key in ("conversations", "system", "tools", "functions"):
            notes.add(kinds.ROW_KEY, key)
        else:
            out[key] = value
    spoken = [turn["from"] for turn in turns if turn["from"] != "system"]
    asked = [speaker in _ASKS for speaker in spoken]
    late_system = any(turn["from"] == "system" for turn in turns[1:])
    if late_system or asked != [n % 2 == 0 for n in range(len(asked))] or len(asked) % 2:
        notes.add(kinds.TURN_ORDER, "messages")
    return out


def _turn(message: dict[str, Any], notes: Notes, *at: str | int) -> dict[str, Any]:
    name, content = message.get("metadata"), message["content"]
    kept: dict[str, Any] = {key: message[key] for key in LOSS_KEYS if key in message}
    if message["role"] != "assistant" or not name:
        return {"from": _FROM[message["role"]], "value": content, **kept}
    if not is_object(content):
        notes.add(kinds.NOT_OBJECT, *at, "content")
        content = dump(content)
    # The arguments go in as they are written, so that no byte of them changes.
    value = f'{{"name": {dump(name)}, "arguments": {content}}}'
    return {"from": "function_call", "value": value, **kept}


def only_for_tools(messages: list[dict[str, Any]]) -> bool:
    """Whether the first message is there for its tools alone: a reader makes it again.

    Not where another system message follows, on which a reader would put the tools.
    """
    first = messages[0]
    if first.keys() != {"role", "content", "tools"} or first["content"] or not first["tools"]:
        return False
    return len(messages) < 2 or messages[1]["role"] != "system"


def is_object(text: str) -> bool:
    """Whether a text is one JSON object, with nothing around it."""
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def note_leftovers(message: dict[str, Any], first: bool, notes: Notes, *at: str | int) -> None:
    """Note what a GLM message holds that neither ShareGPT nor OpenAI has a place for."""
    for key, value in message.items():
        if key == "tools":
            if not first and value:
                notes.add(kinds.TOOLS_ELSEWHERE, *at, key)
            elif not value:
                notes.add(kinds.EMPTY_TOOLS, *at, key)
        elif key == "metadata":
            if value and message["role"] != "assistant":
                notes.add(kinds.METADATA, *at, key)
        elif key not in ("role", "content", *LOSS_KEYS):
            notes.add(kinds.MESSAGE_KEY, *at, key)


def _bare(tool: Any, notes: Notes, index: int) -> Any:
    """A function without its wrapping, where the wrapping can be told again."""
    if tool.get("type") != "function":
        notes.add(kinds.BUILTIN_TOOL, "messages", 0, "tools", index)
        return tool
    function = tool.get("function")
    bare = tool.keys() == {"type", "function"} and isinstance(function, dict)
    return function if bare and not function.keys() & {"type", "function"} else tool


FORMAT = Format(
    name="sharegpt",
    recognised=("sharegpt",),
    about="conversations of from and value",
    read=read,
    write=write,
)
