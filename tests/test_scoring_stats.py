"""What is said of rows: length-aware z, quantiles, histograms, every rule and its sentences."""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmlint.evidence.scores import CONTENT, HEADER, STOP, FileScores, Judged, RowScore
from glmlint.finding import SEVERITIES as LEVELS
from glmlint.finding import Finding
from glmlint.rules.base import all_rules, default_rules
from glmlint.scoring import findings
from glmlint.scoring.plan import make_row
from glmlint.scoring.stats import (
    JUDGED_TOKENS,
    Losses,
    histogram,
    judge,
    judge_row,
    quantiles,
    summarize,
)


def judged(
    nll: list[float] | np.ndarray,
    *,
    line: int = 1,
    group: str = "g",
    kinds: list[int] | None = None,
    messages: list[int] | None = None,
    worst: tuple[int, int, float] | None = None,
) -> Judged:
    """A row with these losses; by default all of it is content of one message."""
    count = len(nll)
    labels = np.arange(count + 1)

    def whole(values: list[int] | None, dtype: type) -> np.ndarray | None:
        return None if values is None else np.array([0, *values], dtype)

    row = make_row(
        labels, labels, path="f.jsonl", line=line,
        kinds=whole(kinds, np.uint8), messages=whole(messages, np.int32),
    )  # fmt: skip
    losses = np.array(nll, np.float32)
    place, choice, p = worst or (int(losses.argmax()) if count else 0, 7, 0.1)
    score = RowScore(
        row.key, losses, np.array([place], np.int32), np.array([choice], np.int32),
        np.array([p], np.float32), np.array([1], np.int32),
    )  # fmt: skip
    return judge_row(row, score, group)


def usual_rows(count: int = 200, seed: int = 0, low: int = 12, high: int = 80) -> list[Judged]:
    rng = np.random.default_rng(seed)
    return [
        judged(rng.gamma(1.0, 1.0, rng.integers(low, high)) * rng.gamma(20, 0.1), line=line)
        for line in range(1, count + 1)
    ]


def found_in(rows: list[Judged], **chosen: Any) -> list[Finding]:
    file = FileScores(path="f.jsonl", rows=rows, text=lambda token: f"<{token}>")
    return findings.find([file], **chosen)[0]


def rules(rows: list[Judged]) -> dict[str, list[int | None]]:
    judge(rows)
    found: dict[str, list[int | None]] = {}
    for finding in found_in(rows):
        found.setdefault(finding.rule, []).append(finding.line)
    return found


def test_short_rows_are_not_flagged_for_being_short() -> None:
    rng = np.random.default_rng(1)
    rows = [
        judged(rng.gamma(0.4, 5.0, JUDGED_TOKENS + int(rng.geometric(0.02))), line=line)
        for line in range(3000)
    ]
    judge(rows)
    short = np.array([row.content < 20 for row in rows])

    def share_of_short(values: list[float | None]) -> float:
        top = np.argsort(-np.array(values, np.float64))[: len(rows) // 50]
        return float(short[top].mean())

    by_z, by_mean = (
        share_of_short([r.z for r in rows]),
        share_of_short([r.content_mean for r in rows]),
    )
    print(f"short rows: {short.mean():.2f} of all, {by_z:.2f} by z, {by_mean:.2f} by mean")
    assert by_z <= 1.5 * short.mean() < by_mean


def test_one_high_row_among_usual_ones() -> None:
    rows = usual_rows()
    rows.append(judged(np.full(40, 9.0), line=999))
    found = rules(rows)
    assert found == {"high-loss": [999]}


def test_groups_are_judged_by_their_own_median() -> None:
    rng = np.random.default_rng(3)
    easy = [judged(rng.gamma(1, 0.3, 30), line=i, group="zh") for i in range(60)]
    hard = [judged(rng.gamma(9, 0.5, 30), line=100 + i, group="en") for i in range(60)]
    odd = judged(np.full(30, 3.0), line=1000, group="zh")
    assert rules([*easy, *hard, odd]) == {"high-loss": [1000]}


def test_few_rows_are_not_judged() -> None:
    rows = [judged([1.0] * 20), judged([20.0] * 20, line=2)]
    assert judge(rows) == {}
    assert [row.z for row in rows] == [None, None]


def test_small_groups_are_judged_with_the_rest_of_the_file() -> None:
    rows = usual_rows(50)
    rows.append(judged(np.full(30, 12.0), line=999, group="other"))
    judge(rows)
    assert rows[-1].z is not None and rows[-1].z > 4


def test_low_loss_needs_twenty_tokens_or_a_low_z() -> None:
    assert rules([judged([0.01] * 20)]) == {"low-loss": [1]}
    assert rules([judged([0.01] * 19)]) == {}
    rng = np.random.default_rng(4)
    rows = [judged(rng.gamma(50, 0.06, 60), line=line) for line in range(1, 60)]
    rows.append(judged(rng.gamma(50, 0.02, 60), line=99))
    assert rules(rows) == {"low-loss": [99]}


def test_ratio_above_one() -> None:
    row = judged([2.0] * 20)
    row.parts[0].alone_nll = 39.0
    assert row.ifd == pytest.approx(40 / 39)
    assert rules([row]) == {"ifd-above-one": [1]}
    row.parts[0].alone_nll = 41.0
    assert rules([row]) == {}
    short = judged([2.0] * 19)
    short.parts[0].alone_nll = 1.0
    assert rules([short]) == {}


def test_one_odd_turn_in_a_usual_row() -> None:
    rows = usual_rows(60, low=60)
    turn = judged(
        [2.0] * 400 + [9.0] * 12, line=99, messages=[1] * 400 + [3] * 12,
    )  # fmt: skip
    rows.append(turn)
    judge(rows)
    (finding,) = found_in(rows)
    assert (finding.rule, finding.line, finding.pointer) == ("turn-outlier", 99, "/messages/3")


def test_the_end_of_one_answer_is_a_surprise() -> None:
    content = [CONTENT] * 5
    rows = [judged([1.0] * 5 + [0.1], line=n, kinds=[*content, STOP]) for n in range(1, 9)]
    rows.append(judged([1.0] * 5 + [8.5], line=9, kinds=[*content, STOP], messages=[1] * 6))
    assert rules(rows) == {"surprising-stop": [9]}
    strange = [judged([1.0] * 5 + [9.0], line=n, kinds=[*content, STOP]) for n in range(1, 9)]
    assert rules(strange) == {"template-mismatch": [None]}, "the layout, not the rows"


def test_a_token_of_which_the_model_was_sure() -> None:
    nll = [0.5] * 30
    nll[11] = 14.0
    row = judged(nll, worst=(11, 77, 0.95))
    judge([row])
    (finding,) = found_in([row])
    assert finding.rule == "surprising-token"
    assert "'<12>'" in finding.message and "'<77>'" in finding.message
    assert rules([judged(nll, worst=(11, 77, 0.85))]) == {}
    kinds = [CONTENT] * 30
    kinds[11] = HEADER
    assert "surprising-token" not in rules([judged(nll, worst=(11, 77, 0.95), kinds=kinds)])


def test_a_file_that_the_model_was_trained_on() -> None:
    rows = [judged([0.2] * 50, line=n) for n in range(1, 25)]
    assert rules(rows) == {"already-learned": [None]}
    assert rules(rows[:19]) == {}


def test_a_layout_that_is_strange_to_the_model() -> None:
    kinds = [HEADER, *[CONTENT] * 4, STOP]
    rows = [judged([5.0, 1, 1, 1, 1, 4.0], line=n, kinds=kinds) for n in range(3)]
    assert rules(rows) == {"template-mismatch": [None]}
    fine = [judged([0.1, 1, 1, 1, 1, 0.4], line=n, kinds=kinds) for n in range(3)]
    assert rules(fine) == {}


def test_every_rule_has_a_severity_and_sentences_in_both_languages() -> None:
    scoring = [loaded for loaded in all_rules().values() if loaded.rule.family == "score"]
    assert {loaded.rule.name for loaded in scoring} == findings.every_rule("").keys()
    assert {loaded.rule.severity for loaded in scoring} <= set(LEVELS)
    for loaded in scoring:
        rule = loaded.rule
        assert len(loaded.doc.strip().splitlines()) >= 3, "say what, why and the evidence"
        for message in (rule.text, *rule.variants.values()):
            fields = []
            for lang in (message.en, message.zh):
                assert lang and rule.help.en and rule.help.zh, rule.name
                fields.append({name for _, name, _, _ in string.Formatter().parse(lang) if name})
            assert fields[0] == fields[1], f"{rule.name}: one language tells more than the other"


def test_check_never_runs_them() -> None:
    for name in findings.every_rule(""):
        loaded = all_rules()[name]
        assert name not in default_rules("info")
        assert (loaded.check, loaded.check_file, loaded.note, loaded.check_run) == (None,) * 4
    others = [one for one in all_rules().values() if one.rule.family != "score"]
    assert all(one.check_scores is None for one in others)


def test_severity_and_language_can_be_chosen() -> None:
    row = judged([0.01] * 20)
    (finding,) = found_in([row])
    assert finding.severity == "info"
    (chinese,) = found_in([row], chosen=lambda _: {"low-loss": "error"}, lang="zh")
    assert chinese.severity == "error" and "模型已经会" in chinese.message
    assert found_in([row], chosen=lambda _: {"low-loss": "off"}) == []
    assert (
        found_in([row], chosen=lambda path: {} if path == "f.jsonl" else {"low-loss": "info"}) == []
    )


def test_rows_without_a_usable_loss() -> None:
    row, broken = judged([1.0] * 4, line=3, messages=[1] * 4), judged([1.0, math.nan, 1.0], line=2)
    file = FileScores(path="f.jsonl", device="cpu", dtype="float16", vocab_size=5)
    file.not_scored.append(row.row)
    file.not_finite.append((broken.row, broken.score))
    file.strange_ids.append((row.row, 7))
    found, _ = findings.find([file])
    assert [(one.rule, one.line, one.pointer) for one in found] == [
        ("loss-not-finite", 2, "/messages/0"),
        ("model-vocabulary-mismatch", 3, None),
        ("not-scored", 3, None),
    ]
    assert "position 2" in found[0].message and "float16" in found[0].message
    assert "id 7" in found[1].message and "5 rows" in found[1].message
    assert "4 tokens" in found[2].message and "cpu" in found[2].message


def test_findings_stand_in_the_order_of_the_file() -> None:
    rows = usual_rows()
    rows.insert(50, judged([0.01] * 40, line=1000))
    rows.insert(51, judged(np.full(40, 9.0), line=1001))
    rows.append(judged([0.01] * 40, line=1002))
    judge(rows)
    assert [(one.rule, one.line) for one in found_in(rows)] == [
        ("low-loss", 1000), ("high-loss", 1001), ("low-loss", 1002),
    ]  # fmt: skip


losses = st.lists(st.floats(0, 50, width=32), max_size=200)


@given(losses, losses)
def test_counted_losses_merge(one: list[float], other: list[float]) -> None:
    together, first, second = Losses(), Losses(), Losses()
    together.add(np.array(one + other, np.float32))
    first.add(np.array(one, np.float32))
    second.add(np.array(other, np.float32))
    first.merge(second)
    assert first.tokens == together.tokens
    assert first.sum_nll == pytest.approx(together.sum_nll)
    assert (first.counts == together.counts).all()
    assert first.quantile(50) == together.quantile(50)


@given(st.lists(st.floats(0, 31, width=32), min_size=1, max_size=200), st.integers(1, 100))
def test_quantiles_are_nearest_rank(values: list[float], percent: int) -> None:
    counted = Losses()
    counted.add(np.array(values, np.float32))
    exact = sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]
    assert counted.quantile(percent) == pytest.approx(exact, abs=1 / 64)
    ordered = np.sort(np.array(values))
    if f"p{percent}" in quantiles(ordered):
        assert quantiles(ordered)[f"p{percent}"] == exact


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=100))
def test_histogram_counts_every_row_below_its_edge(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    bars = histogram(ordered)
    assert sum(count for _, count in bars) == len(values)
    assert len(bars) <= 26
    for place, (edge, _) in enumerate(bars):
        below = sum(count for _, count in bars[: place + 1])
        assert (ordered[:below] <= edge * (1 + 1e-9) + 1e-9).all()


def test_nothing_counted_is_none_and_not_zero() -> None:
    empty = summarize([])
    assert (empty.every.mean_nll, empty.every.quantile(50), empty.standard_error) == (None,) * 3
    assert (quantiles(empty.row_means), histogram(empty.row_means)) == ({}, [])


def test_standard_error_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(6)
    rows = usual_rows(400, seed=6)
    summary = summarize(rows)
    means = []
    for _ in range(400):
        drawn = [rows[i] for i in rng.integers(0, len(rows), 8)]
        means.append(sum(r.sum_nll for r in drawn) / sum(r.tokens for r in drawn))
    assert summary.row_deviation is not None and summary.standard_error is not None
    assert summary.row_deviation / 8**0.5 == pytest.approx(np.std(means), rel=0.15)
    assert summary.standard_error == pytest.approx(summary.row_deviation / 20)
