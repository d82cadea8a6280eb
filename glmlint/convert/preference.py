"""Preference rows (DPO and the like): two answers, of which one can be taken when asked for."""

from __future__ import annotations

from typing import Any, Final

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import assemble, read_columns, side
from glmlint.read.formats import TURN_KEYS

_ANSWERS: Final = tuple(
    (f"chosen{tail}", f"rejected{tail}") for tail in ("", "_messages", "_response")
)
_QUESTIONS: Final = (*TURN_KEYS, "prompt", "question", "instruction", "query")


def read(row: Any, notes: Notes) -> GlmRow:
    """The chosen answer after the question, where `--take chosen` was given; else refused."""
    found = isinstance(row, dict) and next((pair for pair in _ANSWERS if pair[0] in row), None)
    if not found:
        raise Refused(kinds.NO_ANSWER)
    chosen, rejected = found
    if notes.take != "chosen":
        raise Refused(kinds.PREFERENCE, chosen)
    answer = side(row[chosen], "assistant", chosen, notes)
    consumed = {chosen, rejected}
    messages = answer
    question = next((key for key in _QUESTIONS if row.get(key)), None)
    if question is not None:
        consumed.add(question)
        if all(message["role"] != "user" for message in answer):
            messages = side(row[question], "user", question, notes) + answer
    if all(message["role"] != "assistant" for message in answer):
        raise Refused(kinds.NO_ANSWER, chosen)
    notes.add(kinds.REJECTED, rejected)
    consumed |= set(read_columns(row, messages, notes))
    return assemble(row, consumed, messages, notes)


FORMAT = Format(
    name="preference",
    recognised=("preference",),
    about="chosen and rejected answers; needs --take chosen",
    read=read,
)
