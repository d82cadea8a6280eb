"""What is told once a file counts in each row that it stands for, however the file is cut."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.finish import Result, finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import Chunk
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context, open_context

ALL = {name: entry.rule.severity for name, entry in all_rules().items()}


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, **more}


GOOD = chat("What is the capital of France?", "Paris.")
NAMED = chat("Who are you?", "I am {{name}}, made by {{author}}. Call me {{name}}.")
KEYED = chat("Name a colour.", "Red.", lable="x")
EMPTY = chat("Say nothing.", "")
BOTH = chat("Who are you, and who made you?", "I am {{name}}.", lable="x")
ROWS = (GOOD, NAMED, KEYED, EMPTY, BOTH, {"text": "hello"}, chat("你好", "您好，我是 <NAME>。"))


@cache
def opened() -> Context:
    return open_context(Plan())


def check(rows: Any, plan: Plan | None = None, size: int = 0, seed: int = 0) -> Result:
    """Check rows as one chunk, or in parts of some size that merge in some order."""
    plan = plan or Plan(rules=ALL)
    context = Context(plan, opened().tokenizer, opened().template)
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    size = size or max(len(lines), 1)
    parts = [
        check_lines(
            [Chunk("train.jsonl", part := lines[at : at + size], range(at + 1, at + 1 + len(part)))],
            plan, context,
        )
        for at in range(0, len(lines), size)
    ]  # fmt: skip
    random.Random(seed).shuffle(parts)
    report = Report()
    for part in parts:
        report.merge(part, plan.max_findings)
    return finish(report, plan, context)


def counts(result: Result) -> tuple[int, int, int]:
    return result.totals.clean, result.totals.with_findings, result.totals.unreadable


@pytest.mark.parametrize("row", [NAMED, KEYED, BOTH], ids=["placeholder", "ignored-key", "both"])
def test_each_row_that_a_finding_stands_for_is_with_findings(row: dict[str, Any]) -> None:
    result = check([row, GOOD, row, row, row, row], Plan(rules={**ALL, "exact-duplicate": "off"}))
    assert counts(result) == (1, 5, 0)
    assert {finding.rows for finding in result.findings if finding.rule in ALL} >= {5}


def test_a_row_that_says_it_twice_is_one_row() -> None:
    result = check([NAMED, GOOD])
    found = [finding for finding in result.findings if finding.rule == "placeholder"]
    assert (
        sorted((finding.rows, "1 row" in finding.message) for finding in found) == [(1, True)] * 2
    )


def test_an_info_told_once_leaves_its_rows_clean() -> None:
    row = chat("Name a colour.", "Red.", teacher="x")
    result = check([row, row], Plan(rules={"ignored-key": "warning"}))
    assert [(f.severity, f.rows) for f in result.findings] == [("info", 2)]
    assert counts(result) == (2, 0, 0)


def test_what_the_baseline_holds_counts_in_no_row() -> None:
    rows = [NAMED, GOOD, KEYED, NAMED]
    rules = {"placeholder": "warning", "ignored-key": "warning"}
    writing = check(rows, Plan(rules=rules, write_baseline=True))
    assert counts(writing) == (4, 0, 0)
    old = {name: number for found in writing.baseline.values() for name, number in found.items()}
    assert counts(check(rows, Plan(rules=rules, baseline=old))) == (4, 0, 0)
    fewer = {name: old[name] for name in writing.baseline["ignored-key"]}
    assert counts(check(rows, Plan(rules=rules, baseline=fewer))) == (2, 2, 0)
    part = {**old, **dict.fromkeys(writing.baseline["placeholder"], 0)}
    assert counts(check([*rows, BOTH], Plan(rules=rules, baseline=part))) == (2, 3, 0)


@settings(max_examples=60)
@given(
    rows=st.lists(st.sampled_from(ROWS), max_size=12),
    size=st.integers(1, 5),
    seed=st.integers(0, 99),
    old=st.sampled_from(["", "ignored-key", "placeholder", "both", "exhausted"]),
)
def test_any_cut_counts_the_same(rows: list[Any], size: int, seed: int, old: str) -> None:
    plan = Plan(rules={name: level for name, level in ALL.items() if level != "info"})
    written = check(rows, replace(plan, write_baseline=True)).baseline if old else {}
    if old:
        known = {
            name: 0 if old == "exhausted" else number
            for rule, found in written.items()
            if rule == old or old in ("both", "exhausted")
            for name, number in found.items()
        }
        plan = replace(plan, baseline=known)
    whole, parts = check(rows, plan), check(rows, plan, size, seed)
    assert counts(whole) == counts(parts)
    assert sum(counts(whole)) == len(rows)
    assert [(f.rule, f.line, f.rows) for f in whole.findings] == [
        (f.rule, f.line, f.rows) for f in parts.findings
    ]
