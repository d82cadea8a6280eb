"""Any number of faulty rows: what is kept of them is bounded, and each costs what the first one did."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from glmlint.app.settings import resolve
from glmlint.engine.check import Checker, check_chunk
from glmlint.engine.finish import finish
from glmlint.evidence.report import MOST_ONCE, Report
from glmlint.read.source import Chunk
from glmlint.trainer import base
from glmlint.trainer.base import open_context

FAULTY: dict[str, Any] = {
    "unknown roles": lambda i: [{"role": "human", "content": f"q{i}"}, {"role": "gpt", "content": "a"}],
    "null contents": lambda i: [{"role": "user", "content": None}, {"role": "assistant", "content": f"a{i}"}],
    "keys of their own": lambda i: [{"role": "user", "content": "q", f"k{i}": 1}, {"role": "assistant", "content": "a"}],
    "tools of their own": lambda i: [
        {"role": "system", "content": "", "tools": [{"type": "function", "function": {"name": f"t {i}", "parameters": {"type": "object", "properties": {"a": {"type": f"no {i}"}}}}}]},
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
    ],
    "no messages": lambda i: i,
}  # fmt: skip


def chunk(name: str, start: int, rows: int) -> Chunk:
    make = FAULTY[name]
    lines = [json.dumps({"messages": make(i)}).encode() for i in range(start, start + rows)]
    return Chunk("a.jsonl", lines, range(start + 1, start + rows + 1), {}, [], 0, None)


def checker(most: int) -> Checker:
    plan = resolve({"config": None, "lang": "en", "max-findings": most, "select": ["ALL"]})
    return Checker(plan, open_context(plan))


@pytest.mark.parametrize("name", FAULTY)
def test_a_row_costs_what_the_first_one_did(name: str) -> None:
    """Counted: calls of functions for a hundred rows, early and late in a file."""
    check, report = checker(50), Report()

    def add(start: int, rows: int) -> int:
        taken = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal taken
            taken += event in ("call", "c_call")

        part = chunk(name, start, rows)
        sys.setprofile(count)
        try:
            stats = check_chunk(part, check)
            report.add(stats, check.plan.max_findings)
            check.kept(report.file("a.jsonl"))
        finally:
            sys.setprofile(None)
        return taken

    add(0, 20)
    early = add(20, 100)
    for start in range(120, 1320, 300):
        add(start, 300)
    late = add(1320, 100)
    assert late <= 1.1 * early + 2_000
    stats = report.file("a.jsonl")
    assert len(stats.findings) <= 50 and stats.totals.samples == 1420


def test_findings_told_once_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from glmlint.engine import check as engine
    from glmlint.evidence import report as module

    assert MOST_ONCE == 10_000
    monkeypatch.setattr(module, "MOST_ONCE", 30)
    monkeypatch.setattr(engine, "MOST_ONCE", 30)
    check, report = checker(500), Report()
    for start in range(0, 100, 20):
        report.add(check_chunk(chunk("keys of their own", start, 20), check), 500)
    stats = report.file("a.jsonl")
    assert len(stats.once) == 30
    result = finish(report, check.plan, check.context)
    told = [finding for finding in result.findings if finding.rule == "ignored-key"]
    assert len(told) <= 30 and result.rule_counts["ignored-key"] == 100
    assert result.totals.with_findings == 100 and result.exit_code in (0, 1)


def test_names_of_any_length_are_no_keys_of_any_length() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "q", "k" * 100_000: 1},
            {"role": "assistant", "content": "a"},
        ]
    }
    check = checker(500)
    stats = check_chunk(
        Chunk("a.jsonl", [json.dumps(row).encode()], [1], {}, [], 0, None), check
    )  # fmt: skip
    assert max(len(key) for _, key in stats.once) < 300


def test_what_is_remembered_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_MEMO_SIZE", 100_000)
    plan = resolve({"config": None, "lang": "en"})
    context = open_context(plan)
    for number in range(100):
        function = {
            "name": f"t{number}",
            "description": "d" * 9_000,
            "parameters": {"type": "object", "properties": {}},
        }
        raw = json.dumps([{"type": "function", "function": function}]).encode()
        assert context.tools(raw) is not None
        context.encoded("x" * 9_000 + str(number))
        assert sum(map(len, context._tools)) <= 100_000
        assert sum(map(len, context._texts)) <= 100_000
    large = json.dumps(
        [{"type": "function", "function": {**function, "description": "d" * 50_000}}]
    )
    found = context.tools(large.encode())
    assert found is not None and large.encode() not in context._tools
