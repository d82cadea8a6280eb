"""What glmlint's own templates print for conversations of texts and of calls with objects, without
Jinja: that takes a hundredth of the time (a test compares the two)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

PREFIX: Final = "[gMASK]<sop>"

Plain = tuple[str, list[tuple[int, int]]]
"""The text, and whose it is from each place on: index of a message, the number of messages for the
tools, or -1 for nobody."""

Join = Callable[[Sequence[Any]], Plain | None]
"""Messages -> what is printed for them; None where Jinja has to do it."""


def glm4(messages: Sequence[Any]) -> Plain | None:
    """What GLM-4's revisions print for messages of texts without tools."""
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


def later(line: str, variables: Mapping[str, Any]) -> Join:
    """The same for the templates of GLM-4.5 and its successors.

    Args:
        line: what they print between marks, a line feed or nothing.
        variables: of the template, among them `tools`, a list of objects or nothing.
    """
    head, tools = PREFIX, variables["tools"]
    listed = (0, 0)
    if tools:
        head += f"<|system|>\n# Tools\n\n{variables['tools_heading']}\n<tools>\n"
        text = "".join([f"{_json(tool)}\n" for tool in tools])
        listed = len(head), len(head) + len(text)
        head += f"{text}</tools>\n\n{variables['call_heading']}\n<tool_call>{{function-name}}"
        for number in "12":
            head += f"{line}<arg_key>{{arg-key-{number}}}</arg_key>"
            head += f"{line}<arg_value>{{arg-value-{number}}}</arg_value>"
        head += f"{line}...{line}</tool_call>"

    def join(messages: Sequence[Any]) -> Plain | None:
        if not messages or len(set(map(id, messages))) < len(messages):
            return None
        if not all(map(_is_plain, messages)):
            return None
        size, number = len(head), len(messages)
        turns = [(listed[0], number), (listed[1], -1)] if tools else []
        # The template looks for the last question first, and prints nothing meanwhile.
        turns += [*((size, index) for index in range(number)), (size, -1)]
        roles = [message["role"] for message in messages]
        last = max((index for index, role in enumerate(roles) if role == "user"), default=-1)
        parts = [head]
        for index, (role, message) in enumerate(zip(roles, messages, strict=True)):
            if role == "assistant":
                part = _answer(message, index > last, line)
            elif role == "tool":
                opens = "" if index and roles[index - 1] == "tool" else "<|observation|>"
                result = f"<tool_response>{line}{message['content']}{line}</tool_response>"
                part = opens + line + result
            else:
                part = f"<|{role}|>{line}{message['content']}"
            parts.append(part)
            turns.append((size, index))
            size += len(part)
        turns.append((size, -1))
        return "".join(parts), turns

    return join


def _answer(message: Mapping[str, Any], thinks: bool, line: str) -> str:
    said, thought = message.get("content", ""), message.get("reasoning_content")
    if thought is None:
        thought = ""
        if "</think>" in said:
            pieces = said.split("</think>")
            thought = pieces[0].rstrip("\n").split("<think>")[-1].lstrip("\n")
            said = pieces[-1].lstrip("\n")
    if not thinks:
        thought = ""
    said = said.strip()
    opens = "<think>" if line or thought else ""
    parts = [f"<|assistant|>{line}{opens}{thought.strip()}</think>", line + said if said else ""]
    for written in message.get("tool_calls") or ():
        call = written.get("function") or written
        parts.append(f"{line}<tool_call>{call['name']}{line}")
        for key, value in call["arguments"].items():
            shown = value if type(value) is str else _json(value)
            parts.append(f"<arg_key>{key}</arg_key>{line}<arg_value>{shown}</arg_value>{line}")
        parts.append("</tool_call>")
    return "".join(parts)


def _is_plain(message: Any) -> bool:
    if type(message) is not dict:
        return False
    role = message.get("role")
    if type(message.get("content", "" if role == "assistant" else None)) is not str:
        return False
    if role == "assistant":
        thought, calls = message.get("reasoning_content"), message.get("tool_calls")
        return (thought is None or type(thought) is str) and (
            not calls or (type(calls) is list and all(map(_is_plain_call, calls)))
        )
    return type(role) is str and role in ("system", "user", "tool")


def _is_plain_call(written: Any) -> bool:
    call = written.get("function") or written if type(written) is dict else None
    return (
        type(call) is dict and type(call.get("name")) is str and type(call.get("arguments")) is dict
    )


def _json(value: Any) -> str:
    """As transformers' own `tojson(ensure_ascii=False)`, from 4.42 on."""
    return json.dumps(value, ensure_ascii=False)


LATER: Final[Mapping[str, Callable[[Mapping[str, Any]], Join]]] = {
    "GLM-4.5": partial(later, "\n"),
    "GLM-4.6": partial(later, "\n"),
    "GLM-4.7-Flash": partial(later, ""),
}
"""Name of a later template and its variables -> what joins messages."""
