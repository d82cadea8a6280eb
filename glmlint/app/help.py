"""Commands whose `--help` and usage errors exist in both languages, with flags under headings."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from glmlint.app.flags import (
    GROUPS,
    LANGUAGE,
    Argument,
    Option,
    UsageFault,
    asked_language,
    language_of,
)
from glmlint.output import put
from glmlint.text import Text

WIDEST_FLAG: Final = 26
"""Cells of the column of flags; the help of a longer one begins on the next line."""

_NO_START: Final = frozenset("，。、；：？！）》」』”’…,.;:?!)]}")
"""Characters that don't begin a line."""

_USAGE: Final = Text("Usage: ", "用法：")
_OPTIONS: Final = Text("[OPTIONS]", "[选项]")
_COMMAND: Final = Text("COMMAND [ARGS]…", "命令 [参数]…")
_ARGUMENTS: Final = Text("Arguments", "参数")
_COMMANDS: Final = Text("Commands", "命令")
_HELP: Final = Text("Show this help and exit.", "显示本帮助并退出。")

_EXTRA: Final = Text("unexpected argument {words}", "多余的参数 {words}")


class Command(click.Command):
    """A command with its help in both languages."""

    allow_extra_args = True  # told below, in the language of the command line

    def __init__(
        self, *args: Any, summary: Text, more: Text | None = None, **settings: Any
    ) -> None:
        settings["help"] = summary.en
        super().__init__(*args, **settings)
        self.own_help: Option | None = None
        self.summary = summary
        """One sentence: the line in the list of commands."""
        self.more = more
        """Further paragraphs; one that begins with a line `\\b` keeps its lines."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags. Raises UsageFault where an argument is left over."""
        ctx.meta.setdefault(LANGUAGE, asked_language(args))
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out
            raise
        if rest and not ctx.resilient_parsing:
            raise UsageFault(_EXTRA, ctx, words=" ".join(rest))
        return rest

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`--help`, as one of our flags; made once, since click compares it by identity."""
        self.own_help = _help_option(self.get_help_option_names(ctx), self.own_help)
        return self.own_help

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, what the command does, arguments, and flags under their headings."""
        formatter.write(help_text(self, ctx, formatter.width, self.summary, self.more))


class Group(click.Group):
    """The group of commands, with its help in both languages."""

    def __init__(
        self, *args: Any, summary: Text, more: Text | None = None, **settings: Any
    ) -> None:
        settings.update(help=summary.en, invoke_without_command=True)
        super().__init__(*args, **settings)
        self.own_help: Option | None = None
        self.summary = summary
        self.more = more

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags; the language is that of the whole command line."""
        ctx.meta[LANGUAGE] = asked_language(args)
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`--help`, as one of our flags; made once, since click compares it by identity."""
        self.own_help = _help_option(self.get_help_option_names(ctx), self.own_help)
        return self.own_help

    def summaries(self) -> list[tuple[str, Text]]:
        """Name and summary of each command."""
        return [
            (name, one.summary) for name, one in self.commands.items() if isinstance(one, Command)
        ]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, what the program does, flags and commands."""
        lang, width = language_of(ctx), formatter.width
        formatter.write(help_text(self, ctx, width, self.summary, self.more))
        rows = [(name, text.plain(lang), "") for name, text in self.summaries()]
        formatter.write("\n" + section(_headed(_COMMANDS, lang), rows, width))


def _help_option(names: Sequence[str], known: Option | None) -> Option:
    """`--help`, under the names that the context gives it."""
    if known is not None and set(known.opts) == set(names):
        return known
    return Option(
        [*sorted(names, key=len), "help_wanted"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_show_help,
        text=_HELP,
        group="general",
    )


def _show_help(context: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        for line in context.get_help().splitlines():
            put(sys.stdout, line)
        context.exit()


def help_text(
    command: click.Command, ctx: click.Context, width: int, summary: Text, more: Text | None
) -> str:
    """What `--help` prints of a command, without a list of its own commands."""
    lang = language_of(ctx)
    params = command.get_params(ctx)
    pieces = [_OPTIONS.plain(lang)]
    pieces += [piece for one in params for piece in one.get_usage_pieces(ctx)]
    if isinstance(command, click.Group):
        pieces.append(_COMMAND.plain(lang))
    out = [f"{_USAGE.plain(lang)}{ctx.command_path} {' '.join(pieces)}\n"]
    text = summary.plain(lang) + ("\n\n" + more.plain(lang) if more else "")
    for paragraph in text.split("\n\n"):
        kept = paragraph.startswith("\b\n")
        lines = paragraph[2:].split("\n") if kept else wrap(paragraph, width - 2)
        out.append("\n" + "".join(f"  {line}\n" for line in lines))
    arguments = [
        (one.make_metavar(ctx), one.text.plain(lang), "")
        for one in params
        if isinstance(one, Argument)
    ]
    flags = {name: _records(params, name, ctx) for name in GROUPS}
    titled = [(_ARGUMENTS, arguments), *((GROUPS[name], rows) for name, rows in flags.items())]
    out += ["\n" + section(_headed(title, lang), rows, width) for title, rows in titled if rows]
    return "".join(out)


def _headed(title: Text, lang: str) -> str:
    return f"{title.zh}：" if lang == "zh" else f"{title.en}:"


def _records(
    params: list[click.Parameter], group: str, ctx: click.Context
) -> list[tuple[str, str, str]]:
    lang = language_of(ctx)
    found = (
        one.record(ctx, lang) for one in params if isinstance(one, Option) and one.group == group
    )
    return [record for record in found if record is not None]


def section(title: str, rows: list[tuple[str, str, str]], width: int) -> str:
    """A heading and its rows: what it is called, and what it does beside it, and its default."""
    column = WIDEST_FLAG + 2
    out = [f"{title}\n"]
    for name, told, default in rows:
        lines = wrap(told, width - column - 2, default)
        if len(name) > WIDEST_FLAG:
            out.append(f"  {name}\n")
        else:
            out.append(f"  {name:<{column}}{lines.pop(0)}".rstrip() + "\n")
        out += [" " * (column + 2) + line + "\n" for line in lines]
    return "".join(out)


def wrap(text: str, width: int, tail: str = "") -> list[str]:
    """Lines of at most `width` cells, broken at blanks and between Chinese characters.

    Args:
        tail: stands at the end on one line, where it fits on one.
    """
    whole = _cells(tail) <= width
    words = [*_words(text.replace("\n", " ") + ("" if whole else tail)), *([tail] if whole else [])]
    lines = [""]
    for word in words:
        if lines[-1] and _cells(lines[-1] + word.rstrip(" ")) > width:
            lines.append(word.lstrip(" "))
        else:
            lines[-1] += word
    return [line.rstrip(" ") for line in lines]


def _words(text: str) -> Iterator[str]:
    """Pieces between which a line may break, each with the blanks behind it."""
    word = ""
    for char in text:
        wide = bool(word) and (_wide(char) or _wide(word[-1])) and word[-1] not in "（“《「"
        if word and char != " " and char not in _NO_START and (word[-1] == " " or wide):
            yield word
            word = ""
        word += char
    yield word


def _cells(text: str) -> int:
    return sum(2 if _wide(char) else 1 for char in text)


def _wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
