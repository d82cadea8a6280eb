"""A merged report -> what is printed: rules about whole files, order, counts, the exit code."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field

from glmlint.finding import RANK, Finding, fingerprint, json_pointer
from glmlint.plan import Plan
from glmlint.recipes.base import Context
from glmlint.report import FileStats, Report, Totals, keep_first
from glmlint.rules.base import Placed, Problem, all_rules


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
    severity_counts: Counter[str]
    problems: list[tuple[str, str]]
    exit_code: int


def finish(report: Report, plan: Plan, context: Context) -> Result:
    """Run the rules about whole files, and bring everything into its order."""
    files: list[FileResult] = []
    findings: list[Finding] = []
    rule_counts: Counter[str] = Counter()
    severity_counts: Counter[str] = Counter()
    placed = _placed(report, plan, context)
    for stats in report.files.values():
        totals = Totals()
        totals.add(stats.totals)
        rule_counts += stats.rule_counts
        severity_counts += stats.severity_counts
        late = [*_once(stats, plan), *_file_findings(stats, plan, context)]
        for finding in late:
            rule_counts[finding.rule] += 1
            severity_counts[finding.severity] += 1
        across = placed.get(stats.path, Across())
        rule_counts += across.rule_counts
        severity_counts += across.severity_counts
        # A row whose only finding is told once a file counts when it is the row that is named.
        named = {once.line for once in stats.once.values() if once.otherwise_clean} | across.named
        totals.with_findings += len(named)
        totals.clean -= len(named)
        findings += keep_first([*stats.findings, *late, *across.findings], plan.max_findings)
        files.append(FileResult(stats.path, totals, stats))
    exit_code = _exit_code(report, plan, severity_counts)
    total = Totals()
    for file in files:
        total.add(file.totals)
    return Result(
        plan, context, files, total, findings[: plan.max_findings],
        rule_counts, severity_counts, report.problems, exit_code,
    )  # fmt: skip


def _once(stats: FileStats, plan: Plan) -> list[Finding]:
    found = []
    for once in stats.once.values():
        pointer = None if once.pointer is None else json_pointer(once.pointer)
        values = {**once.values, "rows": once.rows}
        found.append(
            Finding(
                rule=once.rule,
                severity=once.severity,
                path=stats.path,
                line=once.line,
                column=once.column,
                pointer=pointer,
                message=once.text.say(plan.lang, **values),
                help=once.help.say(plan.lang, **values),
                fixable=once.fixable,
                fingerprint=fingerprint(once.rule, pointer, once.content),
                rows=once.rows,
            )
        )
    return found


class Across(Struct):
    """What comparing all rows with each other found in one file."""

    findings: list[Finding] = field(default_factory=list)
    rule_counts: Counter[str] = field(default_factory=Counter)
    severity_counts: Counter[str] = field(default_factory=Counter)
    named: set[int | None] = field(default_factory=set)
    """Lines of the rows that count in `with_findings` for nothing else."""


def _placed(report: Report, plan: Plan, context: Context) -> dict[str, Across]:
    from glmlint.check import Checker

    checker = Checker(plan, context)
    found: dict[str, Across] = {}
    names = {name for path in report.files for name in checker.severities(path)}
    for name in sorted(names):
        loaded = all_rules().get(name)
        if loaded is None or loaded.check_run is None:
            continue
        if loaded.rule.applies is not None and not loaded.rule.applies(context.recipe, plan):
            continue
        for placed in loaded.check_run(report, plan):
            level = checker.severities(placed.path).get(name, "off")
            problem = placed.problem
            if problem.severity is not None and name not in plan.fixed_severity and level != "off":
                level = problem.severity
            if level == "off":
                continue
            across = found.setdefault(placed.path, Across())
            across.rule_counts[name] += 1
            across.severity_counts[level] += 1
            if placed.clean and level != "info":
                across.named.add(placed.line)
            # A rule's problems come in the order of the lines: the first ones are kept.
            if across.rule_counts[name] <= plan.max_findings:
                across.findings.append(_placed_finding(plan, name, level, placed))
    return found


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
        message=problem.text.say(plan.lang, **problem.values),
        help=problem.help.say(plan.lang, **problem.values),
        fixable=bool(problem.edits),
        fingerprint=fingerprint(rule, pointer, placed.content),
    )


def _file_findings(stats: FileStats, plan: Plan, context: Context) -> list[Finding]:
    from glmlint.check import Checker

    found = []
    for name, severity in Checker(plan, context).severities(stats.path).items():
        loaded = all_rules().get(name)
        if loaded is None or loaded.check_file is None or severity == "off":
            continue
        rule = loaded.rule
        if rule.applies is not None and not rule.applies(context.recipe, plan):
            continue
        for problem in loaded.check_file(stats, plan):
            level = severity
            if problem.severity is not None and name not in plan.fixed_severity:
                level = problem.severity
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
        message=problem.text.say(plan.lang, **problem.values),
        help=problem.help.say(plan.lang, **problem.values),
        fixable=bool(problem.edits),
        fingerprint=fingerprint(rule, None, stats.path.encode("utf-8", "surrogateescape")),
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
