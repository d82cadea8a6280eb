"""`--format rdjson`: the format of reviewdog, with repairs as suggestions for a review.

Its shape: https://github.com/reviewdog/reviewdog/tree/master/proto/rdf (DiagnosticResult).
"""

from __future__ import annotations

from typing import IO, Any, Final

from glmlint.engine.finish import Result
from glmlint.finding import Finding, Location
from glmlint.output import put
from glmlint.reporters.addresses import as_text, page_url
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.json_layout import laid_out
from glmlint.reporters.verdict import left_out, message
from glmlint.text import Text
from glmlint.visible import visible

name = "rdjson"
about = About(
    Text(
        "reviewdog: review comments with suggested changes, on any code host",
        "reviewdog：在各种代码托管平台上发表带修改建议的评审意见",
    ),
    document=True,
    edits=True,
)

LEVELS: Final = {"error": "ERROR", "warning": "WARNING", "info": "INFO"}


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print one result; what could not be read, and what is left out, are diagnostics of it too."""
    lang = result.plan.lang
    found: list[dict[str, Any]] = [
        {
            "message": visible(reason),
            "location": {"path": as_text(path)},
            "severity": "ERROR",
        }
        for path, reason in result.problems
    ]
    found += (
        _diagnostic(one, lang, options.docs_url) for one in result.findings[: options.max_findings]
    )
    if told := left_out(result, options.max_findings):
        path = result.findings[0].path if result.findings else result.files[0].path
        found.append({"message": told, "location": {"path": as_text(path)}, "severity": "INFO"})
    report = {"source": {"name": "glmlint"}, "diagnostics": found}
    for line in laid_out(report, 2):
        put(out, line)


def _diagnostic(finding: Finding, lang: str, docs_url: str) -> dict[str, Any]:
    url = page_url(docs_url, finding.rule)
    location: dict[str, Any] = {"path": as_text(finding.path)}
    if finding.span is not None:
        location["range"] = _range(finding.span)
    elif finding.line is not None:
        location["range"] = {"start": {"line": finding.line}}
    found: dict[str, Any] = {
        "message": f"{message(finding, lang)}\n{visible(finding.help)}",
        "location": location,
        "severity": LEVELS[finding.severity],
        "code": {"value": finding.rule, **({} if url is None else {"url": url})},
    }
    if finding.edit is not None:
        change = {"range": _range(finding.edit.place), "text": finding.edit.text}
        found["suggestions"] = [change]
    return found


def _range(place: Location) -> dict[str, Any]:
    """Columns count bytes of UTF-8 here, whatever `--column-unit` says; the end is exclusive."""
    start, end = place.bytes
    return {
        "start": {"line": place.line, "column": start},
        "end": {"line": place.end_line, "column": end},
    }
