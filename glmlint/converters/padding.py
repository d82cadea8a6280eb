"""Rows of a file that a table wrote, without the nulls that it put in for absent keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from glmlint.finding import Pointer
from glmlint.read.nulls import without
from glmlint.read.padding import row_padding
from glmlint.read.source import Chunk, InputFile, read_chunks
from glmlint.read.survey import Survey


def surveyed(file: InputFile) -> tuple[Survey | None, Iterator[Chunk]]:
    """What is known of a file that may come from a table, None for all others; and its rows.

    A file is read up to its first null, or to its end where there is none; and all of it where the keys
    of its turns do not differ. Of a pipe the first rows decide, so that others are not kept waiting.
    Raises SourceError.
    """
    chunks = read_chunks(file)
    survey = Survey()
    if file.copy is not None:
        first = list(islice(chunks, 1))
        survey.read(first)
        if survey.hopeless or not any(map(_has_null, first)):
            return None, chain(first, chunks)
    elif not any(map(_has_null, chunks)):
        return None, read_chunks(file)
    else:
        chunks = read_chunks(file)
    for chunk in chunks:
        survey.read([chunk])
        if survey.hopeless and file.copy is None:  # all of a pipe has to be read into its copy
            break
    return None if survey.hopeless else survey, read_chunks(file)


def _has_null(chunk: Chunk) -> bool:
    return any(b"null" in raw for raw in chunk.lines)


def unpadded(row: Any, survey: Survey | None) -> tuple[Any, list[Pointer]]:
    """A row without its padding, and where that stood; the row itself where it has none."""
    places = list(row_padding(row, survey))
    return without(row, places), places
