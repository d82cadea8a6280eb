"""Findings on a terminal: place, rule and sentence, the excerpt with its mark, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from glmlint.engine.finish import Result
from glmlint.finding import Finding
from glmlint.patterns import Pattern
from glmlint.reporters.addresses import file_uri, page_url
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.blocks import Block, blocks, lines_of
from glmlint.reporters.excerpts import fitted
from glmlint.reporters.figures import statistics
from glmlint.reporters.tables import STYLES, breaks, plain_table, print_wrapped, split_command
from glmlint.reporters.verdict import (
    left_out,
    message,
    place,
    place_in_file,
    safely_fixable,
)
from glmlint.reporters.words import FAMILY, SEVERITY, say
from glmlint.rules.base import all_rules
from glmlint.visible import printable_path, visible

MOST_FINDINGS: Final = 200
"""Findings printed to a terminal when nobody set --max-findings: a longer list is not read there."""

LONGEST_MESSAGE: Final = 600
"""Characters of one message; a message can quote data."""

INDENT: Final = 4
"""Cells before every line of a finding but its first."""

ROOM: Final = 34
"""Cells that an excerpt needs beside the rule's name; else it gets a line of its own."""


def write_findings(console: Console, result: Result, options: ReporterOptions) -> None:
    """Print the findings in the style of the options: full, concise or grouped."""
    if options.style == "concise":
        _concise(console, result, options)
        return
    limit = limit_of(result, options)
    helped: set[str] = set()
    done = 0
    for number, (path, group) in enumerate(groupby(result.findings, key=lambda one: one.path)):
        shown, apart = (list(group), []) if options.verbose else _parted(list(group))
        told = blocks(shown, every=options.verbose)
        if number:
            console.print()
        print_wrapped(console, printable_path(path), "bold underline")
        column = max(
            (len(place_in_file(block.first, options.column_unit)) for block in told), default=0
        )
        for block in told[: max(limit - done, 0)]:
            _block(console, block, result, options, column, helped)
        done += len(told)
        if apart:
            _infos(console, apart, result)
        if done >= limit:
            break
    if more := left_out(result, limit if done > limit else len(result.findings)):
        print_wrapped(console, more, "dim")


def limit_of(result: Result, options: ReporterOptions) -> int:
    """How many findings a terminal gets."""
    if "max-findings" in result.plan.origins:
        return options.max_findings
    return min(MOST_FINDINGS, options.max_findings)


def _parted(findings: Sequence[Finding]) -> tuple[Sequence[Finding], list[Finding]]:
    """What is shown, and apart from it what is only worth knowing, where there is worse."""
    if all(one.severity == "info" for one in findings):
        return findings, []
    rules = all_rules()  # one that is an info by itself is on because somebody selected it
    shown: list[Finding] = []
    apart: list[Finding] = []
    for one in findings:
        mild = one.severity == "info" and rules[one.rule].rule.severity != "info"
        (apart if mild else shown).append(one)
    return shown, apart


def _infos(console: Console, infos: Sequence[Finding], result: Result) -> None:
    lang = result.plan.lang
    counts = Counter(finding.rule for finding in infos)
    parts = [f"{rule} ({number})" if number > 1 else rule for rule, number in counts.items()]
    told = say("infos-apart", lang, rules=("、" if lang == "zh" else ", ").join(parts))
    level = SEVERITY["info"].say(lang)
    print_wrapped(
        console, told, "dim", indent=cell_len(level) + 3,
        first=Text.assemble("  ", (level, STYLES["info"]), " "),
    )  # fmt: skip


def _block(
    console: Console,
    block: Block,
    result: Result,
    options: ReporterOptions,
    column: int,
    helped: set[str],
) -> None:
    """Place, rule and excerpt; the sentence; the advice, at the first finding of a rule."""
    finding, lang = block.first, result.plan.lang
    indent = column + 3
    head = Text(" " * 2)
    if where := place_in_file(finding, options.column_unit):
        head.append(f"{where:>{column}}", _file_link(finding, options))
        head.append(" ")
    head.append_text(_name(finding, result, options))
    if options.style == "grouped":
        _print(console, head.append(f" {_told(finding, lang)}"), 0, indent)
        for one in (*block.beside, *block.folded):
            where = place_in_file(one, options.column_unit)
            line = Text(f"  {where:>{column}} ", "dim").append_text(_name(one, result, options))
            _print(console, line.append(f" {_told(one, lang)}"), 0, indent)
        return
    if finding.span is None:
        _print(console, head.append(f" {_told(finding, lang)}"), 0, INDENT)
    else:
        shown = _excerpt(console, head, finding, options)
        _print(console, _told(finding, lang, shown and not options.verbose), INDENT)
    for other in block.beside:
        line = Text("+ ", "dim")
        if _name(other, result, options).plain != _name(finding, result, options).plain:
            line.append_text(_name(other, result, options)).append(" ")
        _print(console, line.append(_told(other, lang, not options.verbose)), INDENT)
    for one in (finding, *block.beside) if options.verbose else (finding,):
        if one.rule not in helped or options.verbose:
            helped.add(one.rule)
            help, command = split_command(visible(one.help))
            if not options.verbose:
                short = _first_sentence(help)
                help, command = short, command if short == help else ""
            _print(console, Text(say("help-line", lang, help=help), "dim"), INDENT)
            if command:  # never broken: what a terminal wraps is copied as one line
                console.print(Text(" " * INDENT + command, "dim"), soft_wrap=True)
    if block.folded:
        _print(console, Text(_folded(block, lang, console.width - INDENT), "dim"), INDENT)


def _name(finding: Finding, result: Result, options: ReporterOptions) -> Text:
    """Severity, rule, and whether `--fix` repairs it."""
    told = Text(SEVERITY[finding.severity].say(result.plan.lang), STYLES[finding.severity])
    told.append(" ")
    link = page_url(options.docs_url, finding.rule) if options.links else None
    told.append(finding.rule, Style(bold=True, link=link))
    if safely_fixable(finding, result):
        told.append(" [*]", "green")
    return told


_PLACE: Final = Pattern(r"messages(?:\[\d+\]|\.\w+)+(?:: ?|：| (?![(（]))(?:中的?|的)? ?")


def _told(finding: Finding, lang: str, shown: bool = False) -> str:
    """The sentence; without the place at its head where the excerpt shows that."""
    told = message(finding, lang)
    if shown:
        told = _PLACE.sub("", told, count=1) if _PLACE.match(told) else told
    return told if len(told) <= LONGEST_MESSAGE else told[: LONGEST_MESSAGE - 1] + "…"


def _print(console: Console, told: Text | str, indent: int, further: int = -1) -> None:
    """Print in lines of the console's width, each behind `indent`, the further ones otherwise so."""
    told = Text(told) if isinstance(told, str) else told
    widest = max(indent, further)
    edges = [0, *breaks(told.plain, console.width - widest), len(told)]
    for number, (start, stop) in enumerate(pairwise(edges)):
        part = told[start:stop]
        part.rstrip()
        blank = further if number and further >= 0 else indent
        console.print(Text(" " * blank) + part, soft_wrap=True)


def _excerpt(console: Console, head: Text, finding: Finding, options: ReporterOptions) -> bool:
    """Print the head of a finding and the piece of the row, beside it where there is room.

    Returns whether there is such a piece.
    """
    excerpt = finding.excerpt
    if excerpt is None or not (excerpt.before + excerpt.text + excerpt.after).strip():
        console.print(head, soft_wrap=True)
        return False
    at = head.cell_len + 2
    if console.width - at < ROOM:
        console.print(head, soft_wrap=True)
        at, head = INDENT, Text(" " * INDENT)
    else:
        head.append("  ")
    line = fitted(excerpt, console.width - at)
    head.append(line.before, "dim")
    head.append(line.text, Style.parse(f"{STYLES[finding.severity]} underline"))
    head.append(line.after, "dim")
    console.print(head, soft_wrap=True)
    if not options.color:  # with colour the place itself is underlined
        console.print(Text(" " * (at + line.indent) + line.mark), soft_wrap=True)
    return True


_ASIDE: Final = Pattern(r" ?[(（][^()（）`]*[)）]")
_SENTENCE: Final = Pattern(r"[.?!;](?=\s)|[。？！；]")


def _first_sentence(help: str) -> str:
    """The first sentence of an advice, without asides; `-v` prints all of it."""
    help = _ASIDE.sub(lambda aside: " " * _parts_scripts(help, *aside.span()), help)
    for end in _SENTENCE.finditer(help):
        before = help[: end.end()]
        if before.count("(") == before.count(")") and before.count("（") == before.count("）"):
            return before.rstrip(";；")
    return help


def _parts_scripts(text: str, start: int, stop: int) -> bool:
    """Whether a Latin letter stands before a part of a text and a Chinese one behind it."""
    before, after = text[start - 1 : start], text[stop : stop + 1]
    return before.isascii() and before.isalnum() and "\u3400" <= after <= "\u9fff"


def _folded(block: Block, lang: str, width: int) -> str:
    """How many more say the same, and in which rows, as far as a line holds them."""
    lines = lines_of(block.folded)
    if lines == [block.first.line]:
        return say("more-in-row", lang, n=f"{len(block.folded):,}")
    key = "more-rows" if len(lines) == len(block.folded) else "more-in-rows"
    told = say(key, lang, n=f"{len(block.folded):,}", rows=len(lines), lines="")
    shown: list[str] = []
    used = cell_len(told) + 2
    for line in lines:
        used += len(str(line)) + 2
        if used > width:
            break
        shown.append(str(line))
    named = ", ".join(shown) + (" …" if len(shown) < len(lines) else "")
    return say(key, lang, n=f"{len(block.folded):,}", rows=len(lines), lines=named)


def _file_link(finding: Finding, options: ReporterOptions) -> Style:
    """A place is a link to its file where the terminal takes one."""
    if not options.links or finding.path == "-":
        return Style(dim=True)
    return Style(dim=True, link=file_uri(finding.path))


def _concise(console: Console, result: Result, options: ReporterOptions) -> None:
    limit = limit_of(result, options)
    for finding in result.findings[:limit]:
        line = Text(place(finding, options.column_unit), style="bold")
        line.append(": ", "not bold")
        line.append(
            SEVERITY[finding.severity].say(result.plan.lang), f"not bold {STYLES[finding.severity]}"
        )
        mark = " [*]" if safely_fixable(finding, result) else ""
        line.append(f" {finding.rule}{mark} ", "not bold")
        line.append(message(finding, result.plan.lang), "not bold")
        console.print(line, soft_wrap=True)
    if more := left_out(result, limit):
        print_wrapped(console, more, "dim")


def write_statistics(console: Console, result: Result) -> None:
    """Print a row a rule: findings, rows, severity, family, whether `--fix` repairs it."""
    lang = result.plan.lang
    if not result.rule_counts:
        return
    table = plain_table()
    for key in ("count", "rows"):
        table.add_column(say(key, lang), justify="right")
    for key in ("severity", "rule", "family", "fix"):
        table.add_column(say(key, lang))
    for row in statistics(result):
        style = STYLES[row.severity]
        table.add_row(
            f"{row.findings:,}", f"{row.rows:,}", Text(SEVERITY[row.severity].say(lang), style),
            row.rule, FAMILY[row.family].say(lang), say(row.fix, lang) if row.fix else "",
        )  # fmt: skip
    console.print(table)
