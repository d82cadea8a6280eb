"""Preference rows (DPO and the like): two answers, of which one can be taken when asked for."""

from __future__ import annotations

from typing import Any, Final

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import assemble, side
from glmlint.converters.dialogue import Dialogue
from glmlint.read.formats import TURN_KEYS

_ANSWERS: Final = tuple(
    (f"chosen{tail}", f"rejected{tail}") for tail in ("", "_messages", "_response")
)
_QUESTIONS: Final = (*TURN_KEYS, "prompt", "question", "instruction", "query")


def read(row: Any, notes: Notes) -> Dialogue:
    """The chosen answer after the question, where `--take chosen` was given; else refused."""
    found = isinstance(row, dict) and next((pair for pair in _ANSWERS if pair[0] in row), None)
    if not found:
        raise Refused(kinds.NO_ANSWER)
    chosen, rejected = found
    if notes.take != "chosen":
        raise Refused(kinds.PREFERENCE, chosen)
    answer = side(row[chosen], "assistant", chosen, notes)
    consumed = {chosen, rejected}
    turns = answer
    question = next((key for key in _QUESTIONS if row.get(key)), None)
    if question is not None:
        consumed.add(question)
        if all(turn.role != "user" for turn in answer):
            turns = side(row[question], "user", question, notes) + answer
    if all(turn.role != "assistant" for turn in answer):
        raise Refused(kinds.NO_ANSWER, chosen)
    notes.add(kinds.REJECTED, rejected)
    return assemble(row, consumed, turns, notes)


FORMAT = Format(
    name="preference",
    recognised=("preference",),
    about="`chosen` and `rejected`",
    notes="refused, unless `--take chosen` makes the chosen answer the answer",
    read=read,
)
