"""One row under several trainers: what each makes of it, and what each teaches of every kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct, field

from glmlint.converters.base import Notes, Refused, formats, reader_of
from glmlint.evidence.apart import difference
from glmlint.evidence.cut import kept_places
from glmlint.evidence.kinds import KINDS, kinds_of
from glmlint.evidence.turns import speakers
from glmlint.read.formats import recognise
from glmlint.read.source import InputFile, as_input, read_chunks, rereadable
from glmlint.trainer.base import Context
from glmlint.trainer.layout import IGNORE_INDEX, Tokens
from glmlint.trainer.loaded import learn
from glmlint.trainer.prepared import count_rows, prepare, prepared_rows
from glmlint.trainer.row import Row

_FORMS: Final = ("glm4", "sharegpt", "openai")
"""Forms in which a row is handed to a trainer that does not read its own, the first that it reads whole."""

_ALIGNED: Final = 20_000
"""Tokens of two rows together that are still aligned with each other."""


class Side(Struct):
    """One of the trainers that are compared."""

    label: str
    context: Context
    rows: int = 0
    dropped: int = 0
    errors: int = 0
    converted: int = 0
    """Rows that were handed over in another form than they are written in."""
    tokens: int = 0
    kept: int = 0
    supervised: int = 0
    kept_supervised: int = 0
    present: Counter[str] = field(default_factory=Counter)
    """Kind -> kept tokens of that kind in the input."""
    taught: Counter[str] = field(default_factory=Counter)
    """Kind -> kept labels that teach it."""
    places: Counter[str] = field(default_factory=Counter)
    """Kind -> kept tokens whose label would teach it."""
    unclosed: int = 0
    """Calls whose tag is opened and not closed."""
    answers: int = 0
    """Rows whose last turn is an answer that is in the input."""
    damaged: Counter[str] = field(default_factory=Counter)
    """How the input differs from what the template prints -> rows: see `evidence.apart`."""
    marks: set[str] = field(default_factory=set)
    """Role tokens and the like that are cut out of some row's input, or put into it."""
    stops: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(token in the input, token taught) behind answers that another turn follows."""
    call_stops: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same behind calls."""
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same behind the last answer."""


class Pair(Struct):
    """What two sides teach of the same rows, in tokens."""

    both: int = 0
    first_only: int = 0
    second_only: int = 0
    differ: int = 0
    """Rows of which the kept ids or labels differ."""


class EncodedRowOfSide(Struct):
    """A row under one side."""

    tokens: Tokens | None
    """What is kept, all sequences one after the other; None where there is nothing."""
    outcome: str | None = None
    """The exception, or why the row is left out."""
    row: Row | None = None


class DifferingRow(Struct):
    """A row on which the sides differ."""

    path: str
    line: int
    sides: list[EncodedRowOfSide]


class Comparison(Struct):
    """What came out."""

    sides: list[Side]
    pairs: dict[tuple[int, int], Pair]
    first: list[DifferingRow]
    """The first rows that differ."""
    rows: int = 0


def compare_files(
    files: Sequence[Sequence[str | InputFile]], sides: list[Side], shown: int = 1
) -> Comparison:
    """Encode the rows of the files under every side.

    Args:
        files: for each side its files; the rows of one side belong to those of the others by number.
        sides: at least two.
        shown: how many of the rows that differ are kept.

    Raises:
        source.SourceError: a file can't be read.
    """
    pairs = {(a, b): Pair() for a in range(len(sides)) for b in range(a + 1, len(sides))}
    result = Comparison(sides, pairs, [])
    streams = [_encoded(paths, side) for paths, side in zip(files, sides, strict=True)]
    for found in zip(*streams, strict=False):  # the shortest file ends it
        result.rows += 1
        entries = [entry for _, _, entry in found]
        for (a, b), pair in pairs.items():
            _count_pair(entries[a], entries[b], pair)
        if len(result.first) < shown and any(_differ(entries[0], other) for other in entries[1:]):
            path, line, _ = found[0]
            result.first.append(DifferingRow(path, line, entries))
        for entry in entries:
            entry.row = None if len(result.first) >= shown else entry.row
    return result


def _encoded(
    files: Sequence[str | InputFile], side: Side
) -> Iterator[tuple[str, int, EncodedRowOfSide]]:
    for one in files:
        with rereadable(as_input(one)) as file:
            learn(file, side.context)
            for chunk in read_chunks(file):
                for row in prepared_rows(chunk, side.context):
                    yield file.path, row.line, _under(row, side)


def in_its_form(row: Row, context: Context) -> Row | None:
    """The row in a form that the trainer reads; None where it can't be carried over."""
    form = recognise(row.value)
    if form is None:
        return None
    reader = reader_of("glm" if form == "glm" else form)
    if reader is None:
        return None
    names = {"glm": "glm4"}
    reads = {names.get(name, name) for name in context.trainer.reads}
    found: Row | None = None
    for write in (formats()[name].write for name in _FORMS if name in reads):
        if write is None:
            continue
        try:
            raw = msgspec.json.encode(write(reader.read(row.value, Notes()), Notes()))
        except (Refused, TypeError, ValueError):
            continue
        other = prepare(raw, row.line, context, path=row.path)
        if other.layout is not None:
            found = other
            if other.foreign is None:
                break
    return found


def _under(row: Row, side: Side) -> EncodedRowOfSide:
    # A row in a form that is read, of which the template does not print all, is the trainer's own.
    if row.value is not None and row.foreign not in (None, *row.context.trainer.reads):
        other = in_its_form(row, row.context)
        if other is not None:
            side.converted += 1
            row = other
    side.rows += 1
    count_rows([row], row.context)
    if row.dropped is not None:
        side.dropped += 1
        return EncodedRowOfSide(None, row.dropped.say(row.plan.lang))
    if row.unreadable or row.layout is None:
        side.errors += 1
        return EncodedRowOfSide(
            None, row.error.exception if row.error else "DatasetGenerationError"
        )
    side.tokens += row.tokens
    side.kept += row.kept
    side.supervised += row.supervised
    side.kept_supervised += row.kept_supervised
    places = kept_places(row)
    tokens = row.all_tokens.part(places)
    _count_kinds(row, tokens, side)
    damage = difference(row)
    if damage is not None:
        side.damaged[damage.kind] += 1
        side.marks.update(damage.names)
    return EncodedRowOfSide(tokens, None, row)


def _count_kinds(row: Row, tokens: Tokens, side: Side) -> None:
    kinds = kinds_of(row, tokens)
    taught = tokens.labels != IGNORE_INDEX
    if len(taught):
        taught[0] = False
    names = side.context.tokenizer.control_text
    for code, number in enumerate(np.bincount(kinds.codes, minlength=len(KINDS)).tolist()):
        side.present[KINDS[code]] += number
    for code, number in enumerate(np.bincount(kinds.taught[taught], minlength=len(KINDS)).tolist()):
        side.taught[KINDS[code]] += number
    for code, number in enumerate(np.bincount(kinds.taught, minlength=len(KINDS)).tolist()):
        side.places[KINDS[code]] += number
    side.unclosed += kinds.unclosed
    roles = speakers(row)
    side.answers += bool(roles) and roles[-1] == "assistant" and len(roles) - 1 in row.printed
    for name, counter in (
        ("stop", side.stops), ("call-stop", side.call_stops), ("end", side.ends)
    ):  # fmt: skip
        for place in np.flatnonzero(kinds.taught == KINDS.index(name)).tolist():
            shown = names.get(int(tokens.input_ids[place]), "text")
            label = names.get(int(tokens.labels[place]), "text") if taught[place] else ""
            counter[shown, label] += 1


def _differ(one: EncodedRowOfSide, other: EncodedRowOfSide) -> bool:
    if one.tokens is None or other.tokens is None:
        return one.tokens is not other.tokens or one.outcome != other.outcome
    return not (
        np.array_equal(one.tokens.input_ids, other.tokens.input_ids)
        and np.array_equal(one.tokens.labels, other.tokens.labels)
    )


def _count_pair(one: EncodedRowOfSide, other: EncodedRowOfSide, pair: Pair) -> None:
    if not _differ(one, other):
        pair.both += one.tokens.supervised if one.tokens is not None else 0
        return
    pair.differ += 1
    first = one.tokens.supervised if one.tokens is not None else 0
    second = other.tokens.supervised if other.tokens is not None else 0
    both = 0
    if one.tokens is not None and other.tokens is not None:
        both = _shared(one.tokens, other.tokens)
    pair.both += both
    pair.first_only += first - both
    pair.second_only += second - both


def _shared(one: Tokens, other: Tokens) -> int:
    """Labels that both teach at tokens that belong to each other: equal ids in the same order."""
    if len(one.input_ids) + len(other.input_ids) > _ALIGNED:
        return 0
    matcher = SequenceMatcher(None, one.input_ids.tolist(), other.input_ids.tolist(), False)
    shared = 0
    for a, b, size in matcher.get_matching_blocks():
        first, second = one.labels[a : a + size], other.labels[b : b + size]
        same = (first == second) & (first != IGNORE_INDEX)
        if (a == 0 or b == 0) and size:
            same[0] = False
        shared += int(same.sum())
    return shared
