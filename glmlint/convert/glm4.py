"""GLM's own form: left as it is, but for roles by other names and tools at the wrong place."""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes
from glmlint.convert.chat import REASONING_KEYS, note_columns, read_chat
from glmlint.read.sample import ROLES


def read(row: Any, notes: Notes) -> GlmRow:
    """The row itself where it is in order; else what can be put right is."""
    if isinstance(row, dict) and not any(row.get(key) for key in ("tools", "functions", "system")):
        messages = row.get("messages")
        if isinstance(messages, list) and messages and all(map(_in_order, messages)):
            note_columns(row, notes)
            in_turn = _in_turn(messages, notes)
            return row if in_turn is None else {**row, "messages": in_turn}
    return read_chat(row, ("messages",), notes)


def _in_turn(messages: list[Any], notes: Notes) -> list[Any] | None:
    """The messages with each result behind its call; None where none has to move.

    Calls in a row with as many results behind them were made at once. GLM-4 makes one call a message
    and is stopped by its result.
    """
    moved: list[Any] | None = None
    index = 0
    while index < len(messages):
        end = index
        while end < len(messages) and _is_call(messages[end]):
            end += 1
        calls = end - index
        results = messages[end : end + calls]
        behind = messages[end + calls : end + calls + 1]
        as_many = len(results) == calls and all(map(_is_result, results))
        if calls > 1 and as_many and not any(map(_is_result, behind)):
            moved = list(messages) if moved is None else moved
            notes.add(kinds.RESULTS_BY_ORDER, "messages", index)
            for place in range(calls):
                moved[index + 2 * place] = messages[index + place]
                moved[index + 2 * place + 1] = results[place]
            end += calls
        index = max(end, index + 1)
    return moved


def _is_call(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and bool(message.get("metadata", "").strip())


def _is_result(message: dict[str, Any]) -> bool:
    return bool(message["role"] == "observation")


def write(row: GlmRow, _: Notes) -> dict[str, Any]:
    """Every conversion comes by here: there is nothing left to do."""
    return row


def _in_order(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in ROLES
        and isinstance(message.get("content"), str)
        and isinstance(message.get("metadata", ""), str)
        and isinstance(tools := message.get("tools", []), list)
        and all(isinstance(tool, dict) for tool in tools)
        and (message["role"] == "system" or "tools" not in message)
        and not message.get("tool_calls")
        and not message.get("function_call")
        and not any(message.get(key) for key in REASONING_KEYS)
    )


FORMAT = Format(
    name="glm4",
    recognised=("glm",),
    about="messages of system, user, assistant and observation",
    read=read,
    write=write,
)
