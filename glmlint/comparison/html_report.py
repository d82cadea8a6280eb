"""`glmlint compare --format html`: what each trainer trains, side by side, as one page."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import groupby
from typing import IO, Any, Final

from glmlint.comparison.json_report import comparison_object
from glmlint.comparison.rows import Comparison, DifferingRow, EncodedRowOfSide, Side
from glmlint.comparison.words import NAMES, STATES, columns_of
from glmlint.engine.redact import hidden
from glmlint.engine.show import Token
from glmlint.reporters.page import code_parts, render
from glmlint.reporters.page_tokens import Cell, Cells, base36, cells_of, without_hidden
from glmlint.reporters.page_words import page_words, tell
from glmlint.reporters.words import budget_told, percent, say
from glmlint.trainer.layout import IGNORE_INDEX
from glmlint.visible import printable_path, visible

MOST_CELLS: Final = 2_000
"""Cells of a row that are shown: alignment takes the square of it where nothing is alike."""


def write_comparison(result: Comparison, out: IO[str], lang: str) -> None:
    """Print the page; the same run always gives the same bytes."""
    found = comparison_object(result, lang)
    cells = Cells()
    labels = [visible(side.label) for side in result.sides]
    rows = [_row(one, result, cells) for one in result.first]
    data = {
        "mark": "",
        "words": page_words(lang),
        "labels": labels,
        "rows": rows,
        "cells": cells.entries,
    }
    if len(labels) == 2:
        title = tell("compare-head", lang, a=labels[0], b=labels[1])
    else:
        title = ("、" if lang == "zh" else ", ").join(labels)
    page = render(
        "compare.html.j2",
        "compare.js",
        data,
        lang,
        w=page_words(lang) | {key: say(key, lang) for key in _WORDS},
        title=title,
        sides=[
            {
                "label": label,
                "numbers": _numbers(side, lang),
                "states": list(entry["trains"].values()),
            }
            for label, side, entry in zip(labels, result.sides, found["sides"], strict=True)
        ],
        columns=[NAMES[column].plain(lang) for column in columns_of(result)],
        states={key: text.plain(lang) for key, text in STATES.items()},
        pairs=[
            [" · ".join(map(visible, pair["sides"]))]
            + [
                f"{pair[key]:,}"
                for key in ("supervised_by_both", "by_first_only", "by_second_only")
            ]
            + [tell("of", lang, n=f"{pair['differing_rows']:,}", all=f"{result.rows:,}")]
            for pair in found["pairs"]
        ],
        differences=[visible(text) for text in found["differences"]],
        shown=len(rows),
        differing=any(pair.differ for pair in result.pairs.values()),
        rows_note=code_parts(tell("no-rows-shown", lang)),
    )
    out.write(page)


_WORDS: Final = (
    "compare-trainer", "compare-differs", "samples", "tokens", "column-supervised", "kept", "lost",
)  # fmt: skip


def _numbers(side: Side, lang: str) -> list[str]:
    lost = side.supervised - side.kept_supervised
    return [
        budget_told(side.context.plan.max_length, lang),
        f"{side.rows - side.dropped - side.errors:,}",
        f"{side.dropped:,}",
        f"{side.errors:,}",
        f"{side.converted:,}",
        f"{side.tokens:,}",
        f"{side.supervised:,}",
        f"{side.kept_supervised:,}",
        percent(lost / side.supervised if side.supervised else None),
    ]


# --- rows ----------------------------------------------------------------------------------------


def _row(difference: DifferingRow, result: Comparison, cells: Cells) -> dict[str, Any]:
    """A row as the page has it: the cells of each side, and the first side aligned with each other."""
    shown = [
        _cells(entry, side) for entry, side in zip(difference.sides, result.sides, strict=True)
    ]
    parts = [None if one is None else one[:MOST_CELLS] for one in shown]
    view: dict[str, Any] = {
        "p": f"{printable_path(difference.path)}:{difference.line}",
        "s": [
            {"e": visible(hidden(entry.outcome or ""))}
            if part is None
            else {
                "n": sum(cell.tokens for cell in part),
                "c": " ".join(base36(cells.number(cell)) for cell in part),
            }
            for entry, part in zip(difference.sides, parts, strict=True)
        ],
        "a": [
            _aligned(parts[0], part, result.sides[0]) if parts[0] is not None and part is not None
            else None
            for part in parts[1:]
        ],
    }  # fmt: skip
    if any(len(one) > MOST_CELLS for one in shown if one is not None):
        view["cut"] = MOST_CELLS
    return view


def _cells(entry: EncodedRowOfSide, side: Side) -> list[Cell] | None:
    """The row of one side, keys and persons' numbers hidden; None where it has no tokens."""
    if entry.tokens is None:
        return None
    text_of = side.context.tokenizer.token_bytes
    columns = zip(
        entry.tokens.input_ids.tolist(),
        entry.tokens.labels.tolist(),
        entry.tokens.owners.tolist(),
        strict=True,
    )
    tokens = [
        Token(
            id=token,
            label=label,
            owner=owner,
            supervised=label != IGNORE_INDEX and place > 0,
            kept=True,
            bytes=text_of(token),
            teaches=None if label in (IGNORE_INDEX, token) or not place else text_of(label),
        )
        for place, (token, label, owner) in enumerate(columns)
    ]
    return without_hidden(cells_of(tokens))


def _aligned(first: list[Cell], second: list[Cell], side: Side) -> list[Any]:
    """[bands, states of the first, states of the second].

    A band is [start, stop, start, stop]: what stands beside each other. It begins where the input of
    both has the same role token. A state is a letter: b, trained by both; o, by this one alone; m,
    not trained; in capitals where the input of the other one has no such token.
    """
    keys = [[cell.ids or (cell.text,) for cell in part] for part in (first, second)]
    matcher = SequenceMatcher(None, keys[0], keys[1], False)
    there: dict[int, int] = {}
    for a, b, size in matcher.get_matching_blocks():
        there.update(zip(range(a, a + size), range(b, b + size), strict=True))
    back = {b: a for a, b in there.items()}
    control = side.context.tokenizer.control_text
    edges = [
        (a, b)
        for a, b in sorted(there.items())
        if a and len(first[a].ids) == 1 and control.get(first[a].ids[0], "").startswith("<|")
    ]
    bands = [
        [start[0], stop[0], start[1], stop[1]]
        for start, stop in zip([(0, 0), *edges], [*edges, (len(first), len(second))], strict=True)
        if start != stop
    ]
    return [bands, _letters(first, second, there), _letters(second, first, back)]


def _letters(mine: list[Cell], other: list[Cell], there: dict[int, int]) -> str:
    letters = []
    for place, cell in enumerate(mine):
        twin = other[there[place]] if place in there else None
        letter = "m"
        if cell.state == "s":
            same = twin is not None and twin.state == "s" and twin.teaches == cell.teaches
            letter = "b" if same else "o"
        letters.append(letter if twin is not None else letter.upper())
    return " ".join(f"{letter}{base36(len(list(run)))}" for letter, run in groupby(letters))
