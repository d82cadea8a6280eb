"""`--format json`: one object with everything, in the shape of `schemas/report.schema.json`."""

from __future__ import annotations

from typing import IO, Any, Final

import msgspec

from glmlint import __version__
from glmlint.engine.finish import Result
from glmlint.evidence.report import COUNTS, Totals
from glmlint.finding import Finding
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.figures import (
    budgets,
    grid,
    histogram,
    lengths_of,
    origin,
    packing,
    pin_origin,
    quantiles,
    template_name,
    template_origin,
)
from glmlint.text import Text
from glmlint.visible import json_text

name = "json"
about = About(
    Text(
        "one object with everything: scripts and dashboards", "包含全部内容的一个对象：脚本和看板"
    ),
    document=True,
)

SCHEMA_VERSION: Final = 1


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print the report; the same run always gives the same bytes."""
    out.write(pretty(report_object(result, options.max_findings)))


def report_object(result: Result, max_findings: int) -> dict[str, Any]:
    """The report as plain JSON values."""
    plan, context = result.plan, result.context
    lengths = lengths_of(result)
    packs = packing(result)
    longest = int(lengths.at[-1]) if len(lengths.at) else 0
    return {
        "schema_version": SCHEMA_VERSION,
        "glmlint": __version__,
        "recipe": plan.recipe,
        "options": plan.options,
        "tokenizer": {
            "name": context.tokenizer.name,
            "exact": context.tokenizer.exact,
            "vocab_size": context.tokenizer.vocab_size,
        },
        "template": template_name(context),
        "pins": {"transformers": plan.transformers, "datasets": plan.datasets},
        "budget": {
            "max_length": plan.max_length,
            "max_input_length": plan.max_input_length,
            "max_output_length": plan.max_output_length,
        },
        "origins": {
            "recipe": origin(plan, "recipe"),
            "tokenizer": origin(plan, "tokenizer"),
            "template": template_origin(context),
            "budget": origin(plan, "budget"),
            **{name: pin_origin(plan, name) for name in ("transformers", "datasets")},
        },
        "warnings": [note.plain("en") for note in plan.notes],
        "totals": totals_object(result.totals),
        "files": [
            {"path": file.path, "totals": totals_object(file.totals)} for file in result.files
        ],
        "lengths": {**quantiles(lengths), "histogram": histogram(lengths, grid(longest))},
        "budgets": [msgspec.structs.asdict(budget) for budget in budgets(result)],
        **({} if packs is None else {"packing": msgspec.structs.asdict(packs)}),
        "findings": [
            finding_object(finding, plan.column_unit) for finding in result.findings[:max_findings]
        ],
        "finding_counts": dict(sorted(result.rule_counts.items())),
        "severity_counts": {
            severity: result.severity_counts[severity] for severity in ("error", "warning", "info")
        },
        "suppressed": result.suppressed,
        **({} if result.fixed is None else {"fixed": dict(sorted(result.fixed.items()))}),
        "problems": [{"path": path, "reason": reason} for path, reason in result.problems],
        "exit_code": result.exit_code,
    }


def totals_object(totals: Totals) -> dict[str, Any]:
    """The counts of a file or a run, with the ratios derived from them."""
    return {
        **{count: getattr(totals, count) for count in COUNTS},
        "dropped_by_reason": dict(sorted(totals.dropped_by_reason.items())),
        "trainable_ratio": totals.trainable_ratio,
        "lost_share": totals.lost_share,
    }


def finding_object(finding: Finding, unit: str) -> dict[str, Any]:
    """A finding as JSON has it, its columns in that unit."""
    span = finding.span
    column, end_column = (finding.column, None) if span is None else span.counted(unit)
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "path": finding.path,
        "line": finding.line,
        "start_line": finding.line if span is None else span.line,
        "column": column,
        "end_line": None if span is None else span.end_line,
        "end_column": end_column,
        "pointer": finding.pointer,
        "message": finding.message,
        "help": finding.help,
        "fixable": finding.fixable,
        "fingerprint": finding.fingerprint,
        "rows": finding.rows,
        "url": page(finding.rule),
    }


def page(rule: str) -> str:
    """Where a rule's documentation stands in the project."""
    return f"docs/rules/{rule}.md"


def pretty(report: dict[str, Any]) -> str:
    """A report as text: one line a key, and one line an entry of a list of objects: it is read and compared so."""
    parts = []
    for key, value in report.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = ",\n".join(f"    {json_text(entry)}" for entry in value)
            parts.append(f"  {json_text(key)}: [\n{entries}\n  ]")
        else:
            parts.append(f"  {json_text(key)}: {json_text(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
