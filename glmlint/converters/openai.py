"""OpenAI: `messages` with `tool_calls` and tool results, `tools` beside them; or the bare list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import note_marks, of_turns, read_chat, read_turns
from glmlint.converters.dialogue import (
    Dialogue,
    Message,
    Utterance,
    in_order_of,
    only_for_tools,
    rounds,
)
from glmlint.converters.writing import is_object, note_leftovers, row_of
from glmlint.read.formats import TURN_KEYS
from glmlint.trainer.conversation import TurnCall

_OWN: Final = ("name", "refusal", "annotations", "audio")
"""Keys of a message that OpenAI's API knows beside those that every format has."""


def read(row: Any, notes: Notes) -> Dialogue:
    """A row of the fine-tuning API, its messages under any usual key, or the list of messages."""
    if isinstance(row, list):
        found = of_turns(read_turns(row, (), notes))
        if all(turn.role != "assistant" for turn in found.turns):
            raise Refused(kinds.NO_ANSWER)
        note_marks(found, notes)
    else:
        found = read_chat(row, TURN_KEYS, notes)
    found.apart = False
    return found


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """One `tool_calls` entry a call, its arguments as text; ids that are missing are counted."""
    return written(dialogue, notes, _as_text)


def _as_text(call: TurnCall, notes: Notes) -> Any:
    if not is_object(call.arguments):
        notes.add(kinds.NOT_OBJECT, *call.at)
    return call.arguments


def written(
    dialogue: Dialogue,
    notes: Notes,
    arguments: Callable[[TurnCall, Notes], Any],
    in_order: bool = False,
) -> Message:
    """The row.

    Args:
        dialogue: what is said.
        notes: takes what is lost.
        arguments: what is written of those of a call.
        in_order: whether results come in the order of their calls, for a reader who sees no ids.
    """
    messages: list[Message] = []
    ids = _Ids(dialogue)
    turns = dialogue.turns[1:] if only_for_tools(dialogue) else dialogue.turns
    for step in rounds(turns):
        made: list[TurnCall] = []
        last: Utterance | None = None
        if not step.calls:
            messages.append(_message(step.turn, notes))
        for said, call in step.calls:
            made.append(TurnCall(call.name, call.arguments, call.at, ids.of(call)))
            entry = {
                "id": made[-1].id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments(call, notes)},
            }
            if said is not last:
                note_leftovers(said, notes, _OWN)
                joins = last is not None and said.kept == last.kept and not said.rest
                if not joins and not (dialogue.apart and _joins(said, messages)):
                    messages.append(_message(said, None))
                messages[-1].setdefault("tool_calls", [])
                last = said
            messages[-1]["tool_calls"].append(entry)
        results = step.results
        if in_order and len(made) > 1 and (order := in_order_of(made, results)) is not None:
            results = [result for given in order for result in given]
        messages += _results(made, results, notes)
    for index, tool in enumerate(dialogue.tools):
        if tool.get("type") != "function":
            notes.add(kinds.BUILTIN_TOOL, "tools", index)
    said_ = {"messages": messages, **({"tools": dialogue.tools} if dialogue.tools else {})}
    return row_of(dialogue, said_, notes, ("system", "tools", "functions"))


class _Ids:
    """Ids of a row's calls: as they are written, and new ones for the others."""

    def __init__(self, dialogue: Dialogue) -> None:
        calls = [call for turn in dialogue.turns for call in turn.calls]
        self.taken = {call.id for call in calls}
        self.taken |= {str(turn.answers) for turn in dialogue.turns if turn.answers is not None}
        self.count = 0

    def of(self, call: TurnCall) -> str:
        if call.id is not None:
            return call.id
        while (name := f"call_{self.count}") in self.taken:
            self.count += 1
        self.count += 1
        return name


def _message(turn: Utterance, notes: Notes | None) -> Message:
    """The message of a turn without its calls; leftovers are noted where `notes` are given."""
    if notes is not None:
        note_leftovers(turn, notes, _OWN)
        if turn.role == "observation":
            notes.add(kinds.RESULT_WITHOUT_CALL, *turn.at)
    role = "tool" if turn.role == "observation" else turn.role
    out: Message = {"role": role, "content": turn.text}
    if turn.role == "observation" and turn.answers is not None:
        out["tool_call_id"] = str(turn.answers)
    if turn.reasoning is not None:
        out["reasoning_content"] = turn.reasoning
    return out | {key: turn.rest[key] for key in _OWN if key in turn.rest} | turn.kept


def _joins(turn: Utterance, messages: list[Message]) -> bool:
    """Whether calls belong to the text in front of them, which the source can only keep apart."""
    if turn.text or turn.kept or turn.rest or turn.reasoning is not None or not messages:
        return False
    before = messages[-1]
    plain = before.keys() == {"role", "content"} and before["role"] == "assistant"
    return plain and bool(before["content"])


def _results(calls: list[TurnCall], results: list[Utterance], notes: Notes) -> list[Message]:
    """The results of calls made at once. Those without an id get that of their call."""
    waiting = [call.id for call in calls]
    known = [str(result.answers) for result in results if result.answers is not None]
    if len(results) > len(known):
        waiting = [id_ for id_ in waiting if id_ not in known]
        # Fewer results than calls are those of the last calls, behind which they stand.
        waiting = waiting[-(len(results) - len(known)) :]
    elif in_order_of(calls, results) is None and results:
        notes.add(kinds.RESULTS_UNMATCHED, *results[0].at)
    found = []
    for result in results:
        note_leftovers(result, notes, _OWN)
        message = _message(result, None)
        if result.answers is None:
            if not waiting:
                notes.add(kinds.RESULT_WITHOUT_CALL, *result.at)
            else:
                role, content = message.pop("role"), message.pop("content")
                message = {
                    "role": role,
                    "tool_call_id": waiting.pop(0),
                    "content": content,
                    **message,
                }
        found.append(message)
    return found


FORMAT = Format(
    name="openai",
    recognised=("openai", "messages-list"),
    about="`messages` with `tool_calls`, `function_call`, role `tool`, content parts; `tools` or `functions` beside them; a bare list of messages",
    notes='the messages may stand under `conversations` too; the part form `{"type", "value"}` of LLaMA-Factory is read as well',
    read=read,
    write=write,
    read_by="OpenAI's API, TRL and others",
    written="`tool_calls` with their ids (missing ones are counted: `call_0`, …) and arguments as text, results in role `tool`, thoughts in `reasoning_content`, tools at the top of the row",
)
