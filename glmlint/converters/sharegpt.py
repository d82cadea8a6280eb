"""ShareGPT: `conversations` of from and value, with `system` and `tools` beside them."""

from __future__ import annotations

from typing import Any, Final

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes
from glmlint.converters.chat import dump, inked, read_chat, split_thought
from glmlint.converters.dialogue import (
    NEXT_RESULT,
    Dialogue,
    Message,
    Round,
    Utterance,
    in_order_of,
    only_for_tools,
    rounds,
)
from glmlint.converters.writing import call_text, note_empty, note_leftovers, row_of, with_thought
from glmlint.read.spoken import spoken
from glmlint.trainer.conversation import TurnCall

_FROM: Final = {
    "system": "system",
    "user": "human",
    "assistant": "gpt",
    "observation": "observation",
}
_ASKS: Final = ("human", "observation")
_MARKS: Final = (("<tool_call>", "</tool_call>"), ("<think>", "</think>"))
"""What LLaMA-Factory looks for in the text of calls, inside their JSON too."""


def read(row: Any, notes: Notes) -> Dialogue:
    """Both spellings of the turns; `tools` as JSON text or as a list."""
    found = read_chat(row, ("conversations", "conversation", "messages"), notes)
    turns: list[Utterance] = []
    for turn in found.turns:
        split_thought(turn)
        before = turns[-1] if turns else turn
        parts = (turn.text or "").split(NEXT_RESULT) if turn.role == "observation" else []
        if len(parts) > 1 and len(before.calls) == len(parts):
            turns += [
                Utterance(
                    "observation", part, turn.at, turn.text_at, kept=turn.kept, rest=turn.rest
                )
                for part in parts
            ]
        else:
            turns.append(turn)
    found.turns = turns
    return found


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """As LLaMA-Factory reads it: calls as JSON text, tools as JSON text of bare functions."""
    turns: list[Message] = []
    said = dialogue.turns[1:] if only_for_tools(dialogue) else dialogue.turns
    for step in rounds(said):
        turns += _turns(step, notes)
    out: Message = {"conversations": turns}
    if dialogue.tools:
        out["tools"] = dump([_bare(tool, notes, n) for n, tool in enumerate(dialogue.tools)])
    spoken = [turn["from"] for turn in turns if turn["from"] != "system"]
    asked = [speaker in _ASKS for speaker in spoken]
    late_system = any(turn["from"] == "system" for turn in turns[1:])
    if late_system or asked != [n % 2 == 0 for n in range(len(asked))] or len(asked) % 2:
        notes.add(kinds.TURN_ORDER, *(dialogue.turns[0].at[:1] if dialogue.turns else ()))
    return row_of(dialogue, out, notes, ("system", "tools", "functions", "messages"))


def _turns(step: Round, notes: Notes) -> list[Message]:
    """A turn of words, or one of calls with their results behind it."""
    turn = step.turn
    for one in step.everybody():
        note_leftovers(one, notes)
    if not step.calls:
        return [_plain(turn, notes)]
    if len(turn.calls) < len(step.calls):  # calls in turns of their own stay there
        ones = list({id(one): one for one, _ in step.calls}.values())
        called = [made for one in ones for made in _called(one, notes)]
        return [*called, *(_plain(result, notes) for result in step.results)]
    calls = [call for _, call in step.calls]
    called = _called(turn, notes)
    if len(calls) < 2 or not step.results:
        return [*called, *(_plain(result, notes) for result in step.results)]
    return [*called, _joined(step, calls, notes)]


def _plain(turn: Utterance, notes: Notes) -> Message:
    note_empty(turn, notes)
    return {"from": _FROM[turn.role], "value": with_thought(turn, notes), **turn.kept}


def _joined(step: Round, calls: list[TurnCall], notes: Notes) -> Message:
    """The results of several calls as one turn, in the order of the calls."""
    results = step.results
    order = in_order_of(calls, results)
    if order is not None:
        results = [result for found in order for result in found]
    kept = results[0].kept
    texts = [result.words() for result in results]
    known = order is not None and len(results) == len(calls)
    if not known or any(NEXT_RESULT in text for text in texts):
        notes.add(kinds.RESULTS_UNMATCHED, *results[0].at)
    elif any(result.answers is None for result in results):
        notes.add(kinds.RESULTS_BY_ORDER, *step.turn.at)
    for result in results:
        if result.kept != kept:
            notes.add(kinds.MESSAGE_KEY, *result.at)
    return {"from": "observation", "value": NEXT_RESULT.join(texts), **kept}


def _called(turn: Utterance, notes: Notes) -> list[Message]:
    """A turn of calls as JSON, with its words in front."""
    calls = [call_text(call, notes) for call in turn.calls]
    value = calls[0] if len(calls) == 1 else f"[{', '.join(calls)}]"
    if len(calls) > 1:
        notes.add(kinds.CALLS_TOGETHER, *turn.at)
    words = with_thought(turn, notes)
    together = words + _guarded(value)
    if turn.text:
        tagged = value
        for _, closes in _MARKS:
            tagged = tagged.replace(closes, f"\\u003c{closes[1:]}")
        together = f"{words}<tool_call>{tagged}</tool_call>"
    if not _told_apart(words, together, len(calls)):
        before = {"from": "gpt", "value": words, **turn.kept}
        return [before, {"from": "function_call", "value": _guarded(value), **turn.kept}]
    if turn.text:
        notes.add(kinds.TEXT_WITH_CALL, *(turn.text_at or turn.at))
    return [{"from": "function_call", "value": together, **turn.kept}]


def _told_apart(words: str, together: str, calls: int) -> bool:
    """Whether a reader finds the words and the calls again in the one text."""
    found = spoken(together)
    return (
        found is not None
        and len(found.calls) == calls
        and inked(found.before) == inked(words)
        and "<tool_call>" not in words
    )


def _guarded(text: str) -> str:
    """JSON without the marks that LLaMA-Factory would take for its own; the value is the same."""
    for opens, closes in _MARKS:
        first = text.find(opens)
        if first >= 0 and text.find(closes, first) >= 0:
            text = text.replace(opens, f"\\u003c{opens[1:]}")
    return text


def _bare(tool: Any, notes: Notes, index: int) -> Any:
    """A function without its wrapping, where the wrapping can be told again."""
    if tool.get("type") != "function":
        notes.add(kinds.BUILTIN_TOOL, "tools", index)
        return tool
    function = tool.get("function")
    bare = tool.keys() == {"type", "function"} and isinstance(function, dict)
    return function if bare and not function.keys() & {"type", "function"} else tool


FORMAT = Format(
    name="sharegpt",
    recognised=("sharegpt",),
    about="`conversations` of `from`/`value`, or of `role`/`content` with roles like `human`",
    notes="`system` and `tools` columns; tools as a list or as JSON text; `function_call` with one call or a list",
    read=read,
    write=write,
    read_by="LLaMA-Factory",
    written="`function_call` and `tools` as JSON text. Several calls of one turn are a list in one `function_call`, their results one `observation`, joined as LLaMA-Factory joins those of OpenAI rows; a thought stands in `<think>` tags in front of the answer or the call; a text in front of a call stays in front of it, the call in `<tool_call>` tags",
)
