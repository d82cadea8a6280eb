"""`--profile-rules`: what it measures adds up, changes nothing, and is not there unless asked for."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_cli import GOOD, LONG, glmlint, write
from test_loader_check import TWO_TOOLS

from glmlint.engine.check import Checker, check_file, check_lines
from glmlint.engine.finish import Result, finish
from glmlint.engine.times import PARTS, Times
from glmlint.evidence.report import Report
from glmlint.fix.files import drafted
from glmlint.plan import Plan
from glmlint.read.source import Chunk, InputFile
from glmlint.rules.base import Example, all_rules, default_rules
from glmlint.trainer.base import Context, open_context

RULES = default_rules()


@cache
def context() -> Context:
    return open_context(Plan(rules=RULES))


def lines() -> list[bytes]:
    """The bad rows of all rules."""
    rows: list[Any] = []
    for loaded in all_rules().values():
        for example in loaded.rule.bad:
            rows += example.rows if isinstance(example, Example) else [example]
    return [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]


def run(rows: list[bytes], cut: int, **more: Any) -> Result:
    plan = Plan(rules=RULES, **more)
    own = dataclasses.replace(context(), plan=plan)
    parts = [
        Chunk("a.jsonl", rows[at : at + cut], range(at + 1, at + 1 + len(rows[at : at + cut])))
        for at in range(0, len(rows), cut)
    ]
    report = Report()
    for part in parts:
        report.merge(check_lines([part], plan, own), plan.max_findings)
    return finish(report, plan, own)


def test_a_run_without_it_has_the_rules_themselves() -> None:
    checker = Checker(Plan(rules=RULES), context())
    assert checker.watch is None and checker.layout_context is checker.context
    for loaded, _ in checker.rules_of("a.jsonl"):
        assert loaded is all_rules()[loaded.rule.name]
    assert run([json.dumps(GOOD).encode()], 1).times is None


@pytest.mark.parametrize("cut", [7, 1000])
def test_the_findings_are_the_same(cut: int) -> None:
    plain, timed = run(lines(), cut), run(lines(), cut, profile_rules=True)
    assert timed.findings == plain.findings and timed.rule_counts == plain.rule_counts
    assert timed.totals == plain.totals and timed.suppressed == plain.suppressed


def test_times_of_parts_are_added() -> None:
    rows = lines()
    whole, cut = (run(rows, size, profile_rules=True).times for size in (10_000, 7))
    assert whole is not None and cut is not None
    # Its sieve compares words of eight bytes as they lie in a chunk: it may let more rows through.
    assert cut.rows.pop("repetition-loop") > 0 and whole.rows.pop("repetition-loop") > 0
    assert cut.rows == whole.rows
    assert set(whole.parts) == set(cut.parts) <= set(PARTS)
    assert all(spent > 0 for times in (whole, cut) for spent in times.parts.values())
    assert all(spent > 0 for times in (whole, cut) for spent in times.rules.values())
    # What has no row is called once a file, and merged reports are still one file.
    assert whole.rows["empty-dataset"] == 0 and whole.rules["empty-dataset"] > 0


def test_nothing_is_counted_twice() -> None:
    one, two = Times(), Times()
    one.rules["a"], one.parts["read"], one.rows["a"] = 5, 7, 1
    two.rules["a"], two.rules["b"], two.parts["rest"] = 1, 2, 3
    one.add(two)
    assert (one.rules, one.rows, one.total) == ({"a": 6, "b": 2}, {"a": 1}, 18)


def table(err: str) -> dict[str, list[str]]:
    return {
        line.rsplit(None, 5)[0].strip(): line.split()[-5:]
        for line in err.splitlines()
        if line.count(" ") > 4
    }


def test_the_table_is_on_standard_error_and_json_is_json(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *[GOOD] * 9, LONG)
    done = glmlint("check", file, "--profile-rules", "--format", "json")
    assert done.returncode == json.loads(done.stdout)["exit_code"] == 1
    plain = glmlint("check", file, "--format", "json")
    assert plain.stdout == done.stdout and plain.stderr == b""
    told = table(done.stderr.decode())
    assert told["over-truncated"][0] == "1" and told["over-truncated"][-1] == "1"
    assert told["exact-duplicate"][0] == "–" and told["exact-duplicate"][-1] == "8"
    assert told["the whole check"][0] == "10" and told["the whole check"][-2] == "100%"


def test_the_table_is_in_chinese_too_and_comes_after_the_report(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD, LONG)
    done = glmlint("check", file, "--profile-rules", "--lang", "zh", "--quiet")
    told = done.stderr.decode()
    assert "各规则耗时" in told and "读取与解码" in told and "over-truncated" in told
    assert "over-truncated" in done.stdout.decode() and "耗时" not in done.stdout.decode()


def test_with_fix_it_measures_the_check_and_with_diff_it_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    fixed = glmlint("check", file, "--profile-rules", "--fix")
    assert fixed.returncode == 0 and "the whole check" in fixed.stderr.decode()
    refused = glmlint("check", file, "--profile-rules", "--diff")
    assert refused.returncode == 2 and refused.stderr.count(b"\n") == 1


def two_passes(tmp_path: Path) -> Path:
    """A file in whose rows the loader puts nulls: it is checked twice."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(TWO_TOOLS)
    return file


PADS: dict[str, Any] = {"datasets": "4.4.1", "pinned": frozenset(["datasets"])}


def test_rows_of_a_file_that_is_checked_twice_are_counted_once(tmp_path: Path) -> None:
    file = two_passes(tmp_path)
    rows = len(TWO_TOOLS.splitlines())
    told = glmlint(
        "check", str(file), "--pin", "datasets=4.4.1", "--profile-rules", "--select", "ALL"
    )
    assert "first of two passes" in told.stderr.decode()
    lines = table(told.stderr.decode())
    called = [int(cells[0]) for name, cells in lines.items() if cells[0].isdecimal()]
    assert called and max(called) == rows
    once = glmlint("check", str(file), "--pin", "datasets=5.2.0", "--profile-rules")
    assert "two passes" not in once.stderr.decode()


def test_the_bar_counts_a_file_that_is_read_again_once(tmp_path: Path) -> None:
    file = two_passes(tmp_path)
    plan = Plan(rules=RULES, **PADS)
    counted: list[tuple[int, int]] = []
    report = Report()
    check_file(
        InputFile(str(file)), plan, open_context(plan), report, lambda *done: counted.append(done)
    )
    rows, size = (sum(column) for column in zip(*counted, strict=True))
    assert rows == len(TWO_TOOLS.splitlines())
    assert size + rows == len(TWO_TOOLS)
    assert len(counted) > 2 and min(counted) < (0, 0)  # it was read twice
    # A file of several objects a line is repaired in several passes.
    counted.clear()
    odd = tmp_path / "odd.jsonl"
    human = json.dumps(
        {"messages": [{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}]}
    )
    odd.write_text(f"{human} {human}\n" * 5)
    repairs = dict.fromkeys(("not-jsonl", "unknown-role"), "error")
    plan = Plan(rules=repairs)
    with drafted(
        [str(odd)], plan, open_context(plan), progress=lambda *done: counted.append(done)
    ) as fixes:
        assert fixes.rows
    rows, _ = (sum(column) for column in zip(*counted, strict=True))
    assert rows == 10 and min(counted) < (0, 0)
