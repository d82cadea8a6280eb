"""Rows as the trainer hands them to the model: ids, labels, and whose tokens they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Struct

from glmlint.engine.ignores import ignored_names
from glmlint.plan import Plan
from glmlint.read.source import InputFile, read_chunks, rereadable
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.loaded import learn
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import LOADER_ERROR, Prepared, prepared_rows


class EncodedRow(Struct):
    """One row as the trainer hands it to the model."""

    path: str
    line: int
    index: int
    """0-based number of the row in its file."""
    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    error: str | None
    """Name of the exception with which the trainer ends at this row."""
    dropped: bool
    spans: list[Span]
    ignores: tuple[str, ...] = ()
    """Rules and families that the row's own ignore key names."""


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
    files: Sequence[str],
    plan: Plan,
    *,
    context: Context | None = None,
    truncate: bool = True,
) -> Iterator[EncodedRow]:
    """Every row of the files as the trainer hands it to the model, in order.

    Args:
        files: paths, "-" for standard input.
        plan: the settings.
        context: the plan's tokenizer and template, when they are loaded already.
        truncate: cut at the budget, as the trainer does.

    Raises:
        source.SourceError: a file can't be read.
    """
    context = context or open_context(plan)
    limit = plan.max_length if truncate else None
    for path in files:
        index = 0
        with rereadable(InputFile(path)) as file:
            learn(file, context)
            for chunk in read_chunks(file):
                for prepared in prepared_rows(chunk, context):
                    yield _encoded(path, index, prepared, context, limit)
                    index += 1


_NO_IDS: Final = np.zeros(0, np.int32)


def _encoded(
    path: str, index: int, prepared: Prepared, context: Context, limit: int | None
) -> EncodedRow:
    if prepared.rendered is None:
        error = prepared.error.exception if prepared.error else LOADER_ERROR
        dropped = prepared.dropped is not None
        return EncodedRow(
            path, prepared.line, index, _NO_IDS, _NO_IDS, None if dropped else error, dropped, []
        )
    ignores = () if prepared.value is UNSET else ignored_names(prepared.value)
    tokens = sequence(prepared.rendered, context)
    if prepared.loaded is not None:
        messages = prepared.loaded
    elif prepared.value is not UNSET:
        messages = prepared.value["messages"]
    else:
        sample = prepared.loaded_sample or prepared.sample
        assert sample is not None  # a row without a value was decoded typed
        messages = [
            {"role": message.role, "metadata": message.metadata or None}
            for message in sample.messages
        ]
    return EncodedRow(
        path,
        prepared.line,
        index,
        tokens.input_ids[:limit],
        tokens.labels[:limit],
        None,
        False,
        spans(tokens.owners[:limit], tokens.input_ids, messages, context),
        ignores,
    )


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
