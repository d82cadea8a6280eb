"""Each row is counted once and as what it is, and in whatever parts the file is read."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.encode import encode_rows
from glmlint.engine.finish import Result, finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import Chunk, InputFile, read_chunks
from glmlint.reporters.verdict import rows_told
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


# --- what is no row --------------------------------------------------------------------------------

ARRAY = json.dumps([chat(f"Question {n}?", f"Answer {n}.") for n in range(3)])


def check_text(tmp_path: Path, text: str, lang: str = "en") -> Result:
    """Check the text as a `.json` file, and compare the counts with the rows that `encode` prints."""
    file = tmp_path / "train.json"
    file.write_text(text)
    plan = Plan(rules={"invalid-json": "error", "other-format": "error"}, lang=lang)
    context = Context(plan, opened().tokenizer, opened().template)
    result = finish(check_lines(read_chunks(InputFile(str(file))), plan, context), plan, context)
    encoded = list(encode_rows([str(file)], plan, context=context))
    assert result.totals.samples == len(encoded)
    assert result.totals.unreadable == sum(row.error is not None for row in encoded)
    assert [row.index for row in encoded] == list(range(len(encoded)))
    return result


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (ARRAY[:-1], (3, 0, 0)),
        (ARRAY[:-1] + ",", (3, 0, 0)),
        (ARRAY[:-1] + ",]", (3, 0, 0)),
        (ARRAY + "]", (3, 0, 0)),
        (ARRAY + ARRAY, (3, 0, 0)),
        (json.dumps(json.loads(ARRAY), indent=1)[:-2], (3, 0, 0)),
        (ARRAY[:-6], (2, 0, 1)),
        ("[", (0, 0, 0)),
    ],
    ids=["open", "comma", "comma-close", "closed-twice", "two", "pretty", "cut", "nothing"],
)
def test_a_fault_around_the_rows_is_told_and_is_no_row(
    tmp_path: Path, text: str, rows: tuple[int, int, int]
) -> None:
    result = check_text(tmp_path, text)
    assert counts(result) == rows
    assert "invalid-json" in {finding.rule for finding in result.findings}


# --- rows that stop the trainer --------------------------------------------------------------------

ALPACA = {"instruction": "Say hi.", "input": "", "output": "Hi."}
SHAREGPT = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]}
PAIR = {"prompt": "Hi", "response": "Hello"}


@pytest.mark.parametrize("row", [ALPACA, SHAREGPT, PAIR], ids=["alpaca", "sharegpt", "pair"])
def test_rows_of_another_format_are_said_to_be_so(tmp_path: Path, row: dict[str, Any]) -> None:
    text = json.dumps([row, row])
    result = check_text(tmp_path, text)
    assert counts(result) == (0, 0, 2)
    told = rows_told(result)
    assert told == "0 clean, 0 with findings, 2 that stop the trainer (in another trainer's format)"
    told = rows_told(check_text(tmp_path, text, "zh"))
    assert told == "0 个正常，0 个有问题，2 个会让训练框架中止（其他训练框架的格式）"
    told = rows_told(check_text(tmp_path, json.dumps([row, row, {"messages": 5}])))
    assert told.endswith("3 that stop the trainer (2 in another trainer's format)")
    told = rows_told(check_text(tmp_path, json.dumps([{"messages": 5}, GOOD])))
    assert told == "1 clean, 0 with findings, 1 that stops the trainer"
