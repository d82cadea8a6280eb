"""Lengths and budgets of a whole run, counted exactly from the histograms of its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from glmlint.engine.finish import Result
from glmlint.evidence.report import Curve, Places, nearest_rank
from glmlint.finding import RANK, Finding
from glmlint.plan import Plan
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context, get_trainer
from glmlint.trainer.packing import Lengths

SHARES: Final = (0.95, 0.99, 1.0)
"""Shares of the supervised tokens for which a budget is suggested."""

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


class Budget(Struct, frozen=True):
    """What a budget keeps of a run."""

    max_length: int
    target: float | None
    """The share that it is the smallest budget for; None for the run's own."""
    keeps: float | None
    """Share of the supervised tokens that it keeps; None when there are none."""
    truncated_samples: int
    lost_supervised_tokens: int


def merged(parts: Iterable[Places]) -> Places:
    """The sum of several histograms."""
    total = Places()
    for part in parts:
        total.add(part.at, part.number)
    return total


def lengths_of(result: Result) -> Places:
    """Length in tokens -> readable rows of that length, over all files."""
    return merged(file.stats.lengths for file in result.files)


def quantiles(lengths: Places) -> dict[str, int | None]:
    """Nearest-rank quantiles of the lengths; None when no row is readable."""
    return {name: nearest_rank(lengths, share) for name, share in QUANTILES.items()}


def grid(longest: int) -> list[int]:
    """Edges 16, 24, 32, 48, 64, … (two a doubling) up to the first that holds `longest`."""
    edges = [16]
    while edges[-1] < longest:
        last = edges[-1]
        edges.append(last * 3 // 2 if last & (last - 1) == 0 else last * 4 // 3)
    return edges


def histogram(lengths: Places, edges: Sequence[int]) -> list[tuple[int, int]]:
    """(upper edge, rows) pairs: rows longer than the edge before and at most this edge.

    The edges must hold the longest row. Empty bins before the first and after the last are left
    out; the rows sum to all rows.
    """
    if not len(lengths.at):
        return []
    bins = np.searchsorted(np.asarray(edges), lengths.at)
    counts = np.bincount(bins, lengths.number, len(edges)).astype(np.int64)
    first, last = int(bins[0]), int(bins[-1])
    return [(edges[place], int(counts[place])) for place in range(first, last + 1)]


def budgets(result: Result) -> list[Budget]:
    """The run's budget, then the smallest that keep 95, 99 and 100% of the supervised tokens.

    The run's alone where the trainer cuts nothing, whatever the budget.
    """
    cuts = result.context.trainer.cuts
    lengths = lengths_of(result)
    curve = Curve()
    for file in result.files:
        curve.merge(file.stats.curve)
    total = result.totals.supervised_tokens
    found = []
    for target in (None, *SHARES) if cuts else (None,):
        length = result.plan.max_length if target is None else curve.smallest(target)
        if length is None:
            continue
        own = result.totals.kept_supervised_tokens
        kept = own if target is None else curve.kept(length)
        found.append(
            Budget(
                max_length=length,
                target=target,
                keeps=kept / total if total else None,
                truncated_samples=int(lengths.number[lengths.at > length].sum()) if cuts else 0,
                lost_supervised_tokens=total - kept,
            )
        )
    return found


class Packing(Struct, frozen=True):
    """The sequences into which the trainer packs the training rows."""

    sequences: int
    fill: float | None
    """Tokens of rows / (sequences x budget); None without sequences."""


def packing(result: Result) -> Packing | None:
    """What the trainer's packer makes of all training files as one data set; None where it packs none.

    Rows that the trainer can't read are left out.
    """
    plan, context = result.plan, result.context
    if not context.trainer.packs(context.options):
        return None
    parts = [f.stats.packed.lengths for f in result.files if f.path not in plan.eval_files]
    lengths = Lengths(np.concatenate([np.zeros(0, np.int32), *parts]))
    number = tokens = 0
    for sequence in context.trainer.pack(lengths, plan.max_length, context):
        number += 1
        tokens += sum(part.stop - part.start for part in sequence)
    return Packing(number, tokens / (number * plan.max_length) if number else None)


class RuleCount(Struct, frozen=True):
    """What one rule found in a run."""

    rule: str
    family: str
    severity: str
    findings: int
    rows: int
    """0 for a rule about whole files."""
    fix: str | None
    """"safe", "unsafe", or None where none of its findings can be repaired."""


def statistics(result: Result) -> list[RuleCount]:
    """The rules that found something, the most frequent first."""
    found = []
    listed: dict[str, list[Finding]] = {}
    for one in result.findings:
        listed.setdefault(one.rule, []).append(one)
    for name, number in sorted(result.rule_counts.items(), key=lambda item: (-item[1], item[0])):
        rule = all_rules()[name].rule
        told = listed.get(name, [])
        fix = rule.fix if not told or any(one.fixable for one in told) else None
        severity = max(
            {one.severity for one in told},
            key=RANK.__getitem__,
            default=result.plan.rules.get(name, rule.severity),
        )
        found.append(RuleCount(name, rule.family, severity, number, result.rule_rows[name], fix))
    return found


def template_name(context: Context) -> str:
    """The template that the run rendered with: an option's, the recipe's own, or the tokenizer's."""
    named = getattr(context.options, "template", None)
    return str(named or context.trainer.template_name or context.template.name)


def origin(plan: Plan, setting: str) -> str:
    """Where a setting came from: "default", "flag", or a file's name."""
    return plan.origins.get(setting, "default")


def pin_origin(plan: Plan, package: str) -> str:
    """Where the version of a package came from.

    "default": the newest that is known; "trainer": the newest that the trainer's package allows.
    """
    if package in plan.pinned:
        return origin(plan, "pin")
    return "trainer" if package in get_trainer(plan.recipe).pins else "default"


def template_origin(context: Context) -> str:
    """The same for the template, which a recipe or a model folder may bring."""
    if hasattr(context.options, "template"):
        return origin(context.plan, "set") if "template" in context.plan.options else "default"
    if context.trainer.template_name is not None:
        return "recipe"
    if context.plan.template is None and context.tokenizer.chat_template is not None:
        return "tokenizer"
    return origin(context.plan, "template")
