"""What a row says, whatever its keys: turns in one form, each with the place where it is written."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from glmlint.finding import Pointer

Role = Literal["system", "user", "assistant", "observation"]


class TurnCall(Struct):
    """A tool call of an assistant's turn."""

    name: str
    arguments: Any
    """As it is written: a JSON value, or the text of one."""
    at: Pointer
    """Where the call is written."""
    id: str | None = None
    """By which a result names it."""


class Speech(Struct):
    """One turn: who speaks, what is said, and where it is written."""

    role: str
    """One of `Role`, or the written role where it is none that the format knows."""
    text: str | None
    """None where there is no text, or none that is a string."""
    at: Pointer
    """Where the turn is written."""
    text_at: Pointer | None = None
    """Where its text is written; None where no single string of the row holds it as it is."""
    reasoning: str | None = None
    reasoning_at: Pointer | None = None
    calls: tuple[TurnCall, ...] = ()
    loss: bool | float | None = None
    """The turn's own loss switch."""


class Conversation(Struct):
    """The turns of a row in order, and what stands beside them."""

    turns: list[Speech]
    tools: Any = None
    """The tool list, decoded; None without one."""
    tools_at: Pointer | None = None
    unread: tuple[str, ...] = ()
    """Keys of the row that this reader does not read."""
