"""OpenAI: `messages` with `tool_calls` and tool results, `tools` beside them; or the bare list."""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import LOSS_KEYS, note_marks, read_chat, read_turns
from glmlint.convert.sharegpt import is_object, note_leftovers, only_for_tools
from glmlint.read.formats import TURN_KEYS


def read(row: Any, notes: Notes) -> GlmRow:
    """A row of the fine-tuning API, its messages under any usual key, or the list of messages."""
    if isinstance(row, list):
        messages = read_turns(row, (), notes)
        if all(message["role"] != "assistant" for message in messages):
            raise Refused(kinds.NO_ANSWER)
        note_marks(messages, notes)
        return {"messages": messages}
    return read_chat(row, TURN_KEYS, notes)


def write(row: GlmRow, notes: Notes) -> dict[str, Any]:
    """One `tool_calls` entry a call, with ids counted in the row; a text before it joins it."""
    messages: list[dict[str, Any]] = []
    tools: list[Any] = []
    waiting: list[str] = []  # ids of calls that have no result yet
    calls = 0
    for index, message in enumerate(row["messages"]):
        at = ("messages", index)
        role, content = message["role"], message["content"]
        first = index == 0 and role == "system"
        if first:
            tools = message.get("tools") or []
        if first and only_for_tools(row["messages"]):
            continue
        note_leftovers(message, first, notes, *at)
        kept = {key: message[key] for key in LOSS_KEYS if key in message}
        if role == "observation":
            result = {"role": "tool", "content": content, **kept}
            if row["messages"][index - 1]["role"] != "observation":
                # Fewer results than calls are those of the last calls, behind which they stand.
                waiting = waiting[-_results_from(row["messages"], index) :]
            if waiting:
                result = {
                    "role": "tool",
                    "tool_call_id": waiting.pop(0),
                    "content": content,
                    **kept,
                }
            else:
                notes.add(kinds.RESULT_WITHOUT_CALL, *at)
            messages.append(result)
        elif role == "assistant" and message.get("metadata"):
            if not is_object(content):
                notes.add(kinds.NOT_OBJECT, *at, "content")
            waiting.append(f"call_{calls}")
            calls += 1
            function = {"name": message["metadata"], "arguments": content}
            call = {"id": waiting[-1], "type": "function", "function": function}
            before = messages[-1] if messages else {}
            if not kept and _is_plain_answer(before):
                before["tool_calls"] = [call]
                continue
            messages.append({"role": "assistant", "content": None, "tool_calls": [call], **kept})
        else:
            messages.append({"role": role, "content": content, **kept})
    for index, tool in enumerate(tools):
        if tool.get("type") != "function":
            notes.add(kinds.BUILTIN_TOOL, "messages", 0, "tools", index)
    out: dict[str, Any] = {}
    for key, value in row.items():
        if key == "messages":
            out["messages"] = messages
            if tools:
                out["tools"] = tools
        elif key in ("system", "tools", "functions"):
            notes.add(kinds.ROW_KEY, key)
        else:
            out[key] = value
    return out


def _results_from(messages: list[dict[str, Any]], index: int) -> int:
    """How many results stand in a row from there on."""
    end = index
    while end < len(messages) and messages[end]["role"] == "observation":
        end += 1
    return end - index


def _is_plain_answer(message: dict[str, Any]) -> bool:
    return (
        message.keys() == {"role", "content"}
        and message["role"] == "assistant"
        and bool(message["content"])
    )


FORMAT = Format(
    name="openai",
    recognised=("openai", "messages-list"),
    about="messages with tool_calls, and tools beside them",
    read=read,
    write=write,
)
