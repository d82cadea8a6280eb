"""`--format jsonl`: one finding a line, and a last line with the counts; for streams and `jq`."""

from __future__ import annotations

from typing import IO

from glmlint.engine.finish import Result
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.json import finding_object, report_object
from glmlint.text import Text
from glmlint.visible import json_text

name = "jsonl"
about = About(
    Text(
        "a JSON object a line, the counts last: streams and jq",
        "每行一个 JSON 对象，最后一行是计数：流式处理与 jq",
    )
)


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
