"""`--format github`: workflow commands, which GitHub shows as annotations on the changed lines."""

from __future__ import annotations

from typing import IO, Final

from glmlint.engine.finish import Result
from glmlint.finding import RANK, Finding
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.verdict import summary, verdict
from glmlint.reporters.words import say
from glmlint.visible import printable_path, visible

name = "github"

COMMANDS: Final = {"error": "error", "warning": "warning", "info": "notice"}


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print the worst findings first: GitHub shows ten of each kind a step."""
    worst_first = sorted(result.findings, key=lambda finding: -RANK[finding.severity])
    for finding in worst_first[: options.max_findings]:
        out.write(annotation(finding) + "\n")
    for path, reason in result.problems:
        out.write(f"::error title=glmlint::{_data(f'{printable_path(path)}: {reason}')}\n")
    lines = [summary(result), verdict(result)]
    if worst_first:
        lines.append(say("explain", result.plan.lang, rule=worst_first[0].rule))
    out.write(f"::notice title=glmlint::{_data(*lines)}\n")


def annotation(finding: Finding) -> str:
    """One workflow command."""
    places = [("file", finding.path), ("line", finding.line), ("col", finding.column)]
    if finding.path == "-":  # standard input is no file of the repository
        places = []
    properties = ",".join(
        f"{key}={_property(str(value))}" for key, value in places if value is not None
    )
    title = f"title={_property(finding.rule)}"
    head = f"{properties},{title}" if properties else title
    message = _data(finding.message, finding.help)
    return f"::{COMMANDS[finding.severity]} {head}::{message}"


def _data(*lines: str) -> str:
    """Lines, escaped as the runner reads a message (actions/toolkit, command.ts: escapeData)."""
    return "%0A".join(visible(line).replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    """Escaped as the runner reads a property (escapeProperty)."""
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        text = text.replace(char, code)
    return printable_path(text)
