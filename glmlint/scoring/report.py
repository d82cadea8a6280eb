"""What a scoring run hands to the reporters: plain data, the shape of the JSON report."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from glmlint.finding import Finding
from glmlint.visible import json_text


class ScoreTotals(msgspec.Struct, kw_only=True):
    """Counts and means over all rows. Nats; None where nothing was scored."""

    rows: int
    """Rows read: scored + without labels + errors + dropped + not scored + not finite."""
    rows_scored: int
    rows_without_labels: int
    rows_with_error: int
    """Rows at which the trainer raises, as `encode` tells them."""
    rows_dropped: int
    rows_not_scored: int
    """Too long for the memory, or not reached."""
    rows_not_finite: int
    supervised_tokens: int
    """Labels that count: `kept_supervised_tokens` of `check`."""
    tokens: int
    """Those of them that were scored; equal to `supervised_tokens` after a whole run."""
    sum_nll: float
    mean_nll: float | None
    """Token mean: what a trainer logs that divides by the number of tokens in its batch."""
    perplexity: float | None
    mean_nll_of_rows: float | None
    """Sample mean: what a trainer logs whose micro-batches are one row."""
    standard_error: float | None
    """Of `mean_nll`, over rows."""
    row_deviation: float | None
    """A first step of b rows deviates by about this / sqrt(b) from `mean_nll`."""


class OddToken(msgspec.Struct, kw_only=True):
    """A token of high loss, with what the model would have said."""

    index: int
    """Place in the row's `labels`, as `encode` gives them."""
    label: int
    text: str
    before: str
    """The text right before it."""
    nll: float
    argmax: int
    choice: str
    p: float
    """Probability of `choice`."""
    rank: int
    """Rank of the label: 0 is the model's first choice."""


class OddRow(msgspec.Struct, kw_only=True):
    """A row at one end of the scale."""

    path: str
    line: int
    tokens: int
    mean_nll: float
    z: float | None
    ifd: float | None
    text: str
    """First words of what is supervised."""
    top: list[OddToken]


class ScoreReport(msgspec.Struct, kw_only=True):
    """A scoring run, as `--format json` prints it."""

    schema_version: int = 1
    glmlint: str
    model: str
    model_class: str | None
    """The class it was loaded as; None when every score was in the store already."""
    recipe: str
    dtype: str
    device: str
    fingerprint: str
    """Identity of the scores in the store."""
    token_budget: int
    versions: dict[str, str]
    totals: ScoreTotals
    by_turn: list[dict[str, Any]]
    by_kind: list[dict[str, Any]]
    by_group: list[dict[str, Any]]
    quantiles: dict[str, dict[str, float | None]]
    """"row_mean_nll" (exact) and "token_nll" (to 1/64 nat)."""
    histogram: list[tuple[float, int]]
    """(upper edge, rows) over row means."""
    highest: list[OddRow]
    lowest: list[OddRow]
    reference: dict[str, Any] | None
    """With --reference: the other model's mean and the excess over it."""
    probe: list[dict[str, Any]] = []
    """With --probe: the first rows under other recipes, the loss of each."""
    plan: dict[str, int]
    """What was read, padded and saved (`PlanSize`)."""
    partial: dict[str, int] | None
    """{"scored", "of"} rows of an interrupted run; None for a whole one."""
    warnings: list[str]
    findings: list[Finding]
    finding_counts: dict[str, int]
    suppressed: dict[str, int] = msgspec.field(default_factory=lambda: {"row": 0, "baseline": 0})
    """Findings that are not listed and count for nothing: silenced by their row, or old ones."""
    exit_code: int


def report_json(report: ScoreReport) -> bytes:
    """The report as indented JSON with a newline at its end."""
    return json_text(_finite(msgspec.to_builtins(report)), indent=2).encode() + b"\n"


def json_line(entry: dict[str, Any]) -> bytes:
    """One line of `--per-sample`."""
    return json_text(_finite(entry)).encode() + b"\n"


def _finite(value: Any) -> Any:
    """The value with null for every number that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
