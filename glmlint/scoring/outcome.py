"""Scores -> report: everything that is said of the rows of a run. No torch, no disk."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

import glmlint
from glmlint.engine.baseline import Matching
from glmlint.evidence.scores import FileScores, Ints, Judged, RowScore, ScoredRow, is_content
from glmlint.finding import RANK
from glmlint.scoring import findings, stats
from glmlint.scoring.plan import PlanSize
from glmlint.scoring.report import OddRow, OddToken, ScoreReport, ScoreTotals
from glmlint.scoring.rows import Data

ODD_ROWS: Final = 10
"""Rows that a report shows at either end of the scale."""

SHOWN_TOKENS: Final = 24
"""Tokens of an odd row, and before an odd token 8, that a report shows."""


@dataclass(frozen=True)
class ScoreOptions:
    """How to score, apart from what."""

    model: str
    device: str = "auto"
    dtype: str = "auto"
    token_budget: int | None = None
    """Padded tokens a batch; None picks by the device."""
    attention: str | None = None
    compile: bool = False
    store: Path | None = None
    """None: the user's cache folder."""
    resume: bool = True
    reference: Path | None = None
    """A store of another model's scores of the same rows."""
    rank: int = 0
    world: int = 1
    fail_on: str = "error"
    max_mean_loss: float | None = None
    rules: findings.Chosen = findings.every_rule
    """Which rules are on, by file."""
    lang: str = "en"
    recipe: str = "glm4"
    max_findings: int = 100_000
    baseline: Mapping[str, int] | None = None
    """Fingerprints of old findings, with counts."""
    write_baseline: bool = False
    """Every finding becomes an old one."""


@dataclass(eq=False)
class Outcome:
    """A finished or interrupted run: the report, and the rows for `--per-sample`."""

    report: ScoreReport
    judged: dict[int, Judged]
    """Place in `Data.rows` -> what is said of it."""
    data: Data
    not_finite: set[int]
    old: dict[str, Counter[str]]
    """What a new baseline holds, with `write_baseline`: rule -> fingerprint -> count."""


class Vocabulary(Protocol):
    """What is needed of a tokenizer: ids -> bytes."""

    @property
    def base_size(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    def token_bytes(self, token: int) -> bytes: ...


class Texts:
    """Ids -> text for people; ids outside the vocabulary are shown as numbers."""

    def __init__(self, tokenizer: Vocabulary) -> None:
        self.tokenizer = tokenizer
        self.known: dict[int, bytes] = {}

    def piece(self, token: int) -> bytes:
        """The bytes of one id."""
        if token not in self.known:
            inside = 0 <= token < self.tokenizer.vocab_size
            self.known[token] = (
                self.tokenizer.token_bytes(token) if inside else f"<{token}>".encode()
            )
        return self.known[token]

    def text(self, *tokens: int) -> str:
        """The ids' text; bytes that are no UTF-8 show as U+FFFD."""
        return b"".join(map(self.piece, tokens)).decode("utf-8", "replace")


class Chinese:
    """Which ids have Chinese characters in their text, looked up as they come."""

    def __init__(self, tokenizer: Vocabulary) -> None:
        self.texts = Texts(tokenizer)
        self.known = np.full(tokenizer.vocab_size, -1, np.int8)

    def share(self, ids: Ints) -> float:
        """Share of the ids with a CJK ideograph (Unified Ideographs and extension A)."""
        inside = ids[(ids >= 0) & (ids < len(self.known))]
        for token in np.unique(inside[self.known[inside] < 0]):
            text = self.texts.text(int(token))
            self.known[token] = any("㐀" <= char <= "鿿" for char in text)
        return float(self.known[inside].mean()) if len(inside) else 0.0


def conclude(
    data: Data,
    options: ScoreOptions,
    tokenizer: Vocabulary,
    *,
    exit_code: int,
    scores: dict[bytes, RowScore] | None = None,
    model_class: str | None = None,
    warnings: Sequence[str] = (),
    identity: str = "",
    size: PlanSize | None = None,
    reference: tuple[str, dict[bytes, RowScore]] | None = None,
    strange_ids: Sequence[tuple[ScoredRow, int]] = (),
    vocab_size: int = 0,
) -> Outcome:
    """The report on a run.

    Args:
        exit_code: of the run so far; at 0 all rows were tried, and one without a score did not
            fit the memory.
        strange_ids: rows with an id that none of the `vocab_size` rows of the embedding is for.
    """
    scores = scores or {}
    texts = Texts(tokenizer)
    files: dict[str, FileScores] = {}
    judged: dict[int, Judged] = {}
    not_finite: set[int] = set()
    for place, row in enumerate(data.rows):
        score = scores.get(row.key)
        if score is None:
            if exit_code == 0 and len(row.places):
                _of(files, row, options, texts).not_scored.append(row)
        elif not np.isfinite(score.nll).all():
            _of(files, row, options, texts).not_finite.append((row, score))
            not_finite.add(place)
        else:
            judged[place] = stats.judge_row(row, score, data.groups[place])
            _of(files, row, options, texts).rows.append(judged[place])
    _add_alone(judged, data, scores)
    if reference is not None:
        for one in judged.values():
            other = reference[1].get(one.row.key)
            if other is not None:
                one.reference_nll = float(other.nll.sum(dtype=np.float64))
    rows = list(judged.values())
    usual = stats.judge(rows)
    for row, token in strange_ids:
        file = _of(files, row, options, texts)
        file.vocab_size = vocab_size
        file.strange_ids.append((row, token))
    # Neither a row nor a baseline may silence what has stopped the run.
    ignores = data.ignores if exit_code != 2 else {}
    matching = Matching(options.baseline, options.write_baseline) if exit_code != 2 else None
    found, ignored = findings.find(files.values(), options.rules, options.lang, ignores, matching)
    counts: dict[str, int] = {}
    for finding in found:
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
    summary = stats.summarize(rows)
    totals = _totals(data, judged, not_finite, summary)
    told = list(warnings)
    if options.max_mean_loss is not None and (totals.mean_nll or 0.0) > options.max_mean_loss:
        told.append(
            f"mean loss {totals.mean_nll:.4f} is above --max-mean-loss {options.max_mean_loss:g}"
        )
        exit_code = exit_code or 1
    worst = max((RANK[finding.severity] for finding in found), default=0)
    if worst >= RANK[options.fail_on]:
        exit_code = exit_code or 1
    scorable = sum(1 for row in data.rows if len(row.places))
    partial = {"scored": len(judged), "of": scorable} if exit_code in (2, 130) else None
    ordered = sorted(rows, key=_scale if usual else lambda one: one.mean_nll)
    high = min(ODD_ROWS, (len(ordered) + 1) // 2)
    low = min(ODD_ROWS, len(ordered) - high)
    report = ScoreReport(
        glmlint=glmlint.__version__,
        model=options.model,
        model_class=model_class,
        recipe=options.recipe,
        dtype=options.dtype,
        device=options.device,
        fingerprint=identity,
        token_budget=options.token_budget or 0,
        versions=_versions(),
        totals=totals,
        by_turn=[{"turn": turn, **part.as_dict()} for turn, part in summary.by_turn.items()],
        by_kind=[{"kind": kind, **part.as_dict()} for kind, part in summary.by_kind.items()],
        by_group=[
            {
                "group": group,
                **part.as_dict(),
                "median_of_rows": usual[group].median if group in usual else None,
            }
            for group, part in summary.by_group.items()
        ],
        quantiles={
            "row_mean_nll": dict(stats.quantiles(summary.row_means)),
            "token_nll": {f"p{p}": summary.every.quantile(p) for p in stats.QUANTILES}
            if rows
            else {},
        },
        histogram=stats.histogram(summary.row_means),
        highest=[_odd(one, texts) for one in reversed(ordered[len(ordered) - high :])],
        lowest=[_odd(one, texts) for one in ordered[:low]],
        reference=_excess(reference, rows),
        plan=asdict(size) if size else {},
        partial=partial,
        warnings=told,
        findings=found[: options.max_findings],
        finding_counts=dict(sorted(counts.items())),
        suppressed={"row": ignored, "baseline": matching.number if matching else 0},
        exit_code=exit_code,
    )
    return Outcome(report, judged, data, not_finite, matching.found if matching else {})


def _scale(one: Judged) -> float:
    return one.z or 0.0  # rows too short to be judged stand between the ends


def _of(
    files: dict[str, FileScores], row: ScoredRow, options: ScoreOptions, texts: Texts
) -> FileScores:
    if row.path not in files:
        files[row.path] = FileScores(
            path=row.path, device=options.device, dtype=options.dtype, text=texts.text
        )
    return files[row.path]


def _add_alone(judged: dict[int, Judged], data: Data, scores: dict[bytes, RowScore]) -> None:
    for alone in data.alone:
        one, score = judged.get(alone.of), scores.get(alone.row.key)
        if one is None or score is None or not np.isfinite(score.nll).all():
            continue
        for part in one.parts:
            if part.message == alone.message:
                part.alone_nll = float(score.nll.sum(dtype=np.float64))


def _totals(
    data: Data, judged: dict[int, Judged], not_finite: set[int], summary: stats.Summary
) -> ScoreTotals:
    errors = sum(1 for note in data.notes if note is not None and note != "dropped")
    dropped = sum(1 for note in data.notes if note == "dropped")
    labelled = sum(1 for row in data.rows if len(row.places))
    mean = summary.every.mean_nll
    return ScoreTotals(
        rows=len(data.rows),
        rows_scored=len(judged),
        rows_without_labels=len(data.rows) - labelled - errors - dropped,
        rows_with_error=errors,
        rows_dropped=dropped,
        rows_not_scored=labelled - len(judged) - len(not_finite),
        rows_not_finite=len(not_finite),
        supervised_tokens=data.supervised_tokens,
        tokens=summary.every.tokens,
        sum_nll=summary.every.sum_nll,
        mean_nll=mean,
        perplexity=None if mean is None else math.exp(min(mean, 700.0)),
        mean_nll_of_rows=float(summary.row_means.mean()) if len(summary.row_means) else None,
        standard_error=summary.standard_error,
        row_deviation=summary.row_deviation,
    )


def _excess(
    reference: tuple[str, dict[bytes, RowScore]] | None, rows: Sequence[Judged]
) -> dict[str, Any] | None:
    if reference is None:
        return None
    both = [one for one in rows if one.reference_nll is not None]
    tokens = sum(one.tokens for one in both)
    other = sum(one.reference_nll or 0.0 for one in both)
    ours = sum(one.sum_nll for one in both)
    return {
        "model": json.loads(reference[0]).get("model"),
        "rows": len(both),
        "tokens": tokens,
        "mean_nll": other / tokens if tokens else None,
        "excess": (ours - other) / tokens if tokens else None,
    }


def _odd(one: Judged, texts: Texts) -> OddRow:
    row, score = one.row, one.score
    inside = is_content(row.kinds)
    shown = row.labels[inside][:SHOWN_TOKENS]
    top = []
    for k, place in enumerate(score.worst):
        at = int(row.places[place])
        label, choice = int(row.labels[place]), int(score.argmax[k])
        top.append(
            OddToken(
                index=at,
                label=label,
                text=texts.text(label),
                before=texts.text(*map(int, row.ids[max(0, at - 8) : at])),
                nll=float(score.nll[place]),
                argmax=choice,
                choice=texts.text(choice),
                p=float(score.probability[k]),
                rank=int(score.rank[k]),
            )
        )
    return OddRow(
        path=row.path,
        line=row.line,
        tokens=one.tokens,
        mean_nll=one.mean_nll,
        z=one.z,
        ifd=one.ifd,
        text=texts.text(*map(int, shown)),
        top=top,
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"numpy": np.__version__}
    for name in ("torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def sample_lines(outcome: Outcome, per_token: bool = False) -> Iterator[dict[str, Any]]:
    """One object a row, in the order of the files, for `--per-sample`."""
    for place, row in enumerate(outcome.data.rows):
        line: dict[str, Any] = {"path": row.path, "line": row.line, "index": row.index}
        one = outcome.judged.get(place)
        if one is None:
            line |= {"tokens": 0, "sum_nll": None, "mean_nll": None}
            line["reason"] = _reason(outcome, place)
        else:
            line |= {
                "tokens": one.tokens,
                "sum_nll": one.sum_nll,
                "mean_nll": one.mean_nll,
                "content_tokens": one.content,
                "content_mean_nll": None if math.isnan(one.content_mean) else one.content_mean,
                "group": one.group,
                "z": one.z,
                "ifd": one.ifd,
                "turns": [
                    {
                        "turn": part.turn,
                        "message": part.message,
                        "tokens": part.tokens,
                        "mean_nll": part.sum_nll / part.tokens,
                        "z": part.z,
                    }
                    for part in one.parts
                ],
                "top": [
                    {
                        "index": int(row.places[place]),
                        "label": int(row.labels[place]),
                        "nll": float(one.score.nll[place]),
                        "argmax": int(one.score.argmax[k]),
                        "p": float(one.score.probability[k]),
                        "rank": int(one.score.rank[k]),
                    }
                    for k, place in enumerate(one.score.worst)
                ],
            }
            if one.reference_nll is not None:
                line["reference_mean_nll"] = one.reference_nll / one.tokens
                line["excess"] = (one.sum_nll - one.reference_nll) / one.tokens
        if per_token:
            nll: list[float | None] = [None] * row.tokens
            if one is not None:
                for at, value in zip(row.places.tolist(), one.score.nll.tolist(), strict=True):
                    nll[at] = value
            line["nll"] = nll
        yield line


def _reason(outcome: Outcome, place: int) -> str:
    note = outcome.data.notes[place]
    if note is not None:
        return note
    if not len(outcome.data.rows[place].places):
        return "no labels"
    return "not finite" if place in outcome.not_finite else "not scored"
