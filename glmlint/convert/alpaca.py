"""Alpaca: `instruction`, `input`, `output`, with `system` and `history`; and its other spellings."""

from __future__ import annotations

from typing import Any, Final

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import assemble, history, pair, read_columns

_QUESTION: Final = ("instruction", "prompt")
_INPUT: Final = ("input", "query", "context")
_ANSWER: Final = ("output", "response", "answer")


def read(row: Any, notes: Notes) -> GlmRow:
    """Instruction and input are joined by a newline, as LLaMA-Factory joins them.

    Lists of questions and answers under `input` and `output` are a conversation of several turns.
    """
    if not isinstance(row, dict):
        raise Refused(kinds.NO_QUESTION)
    question, more, answer = (
        next((key for key in keys if row.get(key) is not None), keys[0])
        for keys in (_QUESTION, _INPUT, _ANSWER)
    )
    messages = history(row.get("history"), notes, "history")
    asked, answered = row.get(more), row.get(answer)
    if isinstance(asked, list) and isinstance(answered, list) and len(asked) == len(answered):
        for index, said in enumerate(zip(asked, answered, strict=True)):
            messages += pair(said, (more, index))
        asked = answered = None
    texts = [text for text in (row.get(question), asked) if text not in (None, "")]
    if not all(isinstance(text, str) for text in texts) or (not texts and not messages):
        raise Refused(kinds.NO_QUESTION, question)
    if answered is not None or texts:
        if not isinstance(answered, str):
            raise Refused(kinds.NO_ANSWER, answer)
        messages.append({"role": "user", "content": "\n".join(texts)})
        messages.append({"role": "assistant", "content": answered})
    consumed = {question, more, answer, "history", *read_columns(row, messages, notes)}
    return assemble(row, consumed, messages, notes)


FORMAT = Format(
    name="alpaca",
    recognised=("alpaca",),
    about="instruction, input, output, and history",
    read=read,
)
