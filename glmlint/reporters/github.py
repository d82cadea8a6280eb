"""`--format github`: workflow commands, which GitHub shows as annotations on the changed lines."""

from __future__ import annotations

from collections import Counter
from typing import IO, Final

from glmlint.engine.finish import Result
from glmlint.finding import RANK, Finding
from glmlint.reporters.addresses import in_repository
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.verdict import message, summary, verdict
from glmlint.reporters.words import say
from glmlint.text import Text
from glmlint.visible import printable_path, visible

name = "github"
about = About(
    Text(
        "GitHub Actions: annotations at the lines of a pull request",
        "GitHub Actions：拉取请求中各行的注解",
    ),
)

COMMANDS: Final = {"error": "error", "warning": "warning", "info": "notice"}

MOST_SHOWN: Final = 10
"""Annotations of each kind that GitHub shows of a step: further ones are nowhere to be seen."""

_MOST_RULES: Final = 10

_LINES: Final = Text("lines {first}–{last}: ", "第 {first}–{last} 行：")
_NOT_SHOWN: Final = Text(
    "{n} of {all} findings have no annotation (GitHub shows {most} of each kind a step; "
    "--max-findings N prints more): {rules}",
    "{all} 个问题中有 {n} 个没有注解（GitHub 每个步骤每种只显示 {most} 条；"
    "--max-findings N 可输出更多）：{rules}",
)


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print the worst findings first, as many as GitHub shows, and say how many are left out."""
    worst_first = sorted(result.findings, key=lambda finding: -RANK[finding.severity])
    left = Counter(dict.fromkeys(COMMANDS, MOST_SHOWN))
    left["info"] -= 1  # for the last line
    if "max-findings" in result.plan.origins:
        left = Counter(dict.fromkeys(COMMANDS, options.max_findings))
    for path, reason in result.problems:
        out.write(f"::error title=glmlint::{_data(f'{printable_path(path)}: {reason}')}\n")
        left["error"] -= 1
    shown: Counter[str] = Counter()
    for finding in worst_first[: options.max_findings]:
        if left[finding.severity] > 0:
            left[finding.severity] -= 1
            shown[finding.rule] += 1
            out.write(annotation(finding, result.plan.lang, options.column_unit) + "\n")
    lines = [summary(result), verdict(result)]
    if told := _left_out(result, shown):
        lines.append(told)
    if worst_first:
        lines.append(say("explain", result.plan.lang, rule=worst_first[0].rule))
    out.write(f"::notice title=glmlint::{_data(*lines)}\n")


def _left_out(result: Result, shown: Counter[str]) -> str:
    """How many findings have no annotation, by rule; empty where all have one."""
    rest = result.rule_counts - shown
    if not rest:
        return ""
    lang = result.plan.lang
    rules = [f"{rule} {number:,}" for rule, number in rest.most_common(_MOST_RULES)]
    told = ("，" if lang == "zh" else ", ").join(rules)
    told += " …" * (len(rest) > _MOST_RULES)
    every = f"{result.rule_counts.total():,}"
    return _NOT_SHOWN.say(lang, n=f"{rest.total():,}", all=every, most=MOST_SHOWN, rules=told)


def annotation(finding: Finding, lang: str = "en", unit: str = "codepoint") -> str:
    """One workflow command. GitHub takes columns only where they stand on one line."""
    places: list[tuple[str, object]] = []
    told = message(finding, lang)
    if finding.path != "-":  # standard input is no file of the repository
        places = [("file", in_repository(finding.path) or finding.path), ("line", finding.line)]
        span = finding.span
        if span is not None:
            places[1:] = [("line", span.line), ("endLine", span.end_line)]
        if span is None or finding.line is None:
            places.append(("col", finding.column))
        elif span.line == span.end_line:
            start, end = span.counted(unit)
            places += [("col", start), ("endColumn", end if end > start else None)]
        else:
            told = _LINES.say(lang, first=f"{span.line}", last=f"{span.end_line}") + told
    properties = ",".join(
        f"{key}={_property(str(value))}" for key, value in places if value is not None
    )
    title = f"title={_property(finding.rule)}"
    head = f"{properties},{title}" if properties else title
    return f"::{COMMANDS[finding.severity]} {head}::{_data(told, finding.help)}"


def _data(*lines: str) -> str:
    """Lines, escaped as the runner reads a message (actions/toolkit, command.ts: escapeData)."""
    return "%0A".join(visible(line).replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    """Escaped as the runner reads a property (escapeProperty)."""
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        text = text.replace(char, code)
    return printable_path(text)
