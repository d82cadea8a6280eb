"""`--format gitlab`: a Code Quality report, which GitLab shows in a merge request.

Its shape: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any, Final

from glmlint.engine.finish import Result
from glmlint.finding import Finding
from glmlint.output import put
from glmlint.reporters.addresses import as_text, in_repository, raw
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.json_layout import laid_out
from glmlint.reporters.verdict import left_out, message
from glmlint.text import Text
from glmlint.visible import visible

name = "gitlab"
about = About(
    Text(
        "GitLab Code Quality: a merge request shows what is new and what is gone",
        "GitLab Code Quality：在合并请求中显示新增和消除的问题",
    ),
    document=True,
)

SEVERITIES: Final = {"error": "critical", "warning": "major", "info": "info"}


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print a list of issues: findings, what could not be read, and what is left out."""
    for line in laid_out([*_issues(result, options)], 1):
        put(out, line)


def _issues(result: Result, options: ReporterOptions) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for path, reason in result.problems:
        yield _issue("problem", visible(reason), path, "blocker", "", seen)
    for finding in result.findings[: options.max_findings]:
        yield _of_finding(finding, result.plan.lang, options.column_unit, seen)
    if told := left_out(result, options.max_findings):
        path = result.findings[0].path if result.findings else result.files[0].path
        yield _issue("left-out", told, path, "info", "", seen)


def _of_finding(finding: Finding, lang: str, unit: str, seen: Counter[str]) -> dict[str, Any]:
    told = f"{message(finding, lang)} [{visible(finding.help)}]"
    severity = SEVERITIES[finding.severity]
    issue = _issue(finding.rule, told, finding.path, severity, finding.fingerprint, seen)
    if finding.span is not None:
        place = finding.span
        start, end = place.counted(unit)
        issue["location"]["lines"] = {"begin": place.line, "end": place.end_line}
        issue["location"]["positions"] = {
            "begin": {"line": place.line, "column": start},
            "end": {"line": place.end_line, "column": end},
        }
    elif finding.line is not None:
        issue["location"]["lines"] = {"begin": finding.line}
    return issue


def _issue(
    rule: str, told: str, path: str, severity: str, identity: str, seen: Counter[str]
) -> dict[str, Any]:
    """An issue of a file's first line. GitLab shows one of several with the same fingerprint."""
    where = in_repository(path) or path
    own = f"{rule}\0{where}\0{identity}"
    seen[own] += 1
    text = raw(f"{own}\0{seen[own]}")
    return {
        "description": told,
        "check_name": rule,
        "fingerprint": hashlib.blake2b(text, digest_size=16).hexdigest(),
        "severity": severity,
        "location": {"path": as_text(where), "lines": {"begin": 1}},
    }
