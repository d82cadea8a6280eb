"""Whole runs: resume after kill -9, several processes, interrupts, broken models and rows."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from processes import LIMIT
from safetensors.torch import load_file, save_file
from scoring_models import VOCABULARY, checkpoint, engine, random_row

from glmlint.scoring.engine import Engine
from glmlint.scoring.errors import ScoreError
from glmlint.scoring.folder import read_folder
from glmlint.scoring.outcome import Outcome, ScoreOptions, sample_lines
from glmlint.scoring.plan import IGNORE_INDEX, Batch, RowScore
from glmlint.scoring.report import report_json
from glmlint.scoring.rows import Data, annotate, collect
from glmlint.scoring.run import ScoreWatch, plan_size, run
from glmlint.scoring.store import fingerprint
from glmlint.trainer.tokenizer import Tokenizer, load_tokenizer

SYSTEM, USER, ASSISTANT, OBSERVATION, END = 151335, 151336, 151337, 151338, 151329


@functools.cache
def tokenizer() -> Tokenizer:
    return load_tokenizer("glm4")


def span(start: int, stop: int, message: int, role: str, call: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        start=start, stop=stop, message=message, role=role, header=2 + 2 * call, call=call
    )


def encoded(line: int, turns: list[tuple[str, list[int]]], **more: Any) -> SimpleNamespace:
    """A row as the official script encodes it; a role `call` is an answer with a tool's name."""
    ids, labels, spans = [151331, 151333], [IGNORE_INDEX] * 2, []
    roles = {"user": USER, "assistant": ASSISTANT, "call": ASSISTANT, "observation": OBSERVATION}
    for message, (role, content) in enumerate(turns):
        header = [roles[role], *([455, 9] if role == "call" else []), 198]
        answer = role in ("assistant", "call")
        after = message > 0 and turns[message - 1][0] in ("assistant", "call")
        start = len(ids)
        ids += header + content
        labels += [header[0] if after else IGNORE_INDEX]
        labels += (header[1:] + content) if answer else [IGNORE_INDEX] * (len(ids) - start - 1)
        name = "assistant" if answer else role
        spans.append(span(start, len(ids), message, name, role == "call"))
    ids.append(END)
    labels.append(END)
    return SimpleNamespace(
        path="train.jsonl", line=line, index=line - 1, error=None, dropped=False, spans=spans,
        ignores=(),
        input_ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), **more,
    )  # fmt: skip


def some_rows(count: int = 14, seed: int = 0) -> list[SimpleNamespace]:
    rng = np.random.default_rng(seed)

    def ids(n: int) -> list[int]:
        return rng.integers(0, 151329, n).tolist()

    rows = [
        encoded(line, [("user", ids(rng.integers(1, 8))), ("assistant", ids(rng.integers(3, 25)))])
        for line in range(1, count)
    ]
    call = [("user", ids(4)), ("call", ids(6)), ("observation", ids(3)), ("assistant", ids(12))]
    rows.append(encoded(count, call))
    return rows


def options(tmp_path: Path, **more: Any) -> ScoreOptions:
    base = ScoreOptions(
        model=str(checkpoint("glm4")), device="cpu", token_budget=64, store=tmp_path / "s.sqlite"
    )
    return replace(base, **more)


def loaded(folder: Any, options: ScoreOptions) -> Engine:
    """The session's engine: loading it again for every test is slow."""
    assert (str(folder.path), options.dtype) == (str(checkpoint("glm4")), "float32")
    return engine("glm4")


def unused(folder: Any, options: ScoreOptions) -> Engine:
    raise AssertionError(
        f"{folder.path} was loaded on {options.device}; every score is in the store"
    )


def score(data: Data, how: ScoreOptions, make: Callable[..., Any] = loaded, **more: Any) -> Outcome:
    outcome = run(data, how, tokenizer(), make_engine=make, **more)
    assert outcome is not None
    return outcome


def test_a_finished_run_on_a_gpu_needs_no_gpu_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "nvidia0"
    there.touch()
    monkeypatch.setattr("glmlint.scoring.model.ACCELERATOR_FILES", (str(there),))
    rows = some_rows()
    how = options(tmp_path)
    on_cpu = score(collect(rows[:-1]), how)
    weights = read_folder(checkpoint("glm4")).fingerprint()
    on_gpu = fingerprint(weights, dtype="float32", device="cuda", attention="")
    with sqlite3.connect(tmp_path / "s.sqlite") as store:
        store.execute("UPDATE scores SET model = ?", (on_gpu,))
        store.execute("UPDATE models SET model = ?", (on_gpu,))
    for asked, used in (("auto", "cuda"), ("cuda", "cuda"), ("cuda:1", "cuda:1")):
        again = score(collect(rows[:-1]), replace(how, device=asked), unused)
        assert again.report.device == used
        assert again.report.totals == on_cpu.report.totals
    if not torch.cuda.is_available():  # a row is missing: now the device is asked for
        with pytest.raises(ScoreError, match="torch finds no cuda"):
            score(collect(rows), replace(how, device="cuda"), unused)


def test_counts_and_means_agree_with_the_labels(tmp_path: Path) -> None:
    rows = some_rows()
    rows.append(rows[0])
    outcome = score(collect(rows), options(tmp_path))
    totals = outcome.report.totals
    wanted = sum(int((row.labels[1:] != IGNORE_INDEX).sum()) for row in rows)
    assert totals.tokens == totals.supervised_tokens == wanted
    assert (totals.rows, totals.rows_scored) == (15, 15)
    lines = list(sample_lines(outcome, per_token=True))
    assert [line["line"] for line in lines] == [row.line for row in rows]
    for line, row in zip(lines, rows, strict=True):
        scored = [place for place, value in enumerate(line["nll"]) if value is not None]
        assert scored == [int(p) for p in np.flatnonzero(row.labels != IGNORE_INDEX) if p]
        assert line["mean_nll"] == pytest.approx(np.mean([line["nll"][p] for p in scored]))
    assert totals.sum_nll == pytest.approx(sum(line["sum_nll"] for line in lines))
    assert totals.mean_nll == pytest.approx(totals.sum_nll / wanted)
    assert totals.mean_nll_of_rows == pytest.approx(np.mean([line["mean_nll"] for line in lines]))
    for parts in (outcome.report.by_kind, outcome.report.by_turn, outcome.report.by_group):
        assert sum(part["tokens"] for part in parts) == wanted
        assert sum(part["sum_nll"] for part in parts) == pytest.approx(totals.sum_nll)
    assert sum(count for _, count in outcome.report.histogram) == 15
    ends = [*outcome.report.highest, *reversed(outcome.report.lowest)]
    assert [row.mean_nll for row in ends] == sorted((row.mean_nll for row in ends), reverse=True)
    assert len(ends) == 15, "with few rows none stands at both ends"


def test_kinds_turns_and_messages_of_a_tool_conversation() -> None:
    row = encoded(1, [("user", [1]), ("call", [2, 3]), ("observation", [4]), ("assistant", [5]),
                      ("user", [6]), ("assistant", [7])])  # fmt: skip
    kinds, turns, messages = annotate(len(row.input_ids), row.spans)
    labels = row.labels != IGNORE_INDEX
    told = list(zip(kinds[labels], turns[labels], messages[labels], strict=True))
    header, name, arguments, stop, content = 1, 2, 3, 4, 0
    assert told == [
        (name, 1, 1), (name, 1, 1), (name, 1, 1), (arguments, 1, 1), (arguments, 1, 1), (stop, 1, 1),
        (header, 1, 3), (content, 1, 3), (stop, 1, 3),
        (header, 2, 5), (content, 2, 5), (stop, 2, 5),
    ]  # fmt: skip


def test_a_finished_run_is_read_from_the_store(tmp_path: Path) -> None:
    data = collect(some_rows())
    first = score(data, options(tmp_path))
    again = score(data, options(tmp_path), make=unused)
    assert report_json(again.report) == report_json(first.report)
    assert list(sample_lines(again)) == list(sample_lines(first))


def test_only_new_rows_are_scored(tmp_path: Path) -> None:
    read: list[tuple[int, bool]] = []
    watch = ScoreWatch(done=lambda tokens, scored: read.append((tokens, scored)))
    score(collect(some_rows(8)), options(tmp_path, token_budget=1))
    more = [*some_rows(8), *some_rows(5, seed=1)]
    score(collect(more), options(tmp_path, token_budget=1), watch=watch)
    assert sum(scored for _, scored in read) == 5


def test_no_resume_scores_everything_again(tmp_path: Path) -> None:
    data = collect(some_rows(6))
    score(data, options(tmp_path))
    with pytest.raises(AssertionError, match="loaded"):
        score(data, options(tmp_path, resume=False), make=unused)


CHILD = """
import os, pickle, signal, sys
sys.path[:0] = {path!r}
from glmlint.scoring.store import Store
from glmlint.trainer.tokenizer import load_tokenizer
from glmlint.scoring.run import run
data, options, kill_at = pickle.load(open({job!r}, "rb"))
commits, put = 0, Store.put
def counted(self, model, scores):
    global commits
    put(self, model, scores)
    commits += 1
    if commits == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
Store.put = counted
from dataclasses import replace
rank = os.environ.get("RANK")
if rank:
    options = replace(options, rank=int(rank), world=int(os.environ["WORLD_SIZE"]))
outcome = run(data, options, load_tokenizer("glm4"))
if outcome:
    from glmlint.scoring.report import report_json
    sys.stdout.buffer.write(report_json(outcome.report))
"""


def child(tmp_path: Path, data: Data, how: ScoreOptions, kill_at: int = 0, **env: str) -> Any:
    import pickle

    job = tmp_path / "job.pickle"
    job.write_bytes(pickle.dumps((data, how, kill_at)))
    code = CHILD.format(path=sys.path, job=str(job))
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
    )


@pytest.mark.parametrize("kill_at", [1, 4])
def test_a_run_killed_in_the_middle_goes_on(tmp_path: Path, kill_at: int) -> None:
    data = collect(some_rows(), ifd=True)
    calm = score(data, options(tmp_path, store=tmp_path / "calm.sqlite"))
    killed = child(tmp_path, data, options(tmp_path), kill_at=kill_at)
    _, errors = killed.communicate(timeout=LIMIT)
    assert killed.returncode == -9, errors.decode()
    skipped: list[bool] = []
    watch = ScoreWatch(done=lambda _, scored: skipped.append(not scored))
    resumed = score(data, options(tmp_path), watch=watch)
    assert any(skipped) and not all(skipped)
    assert report_json(resumed.report) == report_json(calm.report)
    assert list(sample_lines(resumed, True)) == list(sample_lines(calm, True))


def test_two_processes_give_the_report_of_one(tmp_path: Path) -> None:
    data = collect(some_rows())
    how = options(tmp_path)
    calm = score(data, replace(how, store=tmp_path / "calm.sqlite"))
    ranks = [child(tmp_path, data, how, RANK=str(r), WORLD_SIZE="2") for r in range(2)]
    outs = [rank.communicate(timeout=LIMIT) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], outs
    assert outs[1][0] == b"", "only the first process reports"
    assert outs[0][0] == report_json(calm.report)
    assert all((tmp_path / f"s.sqlite.rank{rank}").stat().st_size > 0 for rank in range(2))
    folded = score(data, how, make=unused)  # a later run by one process reads both files
    assert report_json(folded.report) == report_json(calm.report)


class Interrupted(Engine):
    """Ctrl-C comes while the third batch runs."""

    calls = 0

    def score(self, batch: Batch) -> list[RowScore]:
        type(self).calls += 1
        if type(self).calls == 3:
            raise KeyboardInterrupt
        return super().score(batch)


def test_interrupt_reports_what_is_there_and_the_next_run_goes_on(tmp_path: Path) -> None:
    data = collect(some_rows())

    def make(folder: Any, options: ScoreOptions) -> Engine:
        return Interrupted(loaded(folder, options).model)

    cut = score(data, options(tmp_path), make=make)
    assert cut.report.exit_code == 130
    assert cut.report.partial == {"scored": cut.report.totals.rows_scored, "of": 14}
    assert 0 < cut.report.totals.rows_scored < 14
    assert cut.report.totals.rows_not_scored == 14 - cut.report.totals.rows_scored
    assert "not-scored" not in cut.report.finding_counts
    whole = score(data, options(tmp_path))
    assert whole.report.partial is None
    assert whole.report.totals.rows_scored == 14


class Cramped(Engine):
    """A device that holds 40 padded tokens."""

    def forward(self, batch: Batch) -> list[RowScore]:
        if batch.padded_tokens > 40:
            raise torch.OutOfMemoryError
        return super().forward(batch)


def test_a_row_too_long_for_the_memory_is_a_finding_not_a_zero(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [
        *some_rows(),
        encoded(15, [("user", [1]), ("assistant", rng.integers(0, 9, 60).tolist())]),
    ]

    def make(folder: Any, options: ScoreOptions) -> Engine:
        return Cramped(loaded(folder, options).model)

    outcome = score(collect(rows), options(tmp_path), make=make)
    assert outcome.report.finding_counts["not-scored"] == 1
    found = next(f for f in outcome.report.findings if f.rule == "not-scored")
    assert (found.line, found.severity) == (15, "error")
    assert outcome.report.exit_code == 1
    assert outcome.report.totals.rows_scored == 14
    line = list(sample_lines(outcome))[-1]
    assert (line["mean_nll"], line["reason"]) == (None, "not scored")


def broken_copy(tmp_path: Path, spoil: Callable[[dict[str, torch.Tensor]], None]) -> str:
    folder = tmp_path / "broken"
    shutil.copytree(checkpoint("glm4"), folder)
    state = load_file(folder / "model.safetensors")
    spoil(state)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    return str(folder)


def test_broken_weights_stop_after_the_first_batch(tmp_path: Path) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        state["model.norm.weight"][0] = float("nan")

    how = options(tmp_path, model=broken_copy(tmp_path, spoil))
    outcome = run(collect(some_rows()), how, tokenizer())
    assert outcome is not None
    report = outcome.report
    assert report.exit_code == 2
    assert report.totals.mean_nll is None and report.totals.rows_scored == 0
    assert set(report.finding_counts) == {"loss-not-finite"}
    assert "float32" in report.warnings[-1]
    json.loads(report_json(report))
    assert "NaN" not in report_json(report).decode()


def test_one_broken_embedding_is_told_with_its_place(tmp_path: Path) -> None:
    rows = some_rows()
    odd = int(rows[4].input_ids[-3])

    def spoil(state: dict[str, torch.Tensor]) -> None:
        state["model.embed_tokens.weight"][odd] = float("inf")

    how = options(tmp_path, model=broken_copy(tmp_path, spoil))
    outcome = run(collect(rows), how, tokenizer())
    assert outcome is not None
    (found,) = [f for f in outcome.report.findings if f.rule == "loss-not-finite"]
    assert found.line == 5
    assert "not finite from position" in found.message
    assert outcome.report.totals.rows_scored == 13
    assert np.isfinite(outcome.report.totals.sum_nll)
    assert outcome.report.exit_code == 1


def test_half_precision_overflow_is_not_a_table_of_nans(tmp_path: Path) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        state["lm_head.weight"] *= 1e5

    how = options(tmp_path, model=broken_copy(tmp_path, spoil), dtype="float16")
    outcome = run(collect(some_rows(4)), how, tokenizer())
    assert outcome is not None
    assert outcome.report.exit_code == 2
    assert "float16" in outcome.report.warnings[-1]


def test_ids_outside_the_vocabulary_cost_no_model(tmp_path: Path) -> None:
    rows = some_rows(4)
    rows[2].labels[-1] = VOCABULARY
    outcome = score(collect(rows), options(tmp_path), make=unused)
    (found,) = outcome.report.findings
    assert (found.rule, found.line, outcome.report.exit_code) == ("model-vocabulary-mismatch", 3, 2)
    assert str(VOCABULARY) in found.message


def test_rows_without_ids_or_labels_are_counted_and_in_no_mean(tmp_path: Path) -> None:
    rows = some_rows(6)
    calm = score(collect(rows[3:]), options(tmp_path)).report.totals
    rows[0].labels[:] = IGNORE_INDEX
    rows[1].error, rows[1].input_ids, rows[1].labels = "KeyError", None, None
    rows[2].dropped = True
    outcome = score(collect(rows), options(tmp_path))
    totals = outcome.report.totals
    assert (totals.rows, totals.rows_scored, totals.rows_without_labels) == (6, 3, 1)
    assert (totals.rows_with_error, totals.rows_dropped) == (1, 1)
    assert totals.mean_nll == calm.mean_nll
    reasons = [line.get("reason") for line in sample_lines(outcome)]
    assert reasons == ["no labels", "KeyError", "dropped", None, None, None]


def test_no_rows_at_all(tmp_path: Path) -> None:
    report = score(collect([]), options(tmp_path), make=unused).report
    assert (report.totals.rows, report.totals.mean_nll, report.exit_code) == (0, None, 0)


def test_scores_of_another_model_or_way_are_not_mixed(tmp_path: Path) -> None:
    data = collect(some_rows(4))
    first = score(data, options(tmp_path))
    other = run(data, options(tmp_path, model=str(checkpoint("glm"))), tokenizer())
    assert other is not None
    assert first.report.fingerprint != other.report.fingerprint
    assert first.report.totals.sum_nll != other.report.totals.sum_nll
    assert score(data, options(tmp_path), make=unused).report.totals == first.report.totals


def test_reference_gives_the_excess_over_another_model(tmp_path: Path) -> None:
    data = collect(some_rows(4))
    store = tmp_path / "other.sqlite"
    other = run(data, options(tmp_path, model=str(checkpoint("glm")), store=store), tokenizer())
    assert other is not None
    outcome = score(data, options(tmp_path, reference=store))
    ours, theirs = outcome.report.totals.mean_nll, other.report.totals.mean_nll
    assert outcome.report.reference is not None and ours is not None and theirs is not None
    assert outcome.report.reference["excess"] == pytest.approx(ours - theirs)
    assert next(iter(sample_lines(outcome)))["reference_mean_nll"] == pytest.approx(
        next(iter(sample_lines(other)))["mean_nll"]
    )
    with pytest.raises(ScoreError, match="no such file"):
        score(data, options(tmp_path, reference=tmp_path / "none"))


def test_a_file_that_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(ScoreError, match=r"s\.sqlite can't be used"):
        score(collect(some_rows(3)), options(tmp_path))


def test_answers_alone_keep_the_rows_own_first_ids(tmp_path: Path) -> None:
    row = encoded(1, [("user", [11, 12]), ("assistant", [13, 14, 15])])
    data = collect([row], ifd=True)
    (alone,) = data.alone
    assert alone.row.ids.tolist() == [151331, 151333, ASSISTANT, 198, 13, 14]
    assert alone.row.labels.tolist() == [13, 14, 15]
    outcome = score(data, options(tmp_path))
    one = outcome.judged[0]
    by_hand = run(
        collect([encoded(1, [("assistant", [13, 14, 15])])]), options(tmp_path), tokenizer()
    )
    assert by_hand is not None
    without = by_hand.judged[0].parts[0].content_nll
    assert one.ifd == pytest.approx(one.parts[0].content_nll / without, rel=1e-4)
    assert plan_size(data, 64).rows == 2


def test_sample_and_limit_choose_rows() -> None:
    rows = some_rows(12)
    assert [row.line for row in collect(rows, limit=3).rows] == [1, 2, 3]
    drawn = [row.line for row in collect(rows, sample=5, seed=1).rows]
    assert len(drawn) == 5 and drawn == sorted(drawn)
    assert drawn == [row.line for row in collect(rows, sample=5, seed=1).rows]
    assert drawn != [row.line for row in collect(rows, sample=5, seed=2).rows]


def test_random_rows_are_usable_without_spans(tmp_path: Path) -> None:
    data = Data()
    for row in (random_row(np.random.default_rng(1), 12, path="a", line=1),):
        data.rows.append(row)
        data.notes.append(None)
        data.groups.append("a")
    assert score(data, options(tmp_path)).report.totals.rows_scored == 1
