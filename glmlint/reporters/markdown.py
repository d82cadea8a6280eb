"""`--format markdown`: a summary for a job's page or a comment, under the size that GitHub takes.

What comes from the data stands in code spans alone, where it can be no link, mention or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Final

from glmlint.engine.finish import Result
from glmlint.evidence.report import Totals
from glmlint.finding import RANK, Finding
from glmlint.output import put
from glmlint.reporters.addresses import page_url
from glmlint.reporters.base import About, ReporterOptions
from glmlint.reporters.figures import budgets
from glmlint.reporters.verdict import (
    assumed,
    left_out,
    mark,
    message,
    packing_told,
    place,
    rows_told,
    severity_counts,
    verdict,
)
from glmlint.reporters.words import SEVERITY, budget_told, percent, say
from glmlint.rules.base import all_rules
from glmlint.text import Text
from glmlint.visible import printable_path, visible

name = "markdown"
about = About(
    Text(
        "Markdown: the summary of a GitHub job, a comment in a merge request",
        "Markdown：GitHub 作业摘要、合并请求评论",
    ),
)

MOST_BYTES: Final = 900_000
"""GitHub refuses a summary over 1 MiB (1,048,576 bytes)."""

MOST_FILES: Final = 100
MOST_RULES: Final = 100
LONGEST: Final = 400
"""Characters of a message."""

MARKS: Final = {"error": "❌", "warning": "⚠", "info": "ℹ"}

_CLEAN: Final = Text("Clean", "正常")
_FOUND: Final = Text("With findings", "有问题")
_FIRST: Final = Text("First place", "首个位置")
_SAYS: Final = Text("What it says there", "问题说明")
_ALL: Final = Text("All findings", "全部问题")
_ASSUMED: Final = Text("What was assumed", "检查前提")
_UNREAD: Final = Text("Could not be read", "无法读取")
_MORE_RULES: Final = Text("… and {n:rule} more", "……另有 {n} 条规则")
_NO_ROOM: Final = Text(
    "… and {n:finding} more: there is no room for them here",
    "……另有 {n} 个问题，此处已放不下",
)


def write(result: Result, out: IO[str], options: ReporterOptions) -> None:
    """Print verdict, totals, rules and budgets; every finding and what was assumed folded up."""
    used = 0
    for line in _page(result, options):
        used += len(line.encode("utf-8", "replace")) + 1
        put(out, line)
    shown = result.findings[: options.max_findings]
    if shown:
        put(out, _folded(_ALL.plain(result.plan.lang)))
        put(out)
        done = 0
        for finding in shown:
            line = _item(finding, result.plan.lang)
            used += len(line.encode("utf-8", "replace")) + 1
            if used > MOST_BYTES:
                break
            done += 1
            put(out, line)
        if done < len(shown):
            put(out, "- " + _NO_ROOM.say(result.plan.lang, n=len(shown) - done))
        if told := left_out(result, options.max_findings):
            put(out, "- " + told)
        put(out)
        put(out, "</details>")


def _page(result: Result, options: ReporterOptions) -> Iterator[str]:
    """Everything but the list of findings."""
    lang = result.plan.lang
    passed = result.exit_code == 0
    yield f"### {'✅' if passed else '❌'} glmlint: {severity_counts(result)}"
    yield ""
    if result.problems:
        yield f"**{_UNREAD.plain(lang)}**"
        yield ""
        for path, reason in result.problems[:MOST_FILES]:
            yield f"- {code(printable_path(path))} {code(reason)}"
        if len(result.problems) > MOST_FILES:
            yield "- " + say("more-files", lang, n=f"{len(result.problems) - MOST_FILES:,}")
        yield ""
    yield code(verdict(result), 2 * LONGEST)
    yield ""
    yield from _files(result)
    if result.totals.samples:
        yield ""
        yield rows_told(result)
    yield ""
    yield from _rules(result, options.docs_url)
    told = _budgets(result)
    if told:
        yield told
        yield ""
    yield from (line for told in packing_told(result) for line in (told, ""))
    yield _folded(_ASSUMED.plain(lang))
    yield ""
    for line in assumed(result):
        yield f"- {code(line, 3 * LONGEST)}"
    yield ""
    yield "</details>"
    yield ""


def _files(result: Result) -> Iterator[str]:
    lang = result.plan.lang
    heads = [_CLEAN.plain(lang), _FOUND.plain(lang)]
    heads += (say(key, lang) for key in ("tokens", "trainable", "truncated", "lost"))
    yield _row([say("file", lang), say("samples", lang), *heads])
    yield "|---" + "|---:" * (len(heads) + 1) + "|"
    for file in result.files[:MOST_FILES]:
        yield _row([code(printable_path(file.path), cell=True), *_numbers(file.totals, result)])
    if len(result.files) > MOST_FILES:
        more = say("more-files", lang, n=f"{len(result.files) - MOST_FILES:,}")
        yield _row([more, *[""] * (len(heads) + 1)])
    if len(result.files) != 1:
        yield _row([f"**{say('total', lang)}**", *_numbers(result.totals, result)])


def _numbers(totals: Totals, result: Result) -> list[str]:
    about = mark(result)
    return [
        f"{totals.samples:,}",
        f"{totals.clean:,}",
        f"{totals.with_findings + totals.unreadable:,}",
        f"{about}{totals.tokens:,}",
        about + percent(totals.trainable_ratio),
        f"{about}{totals.truncated_samples:,}",
        about + percent(totals.lost_share),
    ]


def _rules(result: Result, docs_url: str) -> Iterator[str]:
    """The rules that found something, worst first, each with its first finding."""
    if not result.rule_counts:
        return
    lang = result.plan.lang
    first: dict[str, Finding] = {}
    for finding in result.findings:
        known = first.get(finding.rule)
        if known is None or RANK[finding.severity] > RANK[known.severity]:
            first[finding.rule] = finding
    order = sorted(result.rule_counts, key=lambda rule: (-_rank(rule, first), -result.rule_counts[rule], rule))  # fmt: skip
    heads = [say("rule", lang), say("severity", lang), say("count", lang)]
    yield _row([*heads, _FIRST.plain(lang), _SAYS.plain(lang)])
    yield "|---|---|---:|---|---|"
    for rule in order[:MOST_RULES]:
        url = page_url(docs_url, rule)
        cells = [rule if url is None else f"[{rule}]({url})"]
        level = first[rule].severity if rule in first else all_rules()[rule].rule.severity
        cells += [f"{MARKS[level]} {SEVERITY[level].say(lang)}", f"{result.rule_counts[rule]:,}"]
        if rule in first:
            told = code(message(first[rule], lang), cell=True)
            cells += [code(place(first[rule]), cell=True), told]
        yield _row(cells + [""] * (5 - len(cells)))
    yield ""
    if len(order) > MOST_RULES:
        yield _MORE_RULES.say(lang, n=len(order) - MOST_RULES)
        yield ""


def _rank(rule: str, first: dict[str, Finding]) -> int:
    return RANK[first[rule].severity if rule in first else all_rules()[rule].rule.severity]


def _budgets(result: Result) -> str:
    """What the budget of the run keeps, and the smallest that keep more."""
    lang, about = result.plan.lang, mark(result)
    found = [budget for budget in budgets(result) if budget.keeps is not None]
    if not found:
        return ""
    parts = [
        say(
            "keeps-plain",
            lang,
            length=("" if budget.target is None else about) + budget_told(budget.max_length, lang),
            share=about + percent(budget.keeps),
        )
        for budget in found
    ]
    comma = "，" if lang == "zh" else ", "
    return say("budget-line-plain", lang, parts=comma.join(dict.fromkeys(parts)))


def _item(finding: Finding, lang: str) -> str:
    """A finding in the list."""
    level = f"{MARKS[finding.severity]} {SEVERITY[finding.severity].say(lang)}"
    told = code(message(finding, lang))
    return f"- {code(place(finding))} {level} {finding.rule} {told} {code(finding.help)}"


def _folded(title: str) -> str:
    return f"<details><summary>{title}</summary>"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def code(text: str, most: int = LONGEST, *, cell: bool = False) -> str:
    """Text from outside as a code span, which shows it as it is, whatever it holds.

    Args:
        text: of any length.
        most: characters that are shown.
        cell: it stands in a table, where a bar would end it.
    """
    shown = visible("".join(islice(text, most + 1)))
    if len(text) > most:
        shown = shown[:most] + "…"
    if cell:  # a backslash before a bar would free it
        shown = shown.replace("\\|", "\\x5c|").replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if not shown or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{space}{shown}{space}{fence}"
