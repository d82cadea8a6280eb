"""What rules ask about the messages of a row: who speaks, and what the trainer makes of one."""

from __future__ import annotations

from typing import Any, Literal

from glmlint.evidence.json_fault import printable
from glmlint.read.formats import role_in
from glmlint.read.sample import ROLES
from glmlint.read.survey import misplaced_answer
from glmlint.trainer.row import Row

Fate = Literal["raises", "trained", "printed", "nothing", "left out", "unknown"]


def fate(row: Row, index: int) -> Fate:
    """What happens to the message at `index` under the row's recipe.

    "raises": the trainer raises because of it. "trained": some of it carries loss. "printed": it
    is in the prompt, without loss. "nothing": it is an answer that is left out, and nothing in
    the row is trained. "left out": no token of it is in the sequence. "unknown": the trainer
    raises for another reason, or drops the row.
    """
    if raises_at(row, index):
        return "raises"
    if row.layout is None:
        return "unknown"
    owned = row.printed.get(index)
    if owned is not None:
        return "trained" if owned else "printed"
    answer = role_of(row.messages[index]) == "assistant"
    return "nothing" if answer and row.supervised == 0 else "left out"


def raises_at(row: Row, index: int) -> bool:
    """Whether the exception that ends the training at this row is this message's doing."""
    error = row.error
    if error is None:
        return False
    if error.at is not None:
        return error.at[:2] == ("messages", index)
    message = row.messages[index]
    if error.exception == "ValueError":  # no assistant token: every answer is left out
        return role_of(message) == "assistant" and not content_of(message)
    try:
        row.context.template.render([message])
    except Exception as found:  # whatever the template raises on this message alone
        return type(found).__name__ == error.exception
    return False


def role_of(message: Any) -> str | None:
    """The role, one of `ROLES`, that a message has or that its spelling stands for."""
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str):
        return None
    if role in ROLES:
        return role
    known = role_in(message)
    return "assistant" if known == "call" else known


def content_of(message: Any) -> Any:
    """The content of anything that may be a message; None where it has none."""
    return message.get("content") if isinstance(message, dict) else None


def says_nothing(message: dict[str, Any], *apart_from: str) -> bool:
    """Whether a message has no content apart from its role and the named keys."""
    nothing: tuple[Any, ...] = (None, "", [], {})
    return all(
        value in nothing or isinstance(value, bool | int | float)
        for key, value in message.items()
        if key != "role" and key not in apart_from
    )


def speakers(row: Row) -> list[str | None]:
    """The role of each message, as `role_of` reads it."""
    if row.conversation is not None:
        return [turn.role for turn in row.conversation.turns]
    if row.sample is not None:
        return [message.role for message in row.sample.messages]
    return [role_of(message) for message in row.messages]


def answer_at(row: Row) -> int | None:
    """The turn that may be an answer under the wrong role; None in a row of another form."""
    if row.foreign:
        return None
    talk = row.conversation
    if talk is None:
        return misplaced_answer(row.messages)
    if any(turn.calls for turn in talk.turns[-2:]):
        return None
    return misplaced_answer(
        [{"role": turn.role, "content": turn.text} for turn in talk.turns[-3:]], len(talk.turns)
    )


def kind_of(value: Any) -> tuple[str, str]:
    """The kind of a JSON value, in English and Chinese, as sentences name it."""
    if value is None:
        return "null", "空值 null"
    if isinstance(value, bool):
        return "true or false", "布尔值"
    if isinstance(value, int | float):
        return "a number", "数字"
    if isinstance(value, str):
        return "a string", "字符串"
    return ("a list", "列表") if isinstance(value, list) else ("an object", "对象")


def shown(value: object, limit: int = 40) -> str:
    """A value as a sentence shows it: short, and printable."""
    text = str(value)
    return printable(text if len(text) <= limit else text[: limit - 1] + "…")
