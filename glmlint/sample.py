"""One line -> one sample: the typed form that a row of good shape has.

`schemas/sample.schema.json` is the authority on shape; the types here accept exactly the rows
that it accepts (a property test holds this) and decode them some twenty times faster.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

ROLES: Final = ("system", "user", "assistant", "observation")


class Message(Struct, omit_defaults=True):
    """One entry of `messages`. `tools` stays raw: tool lists repeat, and are decoded once."""

    role: Literal["system", "user", "assistant", "observation"]
    content: str
    metadata: str | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET


class Sample(Struct, omit_defaults=True):
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
