"""`--format jsonl`: one finding a line, and a last line with the counts; for streams and `jq`."""

from __future__ import annotations

from typing import IO

from glmlint.engine.finish import Result
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.json import finding_object, report_object
from glmlint.visible import json_text

name = "jsonl"


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print `{"type": "finding", …}` lines, then one `{"type": "summary", …}` line."""
    for finding in result.findings[: options.max_findings]:
        out.write(
            json_text({"type": "finding", **finding_object(finding, result.plan.column_unit)})
            + "\n"
        )
    summary = report_object(result, 0)
    del summary["findings"]
    out.write(json_text({"type": "summary", **summary}) + "\n")
