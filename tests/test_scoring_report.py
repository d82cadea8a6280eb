"""The report for people: narrow, in two languages, and safe to print whatever the data hold."""

from __future__ import annotations

import functools

import msgspec
import pytest
from rich.cells import cell_len

from glmlint.finding import Finding
from glmlint.reporters.score_text import WORDS, score_lines, score_text
from glmlint.scoring.report import OddRow, OddToken, ScoreReport, ScoreTotals, report_json


def finding(rule: str, severity: str, line: int | None, message: str) -> Finding:
    return Finding(
        rule=rule, severity=severity, path="data/train.jsonl", line=line, column=None, pointer=None,
        message=message, help="", fixable=False, fingerprint="0",
    )  # fmt: skip


@functools.cache
def report() -> ScoreReport:
    part = {"tokens": 1200, "sum_nll": 2400.0, "mean_nll": 2.0, "p50": 1.5, "p95": 6.0}
    token = OddToken(
        index=9, label=5, text="\x1b[31mred\u202e", before="the ", nll=14.25, argmax=6,
        choice="blue", p=0.97, rank=1200,
    )  # fmt: skip
    odd = OddRow(
        path="data/train.jsonl", line=17, tokens=40, mean_nll=7.5, z=5.25, ifd=None,
        text="[bold]一\x1b[2J二\n" * 20, top=[token],
    )  # fmt: skip
    return ScoreReport(
        glmlint="0", model="a-model", model_class="GlmForCausalLM", recipe="glm4",
        dtype="float32", device="cpu", fingerprint="f", token_budget=2048, versions={},
        totals=ScoreTotals(
            rows=60, rows_scored=50, rows_without_labels=4, rows_with_error=3, rows_dropped=1,
            rows_not_scored=1, rows_not_finite=1, supervised_tokens=1300, tokens=1200,
            sum_nll=2400.0, mean_nll=2.0, perplexity=7.389, mean_nll_of_rows=2.125,
            standard_error=0.0625, row_deviation=0.442,
        ),
        by_turn=[{"turn": 1, **part}], by_kind=[{"kind": "content", **part}],
        by_group=[{"group": name, **part, "median_of_rows": 1.9} for name in ("a, zh, chat", "b")],
        quantiles={"row_mean_nll": {"p50": 1.9}, "token_nll": {"p50": 1.5}},
        histogram=[(1.0, 10), (2.0, 0), (3.0, 40)], highest=[odd], lowest=[odd], reference=None,
        plan={"tokens": 3000, "read_tokens": 2000, "padded_tokens": 2100}, partial=None,
        warnings=["a warning"],
        findings=[
            finding("low-loss", "info", 3, "a note"),
            finding("template-mismatch", "error", None, "a \x1b[31mlayout\nis strange"),
        ],
        finding_counts={"low-loss": 1, "template-mismatch": 1}, exit_code=1,
    )  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_text_fits_80_columns_and_holds_no_control_characters(lang: str) -> None:
    text = score_text(report(), lang=lang)
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    assert all(char.isprintable() or char == "\n" for char in text)
    for number in ("2.000 ± 0.062", "2.125", "1,200", "1,300", "5.0%", "± 0.16"):
        assert number in text
    assert "train.jsonl:17" in text and "[bold]" in text


def test_errors_come_first_and_the_rest_is_counted() -> None:
    text = score_text(report(), max_findings=1)
    assert "template-mismatch" in text and "a note" not in text
    assert "and 1 more" in text
    assert "Errors: 1, warnings: 0, infos: 1." in text


def test_rows_without_a_score_are_told_apart() -> None:
    text = " ".join(score_text(report()).split())
    for part in ("4 without labels", "3 at which the trainer raises", "1 dropped", "1 not finite"):
        assert part in text


def test_colour_only_where_asked() -> None:
    assert "\x1b[" not in score_text(report())
    assert "\x1b[" in score_text(report(), color=True)


def test_partial_and_empty_runs_say_so() -> None:
    partial = msgspec.structs.replace(report(), partial={"scored": 50, "of": 52}, findings=[])
    assert "partial: 50 of 52 rows" in score_text(partial)
    totals = msgspec.structs.replace(report().totals, tokens=0, rows_scored=0, mean_nll=None)
    empty = msgspec.structs.replace(report(), totals=totals, findings=[], finding_counts={})
    assert "Nothing was scored." in score_text(empty)


def test_probe_names_the_cheapest_recipe() -> None:
    row = {"rows": 50, "tokens": 900, "mean_nll": 2.0, "format_nll": 0.1}
    probe = [
        {"recipe": "glm4", "content_mean_nll": 2.1, **row},
        {"recipe": "other", "content_mean_nll": 1.8, **row},
        {"recipe": "nothing", "content_mean_nll": None, **row},
    ]
    assert "other costs the model least." in score_text(
        msgspec.structs.replace(report(), probe=probe)
    )


def test_lines_are_one_finding_each() -> None:
    lines = score_lines(report()).splitlines()
    assert lines[0].startswith("data/train.jsonl:3: info low-loss a note [")
    assert lines[1].startswith(r"data/train.jsonl: error template-mismatch a \x1b[31mlayout\nis")
    assert len(lines) == 2


def test_json_is_the_report() -> None:
    told = msgspec.json.decode(report_json(report()))
    assert told["totals"]["tokens"] == 1200
    assert told["exit_code"] == 1
    assert msgspec.convert(told, ScoreReport) == report()


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()
