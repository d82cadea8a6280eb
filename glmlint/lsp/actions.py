"""What can be done for the findings of a range: repairs, ignores, explanations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from glmlint.lsp.check import Checked, Marked
from glmlint.lsp.edits import Change, Repairs, RowFixes
from glmlint.lsp.words import say
from glmlint.rules.base import all_rules

MOST_NEAR: Final = 20
"""Findings of a range for which actions are made, the narrowest ones."""


class QuickFix(Struct, frozen=True):
    """One action; exactly one of the last three says what it does."""

    title: str
    about: Marked | None = None
    preferred: bool = False
    changes: list[Change] | None = None
    every: str | None = None
    """Repair all that this rule reports in the document."""
    explains: str | None = None
    """Explain this rule."""


def quick_fixes(checked: Checked, start: int, stop: int) -> list[QuickFix]:
    """The actions for a range of code points; those that repair come first."""
    near = sorted(
        (marked for marked in checked.findings if marked.meets(start, stop)),
        key=lambda marked: marked.stop - marked.start,
    )[:MOST_NEAR]
    repairs = Repairs(checked)
    rows = {
        row.start: RowFixes(repairs, row)
        for row in (checked.row(marked.start) for marked in near)
        if row is not None
    }
    found = [*_repairs(checked, near, rows), *_ignores(checked, near, rows)]
    lang = checked.plan.lang
    if len(rows) == 1 and (changes := next(iter(rows.values())).all_safe()):
        found.append(QuickFix(say("fix-row", lang), changes=changes))
    first = {marked.finding.rule: marked for marked in reversed(near)}
    for rule in dict.fromkeys(marked.finding.rule for marked in near):
        found.append(QuickFix(say("explain", lang, rule=rule), first[rule], explains=rule))
    return found


def _repairs(checked: Checked, near: list[Marked], rows: dict[int, RowFixes]) -> Iterator[QuickFix]:
    """Of each finding that can be repaired: alone, and with all others of its rule."""
    lang = checked.plan.lang
    preferred = True  # the first safe one
    rules: dict[str, Marked] = {}
    for marked in near:
        rule = all_rules()[marked.finding.rule].rule
        row = checked.row(marked.start)
        if not marked.finding.fixable or rule.fix is None:
            continue
        rules.setdefault(rule.name, marked)
        changes = rows[row.start].cure(marked) if row is not None else []
        if changes:
            safe = rule.fix == "safe"
            title = say("fix" if safe else "fix-unsafe", lang, rule=rule.name)
            yield QuickFix(title, marked, preferred and safe, changes=changes)
            preferred = preferred and not safe
    for name, marked in rules.items():
        safe = all_rules()[name].rule.fix == "safe"
        title = say("fix-rule" if safe else "fix-rule-unsafe", lang, rule=name)
        yield QuickFix(title, marked, every=name)


def _ignores(checked: Checked, near: list[Marked], rows: dict[int, RowFixes]) -> Iterator[QuickFix]:
    done: set[tuple[int, str]] = set()
    for marked in near:
        loaded = all_rules()[marked.finding.rule]
        row = checked.row(marked.start)
        of_row = loaded.check is not None or loaded.check_run is not None
        if row is None or marked.finding.line is None or not of_row:
            continue
        name = loaded.rule.name
        if (row.start, name) in done:
            continue
        done.add((row.start, name))
        if changes := rows[row.start].ignore(name):
            yield QuickFix(say("ignore", checked.plan.lang, rule=name), marked, changes=changes)


def anything_safe(checked: Checked) -> bool:
    """Whether some finding of the document has a safe repair."""
    rules = all_rules()
    return any(
        marked.finding.fixable and rules[marked.finding.rule].rule.fix == "safe"
        for marked in checked.findings
    )
