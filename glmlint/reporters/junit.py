"""`--format junit`: JUnit XML, which GitLab, Jenkins, Azure DevOps and others show as tests.

A file is a test suite, a rule that ran on it a test case: it fails where a finding fails the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import IO, Final
from xml.sax.saxutils import escape, quoteattr

from msgspec import Struct, field

from glmlint.engine.check import Checker
from glmlint.engine.finish import Result
from glmlint.finding import RANK, Finding
from glmlint.output import put
from glmlint.reporters.addresses import in_repository
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.verdict import left_out, message, place
from glmlint.text import Text
from glmlint.visible import printable_path, visible

name = "junit"
about = About(
    Text(
        "JUnit XML: a file is a test suite, a rule a test case; GitLab, Jenkins, Azure DevOps",
        "JUnit XML：每个文件是一个测试套件，每条规则是一个用例；GitLab、Jenkins、Azure DevOps",
    ),
    document=True,
)

MOST_LINES: Final = 100
"""Findings that one test case lists."""

MOST_CASES: Final = 50_000
"""Test cases up to which also those that pass are listed."""

_UNREAD: Final = Text("files that could not be read", "无法读取的文件")
_MORE: Final = Text("… and {n:finding} more", "……另有 {n} 个问题")
_STDIN: Final = Text("standard input", "标准输入")


class Case(Struct):
    """What one rule says of one file."""

    rule: str
    failing: list[Finding] = field(default_factory=list)
    told: list[Finding] = field(default_factory=list)
    """Milder than what fails the run."""


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print a suite for each file, and one for what could not be read."""
    suites = [*_suites(result, options)]
    cases = [case for _, of_file in suites for case in of_file]
    failures = sum(bool(case.failing) for case in cases)
    tests = len(cases) + len(result.problems)
    counts = f'tests="{tests}" failures="{failures}" errors="{len(result.problems)}"'
    put(out, '<?xml version="1.0" encoding="UTF-8"?>')
    put(out, f'<testsuites name="glmlint" {counts} time="0">')
    for path, of_file in suites:
        _suite(path, of_file, result.plan.lang, out)
    if result.problems:
        _problems(result, out)
    if told := left_out(result, options.max_findings):
        put(out, '<testsuite name="glmlint" tests="0" failures="0" errors="0" skipped="0">')
        put(out, f"<system-out>{escape(told)}</system-out>")
        put(out, "</testsuite>")
    put(out, "</testsuites>")


def _suites(result: Result, options: ReporterOptions) -> Iterator[tuple[str, list[Case]]]:
    """Paths with their cases: of every rule that ran, unless there are very many."""
    plan = result.plan
    checker = Checker(plan, result.context)
    found: dict[str, dict[str, Case]] = defaultdict(dict)
    for finding in result.findings[: options.max_findings]:
        case = found[finding.path].setdefault(finding.rule, Case(finding.rule))
        fails = RANK[finding.severity] >= RANK[plan.fail_on]
        (case.failing if fails else case.told).append(finding)
    ran = {file.path: {one.rule.name for one, _ in checker.rules_of(file.path)}
           for file in result.files}  # fmt: skip
    whole = sum(map(len, ran.values())) <= MOST_CASES
    for path in dict.fromkeys((*ran, *found)):
        cases = found[path]
        names = {*cases, *ran.get(path, ())} if whole else {*cases}
        yield path, [cases.get(rule) or Case(rule) for rule in sorted(names)]


def _suite(path: str, cases: list[Case], lang: str, out: IO[str]) -> None:
    where = _name(path, lang)
    failures = sum(bool(case.failing) for case in cases)
    counts = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="0" time="0"'
    put(out, f"<testsuite name={where} {counts}>")
    for case in cases:
        head = f'<testcase name={quoteattr(case.rule)} classname={where} time="0"'
        if not case.failing and not case.told:
            put(out, f"{head}/>")
            continue
        put(out, f"{head}>")
        if case.failing:
            first = case.failing[0]
            told = quoteattr(message(first, lang))
            put(out, f'<failure type="{first.severity}" message={told}>')
            _findings(case.failing, lang, out)
            put(out, "</failure>")
        if case.told:
            put(out, "<system-out>")
            _findings(case.told, lang, out)
            put(out, "</system-out>")
        put(out, "</testcase>")
    put(out, "</testsuite>")


def _findings(findings: list[Finding], lang: str, out: IO[str]) -> None:
    """The findings of one case, one a line; the help stands where it changes."""
    before = ""
    for finding in findings[:MOST_LINES]:
        advice = visible(finding.help)
        told = f"{place(finding)}: {finding.severity} {message(finding, lang)}"
        told += f" [{advice}]" if advice != before else ""
        before = advice
        put(out, escape(told))
    if len(findings) > MOST_LINES:
        put(out, escape(_MORE.say(lang, n=len(findings) - MOST_LINES)))


def _problems(result: Result, out: IO[str]) -> None:
    lang, number = result.plan.lang, len(result.problems)
    suite = quoteattr(_UNREAD.plain(lang))
    put(out, f'<testsuite name={suite} tests="{number}" failures="0" errors="{number}" time="0">')
    for path, reason in result.problems:
        told = visible(reason)
        put(out, f'<testcase name={_name(path, lang)} classname={suite} time="0">')
        put(out, f'<error type="unreadable" message={quoteattr(told)}>{escape(told)}</error>')
        put(out, "</testcase>")
    put(out, "</testsuite>")


def _name(path: str, lang: str) -> str:
    """A path as the value of an attribute."""
    if path == "-":
        return quoteattr(_STDIN.plain(lang))
    return quoteattr(printable_path(in_repository(path) or path))
