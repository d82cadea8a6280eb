"""`glmlint compare` for people: a table of what each trainer trains, and what differs in words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import IO, Any

from rich.cells import cell_len
from rich.text import Text as Styled

from glmlint.comparison.rows import Comparison, DifferingRow, EncodedRowOfSide, Side
from glmlint.comparison.words import NAMES, STATES, columns_of, sentences, state
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.tables import console_for, heading, plain_table, print_wrapped
from glmlint.reporters.words import percent, say
from glmlint.trainer.layout import IGNORE_INDEX
from glmlint.visible import printable_path, visible

_STYLES = {
    "trained": "green",
    "part": "yellow",
    "no": "dim",
    "absent": "dim",
    "other": "bold yellow",
    "missing": "bold yellow",
}

_ALL_PAIRS = 3
"""Sides up to which each pair is told."""


def write_comparison(result: Comparison, out: IO[str], options: ReporterOptions, lang: str) -> None:
    """Print the tables, the sentences and the first rows that differ."""
    with console_for(out, options.width, options.color) as console:
        for columns in _in_widths(result, console.width, lang):
            _states(console, result, columns, lang)
        numbers = plain_table()
        for key in ("compare-trainer", "samples", "tokens", "supervised", "kept", "lost"):
            numbers.add_column(
                say(key, lang), justify="left" if key == "compare-trainer" else "right"
            )
        for side in result.sides:
            numbers.add_row(visible(side.label), *_numbers(side))
        console.print(numbers)
        for (a, b), pair in result.pairs.items():
            if a and len(result.sides) > _ALL_PAIRS:
                continue  # many sides: each beside the first; JSON has the others
            line = say(
                "compare-pair", lang, a=visible(result.sides[a].label),
                b=visible(result.sides[b].label), both=f"{pair.both:,}",
                first=f"{pair.first_only:,}", second=f"{pair.second_only:,}",
                differ=f"{pair.differ:,}", rows=f"{result.rows:,}",
            )  # fmt: skip
            print_wrapped(console, line)
        told = [text.plain(lang) for text in sentences(result)]
        if told:
            heading(console, say("compare-differs", lang))
            for line in told:
                print_wrapped(console, visible(line), indent=2, first=Styled("- "))
        for difference in result.first:
            _row(console, result, difference)


def _in_widths(result: Comparison, width: int, lang: str) -> Iterator[list[str]]:
    """The columns in as many tables as it takes that none is wider than the terminal."""
    room = width - _label_width(result, lang) - 2
    taken: list[str] = []
    used = 0
    for column in columns_of(result):
        size = 2 + _column_width(result, column, lang)
        if taken and used + size > room:
            yield taken
            taken, used = [], 0
        taken.append(column)
        used += size
    if taken:
        yield taken


def _label_width(result: Comparison, lang: str) -> int:
    widest = max(cell_len(visible(side.label)) for side in result.sides)
    return max(min(widest, 30), cell_len(say("compare-trainer", lang)))


def _column_width(result: Comparison, column: str, lang: str) -> int:
    """The heading may be broken between words."""
    cells = [STATES[state(side, column)].plain(lang) for side in result.sides]
    return max(cell_len(word) for word in (*NAMES[column].plain(lang).split(), *cells))


def _states(console: Any, result: Comparison, columns: list[str], lang: str) -> None:
    """A table of what each side trains of some kinds."""
    table = plain_table()
    size = _label_width(result, lang)
    table.add_column(say("compare-trainer", lang), min_width=size, max_width=size)
    for column in columns:
        most = _column_width(result, column, lang)
        table.add_column(NAMES[column].plain(lang), min_width=most, max_width=most)
    for side in result.sides:
        cells = []
        for column in columns:
            found = state(side, column)
            cells.append(Styled(STATES[found].plain(lang), style=_STYLES[found]))
        table.add_row(Styled(visible(side.label), style="bold"), *cells)
    console.print(table)
    console.print()


def _numbers(side: Side) -> list[str]:
    lost = side.supervised - side.kept_supervised
    return [
        f"{side.rows - side.dropped - side.errors:,}",
        f"{side.tokens:,}",
        f"{side.supervised:,}",
        f"{side.kept_supervised:,}",
        percent(lost / side.supervised) if side.supervised else percent(None),
    ]


def _row(console: Any, result: Comparison, difference: DifferingRow) -> None:
    heading(console, f"{printable_path(difference.path)}:{difference.line}")
    for side, entry in zip(result.sides, difference.sides, strict=True):
        print_wrapped(console, visible(side.label), "bold")
        if entry.tokens is None:
            print_wrapped(console, visible(entry.outcome or ""), "dim", indent=2)
        else:
            print_wrapped(console, visible(marked(entry, side)), indent=2)


def marked(entry: EncodedRowOfSide, side: Side) -> str:
    """The sequence as text: 【 】 around what is trained; 【a → b】 where the label is another token."""
    tokens = entry.tokens
    assert tokens is not None
    tokenizer = side.context.tokenizer
    parts = []
    columns = list(zip(tokens.input_ids.tolist(), tokens.labels.tolist(), strict=True))

    def kind(item: tuple[int, tuple[int, int]]) -> str:
        place, (token, label) = item
        if label == IGNORE_INDEX or not place:
            return ""
        return "same" if token == label else f"other {place}"

    for what, group in groupby(enumerate(columns), key=kind):
        run = [pair for _, pair in group]
        text = b"".join(tokenizer.token_bytes(token) for token, _ in run)
        shown = text.decode("utf-8", "backslashreplace").replace("\n", "⏎")
        if what.startswith("other"):
            label = tokenizer.token_bytes(run[0][1]).decode("utf-8", "backslashreplace")
            parts.append(f"【{shown} → {label}】")
        else:
            parts.append(f"【{shown}】" if what else shown)
    return "".join(parts)
