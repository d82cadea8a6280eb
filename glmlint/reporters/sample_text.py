"""One sample for a terminal: its tokens coloured by what the trainer does with them, and counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import IO, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glmlint.engine.show import REASONS, ShownSample, Token
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.figures import template_name
from glmlint.reporters.tables import (
    STYLES,
    breaks,
    console_for,
    plain_table,
    print_wrapped,
    split_command,
)
from glmlint.reporters.words import SEVERITY, budget_told, say
from glmlint.trainer.base import Context
from glmlint.visible import printable_path, visible

TRAINED: Final = "supervised"
MASKED: Final = "masked"
LOST: Final = "lost-token"
CUT: Final = "cut"

STATE_STYLES: Final = {
    TRAINED: "bold green",
    MASKED: "dim",
    LOST: "bold red",
    CUT: "dim red",
}

MARKS: Final = {TRAINED: ("{+", "+}"), MASKED: ("", ""), LOST: ("[-", "-]"), CUT: ("", "")}
"""What stands around the tokens where there is no colour, as word diffs have it."""


def write_sample(
    sample: ShownSample, context: Context, out: IO[str], options: ReporterOptions, ids: bool
) -> None:
    """Print the sample's tokens, the counts of its messages and its findings."""
    lang = context.plan.lang
    with console_for(out, options.width, options.color) as console:
        place = f"{printable_path(sample.path)}:{sample.line}"
        print_wrapped(console, place, "bold underline")
        budget = budget_told(context.plan.max_length, lang)
        template = printable_path(template_name(context))
        shown = say("shown", lang, recipe=context.plan.recipe, template=template, budget=budget)
        print_wrapped(console, shown, "dim")
        if sample.tokens:
            _legend(console, sample, lang, options.color)
            if ids:
                _listing(console, sample, context, options.color)
            else:
                _running_text(console, sample, context, options.color)
            _counts(console, sample, context)
        _outcome(console, sample, lang)


def state(token: Token) -> str:
    """What the trainer does with a token: supervised, masked, lost, or cut without a loss."""
    if token.kept:
        return TRAINED if token.supervised else MASKED
    return LOST if token.supervised else CUT


def joined(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """(state, text) of runs of tokens of one state.

    Tokens that are parts of one character are joined; bytes that stay a part of one, because the
    state changes inside the character, are written as `\\xNN`.
    """
    numbered = enumerate(tokens)

    def key(entry: tuple[int, Token]) -> tuple[str, int]:
        place, token = entry
        return state(token), place if token.teaches is not None else -1

    for (what, alone), run in groupby(numbered, key=key):
        group = [token for _, token in run]
        text = b"".join(token.bytes for token in group).decode("utf-8", "backslashreplace")
        if alone >= 0:  # the label is another token: both are shown
            text += f" → {(group[0].teaches or b'').decode('utf-8', 'backslashreplace')}"
        yield what, text


def _legend(console: Console, sample: ShownSample, lang: str, color: bool) -> None:
    line = Text()
    for what in (TRAINED, MASKED, LOST, CUT):
        if line:
            line.append("  ")
        opening, closing = ("", "") if color else MARKS[what]
        line.append(f"{opening}{say(what, lang)}{closing}", STATE_STYLES[what])
    console.print(line, soft_wrap=True)
    print_wrapped(console, say("stop-note", lang), "dim")
    if any(token.teaches is not None for token in sample.tokens):
        print_wrapped(console, say("other-label-note", lang), "dim")


def _running_text(console: Console, sample: ShownSample, context: Context, color: bool) -> None:
    roles = {count.index: count.role for count in sample.messages}
    kept = True
    first = True
    for owner, group in groupby(sample.tokens, key=lambda token: token.owner):
        tokens = list(group)
        if owner >= 0 or first:
            _message_line(console, owner, roles[owner], context.plan.lang)
        first = False
        for still, part in groupby(tokens, key=lambda token: token.kept):
            if kept and not still:
                _budget_line(console, context)
                kept = False
            _print_tokens(console, list(part), color)


def _message_line(console: Console, owner: int, role: str, lang: str) -> None:
    label = f"── {owner} {visible(role)} " if owner >= 0 else f"── {say('prefix', lang)} "
    rule = "─" * max(console.width - cell_len(label) - 1, 0)
    console.print(Text(label + rule, style="cyan"), soft_wrap=True)


def _budget_line(console: Console, context: Context) -> None:
    words = say("budget-line", context.plan.lang, budget=f"{context.plan.max_length:,}")
    label = f"══ {words} "
    rule = "═" * max(console.width - cell_len(label) - 1, 0)
    console.print(Text(label + rule, style="bold red"), soft_wrap=True)


def _print_tokens(console: Console, tokens: Sequence[Token], color: bool) -> None:
    """Running text, wrapped at the console's width; a line break of the data is shown as ↵."""
    line = Text()
    for what, text in joined(tokens):
        opening, closing = ("", "") if color else MARKS[what]
        first, *others = f"{opening}{text}{closing}".split("\n")
        line.append(visible(first), STATE_STYLES[what])
        for other in others:
            line.append("↵", STATE_STYLES[what])
            _print_line(console, line)
            line = Text(visible(other), STATE_STYLES[what])
    if line:
        _print_line(console, line)


def _print_line(console: Console, line: Text) -> None:
    for part in line.divide(breaks(line.plain, console.width)):
        console.print(part, soft_wrap=True)


def _listing(console: Console, sample: ShownSample, context: Context, color: bool) -> None:
    """One token a line: place, id, label, what becomes of it, text."""
    lang = context.plan.lang
    roles = {count.index: count.role for count in sample.messages}
    width = len(str(len(sample.tokens)))
    open_bytes = b""
    owner: int | None = None
    kept = True
    names = {what: say(what, lang) for what in STATE_STYLES}
    column = max(cell_len(word) for word in names.values())
    for place, token in enumerate(sample.tokens):
        if kept and not token.kept:
            _budget_line(console, context)
        kept = token.kept
        if token.owner != owner and (token.owner >= 0 or owner is None):
            _message_line(console, token.owner, roles[token.owner], lang)
        owner = token.owner
        text, open_bytes = _token_text(token.bytes, open_bytes)
        what = state(token)
        line = Text(f"{place:>{width}}  {token.id:>6}  {token.label:>6}  ", style="dim")
        word = names[what]
        line.append(word + " " * (column - cell_len(word) + 2), STATE_STYLES[what])
        room = max(console.width - cell_len(line.plain) - 1, 8)
        if token.teaches is not None:
            text += f" → {token.teaches.decode('utf-8', 'backslashreplace')}"
        line.append(_clipped(text, room), STATE_STYLES[what] if color else "")
        console.print(line, soft_wrap=True)


def _token_text(data: bytes, before: bytes) -> tuple[str, bytes]:
    """The text of one token, and its bytes if the character goes on in the next one.

    The token that ends a character begun before also shows the whole character.
    """
    alone = visible(data.decode("utf-8", "backslashreplace"))
    whole = before + data
    try:
        text = whole.decode()
    except UnicodeDecodeError as error:
        unfinished = error.reason == "unexpected end of data"
        return alone, whole[-4:] if unfinished else b""
    return (f"{alone} → {visible(text)}" if before else alone), b""


def _clipped(text: str, room: int) -> str:
    if cell_len(text) <= room:
        return text
    while cell_len(text) > room - 1:
        text = text[:-1]
    return text + "…"


def _counts(console: Console, sample: ShownSample, context: Context) -> None:
    lang = context.plan.lang
    about = "" if context.tokenizer.exact else "≈"
    console.print()
    table = plain_table()
    table.add_column("#", justify="right")
    table.add_column(say("role", lang), max_width=max(console.width - 40, 12), overflow="fold")
    for key in ("tokens", "column-supervised", "lost"):
        table.add_column(say(key, lang), justify="right")
    table.add_column(say("why-untrained", lang), overflow="fold")
    for count in sample.messages:
        role = visible(count.role) if count.index >= 0 else say("prefix-end", lang)
        table.add_row(
            str(count.index) if count.index >= 0 else "",
            Text(role),
            f"{about}{count.tokens:,}",
            f"{about}{count.supervised:,}",
            Text(f"{about}{count.lost:,}", style="bold red" if count.lost else ""),
            Text(untrained(count.untrained, lang), style="dim"),
        )
    sums = [sum(getattr(count, key) for count in sample.messages)
            for key in ("tokens", "supervised", "lost")]  # fmt: skip
    table.add_row("", say("total", lang), *(f"{about}{number:,}" for number in sums), style="bold")
    console.print(table)


def untrained(reasons: dict[str, int], lang: str) -> str:
    """Why tokens carry no loss, with their numbers: "header 2, history 40"."""
    comma = "，" if lang == "zh" else ", "
    return comma.join(
        f"{say(f'why-{name}', lang)} {reasons[name]:,}" for name in REASONS if reasons.get(name)
    )


def _outcome(console: Console, sample: ShownSample, lang: str) -> None:
    console.print()
    if sample.unread:
        print_wrapped(console, say("not-read", lang), "bold red")
    elif sample.error is not None:
        error = visible(str(sample.error))
        print_wrapped(console, say("raises", lang, error=error), "bold red")
    elif sample.dropped is not None:
        print_wrapped(console, say("dropped", lang, reason=visible(sample.dropped)), "bold red")
    elif not sample.findings:
        print_wrapped(console, say("no-findings", lang), "bold green")
    for finding in sample.findings:
        head = Text(SEVERITY[finding.severity].say(lang), style=STYLES[finding.severity])
        head.append(f" {finding.rule}", style="bold")
        if finding.pointer:
            head.append(" " + visible(finding.pointer), style="dim")
        console.print(head, soft_wrap=True)
        print_wrapped(console, visible(finding.message), indent=2)
        arrow = Text("  → ", style="dim")
        help, command = split_command(visible(finding.help))
        print_wrapped(console, help, "dim", indent=4, first=arrow)
        if command:
            console.print(Text(" " * 4 + command, "dim"), soft_wrap=True)
