"""One question and one answer a row: prompt/response, prompt/completion, question/answer, …"""

from __future__ import annotations

from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import assemble, history, side
from glmlint.converters.dialogue import Dialogue
from glmlint.read.formats import ANSWER_KEYS


def read(row: Any, notes: Notes) -> Dialogue:
    """The question may be a list of messages, the answer text, one message or a list of them."""
    if not isinstance(row, dict):
        raise Refused(kinds.NO_QUESTION)
    for question, answers in ANSWER_KEYS.items():
        answer = next((key for key in answers if row.get(key) is not None), None)
        if row.get(question) is not None and answer is not None:
            break
    else:
        raise Refused(kinds.NO_ANSWER)
    turns = history(row.get("history"), notes, "history")
    turns += side(row[question], "user", question, notes)
    turns += side(row[answer], "assistant", answer, notes)
    return assemble(row, {question, answer, "history"}, turns, notes)


FORMAT = Format(
    name="prompt-response",
    recognised=("prompt-response", "prompt-only"),
    about="`prompt` with `response`, `completion`, `answer` or `output`; `question` with `answer`; `query` with `response`; `content` with `summary`",
    notes="the prompt may be a list of messages; `history` is read",
    read=read,
)
