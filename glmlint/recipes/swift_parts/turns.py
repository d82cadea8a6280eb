"""What a row says, turn by turn, and where each turn is written, for a row of any shape at all.

Turns are counted as `rows.read` counts them: a message's owner is the index of its turn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.finding import Pointer
from glmlint.recipes.swift_parts.python import RAISED, parsed
from glmlint.recipes.swift_parts.rows import (
    ASSISTANT_ROLES,
    CALL_ROLES,
    RESULT_ROLES,
    USER_ROLES,
    Columns,
    Form,
    history_of,
    listed,
    named,
)
from glmlint.trainer.conversation import Conversation, Speech, TurnCall

_READ: Final = frozenset(
    (
        *("system", "tools", "chat_template_kwargs", "rejected_response", "rejected_messages"),
        *("images", "videos", "audios", "objects", "channel", "label", "margin"),
    )
)
"""Columns that ms-swift keeps, whatever the form."""
_READ_BY: Final[dict[Form, frozenset[str]]] = {
    "messages": frozenset(("messages",)),
    "alpaca": frozenset(("instruction", "input", "output", "response", "history")),
    "response": frozenset(("query", "response", "history")),
}


def conversation(row: dict[str, Any], columns: Columns) -> Conversation:
    """The turns of a row. Never raises: what can't be read as a turn has no text."""
    values, form, written = named(row, columns)
    turns = [*(_listed if form == "messages" else _columns)(values, written, form)]
    tools, tools_at = _tools(values, written)
    unread = tuple(
        written[name] for name in values if name not in _READ and name not in _READ_BY[form]
    )
    return Conversation(turns, tools, tools_at, unread)


def _tools(values: dict[str, Any], written: dict[str, str]) -> tuple[Any, Pointer | None]:
    tools = values.get("tools")
    if tools is None:
        return None, None
    value = _parsed(tools)
    value = tools if value is None else value
    value = value if isinstance(value, list) else [value]
    found = [(tool, _parsed(tool)) for tool in value]
    return [tool if read is None else read for tool, read in found], (written["tools"],)


def _parsed(value: Any) -> Any:
    try:
        return parsed(value)
    except RAISED:
        return None


def _speech(role: str, value: Any, at: Pointer) -> Speech:
    text = value if isinstance(value, str) else None
    return Speech(role, text, at, None if text is None else at)


def _columns(values: dict[str, Any], written: dict[str, str], form: Form) -> Iterator[Speech]:
    """Turns of the columns system, history, query and response, or of Alpaca's."""
    if values.get("system") is not None:
        yield _speech("system", values["system"], (written["system"],))
    yield from _history(values, written)
    if form == "alpaca":
        yield from _instruction(values, written)
    elif values.get("query") is not None:
        yield _speech("user", values["query"], (written["query"],))
    name = "output" if form == "alpaca" and values.get("output") is not None else "response"
    answer = values.get(name)
    if isinstance(answer, list):
        if answer and answer[0] is not None:
            yield _speech("assistant", answer[0], (written[name], 0))
    elif answer is not None:
        yield _speech("assistant", answer, (written[name],))


def _instruction(values: dict[str, Any], written: dict[str, str]) -> Iterator[Speech]:
    said = [name for name in ("instruction", "input") if values[name]] or ["instruction"]
    at = (written[said[0]],)
    if len(said) == 1:
        yield _speech("user", values[said[0]], at)
    else:
        yield Speech("user", f"{values['instruction']}\n{values['input']}", at)


def _history(values: dict[str, Any], written: dict[str, str]) -> Iterator[Speech]:
    try:
        pairs = history_of(values)
    except RAISED:
        return
    for index, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple):
            return
        for place, (role, said) in enumerate(zip(("user", "assistant"), pair, strict=False)):
            if said is None:
                continue
            if isinstance(values["history"], str):
                text = said if isinstance(said, str) else None
                yield Speech(role, text, (written["history"],))
            else:
                yield _speech(role, said, (written["history"], index, place))


def _listed(values: dict[str, Any], written: dict[str, str], form: Form) -> Iterator[Speech]:
    """Turns of a list of messages."""
    del form
    try:
        turns = listed(values.get("messages"))
    except RAISED:
        return
    if not isinstance(turns, list) or not turns:
        return
    name = written["messages"]
    as_text = isinstance(values["messages"], str)
    first = turns[0] if isinstance(turns[0], dict) else {"role": ""}
    pairs = not any(key in first for key in ("role", "from", "content", "value"))
    has_system = values.get("system") is not None
    if has_system and (pairs or _key(first, "role", "from")[1] != "system"):
        yield _speech("system", values["system"], (written["system"],))
    openai = any(isinstance(turn, dict) and turn.get("tool_calls") for turn in turns)
    for index, turn in enumerate(turns):
        at: Pointer = (name,) if as_text else (name, index)
        if not isinstance(turn, dict):
            yield Speech("", None, at)
        elif pairs:
            for role, names in (("user", USER_ROLES), ("assistant", ASSISTANT_ROLES)):
                key, said = _key(turn, *names)
                speech = _speech(role, said, at if as_text or key is None else (*at, key))
                if as_text:
                    speech.text_at = None
                yield speech
        else:
            yield _turn(turn, at, openai, as_text)


def _key(turn: dict[str, Any], *names: str) -> tuple[str | None, Any]:
    """The last of these keys that a turn has, which is the one that counts, and its value."""
    for name in reversed(names):
        if name in turn:
            return name, turn[name]
    return None, None


def _turn(turn: dict[str, Any], at: Pointer, openai: bool, as_text: bool) -> Speech:
    role = _key(turn, "role", "from")[1]
    key, content = _key(turn, "content", "value")
    here: Pointer = at if as_text or key is None else (*at, key)
    loss = turn.get("loss")
    speech = Speech(
        ""
        if role is None
        else _ROLES.get(spelled := str(role)) or _ROLES.get(spelled.replace("-", "_"), spelled),
        content if isinstance(content, str) else None,
        at,
        here if isinstance(content, str) and not as_text else None,
        loss=loss if isinstance(loss, bool | int | float) else None,
    )
    if speech.role == _CALL:
        speech.role = "assistant"
        call = _call(_parsed(content), here)
        if call is not None:
            speech.calls, speech.text, speech.text_at = (call,), None, None
    elif openai and turn.get("role") == "assistant":
        calls = turn.get("tool_calls")
        places = enumerate(calls if isinstance(calls, list) else ())
        found = [
            _call(entry.get("function", entry), here_of, entry.get("id"))
            for place, entry in places
            if isinstance(entry, dict)
            for here_of in [at if as_text else (*at, "tool_calls", place)]
        ]
        speech.calls = tuple(call for call in found if call is not None)
    elif isinstance(content, list):
        _read_blocks(speech, content, here, as_text)
    return speech


_CALL: Final = "call"
_ROLES: Final = {
    "system": "system",
    **dict.fromkeys(USER_ROLES, "user"),
    **dict.fromkeys(ASSISTANT_ROLES, "assistant"),
    **dict.fromkeys(("tool_call", *CALL_ROLES), _CALL),
    **dict.fromkeys(("tool", "tool_response", *RESULT_ROLES), "observation"),
}


def _call(value: Any, at: Pointer, name: Any = None) -> TurnCall | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments")
    if arguments is None:
        arguments = value.get("parameters")
    return TurnCall(value["name"], arguments, at, name if isinstance(name, str) else None)


def _read_blocks(speech: Speech, content: list[Any], at: Pointer, as_text: bool) -> None:
    """Content parts: their text, and the calls and results among them."""
    texts: list[str] = []
    calls: list[TurnCall] = []
    results = False
    for place, block in enumerate(content):
        if not isinstance(block, dict):
            continue
        kind = block.get("type")
        if kind == "tool_use":
            value = {"name": block.get("name"), "arguments": block.get("input", {})}
            call = _call(value, at if as_text else (*at, place), block.get("id"))
            calls += [] if call is None else [call]
        elif kind == "tool_result":
            results = True
            said = block.get("content", "")
            parts = said if isinstance(said, list) else [{"type": "text", "text": said}]
            texts += [part["text"] for part in parts if _is_text(part)]
        elif _is_text(block):
            texts.append(block["text"])
    speech.text = "".join(texts)
    speech.calls = tuple(calls)
    if results:
        speech.role = "observation"


def _is_text(block: Any) -> bool:
    return (
        isinstance(block, dict)
        and block.get("type") == "text"
        and isinstance(block.get("text"), str)
    )
