"""Names the format of one decoded row: GLM messages, or the other trainer's form that it has."""

from __future__ import annotations

from typing import Any, Final

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
}
"""Role, in lower case, as trainers spell it -> GLM's role; "call" is an assistant's tool call."""

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

_OPENAI_ROLES: Final = ("tool", "function", "developer")
_PLAIN_ROLES: Final = ("system", "user", "assistant", "observation", "tool")


def recognise(value: object) -> str | None:
    """The format of a row, or None for a row of no known one. Pure; costs a look at each turn.

    "glm": `messages` of role and content, which the GLM recipes read; whatever else is wrong with
    them, `tools` at the top of the row too, is for the rules. "openai": messages that carry
    `tool_calls`, tool results or content parts, or stand beside `functions`. "messages-list": a row that is the list itself. "sharegpt": turns of
    from and value, or with ShareGPT's role names. "chatglm3": `conversations` of role and content,
    or ssbuild's `paragraph`. "xtuner": turns of input and output. "alpaca", "prompt-response":
    flat rows. "preference": two answers to choose from. "prompt-only": nothing is answered.
    "text": plain text, without roles.
    """
    if isinstance(value, list):
        turns = bool(value) and all(isinstance(turn, dict) for turn in value)
        return "messages-list" if turns and ("role" in value[0] or "from" in value[0]) else None
    if not isinstance(value, dict):
        return None
    if any(_has(value, f"chosen{tail}") and _has(value, f"rejected{tail}") for tail in _TAILS):
        return "preference"
    for key in TURN_KEYS:
        listed = value.get(key)
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            return _of_turns(key, listed, value)
    return _of_columns(value)


_TAILS: Final = ("", "_messages", "_response")


def _has(row: dict[str, Any], key: str) -> bool:
    return row.get(key) is not None


def _of_turns(key: str, turns: list[Any], row: dict[str, Any]) -> str | None:
    first = turns[0]
    if "role" not in first:
        if "from" in first:
            return "sharegpt"
        return "xtuner" if "input" in first and "output" in first else None
    turns = [turn for turn in turns if isinstance(turn, dict)]
    if key != "messages" and any("observation" in turn or "parameters" in turn for turn in turns):
        return "chatglm3"
    if any(_speaks_openai(turn) for turn in turns):
        return "openai"
    if key == "messages":
        glm = any("metadata" in t or "tools" in t or t.get("role") == "observation" for t in turns)
        # `tools` at the top alone are GLM messages with tools in the wrong place.
        return "openai" if not glm and row.get("functions") else "glm"
    return "chatglm3" if all(turn.get("role") in _PLAIN_ROLES for turn in turns) else "sharegpt"


def _speaks_openai(turn: dict[str, Any]) -> bool:
    return (
        bool(turn.get("tool_calls") or turn.get("function_call"))
        or turn.get("role") in _OPENAI_ROLES
        or isinstance(turn.get("content"), list)
    )


def _of_columns(row: dict[str, Any]) -> str | None:
    if isinstance(row.get("paragraph"), list):
        return "chatglm3"
    if "instruction" in row and any(key in row for key in ("output", "response", "answer")):
        return "alpaca"
    if ("input" in row and "output" in row) or ("query" in row and "prompt" in row):
        return "alpaca"
    for question, answers in ANSWER_KEYS.items():
        if question in row and any(_has(row, answer) for answer in answers):
            return "prompt-response"
    if isinstance(row.get("prompt"), str | list):
        return "prompt-only"
    return "text" if isinstance(row.get("text"), str) else None
