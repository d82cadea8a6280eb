"""What glmlint's own templates print for conversations of plain texts, without Jinja: that takes a
hundredth of the time (a test compares the two)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

PREFIX: Final = "[gMASK]<sop>"

Plain = tuple[str, list[tuple[int, int]]]
"""The text, and whose it is from each place on: index of a message, or -1 for nobody's."""


def glm4(messages: Sequence[Any]) -> Plain | None:
    """What GLM-4's revisions print for messages of texts without tools; None for others."""
    if not messages:
        return None
    parts = [PREFIX]
    turns: list[tuple[int, int]] = []
    size = len(PREFIX)
    for index, message in enumerate(messages):
        if type(message) is not dict or "tools" in message:
            return None
        turns.append((size, index))
        if content := message.get("content"):
            role, metadata = message.get("role", ""), message.get("metadata", "")
            if not (type(content) is type(role) is type(metadata) is str):
                return None
            parts.append(f"<|{role}|>{metadata}\n{content}")
            size += len(parts[-1])
    turns.append((size, -1))
    return "".join(parts), turns


def glm45(messages: Sequence[Any]) -> Plain | None:
    """What the template of GLM-4.5 and 4.6 prints for questions, answers without calls and system
    texts; None where there is anything else."""

    def answer(thought: str, said: str) -> str:
        return f"<|assistant|>\n<think>{thought.strip()}</think>" + (said and f"\n{said}")

    return _by_roles(messages, {"system": "<|system|>\n", "user": "<|user|>\n"}, answer)


def glm47(messages: Sequence[Any]) -> Plain | None:
    """The same of GLM-4.7-Flash."""

    def answer(thought: str, said: str) -> str:
        return "<|assistant|>" + (thought and f"<think>{thought.strip()}") + f"</think>{said}"

    return _by_roles(messages, {"system": "<|system|>", "user": "<|user|>"}, answer)


def _by_roles(
    messages: Sequence[Any], headers: Mapping[str, str], answer: Callable[[str, str], str]
) -> Plain | None:
    kept = [message for message in messages if _is_plain(message)]
    if not messages or len(kept) < len(messages) or len(set(map(id, kept))) < len(kept):
        return None
    last = max((at for at, message in enumerate(kept) if message["role"] == "user"), default=-1)
    size = len(PREFIX)
    # The template looks for the last question first, and prints nothing meanwhile.
    turns = [*((size, index) for index in range(len(kept))), (size, -1)]
    parts = [PREFIX]
    for index, message in enumerate(kept):
        role, said = message["role"], message["content"]
        header = headers.get(role)
        if header is not None:
            part = header + said
        else:
            thought = message.get("reasoning_content")
            if thought is None:
                thought = ""
                if "</think>" in said:
                    pieces = said.split("</think>")
                    thought = pieces[0].rstrip("\n").split("<think>")[-1].lstrip("\n")
                    said = pieces[-1].lstrip("\n")
            part = answer(thought if index > last else "", said.strip())
        parts.append(part)
        turns.append((size, index))
        size += len(part)
    turns.append((size, -1))
    return "".join(parts), turns


def _is_plain(message: Any) -> bool:
    if type(message) is not dict or type(message.get("content")) is not str:
        return False
    role = message.get("role")
    if role == "assistant":
        thought = message.get("reasoning_content")
        return not message.get("tool_calls") and (thought is None or type(thought) is str)
    return role == "user" or role == "system"


PLAIN: Final[Mapping[str, Callable[[Sequence[Any]], Plain | None]]] = {
    "ChatGLM": glm4,
    "GLM-4": glm4,
    "GLM-4.5": glm45,
    "GLM-4.6": glm45,
    "GLM-4.7-Flash": glm47,
}
"""Name of a template -> the function for it."""
