"""Tool calls that stand as text: which texts are calls, of what, and with which arguments as written.

Trainers keep a call in the text of a message with a role of its own: `function_call` in ShareGPT rows
(LLaMA-Factory), `tool_call` in ms-swift's, `function` in LLaMA-Factory's own dialogue format. There it is
JSON of a name and arguments, or a list of such objects, perhaps between `<tool_call>` tags, perhaps with
a thought in front.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from glmlint.patterns import Pattern
from glmlint.read.sample import SHAPE_ERRORS, read

ARGUMENT_KEYS: Final = ("arguments", "parameters", "args", "input")
"""Where a call keeps its arguments, the usual spelling first."""

_CALL_KEYS: Final = frozenset(
    (*ARGUMENT_KEYS, "name", "id", "call_id", "tool_call_id", "type", "index", "function")
)
"""What a call may consist of; an object with anything else may be a result."""

_IDS: Final = ("id", "call_id", "tool_call_id")
_BESIDE: Final = (*_IDS, "type", "index")
_TYPES: Final = ("function", "function_call", "tool_call", "tool_use")
_END_OF_THOUGHT: Final = "</think>"
_TAGGED: Final = Pattern(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_MISTRAL: Final = "[TOOL_CALLS]"

_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_objects: Final = msgspec.json.Decoder(list[dict[str, Raw]]).decode


class Spoken(Struct, frozen=True):
    """One call."""

    name: str
    arguments: str | None
    """As they are written, mostly JSON text; None where there are none, or null."""
    id: str | None = None
    """By which its result may name it."""
    whole: bool = True
    """Whether name, arguments and id are all that the text says: no other key, none of them twice."""
    sure: bool = True
    """Whether it is a call by its looks alone: it has arguments, and no key that calls do not have."""


class SpokenCalls(Struct, frozen=True):
    """A text that is one call or several."""

    before: str
    """What stands in front of them, such as a thought: "" or a text."""
    calls: tuple[Spoken, ...]


def spoken(content: object) -> SpokenCalls | None:
    """The calls of a message's content: its text, or the value itself. None for anything else.

    Names alone are calls as well (`{"name": "now"}`), but not `sure`. Pure.
    """
    if isinstance(content, dict | list):
        try:
            content = json.dumps(content, ensure_ascii=False)
        except (ValueError, RecursionError):
            return None
    if not isinstance(content, str):
        return None
    text = content.strip()
    before = ""
    if not text.startswith(("{", "[", "<tool_call>")):
        end = text.find(_END_OF_THOUGHT)
        if end >= 0:
            end += len(_END_OF_THOUGHT)
            before, text = text[:end], text[end:].lstrip()
    if text[:1] in ("{", "["):
        calls = _of_json(text.removeprefix(_MISTRAL).lstrip())
        return SpokenCalls(before, calls) if calls else None
    first = text.find("<tool_call>")
    if first < 0:
        return None
    front, tagged = text[:first].strip(), text[first:]
    if _TAGGED.sub("", tagged).strip():
        return None  # it goes on with something else
    found: list[Spoken] = []
    for inner in _TAGGED.findall(tagged):
        calls = _of_json(inner.strip())
        if not calls:
            return None
        found += calls
    before = "\n".join(part for part in (before, front) if part)
    return SpokenCalls(before, tuple(found)) if found else None


def is_call(content: object) -> bool:
    """Whether the content is a call by its looks alone, or several."""
    said = spoken(content)
    return said is not None and all(call.sure for call in said.calls)


def _of_json(text: str) -> tuple[Spoken, ...]:
    """The calls of a JSON text; none where it is something else."""
    try:
        raw = text.encode()
        if text.startswith("["):
            entries = _decode_objects(raw)
        elif text.startswith("{"):
            entries = [_decode_object(raw)]
        else:
            return ()
        found = read(raw)
    except (*SHAPE_ERRORS, UnicodeEncodeError):
        return ()
    if found.value is None or found.non_finite:
        return ()
    twice = found.defect is not None
    calls = [_of_entry(entry, twice) for entry in entries]
    return () if None in calls else tuple(call for call in calls if call is not None)


def _of_entry(entry: dict[str, Raw], twice: bool) -> Spoken | None:
    wrapped = entry.get("function")
    if wrapped is not None and bytes(wrapped).startswith(b"{"):
        inner = _of_entry(_decode_object(wrapped), twice)
        if inner is None or entry.keys() & {"name", *ARGUMENT_KEYS}:
            return None
        whole = inner.whole and entry.keys() <= {"function", *_BESIDE} and _plain_type(entry)
        sure = inner.sure and entry.keys() <= _CALL_KEYS
        return Spoken(inner.name, inner.arguments, _id(entry) or inner.id, whole, sure)
    name = _text(entry.get("name"))
    if not name:
        return None
    keys = [key for key in ARGUMENT_KEYS if key in entry]
    arguments = _arguments(entry[keys[0]]) if keys else None
    whole = not twice and len(keys) < 2 and entry.keys() <= {"name", *keys, *_BESIDE}
    whole = whole and _plain_type(entry)
    sure = bool(keys) and bool(name.strip()) and entry.keys() <= _CALL_KEYS
    return Spoken(name, arguments, _id(entry), whole, sure)


def _plain_type(entry: dict[str, Raw]) -> bool:
    """Whether `type` and `index`, where they are there, say no more than that it is a call."""
    type_, index = entry.get("type"), entry.get("index")
    return (type_ is None or _text(type_) in _TYPES) and (index is None or bytes(index).isdigit())


def _arguments(raw: Raw) -> str | None:
    text = bytes(raw).decode()
    if text.startswith('"'):  # as OpenAI has them: JSON once more inside a string
        text = str(json.loads(text))
    return plain_arguments(text)


def plain_arguments(text: str) -> str | None:
    """Arguments as they are written; None for a blank text and for null, which pass nothing."""
    return None if text.strip() in ("", "null") else text


def _id(entry: dict[str, Raw]) -> str | None:
    return next((found for key in _IDS if (found := _text(entry.get(key))) is not None), None)


def _text(raw: Raw | None) -> str | None:
    """The text of a JSON string; None for anything else."""
    if raw is None or not bytes(raw).startswith(b'"'):
        return None
    return str(json.loads(bytes(raw)))


def of_value(value: Any) -> Spoken | None:
    """The one call of a decoded object; None where it is none."""
    said = spoken(value)
    return said.calls[0] if said is not None and len(said.calls) == 1 else None
