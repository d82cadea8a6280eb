"""Alpaca: `instruction`, `input`, `output`, with `system` and `history`; and its other spellings."""

from __future__ import annotations

from typing import Any, Final

from glmlint.convert import kinds
from glmlint.convert.base import Format, Notes, Refused
from glmlint.convert.chat import assemble, history, pair
from glmlint.convert.dialogue import Dialogue, Utterance

_QUESTION: Final = ("instruction", "prompt")
_INPUT: Final = ("input", "query", "context")
_ANSWER: Final = ("output", "response", "answer")


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


FORMAT = Format(
    name="alpaca",
    recognised=("alpaca",),
    about="instruction, input, output, and history",
    read=read,
)
