"""The report as a person at a terminal reads it: findings, tables, bars, and what to do next."""

from __future__ import annotations

from typing import IO, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glmlint.engine.finish import Result
from glmlint.evidence.report import Places, Totals
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.figures import Budget, budgets, grid, histogram, lengths_of, quantiles
from glmlint.reporters.tables import console_for, heading, plain_table, print_wrapped, shortened
from glmlint.reporters.text_findings import write_findings, write_statistics
from glmlint.reporters.verdict import (
    assumed,
    assumed_short,
    mark,
    packing_told,
    remarks,
    rows_told,
    verdict,
    verdict_short,
)
from glmlint.reporters.words import budget_told, counted, percent, say
from glmlint.visible import printable_path

MOST_FILES: Final = 20

BARS: Final = 9
"""More bars than this, and each is a doubling in place of half of one."""


def write_tables(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print the report in the order of reading: what is wrong, the numbers, the next step."""
    with console_for(out, options.width, options.color) as console:
        if options.statistics:
            write_statistics(console, result)
        elif result.findings:
            write_findings(console, result, options)
        if options.quiet:
            return
        if options.verbose:
            _everything(console, result)
        elif options.statistics or options.style != "full":
            _verdict_line(console, result)
        elif _is_clean(result):
            _clean(console, result)
        elif result.totals.samples or result.findings:
            _short(console, result)
        elif not result.problems:  # else what could not be read is all that there is to say
            _verdict_line(console, result)


def _everything(console: Console, result: Result) -> None:
    """All tables, and what was assumed in full."""
    _summary(console, result)
    if result.totals.samples:
        print_wrapped(console, rows_told(result), "dim")
    lengths = lengths_of(result)
    if len(lengths.at):
        _lengths(console, result, lengths)
        _budgets(console, result)
    for line in packing_told(result):
        console.print()
        print_wrapped(console, line)
    console.print()
    _verdict_line(console, result, whole=True)
    for line in assumed(result):
        print_wrapped(console, line, "dim", indent=2)


def _short(console: Console, result: Result) -> None:
    """The numbers that a person looks for, in a few lines."""
    _summary(console, result)
    if result.totals.unreadable or result.totals.dropped:
        print_wrapped(console, rows_told(result), "dim")
    for line in (_length_line(result), _budget_words(result)):
        if line is not None:
            console.print(line, soft_wrap=True)
    for told in packing_told(result):
        print_wrapped(console, told)
    _verdict_line(console, result)
    for told in (assumed_short(result), *remarks(result)):
        print_wrapped(console, told, "dim", indent=2)


def _is_clean(result: Result) -> bool:
    """Whether there is nothing that a person has to look at."""
    totals = result.totals
    return (
        result.exit_code == 0
        and not result.rule_counts
        and bool(totals.kept_supervised_tokens)
        and not totals.unreadable
        and not totals.dropped
    )


def _clean(console: Console, result: Result) -> None:
    """Verdict, totals, budget: three lines."""
    lang, about, totals = result.plan.lang, mark(result), result.totals
    several = len(result.files) != 1
    what = (
        counted(len(result.files), "file", lang)
        if several
        else printable_path(result.files[0].path)
    )
    told = say("clean", lang, what=what, samples=counted(totals.samples, "sample", lang))
    print_wrapped(console, told, "bold green", indent=2, first=Text("✓ ", style="bold green"))
    parts = {
        "tokens": f"{about}{totals.tokens:,}",
        "ratio": about + percent(totals.trainable_ratio),
        "cut": about + counted(totals.truncated_samples, "row", lang),
        "lost": about + percent(totals.lost_share),
    }
    key = "clean-cut" if totals.truncated_samples else "clean-whole"
    print_wrapped(console, say(key, lang, **parts), indent=2)
    for line in packing_told(result):
        print_wrapped(console, line, indent=2)
    budget = "" if totals.lost_supervised_tokens == 0 else _keeps(result)
    print_wrapped(console, assumed_short(result) + budget, "dim", indent=2)
    for line in remarks(result):
        print_wrapped(console, line, "dim", indent=2)


def _keeps(result: Result) -> str:
    """What larger budgets keep, as the end of a sentence."""
    told = _budget_words(result)
    return "" if told is None else f"; {told.plain}"


def _verdict_line(console: Console, result: Result, *, whole: bool = False) -> None:
    style = {0: "bold green", 1: "bold red"}.get(result.exit_code, "bold yellow")
    symbol = {0: "✓", 1: "✗"}.get(result.exit_code, "!")
    if result.exit_code == 0 and result.severity_counts.keys() - {"info"}:
        style, symbol = "bold yellow", "!"
    told = verdict(result) if whole else verdict_short(result)
    print_wrapped(console, told, style, indent=2, first=Text(f"{symbol} ", style=style))


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


BLOCKS: Final = "▁▂▃▄▅▆▇█"


def _length_line(result: Result) -> Text | None:
    """A bar a doubling, red where it is over the budget, and the quantiles."""
    lengths, lang, about = lengths_of(result), result.plan.lang, mark(result)
    if not len(lengths.at):
        return None
    budget = result.plan.max_length
    bars = histogram(lengths, edges_with(budget, int(lengths.at[0]), int(lengths.at[-1])))
    most = max(number for _, number in bars)
    line = Text(say("length-short", lang) + " ")
    for edge, number in bars:
        size = BLOCKS[max(round(number / most * 8), 1) - 1] if number else " "
        line.append(size, style="red" if edge > budget else "green")
    names = {"max": say("longest", lang)}
    told = " · ".join(
        f"{names.get(name, name)} {about}{value:,}"
        for name, value in quantiles(lengths).items()
        if name != "p95"
    )
    line.append(f"  {told}", "dim")
    return line


def _budget_words(result: Result) -> Text | None:
    """The smallest budgets that keep most of what is trained, where this one does not keep all."""
    lang, about = result.plan.lang, mark(result)
    if not result.totals.lost_supervised_tokens:
        return None
    parts = []
    for budget in budgets(result):
        if budget.target is not None and budget.max_length > result.plan.max_length:
            keeps = say("keeps-all", lang) if budget.target == 1 else f"{budget.target:.0%}"
            length = about + budget_told(budget.max_length, lang)
            parts.append(say("keeps-plain", lang, length=length, share=keeps))
    if not parts:
        return None
    line = Text(say("budget-short", lang) + " ")
    line.append(" · ".join(dict.fromkeys(parts)), "dim")
    return line
