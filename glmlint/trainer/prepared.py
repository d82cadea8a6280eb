"""One row of bytes, read and laid out as the trainer does: what counts and rules start from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from msgspec import UNSET, Struct

from glmlint.finding import Defect
from glmlint.loader import Load
from glmlint.read.facts import Fact
from glmlint.read.sample import (
    MESSAGE_KEYS,
    SHAPE_ERRORS,
    SILENT_KEYS,
    Sample,
    decode_sample,
    encode_sample,
    read,
)
from glmlint.read.source import Chunk, split_values
from glmlint.read.textfacts import answer_facts, line_facts
from glmlint.trainer.base import Context, Dropped, Rendered, TrainerError
from glmlint.trainer.loaded import loaded_sample

LOADER_ERROR: Final = "DatasetGenerationError"
"""What `datasets` raises on bytes that it can't read."""

_PLAIN_TURNS: Final = re.compile(r"s?(?:u(?:ao)*a)+")


class Prepared(Struct):
    """One row, read and laid out, its tokens not yet counted."""

    line: int
    raw: bytes
    facts: int
    sample: Sample | None
    value: Any
    defect: Defect | None
    rendered: Rendered | None
    error: TrainerError | None
    dropped: str | None
    conversation: bytes | None = None
    """The row's messages, encoded in a fixed form; None where that is not at hand."""
    shape: int = 0
    """What stands for the row's shape (see `loader.Shapes.known`), its tool lists apart."""
    tools: tuple[bytes, ...] = ()
    """The bytes of the row's tool lists, for which `shape` does not stand."""
    loaded: list[Any] | None = None
    """The messages as the loader hands them to the trainer, where they differ from the written ones."""
    loaded_sample: Sample | None = None
    """The same, where they still are of good shape."""


@cache
def _turn_facts(roles: tuple[str, ...]) -> int:
    """Facts that follow from who speaks in which order."""
    facts = 0
    if not _PLAIN_TURNS.fullmatch("".join(role[0] for role in roles)):
        facts |= Fact.ROLES
    if roles.count("assistant") > 1:
        facts |= Fact.HISTORY
    if "observation" in roles:
        facts |= Fact.CALLS
    return facts


@cache
def _row_keys(keys: tuple[str, ...]) -> int:
    facts = 0
    if not SILENT_KEYS.issuperset(keys):
        facts |= Fact.KEYS
    if "tools" in keys:
        facts |= Fact.TOOLS
    return facts


@cache
def _message_keys(keys: tuple[str, ...]) -> int:
    return 0 if MESSAGE_KEYS.issuperset(keys) else Fact.KEYS


def prepare(
    raw: bytes,
    line: int,
    context: Context,
    defect: Defect | None = None,
    facts: int | None = None,
    load: Load | None = None,
) -> Prepared:
    """Read one row and lay it out as the trainer does.

    Args:
        raw: the row's bytes, without line end.
        line: 1-based.
        defect: a fault that the source knows already.
        facts: what `line_facts` says of the bytes, when it was asked.
        load: what the loader makes of the file's rows, where it changes some.
    """
    if defect is not None and defect.rule != "not-jsonl":
        return Prepared(line, raw, Fact.DEFECT, None, None, defect, None, None, None)
    if facts is None:
        facts = line_facts([raw])[0]
    marks = context.tokenizer.marks
    if marks and (b"\\" in raw or any(mark in raw for mark in marks)):
        facts |= Fact.CONTROL  # an escape may hide one
    value: Any = UNSET
    sample: Sample | None
    try:
        sample = decode_sample(raw)
        again = encode_sample(sample)
    except SHAPE_ERRORS:
        sample = None
    if sample is None or again.count(b'"') != raw.count(b'"') or b"\\u0022" in raw:
        # An unread key, a repeated one, or a row of another shape: read the whole value.
        found = read(raw)
        value = found.value
        if found.defect is not None:
            return Prepared(line, raw, Fact.DEFECT, None, value, found.defect, None, None, None)
        if found.non_finite:
            facts |= Fact.NON_FINITE
            sample = None
        if isinstance(value, dict):
            facts |= _row_keys(tuple(value))
            if isinstance(value.get("messages"), list):
                for message in value["messages"]:
                    if isinstance(message, dict):
                        facts |= _message_keys(tuple(message))
    if defect is not None:
        facts |= Fact.DEFECT
    prepared = Prepared(line, raw, facts, sample, value, defect, None, None, None)
    if sample is not None and _good(sample, prepared, context):
        if not prepared.facts & Fact.KEYS:
            prepared.conversation = again
        if load is not None and not (load.keeps_keys and _without_floats(sample)):
            as_loaded = loaded_sample(sample, load, context)
            if as_loaded is None:
                prepared.value = read(raw).value
                prepared.loaded = _loaded(prepared.value["messages"], load)
            elif as_loaded is not sample:
                prepared.loaded_sample = as_loaded
        _lay_out_sample(sample, prepared, context, load)
    else:
        prepared.sample = None
        _lay_out_value(prepared, context, load)
    if prepared.error is not None or prepared.dropped is not None:
        prepared.facts |= Fact.RAISES
    if prepared.loaded is not None or prepared.loaded_sample is not None:
        prepared.facts |= Fact.LOADED
    return prepared


def _good(sample: Sample, prepared: Prepared, context: Context) -> bool:
    """Whether the tool lists are in good shape too; sets the facts of the messages."""
    roles = []
    facts = prepared.facts
    keys = 0  # which sets of keys the messages have: a bit each
    others = 0  # messages with more than role and content
    tools: tuple[bytes, ...] = ()
    for message in sample.messages:
        roles.append(message.role)
        if message.tools is not UNSET:
            facts |= Fact.TOOLS | Fact.CALLS
            raw = bytes(message.tools)
            if context.tools(raw) is None:
                return False
            tools = (*tools, raw)
            others += 1
            keys |= 2 if message.metadata is UNSET else 4
        elif message.metadata is not UNSET:
            facts |= Fact.CALLS
            others += 1
            keys |= 8
        if not message.content or message.content.isspace():
            facts |= Fact.EMPTY
        elif message.role == "assistant":
            facts |= answer_facts(message.content)
            if message.content[0] in '{["':
                facts |= Fact.CALLS
    prepared.facts = facts | _turn_facts(tuple(roles))
    prepared.shape = keys | (others < len(roles))
    prepared.tools = tools
    return True


_FLOAT: Final = re.compile(rb"[0-9][.eE]")


def _without_floats(sample: Sample) -> bool:
    """Whether the row surely comes back as written where its messages keep their keys."""
    return not any(
        _FLOAT.search(bytes(message.tools))
        for message in sample.messages
        if message.tools is not UNSET
    )


def _loaded(messages: list[Any], load: Load) -> list[Any] | None:
    """The messages as the trainer receives them; None where they are as written."""
    loaded: list[Any] = load.messages(messages)
    # Unlike ==, this tells 0 from 0.0, and one order of keys from another.
    return None if repr(loaded) == repr(messages) else loaded


def _lay_out_sample(
    sample: Sample, prepared: Prepared, context: Context, load: Load | None
) -> None:
    recipe = context.recipe
    try:
        plain = prepared.loaded_sample or sample
        if prepared.loaded is None and not (
            prepared.facts & Fact.CONTROL and recipe.typed_control_tokens
        ):
            prepared.rendered = recipe.render_plain(plain, context)
        if prepared.rendered is None:
            if prepared.value is UNSET:
                prepared.value = read(prepared.raw).value
            messages = prepared.value["messages"]
            if load is not None and prepared.loaded is None:
                prepared.loaded = _loaded(messages, load)
            prepared.rendered = recipe.render(
                messages if prepared.loaded is None else prepared.loaded, context
            )
    except TrainerError as error:
        prepared.error = error
    except Dropped as reason:
        prepared.dropped = str(reason)


def _lay_out_value(prepared: Prepared, context: Context, load: Load | None) -> None:
    """A row that breaks the schema: what the trainer makes of it all the same."""
    prepared.facts |= Fact.ODD | Fact.TOOLS | Fact.CALLS | Fact.ROLES | Fact.EMPTY | Fact.HISTORY
    prepared.facts |= Fact.LOOP | Fact.PLACEHOLDER
    value = prepared.value
    if value is UNSET:  # the tools of a row that decodes are odd
        found = read(prepared.raw)
        value = prepared.value = found.value
        if found.defect is not None:
            prepared.defect = found.defect
            prepared.facts |= Fact.DEFECT
            return
        if found.non_finite:
            prepared.facts |= Fact.NON_FINITE
    if not isinstance(value, dict):
        prepared.error = TrainerError(LOADER_ERROR, "the row is no object")
        return
    if "messages" not in value:
        prepared.error = TrainerError("KeyError", "'messages'")
        return
    messages = value["messages"]
    if load is not None and isinstance(messages, list):
        prepared.loaded = _loaded(messages, load)
        messages = messages if prepared.loaded is None else prepared.loaded
    try:
        if not isinstance(messages, list):
            raise TrainerError("TypeError", "messages is no list", ("messages",))
        prepared.rendered = context.recipe.render(messages, context)
    except TrainerError as error:
        prepared.error = error
    except Dropped as reason:
        prepared.dropped = str(reason)


def prepared_rows(chunk: Chunk, context: Context) -> Iterator[Prepared]:
    """Every row of a chunk; a line that holds several values gives several rows."""
    defects = chunk.defects
    load = context.loads.get(chunk.path)
    facts = line_facts(chunk.lines)
    for index, (raw, line) in enumerate(zip(chunk.lines, chunk.numbers, strict=True)):
        prepared = prepare(
            raw, line, context, defects.get(index) if defects else None, facts[index], load
        )
        defect = prepared.defect
        if defect is not None and defect.rule == "invalid-json" and (parts := split_values(raw)):
            note = Defect("not-jsonl", {"kind": "several-on-a-line"}, line)
            yield prepare(parts[0], line, context, load=load)
            for part in parts[1:]:
                yield prepare(part, line, context, note, load=load)
        else:
            yield prepared
