"""`glmlint.show`: one row token by token, with what the trainer does with each."""

from __future__ import annotations

from itertools import groupby
from typing import IO, Any, Final, Unpack

from glmlint.api.check import files_of
from glmlint.api.data import given
from glmlint.api.errors import told_in
from glmlint.api.printed import Printed, paragraph, table, text_of
from glmlint.api.settings import RULES, RuleSettings, known_flags, plan_of, spoken
from glmlint.app.cli import split_place
from glmlint.engine.show import MessageCount, ShownSample, Token, look
from glmlint.finding import Finding
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.figures import template_name
from glmlint.reporters.sample_text import CUT, LOST, MASKED, TRAINED, joined, write_sample
from glmlint.reporters.words import SEVERITY, budget_told, say
from glmlint.trainer.base import Context

_STYLES: Final = {
    TRAINED: "background:rgba(40,167,69,.30)",
    MASKED: "opacity:.65",
    LOST: "background:rgba(220,53,69,.35)",
    CUT: "opacity:.45;text-decoration:line-through",
}


class ShownRow(Printed):
    """One row as the trainer sees it. `print(row)` marks what is trained, a notebook colours it."""

    __slots__ = ("_context", "_ids", "_samples")

    def __init__(self, samples: list[ShownSample], context: Context, ids: bool) -> None:
        self._samples = samples
        self._context = context
        self._ids = ids

    @property
    def samples(self) -> list[ShownSample]:
        """The samples of the line: one, but where a line of a file holds several values."""
        return self._samples

    @property
    def tokens(self) -> list[Token]:
        """The tokens: `id`, `label`, `bytes`, whether `supervised` and `kept`, `kind`."""
        return self._samples[0].tokens

    @property
    def messages(self) -> list[MessageCount]:
        """Counts of tokens for each message; index -1 is the prefix and the appended end."""
        return self._samples[0].messages

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the row."""
        return self._samples[0].findings

    @property
    def error(self) -> str | None:
        """The exception that the trainer raises at the row; there are no tokens then."""
        error = self._samples[0].error
        return None if error is None else error.exception

    @property
    def dropped(self) -> str | None:
        """Why the trainer leaves the row out."""
        return self._samples[0].dropped

    def write_text(self, out: IO[str], options: ReporterOptions) -> None:
        """Print what `glmlint show` prints."""
        for sample in self._samples:
            write_sample(sample, self._context, out, options, self._ids)

    def to_html(self) -> str:
        """The tokens coloured by what becomes of them, and the counts of each message."""
        return "".join(map(self._html_of, self._samples))

    def _html_of(self, sample: ShownSample) -> str:
        context = self._context
        lang = context.plan.lang
        told = say(
            "shown", lang, recipe=context.plan.recipe, template=template_name(context),
            budget=budget_told(context.plan.max_length, lang),
        )  # fmt: skip
        parts = [paragraph(f"{sample.path}:{sample.line}  {told}", "opacity:.7")]
        if sample.tokens:
            legend = "  ".join(_span(say(what, lang), what) for what in _STYLES)
            parts.append(f'<div style="margin:4px 0">{legend}</div>')
            parts += _texts(sample, lang)
            keys = ("tokens", "column-supervised", "lost")
            parts.append(
                table(
                    ["#", say("role", lang), *(say(key, lang) for key in keys)],
                    [
                        (
                            one.index if one.index >= 0 else "",
                            one.role if one.index >= 0 else say("prefix-end", lang),
                            f"{one.tokens:,}",
                            f"{one.supervised:,}",
                            f"{one.lost:,}",
                        )
                        for one in sample.messages
                    ],
                    right=(0, 2, 3, 4),
                )
            )
        if sample.error is not None:
            parts.append(paragraph(say("raises", lang, error=sample.error), "color:#c00"))
        elif sample.dropped is not None:
            parts.append(paragraph(say("dropped", lang, reason=sample.dropped), "color:#c00"))
        for one in sample.findings:
            level = SEVERITY[one.severity].say(lang)
            parts.append(paragraph(f"{level} {one.rule}: {one.message} → {one.help}"))
        return f"<div>{''.join(parts)}</div>"


def _texts(sample: ShownSample, lang: str) -> list[str]:
    """The tokens as running text, a paragraph for each message."""
    roles = {count.index: count.role for count in sample.messages}
    parts = []
    for owner, group in groupby(sample.tokens, key=lambda token: token.owner):
        label = f"{owner} {roles[owner]}" if owner >= 0 else say("prefix", lang)
        runs = "".join(_span(text, what) for what, text in joined(list(group)))
        parts.append(
            f'<div style="margin:6px 0"><span style="opacity:.5">{text_of(label)}</span> '
            f'<span style="white-space:pre-wrap;font-family:monospace">{runs}</span></div>'
        )
    return parts


def _span(text: str, what: str) -> str:
    """A run of tokens of one state; its line breaks stay, all else that is unseen is an escape."""
    shown = "↵\n".join(text_of(line) for line in text.split("\n"))
    return f'<span style="{_STYLES[what]}">{shown}</span>'


def show(
    data: Any = None,
    line: int | None = None,
    *,
    ids: bool = False,
    name: str = "rows",
    **settings: Unpack[RuleSettings],
) -> ShownRow:
    """Show one row as the trainer sees it: supervised, masked and lost tokens, and the budget.

    Args:
        data: one row as a dict; or as in `check`, also as "FILE:LINE".
        line: 1-based number of the row, in a file the line where it starts. Default: the first.
        ids: print token ids too.
        name: used in findings as the path of rows in memory.
        settings: recipe, options, budget, rules and so on, as in `check`.

    Returns:
        The row with its tokens, the counts of its messages and its findings.

    Raises:
        GlmlintError: a setting that can't be used, no such row, data that can't be read.
        TypeError: an unknown keyword; a row that can't be written as JSON.
    """
    known_flags(RULES | {"line", "ids", "name"}, "show", settings)
    if isinstance(data, str) and line is None:
        data, line = split_place(data)
    with told_in(spoken(settings.get("lang"))):
        rows = given(data, name)
    plan, context = plan_of(settings, rows.paths)
    with told_in(plan.lang):
        return ShownRow(look(files_of(rows, plan)[0], line, plan, context), context, ids)
