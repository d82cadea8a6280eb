"""A merged report -> what is printed: rules about whole files, order, counts, the exit code."""

from __future__ import annotations

from array import array
from collections import Counter

import numpy as np
from msgspec import Struct, field, structs

from glmlint.engine.baseline import Matching, once_fingerprint, placed_fingerprint
from glmlint.engine.check import Checker
from glmlint.engine.ignores import UNUSED
from glmlint.engine.redact import redacted
from glmlint.engine.times import REST, timing
from glmlint.evidence.report import FileStats, Report, Times, Totals, keep_first
from glmlint.evidence.tables import distinct
from glmlint.finding import RANK, Finding, file_identity, fingerprint, json_pointer
from glmlint.plan import Plan
from glmlint.read.survey import is_habit
from glmlint.rules.base import Placed, Problem, sentence
from glmlint.trainer.base import Context


class FileResult(Struct):
    """One file's numbers and findings."""

    path: str
    totals: Totals
    stats: FileStats


class Result(Struct):
    """A finished run."""

    plan: Plan
    context: Context
    files: list[FileResult]
    totals: Totals
    findings: list[Finding]
    """The findings that are kept, by file and place."""
    rule_counts: Counter[str]
    """Every finding by rule, also those that are not kept."""
    rule_rows: Counter[str]
    """Rows by rule that has findings in them."""
    severity_counts: Counter[str]
    problems: list[tuple[str, str]]
    exit_code: int
    suppressed: dict[str, int] = field(default_factory=lambda: {"row": 0, "baseline": 0})
    """Findings that are not among these: silenced by their row, or old ones."""
    baseline: dict[str, Counter[str]] = field(default_factory=dict)
    """What a new baseline holds, with `write_baseline`: rule -> fingerprint -> count."""
    fixed: dict[str, int] | None = None
    """With `--fix`: repaired problems by rule."""
    wide: frozenset[str] = frozenset()
    """Paths of files in UTF-16 or UTF-32, which only `--unsafe-fixes` writes anew."""
    times: Times | None = None
    """Where the time went, with `plan.profile_rules`."""


def finish(report: Report, plan: Plan, context: Context) -> Result:
    """Run the rules about whole files, and bring everything into its order."""
    checker = Checker(plan, context)
    with timing(checker.watch, REST):
        result = _finished(report, checker)
    if checker.watch is not None:
        result.times = report.times
        result.times.add(checker.watch.take())
    return result


def _finished(report: Report, checker: Checker) -> Result:
    plan, context = checker.plan, checker.context
    files: list[FileResult] = []
    findings: list[Finding] = []
    rule_counts: Counter[str] = Counter()
    rule_rows: Counter[str] = Counter()
    severity_counts: Counter[str] = Counter()
    matching = Matching(plan.baseline, plan.write_baseline)
    placed, ignored = _placed(report, checker, matching)
    for stats in report.files.values():
        ignored += stats.ignored
        totals = Totals()
        totals.add(stats.totals)
        rule_counts += stats.rule_counts
        rule_rows += stats.rule_rows
        old: set[tuple[int, str]] = set()
        severity_counts += stats.severity_counts
        late: list[Finding] = []
        named = array("I")
        new: set[tuple[str, str]] = set()
        for key, finding in _late(stats, checker):
            if matching.holds(finding.rule, finding.fingerprint):
                continue
            late.append(finding)
            rule_counts[finding.rule] += 1
            severity_counts[finding.severity] += 1
            if key is not None:
                new.add(key)
        for keys, lines in stats.held_once.items():
            if not keys.isdisjoint(new):
                named.extend(lines)
        for held in sorted(stats.held, key=lambda held: held.line):
            if matching.holds(held.rule, held.fingerprint):
                continue
            if held.finding is not None:
                late.append(held.finding)
            rule_counts[held.rule] += 1
            rule_rows[held.rule] += (held.line, held.rule) not in old
            old.add((held.line, held.rule))
            severity_counts[held.severity] += 1
            if held.clean and held.severity != "info":
                named.append(held.line)
        across = placed.get(stats.path, Across())
        rule_counts += across.rule_counts
        rule_rows += across.rule_counts
        severity_counts += across.severity_counts
        named.extend(across.named)
        number = len(distinct(np.array(named, np.uint32)))
        totals.with_findings += number
        totals.clean -= number
        shown = {*map(id, stats.findings)}  # those of rows are made as they may be shown
        found = keep_first([*stats.findings, *late, *across.findings], plan.max_findings)
        found = [one if id(one) in shown else redacted(one) for one in found]
        if stats.path in report.left_alone or _stays_wide(stats, checker):
            found = [structs.replace(finding, fixable=False) for finding in found]
        findings += found
        files.append(FileResult(stats.path, totals, stats))
    exit_code = _exit_code(report, plan, severity_counts)
    total = Totals()
    for file in files:
        total.add(file.totals)
    return Result(
        plan, context, files, total, findings[: plan.max_findings],
        rule_counts, rule_rows, severity_counts, report.problems, exit_code,
        {"row": ignored, "baseline": matching.number}, matching.found,
        wide=frozenset(path for path, stats in report.files.items() if _is_wide(stats)),
    )  # fmt: skip


def _stays_wide(stats: FileStats, checker: Checker) -> bool:
    """Whether the file is UTF-16 or UTF-32 and no repair may change that: then none is made in it."""
    off = checker.severities(stats.path).get("not-utf8", "off") == "off"
    return off and _is_wide(stats)


def _is_wide(stats: FileStats) -> bool:
    return any(defect.rule == "not-utf8" for defect in stats.defects)


def _late(stats: FileStats, checker: Checker) -> list[tuple[tuple[str, str] | None, Finding]]:
    """Findings of the whole file, those told once a file with their keys."""
    whole = [(None, finding) for finding in _file_findings(stats, checker)]
    return [*_once(stats, checker.plan), *whole]


def _once(stats: FileStats, plan: Plan) -> list[tuple[tuple[str, str] | None, Finding]]:
    found: list[tuple[tuple[str, str] | None, Finding]] = []
    for key, once in sorted(stats.once.items(), key=lambda item: item[1].turn):
        pointer = None if once.pointer is None else json_pointer(once.pointer)
        samples = stats.totals.samples
        values = {**once.values, "rows": once.rows, "samples": samples}
        told = once.habit if once.habit and is_habit(once.rows, samples) else once
        finding = Finding(
            rule=once.rule,
            severity=told.severity,
            path=stats.path,
            line=once.line,
            column=once.column,
            pointer=pointer,
            message=sentence(told.text, plan, values),
            help=sentence(told.help, plan, values),
            fixable=told.fixable,
            fingerprint=once_fingerprint(*key, stats.path),
            rows=once.rows,
            kind=told.text.en,
            span=once.span,
            excerpt=once.excerpt,
        )
        found.append((key, finding))
    return found


class Across(Struct):
    """What comparing all rows with each other found in one file."""

    findings: list[Finding] = field(default_factory=list)
    rule_counts: Counter[str] = field(default_factory=Counter)
    severity_counts: Counter[str] = field(default_factory=Counter)
    named: array[int] = field(default_factory=lambda: array("I"))
    """Lines of the rows that count in `with_findings` for nothing else."""


def _placed(report: Report, checker: Checker, matching: Matching) -> tuple[dict[str, Across], int]:
    """Findings that compare all rows, by path, and how many of them their rows silenced."""
    plan = checker.plan
    found: dict[str, Across] = {}
    ignored = 0
    rules = {
        loaded.rule.name: loaded for path in report.files for loaded, _ in checker.rules_of(path)
    }
    # What no ignore was used for is known only after all others.
    for name in sorted(rules, key=lambda name: (name == UNUSED, name)):
        check_run = rules[name].check_run
        if check_run is None:
            continue
        for placed in check_run(report, plan):
            level = checker.severities(placed.path).get(name, "off")
            if level != "off":
                level = checker.level(placed.path, name, level, placed.problem)
            if level == "off":
                continue
            if report.files[placed.path].ignores.match(placed.line or 0, name):
                ignored += 1
                continue
            if placed.partner is not None:
                pointer = placed.problem.pointer
                told = None if pointer is None else json_pointer(pointer)
                matching.also(name, fingerprint(name, told, placed.partner))
            if matching.holds_placed(name, placed):
                continue
            if plan.add_ignores and placed.line is not None and name != UNUSED:
                wanted = report.files[placed.path].wanted
                wanted.setdefault((placed.line, b""), set()).add(name)
            across = found.setdefault(placed.path, Across())
            across.rule_counts[name] += 1
            across.severity_counts[level] += 1
            if placed.clean and level != "info" and placed.line is not None:
                across.named.append(placed.line)
            # A rule's problems come in the order of the lines: the first ones are kept.
            if across.rule_counts[name] <= plan.max_findings:
                across.findings.append(_placed_finding(plan, name, level, placed))
    return found, ignored


def _placed_finding(plan: Plan, rule: str, severity: str, placed: Placed) -> Finding:
    problem = placed.problem
    pointer = None if problem.pointer is None else json_pointer(problem.pointer)
    return Finding(
        rule=rule,
        severity=severity,
        path=placed.path,
        line=placed.line,
        column=None if placed.line is None else 1,
        pointer=pointer,
        message=sentence(problem.text, plan, problem.values),
        help=sentence(problem.help, plan, problem.values),
        fixable=bool(problem.edits),
        fingerprint=placed_fingerprint(rule, placed),
        kind=problem.text.en,
    )


def _file_findings(stats: FileStats, checker: Checker) -> list[Finding]:
    plan = checker.plan
    found = []
    for loaded, severity in checker.rules_of(stats.path):
        if loaded.check_file is not None:
            name = loaded.rule.name
            for problem in loaded.check_file(stats, plan):
                level = checker.level(stats.path, name, severity, problem)
                found.append(_file_finding(stats, plan, name, level, problem))
    return found


def _file_finding(
    stats: FileStats, plan: Plan, rule: str, severity: str, problem: Problem
) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        path=stats.path,
        line=problem.values.get("line"),
        column=problem.column,
        pointer=None,
        message=sentence(problem.text, plan, problem.values),
        help=sentence(problem.help, plan, problem.values),
        fixable=bool(problem.edits),
        fingerprint=fingerprint(rule, None, file_identity(stats.path)),
        kind=problem.text.en,
    )


def _exit_code(report: Report, plan: Plan, severity_counts: Counter[str]) -> int:
    if report.interrupted:
        return 130
    if report.problems:
        return 2
    failing = any(
        count and RANK[severity] >= RANK[plan.fail_on]
        for severity, count in severity_counts.items()
    )
    return 1 if failing else 0
