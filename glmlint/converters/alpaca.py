"""Alpaca: `instruction`, `input`, `output`, with `system` and `history`; and its other spellings."""

from __future__ import annotations

from typing import Any, Final

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import assemble, history, pair
from glmlint.converters.dialogue import Dialogue, Message, Utterance, only_for_tools
from glmlint.converters.writing import note_empty, note_leftovers, row_of, with_thought

_QUESTION: Final = ("instruction", "prompt")
_INPUT: Final = ("input", "query", "context")
_ANSWER: Final = ("output", "response", "answer")
_TAKEN: Final = (*_QUESTION, *_INPUT, *_ANSWER, "tools", "functions")


def read(row: Any, notes: Notes) -> Dialogue:
    """Instruction and input are joined by a newline, as LLaMA-Factory joins them.

    Lists of questions and answers under `input` and `output` are a conversation of several turns.
    """
    if not isinstance(row, dict):
        raise Refused(kinds.NO_QUESTION)
    question, more, answer = (
        next((key for key in keys if row.get(key) is not None), keys[0])
        for keys in (_QUESTION, _INPUT, _ANSWER)
    )
    turns = history(row.get("history"), notes, "history")
    asked, answered = row.get(more), row.get(answer)
    if isinstance(asked, list) and isinstance(answered, list) and len(asked) == len(answered):
        for index, said in enumerate(zip(asked, answered, strict=True)):
            turns += pair(said, (more, index))
        asked = answered = None
    texts = [text for text in (row.get(question), asked) if text not in (None, "")]
    if not all(isinstance(text, str) for text in texts) or (not texts and not turns):
        raise Refused(kinds.NO_QUESTION, question)
    if answered is not None or texts:
        if not isinstance(answered, str):
            raise Refused(kinds.NO_ANSWER, answer)
        turns.append(Utterance("user", "\n".join(texts), (question,), (question,)))
        turns.append(Utterance("assistant", answered, (answer,), (answer,)))
    return assemble(row, {question, more, answer, "history"}, turns, notes)


def write(dialogue: Dialogue, notes: Notes) -> Message:
    """The last question and its answer, those before them as `history`. Raises Refused."""
    turns = dialogue.turns[1:] if only_for_tools(dialogue) else list(dialogue.turns)
    if dialogue.tools:
        raise Refused(kinds.NO_PLACE, detail="tools")
    out: Message = {"instruction": "", "input": "", "output": ""}
    for turn in turns:
        note_leftovers(turn, notes)
        note_empty(turn, notes)
        if turn.kept:
            notes.add(kinds.LOSS_SWITCH, *turn.at, next(iter(turn.kept)))
    if turns and turns[0].role == "system":
        out["system"] = turns.pop(0).words()
    for index, turn in enumerate(turns):
        if turn.role != ("user", "assistant")[index % 2] or turn.calls:
            raise Refused(kinds.NO_PLACE, *turn.at)
    if not turns or len(turns) % 2:
        raise Refused(kinds.NO_ANSWER, *(turns[-1].at if turns else ()))
    said = [with_thought(turn, notes) for turn in turns]
    if not said[-2]:
        raise Refused(kinds.NO_QUESTION, *turns[-2].at)
    out["instruction"], out["output"] = said[-2:]
    if len(said) > 2:
        out["history"] = [list(two) for two in zip(said[:-2:2], said[1:-2:2], strict=True)]
    return row_of(dialogue, out, notes, (*_TAKEN, "system", "history", "messages"))


FORMAT = Format(
    name="alpaca",
    recognised=("alpaca",),
    about="`instruction`, `input`, `output`; `system`, `history`",
    notes="also `prompt`/`query`/`response`, `instruction`/`context`/`response`, and lists under `input` and `output`",
    read=read,
    write=write,
    read_by="LLaMA-Factory",
    written="`instruction`, `output`, `system` and `history`; name the last two in `columns` of `dataset_info.json`. A row with tools, calls or turns out of order is refused",
)
