"""`--diff` on a terminal: the words that change in each row, with the rule that changes them."""

from __future__ import annotations

from typing import IO, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glmlint.engine.redact import redacted_line
from glmlint.fix.changed_words import Place, changed_places
from glmlint.fix.changes import ChangedRow, Reshaping, changes, reshaping
from glmlint.fix.files import Draft, Fixes
from glmlint.fix.trail import Trail
from glmlint.plan import Plan
from glmlint.reporters.excerpts import LONGEST_MARK, ahead, head
from glmlint.reporters.tables import console_for, print_wrapped
from glmlint.reporters.text_findings import INDENT, MOST_FINDINGS
from glmlint.reporters.words import say
from glmlint.visible import printable_path, visible

MOST_PLACES: Final = 4
"""Places that are shown of what one rule changes in one row."""

_AROUND: Final = 400
"""Code points before and behind a place that are looked at; no line holds more."""

_MARKS: Final = {"-": ("red", "white on red"), "+": ("green", "black on green")}


def write_changes(
    fixes: Fixes, trail: Trail, plan: Plan, out: IO[str], width: int, color: bool
) -> None:
    """Print what changes in the rows of all drafts.

    Args:
        fixes: with its drafts.
        trail: has been kept while they were made.
        plan: says the language and how many rows are shown.
        out: a terminal.
        width: of the terminal, in cells.
        color: whether what changes is coloured; else it is marked in a line below.
    """
    limit = plan.max_findings
    if "max-findings" not in plan.origins:
        limit = min(limit, MOST_FINDINGS)
    shown = 0
    full = False
    for draft in fixes.drafts:
        form = reshaping(draft)
        with console_for(out, width, color) as console:
            _file(console, draft, form, plan.lang)
        for change in () if full else changes(draft, trail):
            full = shown >= limit
            if full:
                break
            shown += 1
            with console_for(out, width, color) as console:  # each at once, however many there are
                _row(console, draft, form, change, plan.lang, color)
    if full and fixes.rows > shown:
        told = say("diff-more-rows", plan.lang, rows=fixes.rows - shown, all=fixes.rows)
        with console_for(out, width, color) as console:
            print_wrapped(console, told, "dim")


def _file(console: Console, draft: Draft, form: Reshaping, lang: str) -> None:
    """What changes in the file as a whole, a line each."""
    told = (
        ("not-utf8", form.encoding, "diff-encoding"), ("not-jsonl", form.rows, "diff-rows"),
        ("byte-order-mark", form.mark, "diff-mark"), ("blank-line", form.blanks, "diff-blanks"),
    )  # fmt: skip
    for rule, holds, key in told:
        if holds:
            line = _head(printable_path(draft.path), rule, say(key, lang, encoding=form.encoding))
            console.print(line, soft_wrap=True)


def _head(place: str, rule: str, told: str = "") -> Text:
    line = Text(place, "bold")
    line.append(f" {rule}" if rule else "", "not bold cyan")
    return line.append(f": {told}" if told else "", "not bold")


def _row(
    console: Console, draft: Draft, form: Reshaping, change: ChangedRow, lang: str, color: bool
) -> None:
    """The block of one row: what each rule does to it."""
    path = printable_path(draft.path)
    number = change.number
    place = f"{path}:{number}" if form.lines else f"{path}, {say('diff-row', lang, n=number)}"
    if change.dropped is not None or change.parts > 1:
        parts = say("diff-parts", lang, n=change.parts)
        told = parts if change.dropped is None else say("diff-dropped", lang)
        rule = change.steps[0].rule if change.dropped is None else change.dropped
        console.print(_head(place, rule, told), soft_wrap=True)
        line = Text(" " * INDENT + "- ", "red")
        text = visible(_text(change.before)[: 2 * console.width])
        line.append(head(text, console.width - INDENT - 2, more=len(change.before) > len(text)))
        console.print(line, soft_wrap=True)
        return
    for step in change.steps:
        old, new = _text(step.before), _text(step.after)
        places = changed_places(old, new)
        told = "" if places else say("diff-hidden", lang)
        console.print(_head(place, step.rule, told), soft_wrap=True)
        for one in places[:MOST_PLACES]:
            _place(console, old, new, one, color)
        if len(places) > MOST_PLACES:
            told = say("diff-more-places", lang, n=len(places) - MOST_PLACES)
            print_wrapped(console, told, "dim", indent=INDENT)


def _text(row: bytes) -> str:
    """A row as it may be shown; bytes that are no UTF-8 as escapes."""
    return redacted_line(row).decode("utf-8", "backslashreplace")


def _place(console: Console, old: str, new: str, place: Place, color: bool) -> None:
    """Both sides of one change, cut to the width around it."""
    a1, a2, b1, b2 = place
    room = console.width - INDENT - 2
    start = max(a1 - _AROUND, 0)
    before = ahead(visible(old[start:a1]), room // 3, cut=start > 0)
    for mark, text, begin, stop in (("-", old, a1, a2), ("+", new, b1, b2)):
        style, strong = _MARKS[mark]
        left = room - cell_len(before)
        changed = head(visible(text[begin : begin + min(stop - begin, _AROUND)]), left * 4 // 5)
        after = ""
        if stop - begin <= _AROUND and not changed.endswith("…"):
            rest = text[stop : stop + _AROUND]
            after = head(visible(rest), left - cell_len(changed), more=stop + len(rest) < len(text))
        line = Text(" " * INDENT)
        line.append(f"{mark} ", style).append(before, "dim")
        line.append(changed, strong).append(after, "dim")
        console.print(line, soft_wrap=True)
        cells = cell_len(changed)
        if cells and not color:
            under = "^" * cells if cells <= LONGEST_MARK else "^" * LONGEST_MARK
            console.print(Text(" " * (INDENT + 2 + cell_len(before)) + under), soft_wrap=True)
