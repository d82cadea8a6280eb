"""One row of bytes, read and laid out as the trainer does: what counts and rules start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from msgspec import UNSET

from glmlint.finding import Defect
from glmlint.loader import Load
from glmlint.patterns import Pattern
from glmlint.read.facts import EVERY, Fact, is_looked_at
from glmlint.read.sample import (
    MESSAGE_KEYS,
    SHAPE_ERRORS,
    SILENT_KEYS,
    Sample,
    beside_messages,
    decode_sample,
    encode_sample,
    overfull,
    read,
)
from glmlint.read.scan import ahead_of, split_values
from glmlint.read.source import Chunk
from glmlint.read.textfacts import answer_facts, line_facts, turn_facts
from glmlint.text import RunStopped, Text
from glmlint.trainer.base import Context, Typed
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.loaded import loaded_sample
from glmlint.trainer.mask import Counts, count
from glmlint.trainer.row import Row

LOADER_ERROR: Final = "DatasetGenerationError"
"""What `datasets` raises on bytes that it can't read."""


_ASKED_FOR: Final = frozenset(("tools", "glmlint"))
"""Keys beside `messages` whose values rules or the engine ask for in every row."""


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
    path: str = "",
    in_array: bool = False,
    wanted: int = EVERY,
) -> Row:
    """Read one row and lay it out as the trainer does.

    Args:
        raw: the row's bytes, without line end.
        line: 1-based.
        defect: a fault that the source knows already.
        facts: what `line_facts` says of the bytes, when it was asked.
        load: what the loader makes of the file's rows, where it changes some.
        path: the file.
        in_array: whether the row is an element of an array, where a list is a row to the loader.
        wanted: which of the `COSTLY` facts are asked for.
    """
    if facts is None:
        facts = line_facts([raw], wanted)[0]
    if is_looked_at(line):
        facts |= Fact.LOOKED
    row = Row(path, line, raw, context, facts)
    if defect is None or defect.rule == "not-jsonl":
        defect = overfull(raw) or defect
    if defect is not None:
        row.defect = defect
        row.facts |= Fact.DEFECT
        if defect.rule != "not-jsonl":
            row.facts = Fact.DEFECT
            row.value_ = None
            return row
    marks = context.tokenizer.marks
    if marks and (b"\\" in raw or any(mark in raw for mark in marks)):
        row.facts |= Fact.CONTROL  # an escape may hide one
    if context.typed is not None:
        _prepare_foreign(row, context.typed, context, load, in_array)
        return row
    again = b""
    sample: Sample | None = None
    try:
        sample = decode_sample(raw)
        again = encode_sample(sample)
    except SHAPE_ERRORS:
        sample = None
    alone, beside = False, None
    # CONTROL: the sieve has seen the beginning of such an escape, or of something else.
    if sample is not None and not (row.facts & Fact.CONTROL and b"\\u0022" in raw):
        missing = raw.count(b'"') - again.count(b'"')
        alone = not missing
        if missing > 0:
            beside = beside_messages(raw, missing, b'"tools":' in again)
        if beside is not None and not _ASKED_FOR.isdisjoint(beside):
            beside = None
    if sample is not None and (alone or beside is not None) and _good(sample, row, context, wanted):
        row.sample = sample
        row.hides_nothing = not row.tools
        if beside is not None:
            keys = tuple(beside)
            row.facts |= _row_keys(keys)
            del beside["messages"]
            row.beside = beside
            row.shape = (row.shape, keys, *map(type, beside.values()))
    elif not alone:
        # An unread key in a message, a repeated one, or a row of another shape: read all of it.
        if not _read_value(row):
            row.facts = Fact.DEFECT
            return row
        if isinstance(row.value_, dict):
            row.facts |= _row_keys(tuple(row.value_))
            if isinstance(row.value_.get("messages"), list):
                for message in row.value_["messages"]:
                    if isinstance(message, dict):
                        row.facts |= _message_keys(tuple(message))
        if (
            sample is not None
            and not row.facts & Fact.NON_FINITE
            and _good(sample, row, context, wanted)
        ):
            row.sample = sample
            row.shape = None
    if row.sample is not None:
        sample = row.sample
        if not row.facts & Fact.KEYS or row.hides_nothing:
            row.conversation_bytes = again
        if load is not None and not (load.keeps_keys and _without_floats(row.tools)):
            as_loaded = loaded_sample(sample, load, context)
            if as_loaded is None:
                row.loaded = load.changed(row.value)
            elif as_loaded is not sample:
                row.loaded_sample = as_loaded
        _lay_out_sample(row, sample, context, load)
    else:
        _lay_out_value(row, context, load, in_array)
    if row.error is not None or row.dropped is not None:
        row.facts |= Fact.RAISES
    if row.loaded is not None or row.loaded_sample is not None:
        row.facts |= Fact.LOADED
    if "glm" not in context.trainer.reads:
        row.facts |= Fact.FOREIGN
    if not context.trainer.trains_answers:
        row.facts |= Fact.LABELS
    return row


def _prepare_foreign(
    row: Row, typed: Typed, context: Context, load: Load | None, in_array: bool
) -> None:
    """`prepare` for a trainer that reads another form than GLM's."""
    sample = None
    raw = row.raw
    try:
        sample = typed.decode(raw)
        again = typed.encode(sample)
    except SHAPE_ERRORS:
        pass
    if sample is None or again.count(b'"') != raw.count(b'"') or b"\\u0022" in raw:
        if not _read_value(row):
            row.facts = Fact.DEFECT
            return
        if row.facts & Fact.NON_FINITE:
            sample = None
        if isinstance(row.value_, dict):
            row.facts |= _row_keys(tuple(row.value_))
    if sample is None:
        _lay_out_value(row, context, load, in_array)
    else:
        row.typed = sample
        if not row.facts & Fact.KEYS:
            row.conversation_bytes = again
        plain = not row.facts & Fact.CONTROL
        row.facts |= typed.facts(sample)
        try:
            if load is not None:
                row.loaded = load.changed(row.value)
            handed = sample if row.loaded is None else _typed_again(row.loaded, typed, load)
            if handed is not None:
                row.layout = typed.lay_out(handed, plain)
            if row.layout is None:
                value = row.value if row.loaded is None else row.loaded
                row.layout = context.trainer.lay_out(value, context)
        except TrainerError as error:
            row.error = error
        except Dropped as reason:
            row.dropped = reason
    if row.error is not None or row.dropped is not None:
        row.facts |= Fact.RAISES
    if row.loaded is not None:
        row.facts |= Fact.LOADED
    if b'"metadata"' in raw:
        row.facts |= Fact.FOREIGN
    if b'"reasoning' in raw:
        row.facts |= Fact.KEYS
    if not context.trainer.trains_answers:
        row.facts |= Fact.LABELS


def _typed_again(loaded: dict[str, Any], typed: Typed, load: Load | None) -> Any:
    """The typed row that the loader hands over; None where it is no JSON or of odd shape."""
    if load is None or load.times:
        return None
    try:
        return typed.decode(encode_sample(loaded))
    except (*SHAPE_ERRORS, TypeError, ValueError):
        return None


def _read_value(row: Row) -> bool:
    """Decode the whole row. Returns whether there is a value that a loader reads."""
    found = read(row.raw)
    row.value_ = found.value
    if found.defect is not None:
        row.defect = found.defect
        row.facts |= Fact.DEFECT
        last_wins = found.defect.rule == "duplicate-key" and row.context.trainer.reads_json
        if not last_wins:
            return False
    if found.non_finite:
        row.facts |= Fact.NON_FINITE
    return True


def _good(sample: Sample, row: Row, context: Context, wanted: int) -> bool:
    """Whether the tool lists are valid too; sets the facts of the messages."""
    roles = []
    facts = row.facts
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
            if message.tools is UNSET or message.role != "system":  # beside tools it is in order
                facts |= Fact.EMPTY
        elif message.role == "assistant":
            facts |= answer_facts(message.content, wanted)
            if message.content[0] in '{["':
                facts |= Fact.CALLS
    row.facts = facts | turn_facts(tuple(roles))
    row.shape = keys | (others < len(roles))
    row.tools = tools
    return True


_FLOAT: Final = Pattern(rb"[0-9][.eE]")


@lru_cache(4096)
def _without_floats(tools: tuple[bytes, ...]) -> bool:
    """Whether tool lists surely come back as written where messages keep their keys."""
    return not any(map(_FLOAT.search, tools))


def _lay_out_sample(row: Row, sample: Sample, context: Context, load: Load | None) -> None:
    trainer = context.trainer
    try:
        if row.loaded is None and not (row.facts & Fact.CONTROL and trainer.typed_control_tokens):
            row.layout = trainer.lay_out_sample(row.loaded_sample or sample, context)
            row.may_change = row.layout is None or not _without_floats(row.tools)
        if row.layout is None:
            if load is not None and row.loaded is None:
                row.loaded = load.changed(row.value)
            row.layout = trainer.lay_out(row.value if row.loaded is None else row.loaded, context)
    except TrainerError as error:
        row.error = error
    except Dropped as reason:
        row.dropped = reason


def _lay_out_value(row: Row, context: Context, load: Load | None, in_array: bool = False) -> None:
    """A row that breaks the schema: what the trainer makes of it all the same."""
    row.facts |= Fact.ODD | Fact.TOOLS | Fact.CALLS | Fact.ROLES | Fact.EMPTY | Fact.HISTORY
    row.facts |= Fact.LOOP | Fact.PLACEHOLDER
    # The tools of a row that decodes are odd, where its value is not read yet.
    if not row.decoded and not _read_value(row):
        return
    value = row.value
    if in_array and isinstance(value, list):
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        row.error = TrainerError(LOADER_ERROR, "the row is not an object")
        return
    if load is not None:
        row.loaded = load.changed(value)
    try:
        row.layout = context.trainer.lay_out(value if row.loaded is None else row.loaded, context)
    except TrainerError as error:
        row.error = error
    except Dropped as reason:
        row.dropped = reason


_NOT_JSON: Final = Text("the line is not valid JSON", "这一行不是合法的 JSON")


def prepared_rows(chunk: Chunk, context: Context, wanted: int = EVERY) -> Iterator[Row]:
    """Every row of a chunk; a line that holds several values gives several rows.

    Args:
        chunk: of one file.
        context: its trainer lays the rows out.
        wanted: which of the `COSTLY` facts are asked for.
    """
    defects = chunk.defects
    context = context.of(chunk.path)
    load = context.loads.get(chunk.path)
    facts = line_facts(chunk.lines, wanted)
    path = chunk.path
    in_array = chunk.place is not None and chunk.place.form.kind == "array"
    skips = context.trainer.reads_json
    aheads = chunk.aheads
    for index, (raw, line) in enumerate(zip(chunk.lines, chunk.numbers, strict=True)):
        try:
            row = prepare(
                raw,
                line,
                context,
                defects.get(index) if defects else None,
                facts[index],
                load,
                path,
                in_array,
                wanted,
            )
            if aheads:
                row.ahead = aheads[index]
            defect = row.defect
            if defect is not None and defect.rule == "invalid-json" and skips:
                row.dropped = Dropped("invalid-json", _NOT_JSON)
                yield row
                continue
            if defect is None or defect.rule != "invalid-json" or not (parts := split_values(raw)):
                yield row
                continue
            note: Defect | None = None
            at = 0
            for part in parts:
                row = prepare(part, line, context, note, load=load, path=path)
                at = raw.index(part, at)
                row.ahead = ahead_of(raw[:at])
                at += len(part)
                yield row
                note = Defect("not-jsonl", {"kind": "several-on-a-line"}, line)
        except RunStopped as fault:
            raise fault.at(path, line, context.plan.lang) from None


def count_rows(rows: Sequence[Row], context: Context) -> Counts | None:
    """Count the tokens of the rows that have a layout, and note the counts in each.

    Returns:
        The counts of those rows, in order; None without any.
    """
    readable = [row for row in rows if row.layout is not None]
    if not readable:
        return None
    counts = count([row.layout for row in readable if row.layout is not None], context)
    columns = (counts.tokens, counts.supervised, counts.kept, counts.kept_supervised)
    for row, tokens, supervised, kept, kept_supervised in zip(
        readable, *(column.tolist() for column in columns), strict=True
    ):
        row.tokens = tokens
        row.supervised = supervised
        row.kept = kept
        row.kept_supervised = kept_supervised
        if not supervised:
            row.facts |= Fact.UNTRAINED
        if tokens > kept:
            row.facts |= Fact.CUT
    for place, fault in counts.faults.items():
        row = readable[place]
        row.facts |= Fact.RAISES
        if isinstance(fault, TrainerError):
            row.error = fault
        else:
            row.dropped = fault
    return counts
