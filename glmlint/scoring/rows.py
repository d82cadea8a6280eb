"""Encoded rows -> rows to score: which label is what, in which turn, language and group."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from glmlint.evidence.scores import (
    ARGUMENTS,
    CONTENT,
    HEADER,
    STOP,
    TOOL_NAME,
    Codes,
    Ints,
    RowId,
    ScoredRow,
    is_content,
    row_id,
)
from glmlint.scoring.plan import IGNORE_INDEX, make_row

HAN_SHARE: Final = 0.2
"""Share of content tokens with Chinese characters from which a row counts as Chinese."""


ChineseShare = Callable[[Ints], float]


class MessageSpan(Protocol):
    """Token places [start, stop) of one message; `header` of them are role token and its line."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def message(self) -> int: ...
    @property
    def role(self) -> str: ...
    @property
    def header(self) -> int: ...
    @property
    def call(self) -> bool: ...


class EncodedSample(Protocol):
    """A row as `encode.encode_rows` gives it."""

    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def input_ids(self) -> npt.NDArray[np.int32]: ...
    @property
    def labels(self) -> npt.NDArray[np.int32]: ...
    @property
    def error(self) -> str | None: ...
    @property
    def dropped(self) -> str | None: ...
    @property
    def spans(self) -> Sequence[MessageSpan]: ...
    @property
    def ignores(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """One answer of a row without what came before it, for the ratio with and without prompt."""

    row: ScoredRow
    of: int
    """Place of the whole row in `Data.rows`."""
    message: int


@dataclass(eq=False)
class Data:
    """Everything that is to be scored, in the order of the files."""

    rows: list[ScoredRow] = field(default_factory=list)
    notes: list[str | None] = field(default_factory=list)
    """Aligned with `rows`: why a row has no ids (the trainer's error, "dropped"), or None."""
    groups: list[str] = field(default_factory=list)
    """Aligned with `rows`: file, language and kind; rows are judged within theirs."""
    alone: list[Alone] = field(default_factory=list)
    ignores: dict[RowId, Sequence[str]] = field(default_factory=dict)
    """Row -> rules and families that its own ignore key names."""

    @property
    def supervised_tokens(self) -> int:
        """Labels that count, over all rows."""
        return sum(len(row.places) for row in self.rows)


def annotate(length: int, spans: Sequence[MessageSpan]) -> tuple[Codes, Ints, Ints]:
    """What every place of a row is: (kind, turn, message), each [length].

    The token after an answer (the next role, or the end) is the answer's stop: that is what its
    label teaches.
    """
    kinds = np.full(length, STOP, np.uint8)
    turns = np.ones(length, np.int32)
    messages = np.zeros(length, np.int32)
    turn = 0
    after_answer = False
    for span in spans:
        turn += span.role == "user"
        answer = span.role == "assistant"
        start, body = span.start, span.start + span.header
        if after_answer:  # the role token itself ends the answer before
            start += 1
        kinds[start:body] = TOOL_NAME if span.call else HEADER
        kinds[body : span.stop] = ARGUMENTS if span.call else CONTENT
        turns[start:] = max(turn, 1)
        messages[start:] = span.message
        kinds[span.stop :] = STOP
        after_answer = answer
    return kinds, turns, messages


def answers_alone(encoded: EncodedSample, row: ScoredRow, of: int) -> Iterable[Alone]:
    """Each answer after the row's own first ids (such as `[gMASK]<sop>`) alone."""
    if not encoded.spans:
        return
    prefix = encoded.input_ids[: encoded.spans[0].start]
    content = row.places[is_content(row.kinds)]
    for span in encoded.spans:
        inside = content[(content >= span.start) & (content < span.stop)]
        if span.role != "assistant" or not len(inside):
            continue
        ids = np.concatenate([prefix, encoded.input_ids[span.start : span.stop]])
        labels = np.full(len(ids), IGNORE_INDEX, np.int32)
        labels[inside - span.start + len(prefix)] = encoded.labels[inside]
        yield Alone(
            make_row(ids, labels, path=row.path, line=row.line, index=row.index), of, span.message
        )


def collect(
    encoded: Iterable[EncodedSample],
    *,
    chinese: ChineseShare | None = None,
    ifd: bool = False,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Data:
    """Read rows and cut them for scoring.

    Args:
        chinese: ids -> share of them with Chinese characters; None makes one language of all.
        ifd: also prepare every answer without its prompt.
        limit: only the first so many rows.
        sample: only so many rows, drawn evenly; the draw depends on `seed` and their number.
    """
    data = Data()
    kept: list[tuple[int, EncodedSample]] | None = [] if sample is not None else None
    draw = random.Random(seed)
    for count, one in enumerate(encoded):
        if limit is not None and count >= limit:
            break
        if kept is None or sample is None:
            _add(data, one, chinese, ifd)
        elif len(kept) < sample:
            kept.append((count, one))
        elif (place := draw.randrange(count + 1)) < sample:
            kept[place] = (count, one)
    for _, one in sorted(kept or [], key=lambda pair: pair[0]):
        _add(data, one, chinese, ifd)
    return data


def _add(data: Data, one: EncodedSample, chinese: ChineseShare | None, ifd: bool) -> None:
    note = one.error or ("dropped" if one.dropped else None)
    if note is not None:
        row = make_row((), (), path=one.path, line=one.line, index=one.index)
    else:
        kinds, turns, messages = annotate(len(one.input_ids), one.spans)
        row = make_row(
            one.input_ids, one.labels, kinds=kinds, turns=turns, messages=messages,
            path=one.path, line=one.line, index=one.index,
        )  # fmt: skip
    if ifd and note is None:
        data.alone.extend(answers_alone(one, row, len(data.rows)))
    if one.ignores:
        data.ignores[row_id(row)] = one.ignores
    data.rows.append(row)
    data.notes.append(note)
    data.groups.append(group_of(row, chinese))


def group_of(row: ScoredRow, chinese: ChineseShare | None) -> str:
    """File, language and kind of a row: what its loss is compared with."""
    kind = "tool calls" if (row.kinds == ARGUMENTS).any() else "chat"
    if chinese is None:
        return f"{row.path}, {kind}"
    zh = chinese(row.labels[is_content(row.kinds)]) >= HAN_SHARE
    return f"{row.path}, {'zh' if zh else 'other'}, {kind}"
