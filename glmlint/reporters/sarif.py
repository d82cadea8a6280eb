"""`--format sarif`: SARIF 2.1.0, which GitHub code scanning, Azure DevOps and editors read.

The standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import re
from typing import IO, Any, Final

from glmlint import __version__
from glmlint.engine.check import Checker
from glmlint.engine.finish import Result
from glmlint.engine.redact import MASK
from glmlint.finding import Finding, Location
from glmlint.output import put
from glmlint.patterns import Pattern
from glmlint.reporters.addresses import file_uri, in_repository, page_url, pages_url, uri
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.catalogue import documentation_zh, first_line, unfilled
from glmlint.reporters.json_layout import laid_out
from glmlint.reporters.verdict import left_out, message
from glmlint.reporters.words import say
from glmlint.rules.base import Loaded, all_rules
from glmlint.text import Text
from glmlint.visible import visible

name = "sarif"
about = About(
    Text(
        "SARIF 2.1.0: GitHub code scanning, Azure DevOps, editors",
        "SARIF 2.1.0：GitHub code scanning、Azure DevOps、编辑器",
    ),
    document=True,
    excerpts=True,
    edits=True,
)

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ROOT: Final = "%SRCROOT%"
"""What paths are relative to; GitHub knows it by this name."""

LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
PROBLEMS: Final = {"error": "error", "warning": "warning", "info": "recommendation"}
"""What code scanning calls the severities of rules that are not about security."""

_ROOT_IS: Final = Text("the root of the checkout", "仓库的根目录")
_STDIN: Final = Text("standard input", "标准输入")

_PLACEHOLDER: Final = Pattern(r"\{(\d+)\}")
_LINK: Final = Pattern(r"\]\(")


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print one log with one run."""
    lang = result.plan.lang
    rules = _rules(result)
    index = {loaded.rule.name: number for number, loaded in enumerate(rules)}
    # Columns count characters, as editors show them: the standard has none that count bytes.
    utf16 = options.column_unit == "utf16"
    unit = "utf16" if utf16 else "codepoint"
    home = pages_url(options.docs_url)
    driver = {
        "name": "glmlint",
        "version": __version__,
        "semanticVersion": __version__,
        "language": lang,
        **({} if home is None else {"informationUri": home}),
        "rules": [_descriptor(loaded, result, options.docs_url) for loaded in rules],
    }
    run = {
        "tool": {"driver": driver},
        "language": lang,
        "columnKind": "utf16CodeUnits" if utf16 else "unicodeCodePoints",
        "automationDetails": {"id": f"glmlint/{result.plan.recipe}/"},
        "originalUriBaseIds": {ROOT: {"description": {"text": _ROOT_IS.plain(lang)}}},
        "redactionTokens": [MASK],
        "invocations": [_invocation(result, options)],
        "results": [
            _result(finding, index, unit, lang)
            for finding in result.findings[: options.max_findings]
        ],
    }
    for line in laid_out({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, 4):
        put(out, line)


# --- rules ---------------------------------------------------------------------------------------


def _rules(result: Result) -> list[Loaded]:
    """The rules that ran on some file, and those that have findings, by name."""
    checker = Checker(result.plan, result.context)
    found = {f.rule for f in result.findings}
    for path in [file.path for file in result.files] or [""]:
        found.update(loaded.rule.name for loaded, _ in checker.rules_of(path))
    known = all_rules()
    return [known[rule] for rule in sorted(found & known.keys())]


def _descriptor(loaded: Loaded, result: Result, docs_url: str) -> dict[str, Any]:
    """A rule, with its documentation in the language of the run."""
    rule, lang = loaded.rule, result.plan.lang
    severity = result.plan.rules.get(rule.name, rule.severity)
    severity = rule.severity if severity == "off" else severity
    title = first_line(loaded) if lang == "en" else rule.title_zh
    advice = unfilled(rule.help, lang, rule)
    colon = "：" if lang == "zh" else ": "
    parts = [loaded.doc.strip() if lang == "en" else documentation_zh(rule)]
    parts.append(say("advises", lang) + colon + advice)
    if rule.fix:
        parts.append(say("fix", lang) + colon + say(rule.fix, lang))
    url, words = page_url(docs_url, rule.name), rule.name.split("-")
    help_text = "\n\n".join(parts)
    return {
        "id": rule.name,
        # One word would be the id again, which the standard does not want.
        **({"name": "".join(map(str.capitalize, words))} if len(words) > 1 else {}),
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}{'。' if lang == 'zh' else ' '}{advice}"},
        "help": {"text": help_text, "markdown": help_text},
        **({} if url is None else {"helpUri": url}),
        "defaultConfiguration": {"level": LEVELS[severity]},
        "properties": {
            "tags": [rule.family],
            "problem.severity": PROBLEMS[severity],
            "precision": "medium" if rule.opt_in else "high",
        },
    }


# --- results -------------------------------------------------------------------------------------


def _result(finding: Finding, index: dict[str, int], unit: str, lang: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        **({"ruleIndex": index[finding.rule]} if finding.rule in index else {}),
        "level": LEVELS[finding.severity],
        "message": {"text": _plain(f"{message(finding, lang)}\n{visible(finding.help)}")},
        "locations": [_place(finding, unit, lang)],
        "partialFingerprints": {"glmlint/v1": finding.fingerprint},
    }
    if finding.rows > 1:
        result["occurrenceCount"] = finding.rows
    if finding.edit is not None:
        change = {
            "artifactLocation": _artifact(finding.path, lang),
            "replacements": [
                {
                    "deletedRegion": _region(finding.edit.place, unit),
                    "insertedContent": {"text": finding.edit.text},
                }
            ],
        }
        told = {"text": _plain(visible(finding.help))}
        result["fixes"] = [{"description": told, "artifactChanges": [change]}]
    return result


def _place(finding: Finding, unit: str, lang: str) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(finding.path, lang)}
    if finding.span is not None:
        physical["region"] = _region(finding.span, unit)
        excerpt = finding.excerpt
        if excerpt is not None and not excerpt.cut[1] and excerpt.text:
            physical["region"]["snippet"] = {"text": excerpt.text}
    else:  # a finding about the whole file: GitHub wants a line of everything
        physical["region"] = {"startLine": finding.line or 1}
    place: dict[str, Any] = {"physicalLocation": physical}
    if finding.pointer:
        place["logicalLocations"] = [{"fullyQualifiedName": finding.pointer, "kind": "value"}]
    return place


def _region(place: Location, unit: str) -> dict[str, Any]:
    start, end = place.counted(unit)
    region = {"startLine": place.line, "startColumn": start}
    return {**region, "endLine": place.end_line, "endColumn": end}


def _artifact(path: str, lang: str) -> dict[str, Any]:
    if path == "-":  # it has no address
        return {"description": {"text": _STDIN.plain(lang)}}
    inside = in_repository(path)
    if inside is None:
        return {"uri": file_uri(path)}
    return {"uri": uri(inside), "uriBaseId": ROOT}


def _plain(text: str) -> str:
    """A plain-text message in which the data make no link and no placeholder.

    The standard wants all braces doubled (3.11.5), but viewers show those doubled that are part of
    no placeholder; so only what one would take for a placeholder is.
    """
    if _LINK.search(text):
        text = re.sub(r"([\\\[\]])", r"\\\1", text)
    return _PLACEHOLDER.sub(r"{{\1}}", text)


# --- the run -------------------------------------------------------------------------------------


def _invocation(result: Result, options: ReporterOptions) -> dict[str, Any]:
    """How the command ended, what could not be read, and what is not in the log."""
    lang = result.plan.lang
    notes: list[dict[str, Any]] = [
        {
            "level": "error",
            "message": {"text": _plain(visible(reason))},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(path, lang)}}],
        }
        for path, reason in result.problems
    ]
    if told := left_out(result, options.max_findings):
        notes.append({"level": "warning", "message": {"text": told.lstrip("… ")}})
    settings = [
        {"level": "warning", "message": {"text": _plain(visible(note.plain(lang)))}}
        for note in result.plan.notes
    ]
    return {
        "executionSuccessful": result.exit_code in (0, 1),
        "exitCode": result.exit_code,
        "toolExecutionNotifications": notes,
        "toolConfigurationNotifications": settings,
    }
