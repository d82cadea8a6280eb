"""One line -> one sample: the typed form that a valid row has.

`schemas/sample.schema.json` is the authority on shape; the types here accept exactly the rows
that it accepts (a property test holds this) and decode them some twenty times faster.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from glmlint.finding import Defect, Pointer
from glmlint.patterns import Pattern

ROLES: Final = ("system", "user", "assistant", "observation")

MESSAGE_KEYS: Final = frozenset(("role", "content", "metadata", "tools"))
"""What GLM's trainers read of a message."""

SILENT_KEYS: Final = frozenset(
    ("messages", "id", "idx", "uid", "uuid", "source", "label", "labels", "dataset", "split", "lang",
     "language", "category", "task", "tags", "meta", "index", "url", "date", "glmlint")
)  # fmt: skip
"""Bookkeeping beside `messages`: no trainer reads them, and nobody expects one to."""


class Message(Struct, omit_defaults=True, gc=False):
    """One entry of `messages`. `tools` stays raw: tool lists repeat, and are decoded once."""

    role: Literal["system", "user", "assistant", "observation"]
    content: str
    metadata: str | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET


class Sample(Struct, omit_defaults=True, gc=False):
    """One row: a conversation."""

    messages: Annotated[list[Message], Meta(min_length=1)]


class Parameters(Struct):
    """The JSON Schema of a function's arguments; only its outline is typed here."""

    properties: dict[str, Any]
    type: Literal["object"] | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET


class Function(Struct):
    """A function that the model may call."""

    name: Annotated[str, Meta(min_length=1)]
    parameters: Parameters
    description: str | UnsetType = UNSET


class FunctionTool(Struct, tag_field="type", tag="function"):
    """`{"type": "function", "function": {…}}`."""

    function: Function


class PythonTool(Struct, tag_field="type", tag="python"):
    """GLM-4's built-in code interpreter."""


class BrowserTool(Struct, tag_field="type", tag="simple_browser"):
    """GLM-4's built-in browser."""


class CogViewTool(Struct, tag_field="type", tag="cogview"):
    """GLM-4's built-in image generator."""


Tool = FunctionTool | PythonTool | BrowserTool | CogViewTool

decode_sample: Final = msgspec.json.Decoder(Sample).decode
"""bytes -> Sample. Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError."""

encode_sample: Final = msgspec.json.Encoder().encode

decode_tools: Final = msgspec.json.Decoder(list[Tool]).decode
"""bytes of a `tools` value -> list of tools. Raises as `decode_sample`."""

SHAPE_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the decoders raise on bytes that are not a valid row."""

MAX_DEPTH: Final = 500
"""How deep a row may nest; a deeper one is not read."""

decode_any: Final = msgspec.json.Decoder().decode
"""bytes -> any JSON value. Raises as `decode_sample`; repeated keys and much else pass unseen."""


MAX_VALUES: Final = 1_000_000
"""How many values a row may hold, those in lists and objects included; one with more is not read.

A value takes two bytes of a line at least, and up to a hundred times as much once it is decoded.
"""

_ANY_STRING: Final = Pattern(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def overfull(raw: bytes) -> Defect | None:
    """What is wrong with a row of too many values. Costs nothing for one of ordinary size."""
    if len(raw) <= 2 * MAX_VALUES or _values_at_most(raw, 0, len(raw)) <= MAX_VALUES:
        return None
    found = at = 0
    for string in _ANY_STRING.finditer(raw):
        found += _values_at_most(raw, at, string.start())
        if found > MAX_VALUES:
            break
        at = string.end()
    else:
        found += _values_at_most(raw, at, len(raw))
    return Defect("line-too-long", {"values": MAX_VALUES}) if found > MAX_VALUES else None


def _values_at_most(raw: bytes, start: int, stop: int) -> int:
    return (
        raw.count(b",", start, stop) + raw.count(b"[", start, stop) + raw.count(b"{", start, stop)
    )


def read_strictly(raw: bytes) -> Any | None:
    """The JSON value of the bytes, or None when they need the careful reader.

    None for anything that msgspec reads differently than `json` does or silently skips:
    repeated keys (seen by writing the value again and counting its quotes), escaped quotes,
    and values too deep.
    """
    if b"\\u0022" in raw:
        return None
    try:
        value = decode_any(raw)
        again = encode_sample(value)
    except (*SHAPE_ERRORS, UnicodeEncodeError):
        return None
    if again.count(b'"') != raw.count(b'"'):
        return None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _nests_too_deeply(value):
        return None
    return value


_decode_top: Final = msgspec.json.Decoder(dict[str, Raw]).decode


def beside_messages(raw: bytes, missing: int, with_tools: bool) -> dict[str, Any] | None:
    """The keys of a row and their values, in order; None stands for those of `messages`.

    None where the row has to be read as a whole: where its messages hold what `Message` does not
    read, where a key may be repeated, or where something may nest too deeply.

    Args:
        raw: the row, whose `messages` are in good shape; it holds no quote that is escaped by number.
        missing: quotes of the row that its messages, written again alone, lack.
        with_tools: whether they hold tool lists.
    """
    if with_tools and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        return None
    quotes = deep = 0
    found: dict[str, Any] = {}
    try:
        for key, text in _decode_top(raw).items():
            if key == "messages":
                found[key] = None
                continue
            quotes += 2
            value = found[key] = decode_any(text)
            if type(value) is str:
                quotes += bytes(text).count(b'"')
            elif type(value) is dict or type(value) is list:
                written = encode_sample(value)
                quotes += written.count(b'"')
                deep += written.count(b"[") + written.count(b"{")
    except (*SHAPE_ERRORS, UnicodeEncodeError):
        return None
    return found if quotes == missing and deep < MAX_DEPTH else None


def _nests_too_deeply(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for whole in level
            for part in (whole.values() if type(whole) is dict else whole)
            if type(part) is dict or type(part) is list
        ]
        if not level:
            return False
    return True


class Careful(msgspec.Struct):
    """What the careful reader found in one row's bytes."""

    value: Any
    defect: Defect | None = None
    """Set when there is no value that a loader would read."""
    non_finite: bool = False
    """NaN or an infinity stands in the value."""


def read_carefully(raw: bytes) -> Careful:
    """Read one row's bytes as Python's `json` does, and name every fault with its column."""
    if (deep := raw.count(b"[") + raw.count(b"{")) > MAX_DEPTH:
        deep = depth_of(raw)
        if deep > MAX_DEPTH:
            return Careful(None, Defect("nesting-too-deep", {"depth": deep, "limit": MAX_DEPTH}))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8", "replace")
        return Careful(None, Defect("not-utf8", {"byte": error.start}, column=len(good) + 1))
    repeated: list[str] = []
    non_finite: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    repeated.append(key)
                seen.add(key)
        return value

    def constant(name: str) -> float:
        non_finite.append(name)
        return float(name)

    def number(digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            non_finite.append(digits)
        return value

    try:
        value = json.loads(
            text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number
        )
    except json.JSONDecodeError as error:
        values = {"reason": error.msg, "at": error.pos, "text": text[error.pos : error.pos + 20]}
        return Careful(None, Defect("invalid-json", values, column=error.pos + 1))
    except RecursionError:
        return Careful(None, Defect("nesting-too-deep", {"depth": deep, "limit": MAX_DEPTH}))
    except ValueError:  # int() refuses numbers of more than 4,300 digits
        return Careful(None, Defect("number-too-long", {"limit": 4300}))
    if repeated:
        return Careful(value, Defect("duplicate-key", {"key": repeated[0]}), bool(non_finite))
    if _SURROGATE.search(text) and (at := _lone_surrogate(value, ())) is not None:
        return Careful(value, Defect("lone-surrogate", {"pointer": at}), bool(non_finite))
    return Careful(value, None, bool(non_finite))


def read(raw: bytes) -> Careful:
    """Read one row's bytes, by the quick reader where that suffices."""
    if (defect := overfull(raw)) is not None:
        return Careful(None, defect)
    value = read_strictly(raw)
    return read_carefully(raw) if value is None else Careful(value)


_SURROGATE: Final = Pattern(r"\\u[dD][89a-fA-F]")


def _lone_surrogate(value: Any, at: Pointer) -> Pointer | None:
    """The first place whose text (or key) holds half of a surrogate pair."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return at
    elif isinstance(value, dict):
        for key, item in value.items():
            here = (*at, key.encode("utf-8", "replace").decode())
            if (found := _lone_surrogate(key, here) or _lone_surrogate(item, here)) is not None:
                return found
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if (found := _lone_surrogate(item, (*at, index))) is not None:
                return found
    return None


_STRUCTURE: Final = Pattern(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]+|[\]}]+', re.DOTALL)


def depth_of(raw: bytes) -> int:
    """How deep brackets nest in the bytes, strings left out."""
    depth = deepest = 0
    for match in _STRUCTURE.finditer(raw):
        first = raw[match.start()]
        if first in b"[{":
            depth += match.end() - match.start()
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= match.end() - match.start()
    return deepest
