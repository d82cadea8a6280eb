"""GLM's own form: left as it is, but for roles by other names and tools at the wrong place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes
from glmlint.converters.chat import add_tools, note_columns, read_chat, split_columns
from glmlint.converters.dialogue import Dialogue, Message, Round, Utterance, in_order_of, rounds
from glmlint.converters.writing import note_empty, note_rest, row_of
from glmlint.read.sample import ROLES
from glmlint.trainer.conversation import TurnCall
from glmlint.trainer.forms.base import LOSS_KEYS, REASONING_KEYS

_KEYS = frozenset(("role", "content", "metadata", "tools", *LOSS_KEYS))


def read(row: Any, notes: Notes) -> Dialogue:
    """The row itself where it is in order; else what can be put right is."""
    if isinstance(row, dict) and not any(row.get(key) for key in ("tools", "functions", "system")):
        messages = row.get("messages")
        if isinstance(messages, list) and messages and all(map(_in_order, messages)):
            note_columns(row, notes)
            in_turn = _in_turn(messages, notes)
            if in_turn is not None:
                row, messages = {**row, "messages": in_turn}, in_turn
            found = Dialogue([_turn(*place) for place in enumerate(messages)], apart=True, glm=row)
            add_tools(found, ())
            split_columns(found, row, {"messages"})
            return found
    return read_chat(row, ("messages",), notes)


def _turn(index: int, message: Message) -> Utterance:
    """The turn that a message in order is."""
    at = ("messages", index)
    role, name, content = message["role"], message.get("metadata"), message["content"]
    turn = Utterance(role, content, at, (*at, "content"), tools=message.get("tools"))
    turn.kept = {key: message[key] for key in LOSS_KEYS if key in message}
    turn.rest = {key: value for key, value in message.items() if key not in _KEYS}
    if role == "assistant" and name:
        turn.text, turn.calls = None, (TurnCall(name, content, at),)
    else:
        turn.metadata = name
    return turn


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


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """One call a message, its result behind it; the tools on the message that opens the row."""
    if dialogue.glm is not None:
        return dialogue.glm
    messages = [message for step in rounds(dialogue.turns) for message in _messages(step, notes)]
    if dialogue.tools:
        if not messages or messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": ""})
        messages[0]["tools"] = dialogue.tools
    return row_of(dialogue, {"messages": messages}, notes)


def _messages(step: Round, notes: Notes) -> Iterator[Message]:
    turn, results = step.turn, step.results
    if len(turn.calls) > 1:
        notes.add(kinds.PARALLEL_CALLS, *turn.at)
    if turn.whole is None and turn.reasoning is not None:
        notes.add(kinds.REASONING, *(turn.reasoning_at or turn.at))
    text = turn.words()
    if text or not turn.calls:
        if turn.in_front:
            notes.add(kinds.TEXT_BEFORE_CALL, *(turn.text_at or turn.at))
            text = text.strip()
        note_empty(turn, notes)
        yield _message(turn, text)
    order = None
    if len(step.calls) > 1:
        order = in_order_of([call for _, call in step.calls], results)
        if order is None and results:
            notes.add(kinds.RESULTS_UNMATCHED, *turn.at)
        elif results and results[0].answers is None:
            notes.add(kinds.RESULTS_BY_ORDER, *turn.at)
    for place, (said, call) in enumerate(step.calls):
        yield {"role": "assistant", "metadata": call.name, "content": call.arguments, **said.kept}
        if order is not None:
            yield from (_message(result, result.words()) for result in order[place])
    if order is None:
        yield from (_message(result, result.words()) for result in results)
    for said in step.everybody():
        note_rest(said, notes)


def _message(turn: Utterance, text: str) -> Message:
    out: Message = {"role": turn.role}
    if turn.metadata is not None:
        out["metadata"] = turn.metadata
    out["content"] = text
    out |= turn.kept
    if turn.tools:
        out["tools"] = turn.tools
    return out


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
    about="`messages` of system, user, assistant, observation",
    notes="a row in order keeps its bytes; roles by other names (`human`, `gpt`, `bot`, `tool`, …) and tools at the top of the row or on another message are put right",
    read=read,
    write=write,
    read_by="the official GLM-4 script",
    written="tools stand on the system message that opens the conversation; an empty one is made where there is none. A call is an assistant message with the function's name in `metadata` and the arguments in `content`, its result an `observation`; several calls of one turn become one message each, with its result behind it",
)
