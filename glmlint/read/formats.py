"""Names the format of one decoded row: GLM messages, or the other trainer's form that it has."""

from __future__ import annotations

import importlib
from typing import Any, Final

from glmlint.read.spoken import is_call

ROLE_ALIASES: Final[dict[str, str]] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "chatbot", "model", "ai"), "assistant"),
    **dict.fromkeys(
        (
            *("observation", "observations", "tool", "function", "ipython", "environment"),
            *("tool_response", "tool_result", "tool_results", "function_response"),
            *("function_result", "tool-response", "function-response"),
        ),
        "observation",
    ),
    **dict.fromkeys(("function_call", "tool_call", "function-call", "tool-call"), "call"),
    **dict.fromkeys(("function_calls", "tool_calls", "tool_use"), "call"),
}
"""Role, in lower case, as trainers spell it -> GLM's role; "call" is an assistant's tool call."""

_EITHER: Final = ("function",)
"""Roles that are a result to some trainers (OpenAI's older form), a call to others (LLaMA-Factory)."""


def role_in(message: dict[str, Any]) -> str | None:
    """What speaks in a turn of any format: a role of GLM's, "call", or None for an unknown role.

    What a role `function` is depends on its content: a name with arguments is a call.
    """
    role = message.get("role") if message.get("role") is not None else message.get("from")
    if not isinstance(role, str):
        return None
    name = role.strip().lower()
    if name in _EITHER:
        content = next((message[key] for key in ("content", "value") if key in message), None)
        if is_call(content):
            return "call"
    return ROLE_ALIASES.get(name)


TURN_KEYS: Final = ("messages", "conversations", "conversation")
"""Row keys under which a list of turns stands."""

ANSWER_KEYS: Final = {
    "prompt": ("response", "completion", "answer", "output"),
    "question": ("answer", "response"),
    "query": ("response", "answer"),
    "content": ("summary",),
}
"""Key of the question -> keys of its answer, in rows of one question and one answer.

`content` and `summary` are the spelling of AdvertiseGen, the demo data of ChatGLM's own scripts.
"""

PAIR_KEYS: Final = {
    **dict.fromkeys(("human", "user"), ("assistant", "gpt", "bot")),
    "query": ("response", "answer"),
    "question": ("answer", "response"),
    "prompt": ("response", "completion", "answer"),
    "instruction": ("output", "response"),
    "q": ("a",),
    "input": ("output",),
}
"""Key of the question -> keys of its answer, in entries of a list that are one turn each."""

_OPENAI_ROLES: Final = ("tool", "function", "developer")
_PLAIN_ROLES: Final = ("system", "user", "assistant", "observation", "tool")
_SWIFT_ROLES: Final = ("tool_call", "tool_response")


def recognise(value: object) -> str | None:
    """The format of a row, or None for a row of no known one. Pure; costs a look at each turn.

    "glm": `messages` of role and content, which the GLM recipes read; whatever else is wrong with
    them, `tools` at the top of the row too, is for the rules. "openai": messages that carry
    `tool_calls`, tool results or content parts, or stand beside `functions`. "swift": tool calls and
    their results have roles of their own, as in ms-swift. "messages-list": a row that is the list
    itself. "sharegpt": turns of from and value, or with ShareGPT's role names. "chatglm3":
    `conversations` of role and content, or ssbuild's `paragraph`. "xtuner": turns of input and output.
    "pairs": turns of a question and an answer under other names. "alpaca", "prompt-response":
    flat rows. "preference": two answers to choose from. "prompt-only": nothing is answered.
    "text": plain text, without roles. A key that is null is taken for one that is not there.
    Of any other row the formats of `convert` are asked that have a `matches`: their names.
    """
    return _known(value) or _of_other_formats(value)


def _known(value: object) -> str | None:
    if isinstance(value, list):
        if not value or not all(isinstance(turn, dict) for turn in value):
            return None
        if _has(value[0], "role") or _has(value[0], "from"):
            return "messages-list"
        return "pairs" if _is_turn(value[0]) else None
    if not isinstance(value, dict):
        return None
    if any(_has(value, f"chosen{tail}") and _has(value, f"rejected{tail}") for tail in _TAILS):
        return "preference"
    for key in TURN_KEYS:
        listed = value.get(key)
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            return _of_turns(key, listed, value)
    return _of_columns(value)


def _of_other_formats(value: object) -> str | None:
    """A format that names its rows itself. Looked up by name: its readers need this module."""
    formats = importlib.import_module("glmlint.converters.base").formats()
    asked = (one for one in formats.values() if one.matches is not None)
    return next((one.name for one in asked if one.matches(value)), None)


_TAILS: Final = ("", "_messages", "_response")


def _has(row: dict[str, Any], key: str) -> bool:
    return row.get(key) is not None


def pair_of(entry: dict[str, Any]) -> tuple[str, str] | None:
    """The keys of question and answer in an entry that is one turn; None where it is none."""
    for question, answers in PAIR_KEYS.items():
        if question in entry:
            for answer in answers:
                if answer in entry and (_has(entry, question) or _has(entry, answer)):
                    return question, answer
    return None


def speakers_of(entry: dict[str, Any]) -> list[tuple[str, str]]:
    """Keys of an entry that name who speaks, each with GLM's role: `{"user": "Hi"}`."""
    return [
        (key, role)
        for key, text in entry.items()
        if isinstance(text, str) and (role := ROLE_ALIASES.get(key.lower())) in _PLAIN_ROLES
    ]


def _is_turn(entry: dict[str, Any]) -> bool:
    """Whether an entry is a question with its answer, or what one of the two says."""
    return pair_of(entry) is not None or (bool(speakers_of(entry)) and "content" not in entry)


def _of_turns(key: str, turns: list[Any], row: dict[str, Any]) -> str | None:
    first = turns[0]
    if not _has(first, "role"):
        if _has(first, "from"):
            return "sharegpt"
        if "role" not in first:
            if "input" in first and "output" in first:
                return "xtuner"
            return "pairs" if _is_turn(first) else None
    turns = [turn for turn in turns if isinstance(turn, dict)]
    if key != "messages" and any(
        _has(turn, "observation") or _has(turn, "parameters") for turn in turns
    ):
        return "chatglm3"
    calls = any(turn.get("tool_calls") or turn.get("function_call") for turn in turns)
    if not calls and any(_speaks_swift(key, turn) for turn in turns):
        return "swift"
    if calls or any(_speaks_openai(turn) for turn in turns):
        return "openai"
    if key == "messages":
        glm = any(is_glm(turn) for turn in turns)
        # `tools` at the top alone are GLM messages with tools in the wrong place.
        return "openai" if not glm and row.get("functions") else "glm"
    return "chatglm3" if all(turn.get("role") in _PLAIN_ROLES for turn in turns) else "sharegpt"


def is_glm(turn: dict[str, Any]) -> bool:
    """Whether a turn has what only GLM's own messages have."""
    return _has(turn, "metadata") or _has(turn, "tools") or turn.get("role") == "observation"


def _speaks_swift(key: str, turn: dict[str, Any]) -> bool:
    role = turn.get("role")
    if not isinstance(role, str):
        return False
    role = role.lower()
    if role in _SWIFT_ROLES:
        return True
    return key == "messages" and (role == "function_response" or role_in(turn) == "call")


def _speaks_openai(turn: dict[str, Any]) -> bool:
    role = turn.get("role")
    if isinstance(turn.get("content"), list):
        return True
    return role in _OPENAI_ROLES and role_in(turn) != "call"


def _of_columns(row: dict[str, Any]) -> str | None:
    if isinstance(row.get("paragraph"), list):
        return "chatglm3"
    if _has(row, "instruction") and any(key in row for key in ("output", "response", "answer")):
        return "alpaca"
    if ("input" in row and _has(row, "output")) or (_has(row, "query") and _has(row, "prompt")):
        return "alpaca"
    for question, answers in ANSWER_KEYS.items():
        if _has(row, question) and any(_has(row, answer) for answer in answers):
            return "prompt-response"
    if isinstance(row.get("prompt"), str | list):
        return "prompt-only"
    return "text" if isinstance(row.get("text"), str) else None
