"""`check --profile-rules`: a table of the time that each rule took, and of what is no rule."""

from __future__ import annotations

from typing import IO, Final

from rich.text import Text

from glmlint.engine.check import Checker
from glmlint.engine.finish import Result
from glmlint.engine.times import PARTS
from glmlint.reporters.tables import console_for, heading, plain_table, print_wrapped
from glmlint.reporters.words import counted, percent, say

_COLUMNS: Final = ("rows", "all", "row", "share", "findings")


def write_rule_times(result: Result, out: IO[str], width: int, color: bool) -> None:
    """Print the table; needs `result.times`. The slowest rule comes first."""
    times, lang, samples = result.times, result.plan.lang, result.totals.samples
    assert times is not None  # the command asks first
    table = plain_table()
    table.add_column(say("rule", lang), overflow="fold")
    for name in _COLUMNS:
        table.add_column(say(f"profile-{name}", lang), justify="right", no_wrap=True)

    def add(name: str, spent: int, rows: int, findings: int | None, style: str = "") -> None:
        cells = (
            f"{rows:,}" if rows else "–",
            f"{spent / 1e6:,.1f}",
            f"{spent / rows / 1e3:,.1f}" if rows else "–",
            percent(spent / times.total if times.total else None),
            "" if findings is None else f"{findings:,}",
        )
        table.add_row(Text(name), *cells, style=style)

    for rule, spent in times.rules.most_common():
        add(rule, spent, times.rows[rule], result.rule_counts[rule])
    found = sum(result.rule_counts.values())
    add(say("profile-rules", lang), times.rules.total(), samples, found, "bold")
    for part in PARTS:
        if times.parts[part]:
            add(say(f"profile-{part}", lang), times.parts[part], samples, None)
    add(say("profile-total", lang), times.total, samples, found, "bold")
    with console_for(out, width, color) as console:
        heading(console, say("profile", lang))
        console.print(table)
        if idle := len(_on(result) - times.rules.keys()):
            print_wrapped(console, say("profile-idle", lang, n=counted(idle, "rule", lang)), "dim")


def _on(result: Result) -> set[str]:
    """The rules that hold for some file."""
    checker = Checker(result.plan, result.context)
    return {loaded.rule.name for file in result.files for loaded, _ in checker.rules_of(file.path)}
