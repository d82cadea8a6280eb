"""The report as a person at a terminal reads it: findings, tables, bars, and what to do next."""

from __future__ import annotations

from itertools import groupby
from typing import IO, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glmlint.engine.finish import Result
from glmlint.evidence.report import Places, Totals
from glmlint.finding import SEVERITIES, Finding
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.figures import Budget, budgets, grid, histogram, lengths_of, quantiles
from glmlint.reporters.tables import (
    STYLES,
    console_for,
    heading,
    padded,
    plain_table,
    print_wrapped,
    shortened,
)
from glmlint.reporters.verdict import (
    assumed,
    left_out,
    mark,
    message,
    packing_told,
    rows_told,
    verdict,
)
from glmlint.reporters.words import SEVERITY, budget_told, percent, say
from glmlint.visible import printable_path, visible

MOST_FINDINGS: Final = 200
"""Findings printed to a terminal when nobody set --max-findings: a longer list is not read there."""

MOST_FILES: Final = 20
LONGEST_MESSAGE: Final = 600
"""Characters of one message; a message can quote data."""

BARS: Final = 9
"""More bars than this, and each is a doubling in place of half of one."""


def write_tables(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print the report in the order of reading: what is wrong, the numbers, the next step."""
    with console_for(out, options.width, options.color) as console:
        if options.statistics:
            _statistics(console, result)
        else:
            _findings(console, result, _limit(result, options))
        if options.quiet:
            return
        _summary(console, result)
        lengths = lengths_of(result)
        if len(lengths.at):
            _lengths(console, result, lengths)
            _budgets(console, result)
        for line in packing_told(result):
            console.print()
            print_wrapped(console, line)
        _verdict(console, result)


def _limit(result: Result, options: ReporterOptions) -> int:
    if "max-findings" in result.plan.origins:
        return options.max_findings
    return min(MOST_FINDINGS, options.max_findings)


# --- findings ------------------------------------------------------------------------------------


def _findings(console: Console, result: Result, limit: int) -> None:
    lang = result.plan.lang
    shown = result.findings[:limit]
    helped: set[str] = set()
    column = max((len(_place(finding)) for finding in shown), default=0)
    severity = max(cell_len(SEVERITY[name].say(lang)) for name in SEVERITIES)
    for number, (path, group) in enumerate(groupby(shown, key=lambda finding: finding.path)):
        if number:
            console.print()
        print_wrapped(console, printable_path(path), "bold underline")
        for finding in group:
            _finding(console, finding, lang, column, severity, helped)
    if more := left_out(result, limit):
        print_wrapped(console, more, "dim")


def _finding(
    console: Console, finding: Finding, lang: str, column: int, severity: int, helped: set[str]
) -> None:
    level = SEVERITY[finding.severity].say(lang)
    first = Text.assemble(
        (f"  {_place(finding):>{column}}  ", "dim"),
        (padded(level, severity), STYLES[finding.severity]),
        "  ",
        (finding.rule, "bold"),
    )
    console.print(first, soft_wrap=True)
    indent = column + severity + 6
    told = message(finding, lang)
    if len(told) > LONGEST_MESSAGE:
        told = told[: LONGEST_MESSAGE - 1] + "…"
    print_wrapped(console, told, indent=indent)
    if finding.rule not in helped:
        helped.add(finding.rule)
        print_wrapped(
            console, visible(finding.help), "dim", indent=indent + 2,
            first=Text(" " * indent + "→ ", style="dim"),
        )  # fmt: skip


def _place(finding: Finding) -> str:
    if finding.line is None:
        return ""
    return str(finding.line) if finding.column is None else f"{finding.line}:{finding.column}"


def _statistics(console: Console, result: Result) -> None:
    lang = result.plan.lang
    if not result.rule_counts:
        return
    console.print(Text(say("by-rule", lang), style="bold"))
    table = plain_table()
    table.add_column(say("count", lang), justify="right")
    table.add_column(say("rule", lang))
    for rule, number in result.rule_counts.most_common():
        table.add_row(f"{number:,}", rule)
    console.print(table)


# --- numbers -------------------------------------------------------------------------------------


def _summary(console: Console, result: Result) -> None:
    lang = result.plan.lang
    if result.rule_counts:
        console.print()
    names = [say(key, lang) for key in ("samples", "tokens", "trainable", "truncated", "lost")]
    rows = [(printable_path(f.path), _numbers(f.totals, result)) for f in result.files[:MOST_FILES]]
    total = (say("total", lang), _numbers(result.totals, result))
    widths = [
        max(cell_len(name), *(cell_len(numbers[place]) for _, numbers in [*rows, total]))
        for place, name in enumerate(names)
    ]
    room = max(console.width - sum(widths) - 2 * len(widths), 8)
    table = plain_table()
    table.add_column(say("file", lang), no_wrap=True, max_width=room)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for path, numbers in rows:
        table.add_row(Text(shortened(path, room)), *numbers)
    if len(result.files) > MOST_FILES:
        more = say("more-files", lang, n=f"{len(result.files) - MOST_FILES:,}")
        table.add_row(Text(shortened(more, room), style="dim"))
    if len(result.files) != 1:
        table.add_row(Text(total[0], style="bold"), *total[1], style="bold")
    console.print(table)
    if result.totals.samples:
        print_wrapped(console, rows_told(result), "dim")


def _numbers(totals: Totals, result: Result) -> list[str]:
    about = mark(result)
    return [
        f"{totals.samples:,}",
        about + _tokens(totals.tokens),
        about + percent(totals.trainable_ratio),
        f"{about}{totals.truncated_samples:,}",
        about + percent(totals.lost_share),
    ]


def _tokens(number: int) -> str:
    """A count of tokens; from ten billion on rounded, or the column would take the line."""
    return f"{number:,}" if number < 10_000_000_000 else f"{number / 1e9:,.1f} G"


def _lengths(console: Console, result: Result, lengths: Places) -> None:
    lang, about, budget = result.plan.lang, mark(result), result.plan.max_length
    heading(console, say("lengths", lang))
    names = {"max": say("longest", lang)}
    told = "  ".join(
        f"{names.get(name, name)} {about}{value:,}" for name, value in quantiles(lengths).items()
    )
    print_wrapped(console, told, "dim")
    bars = histogram(lengths, edges_with(budget, int(lengths.at[0]), int(lengths.at[-1])))
    most = max(number for _, number in bars)
    label = max(len(f"{edge:,}") for edge, _ in bars) + 2
    count = max(len(f"{number:,}") for _, number in bars)
    room = console.width - label - count - 6
    over = int(lengths.number[lengths.at > budget].sum())
    drawn = False
    for edge, number in bars:
        if edge > budget and not drawn:
            _budget_line(console, result, over)
            drawn = True
        size = max(round(room * number / most), 1 if number else 0)
        line = Text(f"  {f'≤ {edge:,}':>{label}}  ")
        line.append("█" * size, style="red" if edge > budget else "green")
        line.append(f" {number:,}" if number else "", style="dim")
        console.print(line, soft_wrap=True)
    if not drawn:
        _budget_line(console, result, over)


def edges_with(budget: int, shortest: int, longest: int) -> list[int]:
    """Edges of a readable number of bars, the budget among them."""
    edges = grid(max(longest, budget))
    if sum(shortest <= edge for edge in grid(longest)) > BARS:
        edges = [edge for edge in edges if edge & (edge - 1) == 0 or edge == edges[-1]]
    # An edge right beside the budget would make a bar of nothing.
    edges = [edge for edge in edges if abs(edge - budget) * 8 > budget or edge == edges[-1]]
    return sorted({*edges, budget, max(edges[-1], longest)})


def _budget_line(console: Console, result: Result, over: int) -> None:
    lang = result.plan.lang
    label = f"── {say('budget', lang)} {budget_told(result.plan.max_length, lang)} "
    end = say("longer", lang, n=f"{mark(result)}{over:,}") if over else say("none-over", lang)
    rule = "─" * max(console.width - cell_len(label) - cell_len(end) - 1, 2)
    console.print(Text(f"{label}{rule} {end}", style="bold"), soft_wrap=True)


def _budgets(console: Console, result: Result) -> None:
    lang, about = result.plan.lang, mark(result)
    found = budgets(result)
    if not result.totals.supervised_tokens:
        return
    heading(console, say("budgets", lang))
    table = plain_table()
    table.add_column("--max-length", justify="right")
    for key in ("keeps", "lost-tokens", "cut-samples"):
        table.add_column(say(key, lang), justify="right")
    table.add_column("")
    for budget in found:
        table.add_row(*_budget_row(budget, about, lang), style="" if budget.target else "bold")
    console.print(table)


def _budget_row(budget: Budget, about: str, lang: str) -> list[str]:
    if budget.target is None:
        what = say("this-run", lang)
    else:
        what = say("smallest", lang, share=f"{budget.target:.0%}")
    return [
        (about if budget.target else "") + budget_told(budget.max_length, lang),
        about + percent(budget.keeps),
        f"{about}{budget.lost_supervised_tokens:,}",
        f"{about}{budget.truncated_samples:,}",
        what,
    ]


def _verdict(console: Console, result: Result) -> None:
    console.print()
    style = {0: "bold green", 1: "bold red"}.get(result.exit_code, "bold yellow")
    symbol = {0: "✓", 1: "✗"}.get(result.exit_code, "!")
    print_wrapped(console, verdict(result), style, indent=2, first=Text(f"{symbol} ", style=style))
    for line in assumed(result):
        print_wrapped(console, line, "dim", indent=2)
