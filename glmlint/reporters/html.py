"""`--format html`: the whole report as one page that opens from disk and loads nothing."""

from __future__ import annotations

from collections import Counter
from typing import IO, Any, Final

import numpy as np

from glmlint.engine.finish import Result
from glmlint.evidence.kinds import GROUPS
from glmlint.evidence.report import Curve, Places, Totals
from glmlint.finding import RANK, SEVERITIES, Excerpt, Finding
from glmlint.plan import NO_BUDGET
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.catalogue import first_line, unfilled
from glmlint.reporters.figures import (
    budgets,
    lengths_of,
    origin,
    pin_origin,
    quantiles,
    statistics,
    template_name,
    template_origin,
)
from glmlint.reporters.page import code_parts, numbers_text, page_json, render
from glmlint.reporters.page_tokens import Cells, readable, row_views
from glmlint.reporters.page_words import kind_words, page_words, tell
from glmlint.reporters.verdict import assumed, mark, message, packing_told, rows_told, verdict
from glmlint.reporters.words import FAMILY, ORIGINS, SEVERITY, budget_told, counted, percent, say
from glmlint.rules.base import all_rules
from glmlint.text import Text, is_file, unwrapped_zh
from glmlint.trainer.mask import GRID
from glmlint.visible import printable_path, visible

name = "html"
about = About(
    Text(
        "one page that opens without a network, with the tokens of the rows",
        "一个无需联网即可打开的页面，附各行的 token",
    ),
    document=True,
    excerpts=True,
    kinds=True,
)

PAGE_BYTES: Final = 1_900_000
"""What a page may weigh: it goes into mails and merge requests."""

FINDING_BYTES: Final = 1_000_000
"""What the findings may weigh; those beyond are counted."""

CURVE_BYTES: Final = 500_000
"""What the exact curve may weigh; a larger one is told at some budgets."""

MOST_FILES: Final = 300
LONGEST_MESSAGE: Final = 600
LONGEST_HELP: Final = 1_200


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print the page; the same run always gives the same bytes."""
    out.write(page_of(result, options))


def page_of(result: Result, options: ReporterOptions) -> str:
    """The report as a page of at most `PAGE_BYTES` bytes or little more."""
    plan, lang = result.plan, result.plan.lang
    findings = _kept(result.findings[: options.max_findings])
    columns, texts, paths = _columns(findings, lang, options.column_unit)
    data: dict[str, Any] = {
        "mark": mark(result),
        "words": page_words(lang),
        "kinds": kind_words(lang),
        "own": None if plan.max_length == NO_BUDGET else plan.max_length,
        "budget": budget_data(result),
        "paths": [printable_path(path) for path in paths],
        "once": [number for number, path in enumerate(paths) if not is_file(path)],
        "texts": texts,
        "findings": columns,
        "rules": {
            rule: all_rules()[rule].rule.family for rule in sorted({f.rule for f in findings})
        },
    }
    room = PAGE_BYTES - len(page_json(data).encode()) - 150_000
    rows, places, cells = row_views(result, findings, room) if findings else ([], [], Cells())
    for column, place in zip(columns, places, strict=True):
        column += place
    data |= {"rows": rows, "cells": cells.entries}
    left = sum(result.rule_counts.values()) - len(findings)
    return render(
        "report.html.j2",
        "report.js",
        data,
        lang,
        w=_Words(lang),
        title=_title(result),
        files=_files(result),
        more_files=max(len(result.files) - MOST_FILES, 0),
        total=_numbers(result.totals, result),
        totals=result.totals,
        cards=_cards(result),
        status=_status(result),
        verdict=code_parts(verdict(result).removeprefix(say("failed", lang)).strip()),
        severities=[
            (one, counted(result.severity_counts[one], one, lang))
            for one in SEVERITIES
            if result.severity_counts[one]
        ],
        assumed=_assumed(result),
        notes=[code_parts(line) for line in assumed(result)[1:]],
        packing=packing_told(result),
        quantiles=_quantiles(result),
        budget_note=_budget_note(result, data["budget"]),
        suggested=_suggested(result),
        trained=_trained(result) if plan.kinds else None,
        rules=_rules(result),
        found=bool(findings),
        left=max(left, 0),
        left_parts=code_parts(tell("left-out", lang, n=f"{left:,}")),
        rules_note=code_parts(tell("rules-note", lang)),
        problems=[(printable_path(path), visible(reason)) for path, reason in result.problems],
    )


class _Words(dict[str, str]):
    """Fixed words for the template, by key: those of the pages, then those of all reports."""

    def __init__(self, lang: str) -> None:
        super().__init__(page_words(lang))
        self.lang = lang

    def __missing__(self, key: str) -> str:
        return say(key, self.lang)


# --- findings ------------------------------------------------------------------------------------


def _kept(findings: list[Finding]) -> list[Finding]:
    """Those that a page has room for, the worst first chosen; in the order of the report."""
    room = FINDING_BYTES
    kept = []
    known: set[str] = set()
    for finding in sorted(findings, key=lambda finding: -RANK[finding.severity]):
        texts = [finding.message[:LONGEST_MESSAGE], finding.help[:LONGEST_HELP]]
        texts = [text for text in texts if text not in known]
        known.update(texts)
        excerpt = _excerpt(finding.excerpt)
        if excerpt is not None:
            texts += excerpt[:3]
        texts += [finding.pointer or ""]
        room -= 120 + sum(len(visible(text).encode("utf-8", "replace")) + 8 for text in texts)
        if room < 0:
            break
        kept.append(finding)
    numbers = {id(finding) for finding in kept}
    return [finding for finding in findings if id(finding) in numbers]


def _columns(
    findings: list[Finding], lang: str, unit: str
) -> tuple[list[list[Any]], list[str], list[str]]:
    """A list a finding; the different texts and paths that it names by number.

    [rule, severity, path, line, column, pointer, message, help, fixable, rows, excerpt]
    """
    texts: dict[str, int] = {}
    paths: dict[str, int] = {}
    columns: list[list[Any]] = []
    for finding in findings:
        line, column = finding.line, finding.column
        if finding.span is not None:
            line, column = finding.span.line, finding.span.counted(unit)[0]
        told = _short(message(finding, lang), LONGEST_MESSAGE)
        advice = _short(visible(finding.help), LONGEST_HELP)
        columns.append(
            [
                finding.rule,
                SEVERITIES.index(finding.severity),
                paths.setdefault(finding.path, len(paths)),
                line,
                column,
                None if finding.pointer is None else _short(visible(finding.pointer), 200),
                texts.setdefault(told, len(texts)),
                texts.setdefault(advice, len(texts)),
                int(finding.fixable),
                finding.rows,
                _excerpt(finding.excerpt),
            ]
        )
    return columns, list(texts), list(paths)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _excerpt(excerpt: Excerpt | None) -> list[str] | None:
    """What stands before, inside and behind, each short."""
    if excerpt is None:
        return None
    before, text, after = excerpt.before, excerpt.text, excerpt.after
    cut_before = excerpt.cut[0] or len(before) > 70
    cut_text = excerpt.cut[1] or len(text) > 160
    cut_after = excerpt.cut[2] or len(after) > 70
    return [
        ("…" if cut_before else "") + visible(before[-70:]),
        visible(text[:160]) + ("…" if cut_text else ""),
        "" if cut_text else visible(after[:70]) + ("…" if cut_after else ""),
    ]


# --- numbers -------------------------------------------------------------------------------------


def _curve(result: Result) -> Curve:
    curve = Curve()
    for file in result.files:
        curve.merge(file.stats.curve)
    return curve


def budget_data(result: Result) -> dict[str, Any] | None:
    """What the page needs to say what any budget keeps; None where no row is readable.

    With `places`, every budget is exact. Otherwise `points` holds what was counted at some:
    [budget, supervised tokens kept, samples cut].
    """
    lengths = lengths_of(result)
    if not len(lengths.at):
        return None
    totals, trainer = result.totals, result.context.trainer
    curve = _curve(result)
    longest = int(lengths.at[-1])
    data: dict[str, Any] = {
        "supervised": totals.supervised_tokens,
        "samples": int(lengths.number.sum()),
        "tokens": totals.tokens,
        "lengths": _packed(lengths),
        "longest": longest,
        "cuts": trainer.cuts,
    }
    if not trainer.cuts:
        return data
    own = result.plan.max_length
    if curve.grid is None:
        places = _packed(curve.places)
        if len(places) <= CURVE_BYTES:
            return {**data, "places": places}
        step = max(longest // 2_000, 1)
        wanted = [*range(step, longest + step, step)]
    else:
        wanted = [budget for budget in GRID if budget < longest * 2]
    points = {
        budget: [curve.kept(budget), int(lengths.number[lengths.at > budget].sum())]
        for budget in [*wanted, *(one.max_length for one in budgets(result))]
    }
    if own != NO_BUDGET:
        points[own] = [totals.kept_supervised_tokens, totals.truncated_samples]
    return {**data, "points": [[budget, *points[budget]] for budget in sorted(points)]}


def _packed(places: Places) -> str:
    """Distances between the places, and the number at each."""
    steps = np.diff(places.at, prepend=0).tolist()
    return numbers_text((steps, places.number.tolist()))


def _budget_note(result: Result, data: dict[str, Any] | None) -> list[tuple[bool, str]]:
    """How exact the line is."""
    lang, trainer = result.plan.lang, result.context.trainer.called.plain(result.plan.lang)
    if data is None:
        return code_parts(tell("no-lengths", lang))
    if not data["cuts"]:
        return code_parts(tell("no-budget-cut", lang, trainer=trainer))
    if "places" in data:
        return code_parts(tell("exact", lang))
    exact = _curve(result).grid is None
    return code_parts(tell("at-points-size" if exact else "at-points", lang, trainer=trainer))


def _suggested(result: Result) -> list[tuple[str, int, str]]:
    """(share, budget, its name) of the suggested budgets."""
    return [
        (f"{one.target:.0%}", one.max_length, mark(result) + f"{one.max_length:,}")
        for one in budgets(result)
        if one.target is not None
    ]


def _quantiles(result: Result) -> list[tuple[str, str]]:
    lang, about = result.plan.lang, mark(result)
    return [
        (say("longest", lang) if key == "max" else key, f"{about}{value:,}")
        for key, value in quantiles(lengths_of(result)).items()
        if value is not None
    ]


def _cards(result: Result) -> list[tuple[str, str, str, str]]:
    """(what, number, a word on it, "bad" or "good" or nothing)."""
    totals, lang, about = result.totals, result.plan.lang, mark(result)
    lost = totals.lost_supervised_tokens
    return [
        (say("samples", lang), f"{totals.samples:,}", rows_told(result), ""),
        (
            say("tokens", lang),
            f"{about}{totals.tokens:,}",
            tell("supervised-hint", lang, n=f"{about}{totals.supervised_tokens:,}"),
            "",
        ),
        (
            say("trainable", lang),
            about + percent(totals.trainable_ratio),
            tell("trainable-hint", lang),
            "",
        ),
        (
            say("truncated", lang),
            f"{about}{totals.truncated_samples:,}",
            tell("truncated-hint", lang),
            "bad" if totals.truncated_samples else "",
        ),
        (
            say("lost", lang),
            about + percent(totals.lost_share),
            tell("lost-hint" if lost else "lost-none", lang),
            "bad" if lost else "",
        ),
    ]


def _numbers(totals: Totals, result: Result) -> list[str]:
    about = mark(result)
    return [
        f"{totals.samples:,}",
        f"{totals.clean:,}",
        f"{totals.with_findings:,}",
        f"{totals.unreadable:,}",
        f"{totals.dropped:,}",
        f"{about}{totals.tokens:,}",
        about + percent(totals.trainable_ratio),
        f"{about}{totals.truncated_samples:,}",
        about + percent(totals.lost_share),
    ]


def _files(result: Result) -> list[tuple[str, list[str]]]:
    return [
        (printable_path(file.path), _numbers(file.totals, result))
        for file in result.files[:MOST_FILES]
    ]


def _trained(result: Result) -> list[dict[str, Any]]:
    """The groups that have tokens: tokens that are trained, their share, and what is lost."""
    kept: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for file in result.files:
        kept += file.stats.kept_kinds
        whole += file.stats.supervised_kinds
    total, about, lang = kept.total(), mark(result), result.plan.lang
    found = []
    at = 0.0
    for group in GROUPS:
        if not whole[group]:
            continue
        share = kept[group] / total if total else 0.0
        found.append(
            {
                "name": group,
                "title": tell(f"group-{group}", lang),
                "says": tell(f"says-{group}", lang),
                "tokens": f"{about}{kept[group]:,}",
                "share": about + percent(share if total else None),
                "lost": f"{about}{whole[group] - kept[group]:,}",
                "at": f"{at * 1000:.2f}",
                "width": f"{share * 1000:.2f}",
            }
        )
        at += share
    return found


# --- words ---------------------------------------------------------------------------------------


def _title(result: Result) -> str:
    paths, lang = [printable_path(file.path) for file in result.files], result.plan.lang
    if not paths:
        return tell("no-files", lang)
    if len(paths) == 1:
        return paths[0]
    number = len(paths) if lang == "zh" else len(paths) - 1
    return tell("more-paths", lang, first=paths[0], n=f"{number:,}")


def _status(result: Result) -> tuple[str, str, str]:
    """(class, sign, word) of the verdict."""
    lang = result.plan.lang
    if result.exit_code == 130:
        return "open", "!", tell("interrupted-short", lang)
    if result.problems:
        return "open", "!", tell("incomplete-short", lang)
    if result.exit_code == 1:
        return "bad", "✗", tell("fails", lang)
    return "good", "✓", tell("passes", lang)


def _assumed(result: Result) -> list[tuple[str, str, str]]:
    """(setting, value, where it came from)."""
    plan, context, lang = result.plan, result.context, result.plan.lang

    def came(source: str) -> str:
        return ORIGINS[source].say(lang) if source in ORIGINS else visible(source)

    def pinned(package: str) -> str:
        source = pin_origin(plan, package)
        return came("newest" if source == "default" else source)

    names = {
        "recipe": ("recipe", "配方"),
        "template": ("template", "模板"),
        "budget": ("budget", "预算"),
    }
    named = {key: words[lang == "zh"] for key, words in names.items()}
    title = context.trainer.title.say(lang)
    dash = " — " if lang == "en" else "——"
    return [
        (named["recipe"], f"{plan.recipe}{dash}{title}", came(origin(plan, "recipe"))),
        *((visible(key), visible(str(value)), "") for key, value in sorted(plan.options.items())),
        (
            named["template"],
            printable_path(template_name(context)),
            came(template_origin(context)),
        ),
        ("tokenizer", printable_path(context.tokenizer.name), came(origin(plan, "tokenizer"))),
        (named["budget"], budget_told(plan.max_length, lang), came(origin(plan, "budget"))),
        ("transformers", visible(plan.transformers), pinned("transformers")),
        ("datasets", visible(plan.datasets), pinned("datasets")),
    ]


def _rules(result: Result) -> list[dict[str, Any]]:
    """The rules that found something, with what the catalogue says of each; the most frequent first."""
    lang = result.plan.lang
    found = []
    for count in statistics(result):
        loaded = all_rules()[count.rule]
        rule = loaded.rule
        told = (
            unwrapped_zh(rule.doc_zh) if lang == "zh" else loaded.doc.strip().partition("\n\n")[2]
        )
        found.append(
            {
                "name": rule.name,
                "level": count.severity,
                "word": SEVERITY[count.severity].plain(lang),
                "family": FAMILY[rule.family].plain(lang),
                "number": count.findings,
                "title": code_parts(rule.title_zh if lang == "zh" else first_line(loaded)),
                "paragraphs": [code_parts(line) for line in _lines(told)],
                "says": code_parts(unfilled(rule.text, lang, rule)),
                "advises": code_parts(unfilled(rule.help, lang, rule)),
                "fix": say(count.fix or "no-fix", lang),
            }
        )
    return found


def _lines(text: str) -> list[str]:
    """The paragraphs of a rule's documentation, each on one line; entries of a list on one each."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        started = False
        for line in paragraph.split("\n"):
            if started and not line.lstrip().startswith("- "):
                lines[-1] += " " + line.strip()
            else:
                lines.append(line.strip())
            started = True
    return [readable(line) for line in lines if line]
