"""The engine: equal to transformers' own loss, whatever the batches look like."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scoring_models import FAMILIES, VOCABULARY, checkpoint, engine, hf_loss, hf_model, random_row

from glmlint.scoring.engine import Engine
from glmlint.scoring.folder import read_folder
from glmlint.scoring.model import load_model
from glmlint.scoring.plan import (
    Batch,
    Host,
    RowScore,
    ScoredRow,
    batches,
    make_hosts,
    make_row,
    measure,
    run_batches,
    share,
    targets,
)

GOLDEN = Path(__file__).resolve().parents[2] / "shared/glm4/golden/glm4.jsonl"


def score_rows(rows: list[ScoredRow], budget: int, by: Engine) -> dict[bytes, RowScore]:
    found: list[RowScore] = []
    refused = run_batches(
        make_hosts(rows),
        budget,
        score=by.score,
        have=(),
        put=found.extend,
        seen=lambda *_: None,
        smaller=lambda _: None,
    )
    assert refused == []
    assert len({score.key for score in found}) == len(found), "every row is scored exactly once"
    return {score.key: score for score in found}


def golden_rows() -> list[tuple[list[int], list[int]]]:
    if not GOLDEN.is_file():
        pytest.skip("the shared folder with golden vectors is not beside the repository")
    with GOLDEN.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["input_ids"], row["labels"]) for row in rows if "input_ids" in row]


@pytest.mark.parametrize("family", FAMILIES)
def test_row_mean_equals_the_loss_of_transformers(family: str) -> None:
    rng = np.random.default_rng(1)
    pairs = [
        (ids, labels)
        for ids, labels in golden_rows()
        if 3 < len(ids) < 70 and any(label != -100 for label in labels[1:])
    ][:8]
    for length in (2, 9, 33):  # labels unlike the ids, a label at place 0, one label alone
        ids = rng.integers(0, VOCABULARY, length).tolist()
        labels = rng.integers(0, VOCABULARY, length).tolist()
        pairs.append((ids, labels))
        pairs.append((ids, [-100] * (length - 1) + labels[-1:]))
        pairs.append((ids, labels[:1] + [-100] * (length - 2) + labels[-1:]))
    rows = [make_row(ids, labels) for ids, labels in pairs]
    budget = len(rows[-1].ids)  # the last row ends right at the budget
    scores = score_rows(rows, budget, engine(family))
    for row, (ids, labels) in zip(rows, pairs, strict=True):
        assert scores[row.key].nll.mean() == pytest.approx(hf_loss(family, ids, labels), abs=1e-5)


def test_row_mean_equals_transformers_second_path() -> None:
    row = random_row(np.random.default_rng(2), 40, share=0.3)
    with torch.inference_mode():
        loss = hf_model("glm4")(
            torch.from_numpy(row.ids.astype(np.int64))[None],
            labels=torch.zeros(1),  # asks for a loss; shift_labels is what it is made of
            shift_labels=torch.from_numpy(row.labels.astype(np.int64))[None],
            logits_to_keep=torch.from_numpy(row.places.astype(np.int64) - 1),
        ).loss
    assert engine("glm4").score(single(row))[0].nll.mean() == pytest.approx(float(loss), abs=1e-5)


def single(row: ScoredRow) -> Batch:
    return Batch((Host(row.ids, (row,)),))


def test_worst_tokens_tell_what_the_model_would_have_said() -> None:
    row = random_row(np.random.default_rng(3), 30)
    found = engine("glm").score(single(row))[0]
    with torch.inference_mode():
        logits = hf_model("glm")(torch.from_numpy(row.ids.astype(np.int64))[None]).logits[0]
    chances = logits.double().softmax(-1).numpy()[row.places - 1]
    assert found.nll == pytest.approx(
        -np.log(chances[np.arange(len(row.labels)), row.labels]), abs=1e-4
    )
    assert list(found.worst) == list(np.argsort(-found.nll, kind="stable")[:5])
    assert list(found.argmax) == list(chances.argmax(1)[found.worst])
    assert found.probability == pytest.approx(chances.max(1)[found.worst], rel=1e-4)
    told = chances[found.worst, row.labels[found.worst]]
    assert list(found.rank) == [
        int((chances[p] > c).sum()) for p, c in zip(found.worst, told, strict=True)
    ]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_scores_do_not_depend_on_order_or_budget(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31), label="seed"))
    rows = [random_row(rng, int(length)) for length in rng.integers(2, 24, 6)]
    long = random_row(rng, 26)
    for cut in (5, 11, 25):  # rows inside a longer one, with labels of their own
        labels = rng.integers(0, VOCABULARY, cut)
        rows.append(make_row(long.ids[:cut], labels))
    rows += [long, rows[0], rows[-1]]
    alone = {row.key: engine("glm4").score(single(row))[0].nll for row in rows}
    order = data.draw(st.permutations(rows), label="order")
    budget = data.draw(st.integers(1, 300), label="budget")
    scores = score_rows(order, budget, engine("glm4"))
    assert scores.keys() == alone.keys()
    for key, nll in alone.items():
        np.testing.assert_allclose(scores[key].nll, nll, atol=1e-4)


def test_right_pads_change_no_byte() -> None:
    rng = np.random.default_rng(5)
    rows = [random_row(rng, length) for length in (20, 12, 3)]
    nll = {}
    for pad in (0, 151329):

        class Padded(Engine):
            def score(self, batch: Batch, pad: int = pad) -> list[RowScore]:
                wide = [
                    Host(np.append(h.ids, np.full(batch.width - len(h.ids), pad, np.int32)), h.rows)
                    for h in batch.hosts
                ]
                return super().score(Batch(tuple(wide)))

        scores = score_rows(rows, 1000, Padded(engine("glm").model))
        nll[pad] = b"".join(scores[row.key].nll.tobytes() for row in rows)
    assert nll[0] == nll[151329]


def test_bfloat16_gives_the_same_bytes_for_the_same_plan() -> None:
    by = Engine(load_model(read_folder(checkpoint("glm4")), dtype="bfloat16"), chunk=64)
    rng = np.random.default_rng(12)
    rows = [random_row(rng, length) for length in (25, 20, 9)]
    once, again = score_rows(rows, 60, by), score_rows(rows, 60, by)
    assert [once[r.key].nll.tobytes() for r in rows] == [again[r.key].nll.tobytes() for r in rows]
    assert once[rows[0].key].nll.dtype == np.float32, "losses are not rounded to bf16"
    exact = score_rows(rows, 60, engine("glm4"))
    assert once[rows[0].key].nll.mean() == pytest.approx(exact[rows[0].key].nll.mean(), abs=0.3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_row_means_on_a_gpu_equal_those_on_the_cpu() -> None:
    by = Engine(load_model(read_folder(checkpoint("glm4")), device="cuda"))
    rng = np.random.default_rng(13)
    rows = [random_row(rng, length) for length in (60, 33, 9)]
    exact, found = score_rows(rows, 100, engine("glm4")), score_rows(rows, 100, by)
    for row in rows:
        assert found[row.key].nll.mean() == pytest.approx(exact[row.key].nll.mean(), abs=1e-3)


def test_rows_without_labels_are_in_no_batch() -> None:
    rows = [make_row([1, 2, 3], [-100] * 3), make_row([1, 2, 3], [1, -100, -100]), make_row([], [])]
    assert make_hosts(rows) == []
    assert [len(row.places) for row in rows] == [0, 0, 0]


def test_a_row_is_cut_after_its_last_label() -> None:
    row = make_row([7, 8, 9, 10, 11], [-100, 8, -100, 5, -100])
    assert (row.ids.tolist(), row.places.tolist(), row.labels.tolist()) == (
        [7, 8, 9],
        [1, 3],
        [8, 5],
    )
    assert row.key == make_row([7, 8, 9, 1], [7, 8, -100, 5]).key
    assert row.key != make_row([7, 8, 9, 1], [7, 8, -100, 6]).key


def test_contained_rows_share_one_host() -> None:
    rows = [
        make_row([1, 2, 3, 4, 5], [-100, 2, -100, -100, 5]),
        make_row([1, 2, 3], [-100, 2, 9]),
        make_row([1, 2, 3], [-100, 2, 9]),
        make_row([1, 7, 3], [-100, 7, 3]),
    ]
    hosts = make_hosts(rows)
    assert [(host.ids.tolist(), len(host.rows)) for host in hosts] == [
        ([1, 2, 3, 4], 2),
        ([1, 7], 1),
    ]
    wanted = targets(Batch(tuple(hosts)))
    assert list(zip(wanted.host, wanted.place, wanted.label, strict=True)) == [
        (0, 1, 2), (0, 2, 9), (0, 4, 5), (1, 1, 7), (1, 2, 3),
    ]  # fmt: skip
    size = measure(rows, hosts, budget=17)
    assert (size.rows, size.distinct_rows, size.hosts, size.batches) == (4, 3, 2, 1)
    assert (size.tokens, size.read_tokens, size.padded_tokens, size.scored_tokens) == (10, 6, 8, 8)


def test_a_batch_that_is_large_enough_takes_no_much_shorter_row() -> None:
    hosts = make_hosts(make_row(range(n, 2 * n + 1), range(n, 2 * n + 1)) for n in (10, 9, 8, 7, 6))
    assert [[len(h.ids) for h in batch.hosts] for batch in batches(hosts, 80)] == [
        [10, 9, 8],
        [7, 6],
    ]
    assert [[len(h.ids) for h in batch.hosts] for batch in batches(hosts, 30)] == [
        [10, 9, 8],
        [7, 6],
    ]
    assert [len(batch.hosts) for batch in batches(hosts, 400)] == [5]


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=7), max_size=20),
    st.integers(1, 40),
    st.integers(1, 4),
)
def test_plan_holds_every_row_once_and_within_the_budget(
    texts: list[list[int]], budget: int, world: int
) -> None:
    rows = [make_row(ids, ids) for ids in texts]
    hosts = make_hosts(rows)
    made = list(batches(hosts, budget))
    assert sorted(row.key for batch in made for row in batch.rows) == sorted({r.key for r in rows})
    assert all(len(b.hosts) == 1 or b.padded_tokens <= budget for b in made)
    assert [b.width for b in made] == sorted((b.width for b in made), reverse=True)
    for host in hosts:
        assert all(host.ids[: len(row.ids)].tolist() == row.ids.tolist() for row in host.rows)
    for one, other in itertools.permutations(hosts, 2):
        assert other.ids[: len(one.ids)].tolist() != one.ids.tolist(), "no host inside another"
    assert [h.ids.tolist() for h in make_hosts(rows[::-1])] == [h.ids.tolist() for h in hosts]
    shares = [list(batches(share(hosts, budget, rank, world), budget)) for rank in range(world)]
    keys = [[row.key for row in batch.rows] for part in shares for batch in part]
    assert sorted(keys) == sorted([row.key for row in batch.rows] for batch in made)


class Cramped(Engine):
    """An engine on a device that holds `room` padded tokens."""

    def __init__(self, by: Engine, room: int) -> None:
        super().__init__(by.model, by.chunk)
        self.room = room

    def forward(self, batch: Batch) -> list[RowScore]:
        if batch.padded_tokens > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(batch)


def test_out_of_memory_halves_the_budget_and_loses_nothing() -> None:
    rng = np.random.default_rng(7)
    rows = [random_row(rng, length) for length in (40, 39, 30, 22, 22, 21, 8, 5, 2)]
    budgets: list[int] = []
    found: list[RowScore] = []
    refused = run_batches(
        make_hosts(rows), 1000, score=Cramped(engine("glm4"), 70).score, have=(),
        put=found.extend, seen=lambda *_: None, smaller=budgets.append,
    )  # fmt: skip
    calm = score_rows(rows, 1000, engine("glm4"))
    assert refused == []
    assert budgets == sorted(budgets, reverse=True) != []
    assert {score.key for score in found} == calm.keys()
    for score in found:
        assert score.nll.mean() == pytest.approx(calm[score.key].nll.mean(), abs=1e-5)


def test_a_row_that_does_not_fit_alone_is_refused_and_the_rest_goes_on() -> None:
    rng = np.random.default_rng(8)
    giant = random_row(rng, 60)
    inside = make_row(giant.ids[:20], giant.ids[:20])
    rows = [giant, inside, *(random_row(rng, length) for length in (30, 20, 4))]
    found: list[RowScore] = []
    refused = run_batches(
        make_hosts(rows), 1000, score=Cramped(engine("glm4"), 45).score, have=(),
        put=found.extend, seen=lambda *_: None, smaller=lambda _: None,
    )  # fmt: skip
    assert [row.key for row in refused] == [giant.key]
    assert {score.key for score in found} == {row.key for row in rows} - {giant.key}


def test_other_runtime_errors_are_not_taken_for_lack_of_memory() -> None:
    class Broken(Engine):
        def forward(self, batch: Batch) -> list[RowScore]:
            raise RuntimeError(f"expected scalar type Half for {batch.width} tokens")

    with pytest.raises(RuntimeError, match="scalar type"):
        Broken(engine("glm").model).score(single(random_row(np.random.default_rng(9), 5)))


def test_cpu_allocation_failure_counts_as_lack_of_memory() -> None:
    class Full(Engine):
        def forward(self, batch: Batch) -> list[RowScore]:
            raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {batch.width}")

    row = random_row(np.random.default_rng(9), 5)
    refused = run_batches(
        make_hosts([row]), 10, score=Full(engine("glm").model).score, have=(),
        put=lambda _: None, seen=lambda *_: None, smaller=lambda _: None,
    )  # fmt: skip
    assert refused == [row]
