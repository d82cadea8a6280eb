"""What a hover shows and what the commands print: a rule explained, a message counted, a row's tokens."""

from __future__ import annotations

import re
from io import StringIO
from typing import Final

from glmlint.engine.show import MessageCount, ShowError, ShownSample, samples_of
from glmlint.finding import place
from glmlint.fix.rows import read_rows
from glmlint.lsp.check import Checked, RowSpan
from glmlint.lsp.words import say
from glmlint.plan import NO_BUDGET
from glmlint.read.source import Chunk
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.catalogue import documentation_zh, example_files
from glmlint.reporters.sample_text import untrained, write_sample
from glmlint.reporters.words import SEVERITY
from glmlint.rules.base import Example, all_rules, general
from glmlint.trainer.row import Row
from glmlint.visible import visible

_WIDTH: Final = 100
"""Cells of a line in the list of tokens."""


def explanation(name: str, lang: str) -> str:
    """A rule in Markdown: what it means, what to do, the first example of what it reports."""
    loaded = all_rules()[name]
    rule = loaded.rule
    facts = [SEVERITY[rule.severity].say(lang), rule.family]
    if rule.fix is not None:
        facts.append(say("fix-safe" if rule.fix == "safe" else "fix-not-safe", lang))
    parts = [f"**{rule.name}** ({' · '.join(facts)})"]
    parts.append(documentation_zh(rule) if lang == "zh" else loaded.doc.strip())
    # A field's name stands where a finding has its value.
    advice = re.sub(r"\{(\w+)[^{}]*\}", r"`\1`", general(rule.help, rule).plain(lang))
    parts.append(say("help", lang) + advice)
    if rule.bad:
        first = rule.bad[0]
        example = first if isinstance(first, Example) else Example(rows=(first,))
        parts.append(f"**{say('reported', lang)}**")
        parts += [_fenced("\n".join(lines)) for _, lines in example_files(example)]
    return "\n\n".join(parts)


def _fenced(text: str) -> str:
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}json\n{text}\n{ticks}"


def code(text: str) -> str:
    """Any text as a code span."""
    text = visible(text)
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}" if text else ""


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def samples(checked: Checked, row: RowSpan) -> list[ShownSample]:
    """What the trainer makes of a row. Raises ShowError where it has too many tokens to show."""
    chunk = Chunk(checked.path, [row.raw], [row.line])
    return samples_of(chunk, checked.plan, checked.context)


def tokens_text(checked: Checked, row: RowSpan, *, ids: bool = False) -> str:
    """A row as `glmlint show` prints it, without colour."""
    out = StringIO()
    options = ReporterOptions(width=_WIDTH)
    try:
        for sample in samples(checked, row):
            write_sample(sample, checked.context, out, options, ids)
    except ShowError as error:
        return error.say(checked.plan.lang) + "\n"
    return out.getvalue()


def message_at(checked: Checked, row: RowSpan, offset: int) -> tuple[str, int, int] | None:
    """What becomes of the message at an offset, in Markdown, and where the message stands."""
    rows = read_rows(checked.path, [row.raw], checked.context)[0]
    if len(rows) != 1:
        return None
    try:
        sample = samples(checked, row)[0]
    except ShowError as error:
        return error.say(checked.plan.lang), row.start, row.stop
    lang = checked.plan.lang
    if sample.error is not None and not sample.unread:
        return say("raises", lang, error=code(str(sample.error))), row.start, row.stop
    if sample.dropped is not None:
        return say("dropped", lang, reason=code(sample.dropped)), row.start, row.stop
    found = _turn_at(rows[0], sample, offset - row.start)
    if found is None:
        return None
    count, start, stop = found
    pointer = place(rows[0].at(count.index))
    lines = [f"{code(count.role)} {code(pointer)}", _counted(count, lang)]
    if count.untrained:
        lines.append(say("not-supervised", lang) + untrained(count.untrained, lang))
    lines.append(_whole(checked, sample))
    return "  \n".join(lines), row.start + start, row.start + stop


def _turn_at(row: Row, sample: ShownSample, offset: int) -> tuple[MessageCount, int, int] | None:
    """The innermost message at an offset of the row's text, and where it stands in it."""
    best: tuple[MessageCount, int, int] | None = None
    for count in sample.messages:
        if count.index < 0:
            continue
        span = row.positions.byte_range(row.at(count.index))
        if span is None or not span[0] <= offset <= span[1]:
            continue
        if best is None or span[1] - span[0] < best[2] - best[1]:
            best = count, *span
    return best


def _counted(count: MessageCount, lang: str) -> str:
    if not count.supervised:
        return say("message-masked", lang, tokens=count.tokens)
    text = say("message", lang, tokens=count.tokens, supervised=f"{count.supervised:,}")
    return text + (say("message-lost", lang, lost=f"{count.lost:,}") if count.lost else "")


def _whole(checked: Checked, sample: ShownSample) -> str:
    supervised = sum(count.supervised for count in sample.messages)
    lost = sum(count.lost for count in sample.messages)
    budget = checked.plan.max_length
    key = "row-no-budget" if budget == NO_BUDGET else "row"
    return say(
        key, checked.plan.lang, tokens=len(sample.tokens), budget=f"{budget:,}",
        supervised=f"{supervised:,}", lost=f"{lost:,}",
    )  # fmt: skip
