"""Rows as the trainer hands them to the model: ids, labels, and whose tokens they are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.engine.ignores import ignored_names
from glmlint.plan import Plan
from glmlint.read.source import InputFile, SourceError, as_input, read_chunks, rereadable
from glmlint.text import Text
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import Tokens
from glmlint.trainer.loaded import learn
from glmlint.trainer.mask import sequence
from glmlint.trainer.packing import LEFT_OUT, Lengths, Part, joined
from glmlint.trainer.prepared import LOADER_ERROR, prepared_rows
from glmlint.trainer.row import Row


class EncodedRow(Struct):
    """One sequence that a trainer makes of a row, or what becomes of the row instead."""

    path: str
    line: int
    index: int
    """0-based number of the row in its file."""
    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    error: str | None
    """Name of the exception with which the trainer ends at this row."""
    dropped: str | None
    """Why the trainer leaves the row out."""
    spans: list[Span]
    ignores: tuple[str, ...] = ()
    """Rules and families that the row's own ignore key names."""
    part: int | None = None
    """0-based number of the sequence, where one row gives several."""
    weights: npt.NDArray[np.float32] | None = None
    """Factor of each token's loss, aligned with the labels; None where all count the same."""


class Span(Struct):
    """The tokens of one message."""

    start: int
    stop: int
    message: int
    role: str
    header: int
    """How many tokens at the start are the role token and the metadata line."""
    call: bool
    """An assistant message with metadata: a tool call."""


def encode_rows(
    files: Sequence[str | InputFile],
    plan: Plan,
    *,
    context: Context | None = None,
    truncate: bool = True,
) -> Iterator[EncodedRow]:
    """Every row of the files as the trainer hands it to the model, in order.

    Args:
        files: paths, "-" for standard input; or rows in memory.
        plan: the settings.
        context: the plan's tokenizer and template, when they are loaded already.
        truncate: cut at the budget, as the trainer does.

    Raises:
        source.SourceError: a file can't be read.
    """
    context = context or open_context(plan)
    for one in files:
        with rereadable(as_input(one)) as file:
            learn(file, context)
            yield from _rows_of(file, context, truncate)


def _rows_of(file: InputFile, context: Context, truncate: bool) -> Iterator[EncodedRow]:
    rows = (row for chunk in read_chunks(file) for row in prepared_rows(chunk, context, 0))
    for index, row in enumerate(row for row in rows if row.is_sample):
        yield from _encoded(index, row, truncate)


class PackedPart(Struct):
    """Some tokens of one row in a packed sequence."""

    path: str
    line: int
    index: int
    """0-based number of the row in its file."""
    start: int
    """Place of the first token among those that the cut leaves of the row."""
    stop: int


class PackedSequence(Struct):
    """One sequence that comes out of a trainer's packer, with its padding."""

    rows: list[PackedPart]
    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]


def packed_rows(
    files: Sequence[str | InputFile], plan: Plan, *, context: Context | None = None
) -> Iterator[PackedSequence | EncodedRow]:
    """The sequences that come out of the trainer's packer, all files being one data set.

    The files are read twice: for the lengths, and for the rows, of which as many are held as the
    packer looks at together.

    Args:
        files: paths, "-" for standard input, in the order in which the trainer joins them.
        plan: the settings, under which the trainer packs.
        context: the plan's tokenizer and template, when they are loaded already.

    Yields:
        The sequences; or, where the trainer raises at some rows, these rows alone.

    Raises:
        source.SourceError: a file can't be read.
    """
    context = context or open_context(plan)
    trainer, budget = context.trainer, plan.max_length
    with ExitStack() as stack:
        sources = [stack.enter_context(rereadable(as_input(one))) for one in files]
        found = array("i")
        raised = False
        for file in sources:
            learn(file, context)
            for row in _rows_of(file, context, truncate=True):
                if row.error is not None:
                    raised = True
                    yield row
                found.append(LEFT_OUT if row.dropped is not None else len(row.input_ids))
        if raised:
            return
        lengths = np.array(found, np.int32)
        left = lengths.copy()  # tokens of each row that have not been packed yet
        rows = (row for file in sources for row in _rows_of(file, context, truncate=True))
        held: dict[int, EncodedRow] = {}
        number = 0
        for parts in trainer.pack(Lengths(lengths), budget, context):
            while number <= max(part.row for part in parts):
                again = next(rows, None)
                if again is None or max(lengths[number], 0) != len(again.input_ids):
                    raise SourceError(CHANGED)
                if left[number] > 0:
                    held[number] = again
                number += 1
            yield _packed(parts, held, context)
            for part in parts:
                left[part.row] -= part.stop - part.start
                if left[part.row] <= 0:
                    held.pop(part.row, None)


def _packed(
    parts: Sequence[Part], held: Mapping[int, EncodedRow], context: Context
) -> PackedSequence:
    told, pieces = [], []
    for part in parts:
        row = held[part.row]
        ids, labels = row.input_ids[part.start : part.stop], row.labels[part.start : part.stop]
        pieces.append(Tokens(ids, labels, np.zeros(len(ids), np.int32)))
        told.append(PackedPart(row.path, row.line, row.index, part.start, part.stop))
    tokens = context.trainer.filled(joined(pieces), context.plan.max_length, context)
    return PackedSequence(told, tokens.input_ids, tokens.labels)


CHANGED: Final = Text(
    "the file has changed while it was read; run glmlint again",
    "读取期间文件发生了变化；请重新运行 glmlint",
)

_NO_IDS: Final = np.zeros(0, np.int32)


def _encoded(index: int, row: Row, truncate: bool) -> Iterator[EncodedRow]:
    context = row.context
    ignores = ignored_names(row.value) if row.decoded else ()
    error, dropped = row.error, row.dropped
    parts: list[Tokens] = []
    if row.layout is not None:
        tokens = sequence(row.layout, context)
        try:
            parts = (
                context.trainer.cut(tokens, context.plan.max_length, context)
                if truncate
                else [tokens]
            )
        except TrainerError as found:
            error = found
        except Dropped as found:
            dropped = found
    if dropped is not None or not parts:
        name = None if dropped is not None else error.exception if error else LOADER_ERROR
        reason = None if dropped is None else dropped.reason
        yield EncodedRow(row.path, row.line, index, _NO_IDS, _NO_IDS, name, reason, [], ignores)
        return
    for number, part in enumerate(parts):
        yield EncodedRow(
            row.path, row.line, index, part.input_ids, part.labels, None, None,
            spans(part.owners, part.input_ids, _turns(row), context),
            ignores, number if len(parts) > 1 else None, part.weights,
        )  # fmt: skip


def _turns(row: Row) -> list[Any]:
    """The messages as the trainer has them: role and metadata are read from these."""
    if row.conversation is not None:
        return [
            {"role": turn.role, "metadata": turn.calls[0].name if turn.calls else None}
            for turn in row.conversation.turns
        ]
    if row.loaded is not None:
        messages = row.loaded.get("messages")
    elif row.decoded:
        messages = row.value.get("messages")
    else:
        sample = row.loaded_sample or row.sample
        assert sample is not None  # a row without a value was decoded typed
        messages = [
            {"role": message.role, "metadata": message.metadata or None}
            for message in sample.messages
        ]
    return messages if isinstance(messages, list) else []


def spans(
    owners: npt.NDArray[np.int32], ids: npt.NDArray[np.int32], messages: list[Any], context: Context
) -> list[Span]:
    """The token ranges of the messages, with the length of each header."""
    found: list[Span] = []
    edges = np.flatnonzero(np.diff(owners)) + 1
    starts = [0, *edges.tolist()]
    stops = [*edges.tolist(), len(owners)]
    for start, stop in zip(starts, stops, strict=True):
        message = int(owners[start]) if stop > start else -1
        if message < 0:
            continue
        entry = messages[message] if message < len(messages) else None
        entry = entry if isinstance(entry, dict) else {}
        metadata = entry.get("metadata")
        call = entry.get("role") == "assistant" and bool(metadata)
        head = len(f"{metadata or ''}\n".encode())
        size = seen = 0
        for token in ids[start + 1 : stop]:
            if seen >= head:
                break
            seen += len(context.tokenizer.token_bytes(int(token)))
            size += 1
        found.append(Span(start, stop, message, str(entry.get("role", "")), 1 + size, call))
    return found
