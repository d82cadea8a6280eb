"""Counts equal the tokens that the trainer is handed, in any cut of the file; budgets are exact."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.encode import encode_rows
from glmlint.evidence.report import (
    Places,
    Report,
    kept_supervised,
    nearest_rank,
    smallest_budget,
)
from glmlint.plan import Plan
from glmlint.read.source import Chunk
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.mask import sequence

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
EVERY_RULE = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family in ("structure", "mask", "budget")
}


@cache
def opened(recipe: str, transformers: str = "5.24.0") -> Context:
    return open_context(Plan(recipe=recipe, transformers=transformers))


def context_for(plan: Plan) -> Context:
    base = opened(plan.recipe, plan.transformers)
    return Context(plan, base.tokenizer, base.template)


def as_line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")


def chunk_of(lines: list[bytes], first: int = 1) -> Chunk:
    return Chunk("train.jsonl", lines, range(first, first + len(lines)), {}, [], 0, None)


def golden_rows(recipe: str) -> list[dict[str, Any]]:
    """The golden file's rows, all of them where they are; lines end at LF alone."""
    full = SHARED / "glm4" / "golden"
    folder = full if full.is_dir() else Path(__file__).parent / "golden"
    text = (folder / f"{recipe}.jsonl").read_bytes()
    return [json.loads(line) for line in text.split(b"\n") if line]


def supervised_in(labels: Any) -> int:
    return int((np.asarray(labels)[1:] != -100).sum())


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("budget", [1, 9, 60, 1025])
def test_totals_are_sums_over_encoded_rows(tmp_path: Path, recipe: str, budget: int) -> None:
    rows = [{"messages": row["messages"]} for row in golden_rows(recipe)]
    lines = [as_line(row) for row in rows]
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    plan = Plan(recipe=recipe, max_length=budget)
    context = context_for(plan)

    totals = check_lines([chunk_of(lines)], plan, context).file("train.jsonl").totals
    whole = list(encode_rows([str(path)], plan, context=context, truncate=False))
    cut = list(encode_rows([str(path)], plan, context=context))

    assert totals.samples == len(whole) == len(rows)
    assert totals.unreadable == sum(row.error is not None for row in whole)
    whole = [row for row in whole if row.error is None]
    cut = [row for row in cut if row.error is None]
    assert totals.tokens == sum(len(row.input_ids) for row in whole)
    assert totals.kept_tokens == sum(len(row.input_ids) for row in cut)
    assert totals.supervised_tokens == sum(supervised_in(row.labels) for row in whole)
    assert totals.kept_supervised_tokens == sum(supervised_in(row.labels) for row in cut)
    assert totals.lost_supervised_tokens == totals.supervised_tokens - totals.kept_supervised_tokens
    assert totals.truncated_samples == sum(len(row.input_ids) > budget for row in whole)
    assert totals.fully_truncated_samples == sum(
        supervised_in(one.labels) > 0 and supervised_in(two.labels) == 0
        for one, two in zip(whole, cut, strict=True)
    )


@pytest.mark.parametrize("recipe", RECIPES)
def test_quantiles_and_budgets_equal_the_encoded_rows(tmp_path: Path, recipe: str) -> None:
    lines = [as_line({"messages": row["messages"]}) for row in golden_rows(recipe)]
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(lines))
    plan = Plan(recipe=recipe)
    context = context_for(plan)
    stats = check_lines([chunk_of(lines)], plan, context).files["train.jsonl"]
    rows = [
        row
        for row in encode_rows([str(path)], plan, context=context, truncate=False)
        if row.error is None
    ]

    lengths = sorted(len(row.input_ids) for row in rows)
    for share in (0.5, 0.9, 0.95, 0.99, 1.0):
        rank = max(1, -int(-share * 1000 * len(lengths) // 1000))
        assert nearest_rank(stats.lengths, share) == lengths[rank - 1]
    places = np.concatenate([np.flatnonzero(row.labels[1:] != -100) + 1 for row in rows])
    for budget in (0, 1, 2, 5, 17, 60, 300, 10_000):
        assert kept_supervised(stats.curve.places, budget) == int((places < budget).sum())


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 12)), min_size=1, max_size=8),
    st.integers(1, 100),
)
def test_the_smallest_budget_is_the_smallest(spans: list[tuple[int, int]], percent: int) -> None:
    places = [place for start, size in spans for place in range(start, start + size)]
    at, steps = [], []
    for start, size in spans:
        at += [start, start + size]
        steps += [1, -1]
    supervised = Places()
    supervised.add(np.array(at, np.int64), np.array(steps, np.int64))

    def kept(budget: int) -> int:
        return sum(place < budget for place in places)

    for budget in range(45):
        assert kept_supervised(supervised, budget) == kept(budget)
    share = percent / 100
    by_hand = next(b for b in range(45) if 100 * kept(b) >= percent * len(places))
    assert smallest_budget(supervised, share) == by_hand


def test_nothing_supervised_has_no_budget() -> None:
    assert smallest_budget(Places(), 0.99) is None
    assert kept_supervised(Places(), 1025) == 0
    assert nearest_rank(Places(), 0.5) is None


def normal(report: Report) -> Any:
    """A report as plain data, in an order of its own."""
    found = []
    for path, stats in report.files.items():
        once = {key: (o.line, o.rows, o.severity, o.values) for key, o in stats.once.items()}
        found.append(
            (path, stats.totals, stats.lengths.at.tolist(), stats.lengths.number.tolist(),
             stats.curve.places.at.tolist(), stats.curve.places.number.tolist(), stats.findings,
             dict(sorted(once.items())), dict(stats.rule_counts), dict(stats.severity_counts))
        )  # fmt: skip
    return found


@pytest.mark.parametrize("recipe", RECIPES)
def test_any_cut_of_the_file_merges_to_the_same_report(recipe: str) -> None:
    lines = [as_line({"messages": row["messages"]}) for row in golden_rows(recipe)][-40:]
    plan = Plan(recipe=recipe, max_length=60, rules=EVERY_RULE)
    context = context_for(plan)
    whole = normal(check_lines([chunk_of(lines)], plan, context))

    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.integers(0, len(lines)), max_size=5), st.randoms(use_true_random=False))
    def merged_equals_whole(cuts: list[int], random: Any) -> None:
        edges = [0, *sorted(cuts), len(lines)]
        parts = [
            check_lines([chunk_of(lines[start:stop], start + 1)], plan, context)
            for start, stop in pairwise(edges)
        ]
        random.shuffle(parts)
        merged = Report()
        for part in parts:
            merged.merge(part, plan.max_findings)
        assert normal(merged) == whole

    merged_equals_whole()


def test_each_token_of_a_text_role_belongs_to_its_own_message() -> None:
    context = opened("glm4-combine")
    roles = ("user", "assistant", "tool", "critic", "user")
    messages = [{"role": role, "content": f"{role} 说"} for role in roles]
    messages.insert(2, {"role": "tool", "content": ""})  # not printed
    rendered = context.trainer.lay_out({"messages": messages}, context)
    tokens = sequence(rendered, context)
    assert sorted(set(tokens.owners.tolist())) == [-2, -1, 0, 1, 3, 4, 5]
    for index in (0, 1, 3, 4, 5):
        ids = tokens.input_ids[tokens.owners == index].tolist()
        text = b"".join(map(context.tokenizer.token_bytes, ids)).decode()
        assert text == "<|{role}|>\n{content}".format(**messages[index])


def test_shares_are_decimals() -> None:
    # As floats 0.56 * 50 is a little more than 28, and the budget for 29 would be told.
    supervised = Places(np.array([0, 50], np.int64), np.array([1, -1], np.int64))
    assert smallest_budget(supervised, 0.56) == 28
    assert nearest_rank(Places(np.arange(1, 51), np.ones(50, np.int64)), 0.56) == 28
