"""Scored rows as plain data: what the rules of the family `score` read. numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

KINDS: Final = ("content", "header", "tool-name", "arguments", "stop")
"""What a scored token is to the format; the codes in `Row.kinds` are places in this tuple."""

CONTENT, HEADER, TOOL_NAME, ARGUMENTS, STOP = range(len(KINDS))


class ScoredRow(Struct, frozen=True, eq=False):
    """One row as the model scores it: what it reads, and where a label stands."""

    key: bytes
    """Identity by content: equal keys have equal losses under one model (16 bytes)."""
    ids: Ints
    """What the model reads: up to the last scored place, that place left out. [length]"""
    places: Ints
    """Places t >= 1 of the row with a label; it is predicted from the ids before t. [n]"""
    labels: Ints
    """The label at each place (it may differ from the id that stands there). [n]"""
    kinds: Codes
    """Place in `KINDS` of each label. [n]"""
    turns: Ints
    """Turn of each label: 1 is the first user message with its answer. [n]"""
    messages: Ints
    """Message of each label, 0-based. [n]"""
    path: str = ""
    line: int = 0
    """1-based, as findings give it."""
    index: int = 0
    """0-based place of the row in its file."""
    tokens: int = 0
    """Tokens of the whole row, scored or not."""


RowId = tuple[str, int, bytes]
"""Path, line and `Row.key`: several rows may stand on a line."""


def row_id(row: ScoredRow) -> RowId:
    """How a row is identified in its run."""
    return row.path, row.line, row.key


class RowScore(Struct, frozen=True, eq=False):
    """What one model says of one row. All arrays are on the host."""

    key: bytes
    nll: Floats
    """Negative log-likelihood of every label, nats. [n]"""
    worst: Ints
    """The labels of highest loss, as places in `nll`, worst first. [k <= 5]"""
    argmax: Ints
    """The id the model would have said there. [k]"""
    probability: Floats
    """Its probability. [k]"""
    rank: Ints
    """Rank of the label itself there: 0 is the model's first choice. [k]"""


class ScoredPart(Struct, eq=False):
    """The content of one message of a row: what the turn rules judge."""

    message: int
    turn: int
    tokens: int
    sum_nll: float
    content: int
    content_nll: float
    """Sum over the content tokens."""
    z: float | None = None
    alone_nll: float | None = None
    """Sum over the same content tokens when the model reads the answer without its prompt."""


class Judged(Struct, eq=False):
    """One scored row and its statistics."""

    row: ScoredRow
    score: RowScore
    group: str
    tokens: int
    sum_nll: float
    content: int
    content_mean: float
    """Mean over content and argument tokens; nan without any."""
    content_variance: float
    """Between the row's content tokens; nan below two."""
    parts: list[ScoredPart] = []
    z: float | None = None
    """How far the content mean is above its group's median, in its own standard deviations."""
    group_median: float | None = None
    reference_nll: float | None = None
    """Sum over the same labels under the model of `--reference`."""

    @property
    def mean_nll(self) -> float:
        """Nats a label, as the trainer's loss of this row alone."""
        return self.sum_nll / self.tokens

    @property
    def ifd(self) -> float | None:
        """Loss of the answers with their prompts over the loss without; None when not asked."""
        known = [part for part in self.parts if part.alone_nll is not None]
        alone = sum(part.alone_nll or 0.0 for part in known)
        return sum(part.content_nll for part in known) / alone if alone > 0 else None


def is_content(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether a label is data, not format: content and tool arguments."""
    return np.asarray((kinds == CONTENT) | (kinds == ARGUMENTS))


SURE_TOKENS: Final = 20
"""Content tokens below which a low mean or a ratio says little."""

FORMAT_ROWS: Final = 200
"""How many rows the template probe reads."""


def format_median(rows: Iterable[Judged]) -> float | None:
    """Median over rows of the mean loss of their format tokens; None without such tokens."""
    means = []
    for one in rows:
        inside = (one.row.kinds == HEADER) | (one.row.kinds == STOP)
        if inside.any():
            means.append(float(one.score.nll[inside].mean()))
        if len(means) == FORMAT_ROWS:
            break
    return float(np.median(means)) if means else None


class FileScores(Struct, eq=False, kw_only=True):
    """The scores of one file in a run."""

    path: str
    rows: list[Judged] = []
    """The rows with a finite loss, in the order of the file."""
    not_finite: list[tuple[ScoredRow, RowScore]] = []
    """The rows of which a loss is nan or infinite."""
    not_scored: list[ScoredRow] = []
    """The rows that do not fit the memory even alone."""
    strange_ids: list[tuple[ScoredRow, int]] = []
    """A row, and an id or label of it that the model's embedding has no row for."""
    vocab_size: int = 0
    """Rows of the model's embedding."""
    device: str = ""
    dtype: str = ""
    text: Callable[[int], str] = str
    """An id's text."""
