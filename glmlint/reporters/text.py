"""`--format text`: tables on a terminal, plain `path:line:column:` lines in a pipe."""

from __future__ import annotations

from typing import IO

from glmlint.engine.finish import Result
from glmlint.output import put
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.figures import budgets, lengths_of, quantiles, statistics
from glmlint.reporters.verdict import (
    assumed,
    left_out,
    mark,
    message,
    packing_told,
    place,
    summary,
    verdict,
)
from glmlint.reporters.words import budget_told, percent, say
from glmlint.text import Text
from glmlint.visible import visible

name = "text"
about = About(
    Text(
        "for people: tables on a terminal, a line a finding in a pipe",
        "供人阅读：终端上是表格，管道中每个问题一行",
    )
)


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print for a person at a terminal, or for editors and grep."""
    if options.terminal:
        from glmlint.reporters.text_tables import write_tables

        write_tables(result, out, options)
    else:
        _write_plain(result, out, options)


def _write_plain(result: Result, out: IO[str], options: ReporterOptions) -> None:
    lang = result.plan.lang
    if options.statistics:
        for row in statistics(result):
            facts = [f"{row.rows} rows", row.severity, row.family, *([row.fix] if row.fix else [])]
            put(out, f"{row.findings} {row.rule} ({', '.join(facts)})")
    else:
        for finding in result.findings[: options.max_findings]:
            told = message(finding, lang)
            if options.style == "full":
                told += f" [{visible(finding.help)}]"
            where = place(finding, options.column_unit)
            put(out, f"{where}: {finding.severity} {finding.rule} {told}")
        if left := left_out(result, options.max_findings):
            put(out, f"glmlint: {left}")
    if options.quiet or not (result.totals.samples or result.findings):
        return
    if options.style != "full" or options.statistics:
        put(out, f"glmlint: {verdict(result)}")
        return
    lines = [summary(result), *_length_lines(result), *packing_told(result)]
    lines += [verdict(result), *assumed(result)]
    for line in lines:
        put(out, f"glmlint: {line}")


def _length_lines(result: Result) -> list[str]:
    lang, about = result.plan.lang, mark(result)
    lengths = lengths_of(result)
    if not len(lengths.at):
        return []
    told = {name: f"{about}{value:,}" for name, value in quantiles(lengths).items()}
    lines = [say("length-line", lang, **told, budget=budget_told(result.plan.max_length, lang))]
    found = budgets(result)
    if any(budget.keeps is not None for budget in found):
        parts = [
            say(
                "keeps-plain",
                lang,
                length=("" if budget.target is None else about)
                + budget_told(budget.max_length, lang),
                share=about + percent(budget.keeps),
            )
            for budget in found
        ]
        # One budget often keeps 95, 99 and 100%: it is told once.
        lines.append(
            say(
                "budget-line-plain",
                lang,
                parts=("，" if lang == "zh" else ", ").join(dict.fromkeys(parts)),
            )
        )
    return lines
