"""ms-swift: `messages` with tool calls and their results in messages of their own, `tools` beside them.

A `tool_call` is JSON text of a name and arguments; several in a row are made at once, and as many
`tool_response` messages follow in the same order. (`tool` is the older name of a result.)

Source: docs/source_en/Customization/Custom-dataset.md and Instruction/Agent-support.md of ms-swift 4.6.
"""

from __future__ import annotations

from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes
from glmlint.converters.chat import dump, read_chat, split_thought
from glmlint.converters.dialogue import (
    Dialogue,
    Message,
    Round,
    in_order_of,
    only_for_tools,
    rounds,
)
from glmlint.converters.writing import call_text, note_empty, note_leftovers, row_of, with_thought
from glmlint.read.formats import TURN_KEYS


def read(row: Any, notes: Notes) -> Dialogue:
    """Also where LLaMA-Factory's role `function` holds the calls."""
    found = read_chat(row, TURN_KEYS, notes)
    for turn in found.turns:
        split_thought(turn)
    return found


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """Each call and each result in a message of its own, the calls of one turn in a row."""
    messages: list[Message] = []
    turns = dialogue.turns[1:] if only_for_tools(dialogue) else dialogue.turns
    for step in rounds(turns):
        messages += _messages(step, notes)
    for index, tool in enumerate(dialogue.tools):
        if tool.get("type") != "function":
            notes.add(kinds.BUILTIN_TOOL, "tools", index)
    out: Message = {"messages": messages}
    if dialogue.tools:
        out["tools"] = dump(
            dialogue.tools
        )  # as text: `datasets` would give all tools the same keys
    return row_of(dialogue, out, notes, ("system", "tools", "functions"))


def _messages(step: Round, notes: Notes) -> list[Message]:
    turn, results = step.turn, step.results
    for one in step.everybody():
        note_leftovers(one, notes)
    found: list[Message] = []
    words = with_thought(turn, notes)
    if words or not step.calls:
        note_empty(turn, notes)
        role = "tool_response" if turn.role == "observation" else turn.role
        found.append({"role": role, "content": words, **turn.kept})
    for said, call in step.calls:
        found.append({"role": "tool_call", "content": call_text(call, notes), **said.kept})
    if len(step.calls) > 1:
        order = in_order_of([call for _, call in step.calls], results)
        if order is not None and len(results) == len(step.calls):
            if results[0].answers is None:
                notes.add(kinds.RESULTS_BY_ORDER, *turn.at)
            results = [result for given in order for result in given]
        elif results:
            notes.add(kinds.RESULTS_UNMATCHED, *results[0].at)
    for result in results:
        found.append({"role": "tool_response", "content": result.words(), **result.kept})
    return found


FORMAT = Format(
    name="swift",
    recognised=("swift",),
    about="`messages` with the roles `tool_call` and `tool_response` (or `function_call`, `function_response`, `tool`); `tools` as JSON text beside them",
    notes="ms-swift's own form; several `tool_call` in a row are calls made at once",
    read=read,
    write=write,
    read_by="ms-swift",
    written="`tool_call` and `tool_response` messages of their own, thoughts in `<think>` tags, `tools` as JSON text",
)
