"""One question and one answer a row: prompt/response, prompt/completion, question/answer, …"""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import assemble, history, read_columns, side
from glmlint.read.formats import ANSWER_KEYS


def read(row: Any, notes: Notes) -> GlmRow:
    """The question may be a list of messages, the answer text, one message or a list of them."""
    if not isinstance(row, dict):
        raise Refused(kinds.NO_QUESTION)
    for question, answers in ANSWER_KEYS.items():
        answer = next((key for key in answers if row.get(key) is not None), None)
        if row.get(question) is not None and answer is not None:
            break
    else:
        raise Refused(kinds.NO_ANSWER)
    messages = history(row.get("history"), notes, "history")
    messages += side(row[question], "user", question, notes)
    messages += side(row[answer], "assistant", answer, notes)
    consumed = {question, answer, "history", *read_columns(row, messages, notes)}
    return assemble(row, consumed, messages, notes)


FORMAT = Format(
    name="prompt-response",
    recognised=("prompt-response", "prompt-only"),
    about="prompt with response or completion, question with answer",
    read=read,
)
