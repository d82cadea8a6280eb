"""The sentences under a report: what was found, what to do next, and what was assumed."""

from __future__ import annotations

from glmlint.engine.finish import Result
from glmlint.evidence.report import IN_ANOTHER_FORMAT
from glmlint.finding import RANK, SEVERITIES, Finding
from glmlint.plan import NO_BUDGET, Plan
from glmlint.reporters.figures import (
    budgets,
    origin,
    packing,
    pin_origin,
    template_name,
    template_origin,
)
from glmlint.reporters.words import ORIGINS, budget_told, counted, percent, say
from glmlint.rules.base import all_rules
from glmlint.visible import printable_path, visible


def severity_counts(result: Result) -> str:
    """ "2 errors, 1 warning", or that nothing was found."""
    lang = result.plan.lang
    parts = [
        counted(result.severity_counts[severity], severity, lang)
        for severity in SEVERITIES
        if result.severity_counts[severity]
    ]
    comma = "，" if lang == "zh" else ", "
    return comma.join(parts) or say("nothing-found", lang)


def mark(result: Result) -> str:
    """What stands before counts of tokens: nothing when they are exact, else ≈."""
    return "" if result.context.tokenizer.exact else "≈"


def summary(result: Result) -> str:
    """Rows, tokens and findings of the run in one line."""
    totals, lang, about = result.totals, result.plan.lang, mark(result)
    return say(
        "summary",
        lang,
        samples=counted(totals.samples, "sample", lang),
        rows=rows_told(result),
        tokens=f"{about}{totals.tokens:,}",
        ratio=about + percent(totals.trainable_ratio),
        truncated=f"{about}{totals.truncated_samples:,}",
        lost=about + percent(totals.lost_share),
        counts=severity_counts(result),
    )


def packing_told(result: Result) -> list[str]:
    """How many sequences the trainer packs the rows into: one line, none where it packs none."""
    found = packing(result)
    if found is None or not found.sequences:
        return []
    lang, about = result.plan.lang, mark(result)
    return [
        say(
            "packing-readable" if result.totals.unreadable else "packing",
            lang,
            sequences=about + counted(found.sequences, "sequence", lang),
            number=f"{about}{found.sequences:,}",
            budget=budget_told(result.plan.max_length, lang),
            fill=about + percent(found.fill),
        )
    ]


def rows_told(result: Result) -> str:
    """How many rows are clean, have findings, end the training, or are left out."""
    totals, lang = result.totals, result.plan.lang
    stopping = say("stopping-one" if totals.unreadable == 1 else "stopping", lang,
                   n=f"{totals.unreadable:,}")  # fmt: skip
    foreign = sum(file.stats.notes[IN_ANOTHER_FORMAT] for file in result.files)
    if foreign:
        key = "stopping-all-foreign" if foreign == totals.unreadable else "stopping-foreign"
        stopping += say(key, lang, n=f"{foreign:,}")
    told = say(
        "rows-line", lang, clean=f"{totals.clean:,}", bad=f"{totals.with_findings:,}",
        stopping=stopping,
    )  # fmt: skip
    if totals.dropped:
        told += say("and-dropped", lang, n=f"{totals.dropped:,}")
    return told


def verdict(result: Result) -> str:
    """What to do next, in one line."""
    lang = result.plan.lang
    parts = []
    if result.exit_code == 130:
        parts.append(say("interrupted", lang))
    elif result.problems:
        parts.append(say("incomplete", lang, n=len(result.problems)))
    elif result.exit_code == 1:
        parts.append(say("failed", lang))
    failing = [f for f in result.findings if RANK[f.severity] >= RANK[result.plan.fail_on]]
    if failing:
        worst = max(failing, key=lambda finding: RANK[finding.severity])
        parts.append(say("fix-first", lang, counts=severity_counts(result), place=place(worst)))
        if any(safely_fixable(finding, result) for finding in result.findings):
            parts.append(say("fixable", lang))
        elif any(finding.fixable for finding in failing):
            parts.append(say("fixable-unsafe", lang))
    elif result.exit_code == 0:
        parts.append(_next_step(result))
    else:  # what fails is not among the findings that were kept
        parts.append(severity_counts(result) + ("。" if lang == "zh" else "."))
    return ("" if lang == "zh" else " ").join(parts)


def _next_step(result: Result) -> str:
    """What is worth doing before a training that nothing stands against."""
    totals, plan, lang = result.totals, result.plan, result.plan.lang
    if not totals.samples:
        return say("no-samples", lang)
    if not totals.kept_supervised_tokens:
        return say("untrained", lang)
    if totals.unreadable and not result.severity_counts["error"]:
        bad = f"{totals.unreadable:,}"
        return say("silenced", lang, n=bad, samples=counted(totals.samples, "sample", lang))
    if totals.lost_supervised_tokens:
        better = next((b for b in budgets(result) if b.target == 0.99), None)
        if better is not None and better.max_length > plan.max_length:
            return say(
                "raise-budget",
                lang,
                share=percent(totals.lost_share),
                length=better.max_length,
                keeps=percent(better.keeps),
            )
    worth = [finding for finding in result.findings if finding.severity != "info"]
    if worth:
        return say("look", lang, counts=severity_counts(result), place=place(worth[0]))
    return say(
        "ready",
        lang,
        samples=counted(totals.samples, "sample", lang),
        tokens=f"{mark(result)}{totals.kept_supervised_tokens:,}",
        ratio=mark(result) + percent(totals.trainable_ratio),
    )


def safely_fixable(finding: Finding, result: Result) -> bool:
    """Whether `--fix` alone repairs it."""
    loaded = all_rules().get(finding.rule)
    if not finding.fixable or loaded is None or loaded.rule.fix != "safe":
        return False
    return finding.path not in result.wide


def verdict_short(result: Result) -> str:
    """What was found and what can be repaired, in one line; what to do next where nothing fails."""
    lang = result.plan.lang
    if result.exit_code == 0 and not result.severity_counts.keys() - {"info"}:
        return verdict(result)
    parts = [severity_counts(result)]
    if result.exit_code == 130:
        parts.insert(0, say("interrupted", lang).rstrip(".。"))
    elif result.problems:
        parts.insert(0, say("unread", lang, n=len(result.problems)))
    if not result.totals.kept_supervised_tokens:
        parts.append(say("untrained-short", lang))
    safe = sum(safely_fixable(finding, result) for finding in result.findings)
    unsafe = sum(finding.fixable for finding in result.findings) - safe
    repairs = []
    if safe:
        repairs.append(say("fixable-count", lang, n=f"{safe:,}"))
    if unsafe:
        key = "fixable-unsafe-count" if safe else "unsafe-count"
        repairs.append(say(key, lang, n=f"{unsafe:,}"))
    if repairs:
        parts.append(("，" if lang == "zh" else ", ").join(repairs))
    return ("；" if lang == "zh" else "; ").join(parts)


def assumed_short(result: Result) -> str:
    """Recipe, template and budget in one line, and how to set the budget where nobody has."""
    plan, context, lang = result.plan, result.context, result.plan.lang
    source = origin(plan, "budget")
    budget_from = _from(source, lang)
    if source == "default" and plan.max_length != NO_BUDGET:
        budget_from = say("budget-default", lang)
    named = [f"{package} {getattr(plan, package)}" for package in sorted(plan.pinned)]
    return say(
        "assumed-short",
        lang,
        recipe=plan.recipe,
        template=" · ".join(map(printable_path, (template_name(context), *named))),
        budget=budget_told(plan.max_length, lang),
        budget_from=budget_from,
    )


def remarks(result: Result) -> list[str]:
    """What limits the report's truth: settings that can't be followed, guesses, what is left out."""
    plan, lang = result.plan, result.plan.lang
    lines = [visible(note.plain(lang)) for note in plan.notes]
    if not result.context.tokenizer.exact:
        lines.append(say("inexact", lang))
    if any(result.suppressed.values()):
        lines.append(say("suppressed", lang, **result.suppressed))
    return lines


def assumed(result: Result) -> list[str]:
    """Under which recipe, template, tokenizer, budget and versions this holds, and who chose them."""
    plan, context, lang = result.plan, result.context, result.plan.lang
    lines = [
        say(
            "assumed",
            lang,
            recipe=plan.recipe,
            recipe_from=_from(origin(plan, "recipe"), lang),
            title=context.trainer.title.say(lang),
            template=printable_path(template_name(context)),
            template_from=_from(template_origin(context), lang),
            tokenizer=printable_path(context.tokenizer.name),
            tokenizer_from=_from(origin(plan, "tokenizer"), lang),
            budget=budget_told(plan.max_length, plan.lang),
            budget_from=_from(origin(plan, "budget"), lang),
            transformers=visible(plan.transformers),
            transformers_from=_pinned(plan, "transformers"),
            datasets=visible(plan.datasets),
            datasets_from=_pinned(plan, "datasets"),
        )
    ]
    if origin(plan, "budget") == "default":
        key = "no-budget" if plan.max_length == NO_BUDGET else "default-budget"
        told = {"trainer": context.trainer.called, "means": context.trainer.budget_means}
        lines.append(
            say(
                key,
                lang,
                budget=f"{plan.max_length:,}",
                **{name: text.plain(lang) for name, text in told.items()},
            )
        )
    lines += remarks(result)
    if result.findings:
        worst = max(result.findings, key=lambda finding: RANK[finding.severity])
        lines.append(say("explain", lang, rule=worst.rule))
    return lines


def message(finding: Finding, lang: str) -> str:
    """The finding's sentence, safe to print; it says how many rows it stands for."""
    text = visible(finding.message)
    if finding.rows > 1 and f"{finding.rows}" not in text.replace(",", ""):
        text += say("stands-for", lang, n=f"{finding.rows:,}")
    return text


def left_out(result: Result, limit: int) -> str:
    """How many findings are not printed; empty where all are."""
    total = sum(result.rule_counts.values())
    shown = min(len(result.findings), limit)
    if total <= shown:
        return ""
    key = "more-findings" if len(result.findings) > shown else "more-findings-kept"
    kept = result.plan.max_findings
    return say(key, result.plan.lang, n=f"{total - shown:,}", all=total, kept=kept)


def place(finding: Finding, unit: str = "codepoint") -> str:
    """`path:line:column`, as far as the finding has them; columns in that unit."""
    return ":".join(filter(None, (printable_path(finding.path), place_in_file(finding, unit))))


def place_in_file(finding: Finding, unit: str = "codepoint") -> str:
    """`line:column`, as far as the finding has them."""
    if finding.span is not None:
        return f"{finding.span.line}:{finding.span.counted(unit)[0]}"
    if finding.line is None:
        return ""
    return f"{finding.line}" if finding.column is None else f"{finding.line}:{finding.column}"


def _pinned(plan: Plan, package: str) -> str:
    source = pin_origin(plan, package)
    return _from("newest" if source == "default" else source, plan.lang)


def _from(source: str, lang: str) -> str:
    return ORIGINS[source].say(lang) if source in ORIGINS else visible(source)
