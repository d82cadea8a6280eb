"""Flags, their values and their help, each in English and Chinese and in a titled group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

import click

from glmlint.output import language
from glmlint.text import Text, listed, nearest

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

GROUPS: Final = {
    "trainer": Text("Trainer", "训练框架"),
    "budget": Text("Budget", "长度预算"),
    "scoring": Text("Scoring", "评分"),
    "conversion": Text("Conversion", "转换"),
    "rules": Text("Rules", "规则"),
    "gates": Text("Gates", "判定"),
    "files": Text("Files", "文件"),
    "fixing": Text("Fixing", "修复"),
    "running": Text("Running", "运行"),
    "output": Text("Output", "输出"),
    "general": Text("General", "通用"),
}
"""Headings of `--help`, in their order."""

LANGUAGE: Final = "glmlint.language"
"""Where click's context keeps the language of the command line."""


MISSING_ARGUMENT: Final = Text("missing argument {name}", "缺少参数 {name}")


class UsageFault(click.UsageError):
    """A command line that can't be used; one sentence in both languages."""

    def __init__(self, text: Text, ctx: click.Context | None = None, **values: object) -> None:
        super().__init__(text.say("en", **values), ctx)
        self.text = text
        self.values = values

    def say(self, lang: str) -> str:
        """The sentence in that language."""
        return self.text.say(lang, **self.values)


def asked_language(arguments: Sequence[str]) -> str:
    """ "en" or "zh": what `--lang` asks for, wherever it stands, or that of the environment."""
    asked = "auto"
    words = [*arguments]
    if "--" in words:
        words = words[: words.index("--")]
    for word, follows in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if name == "--lang":
            asked = value if equals else follows
    return language(asked if asked in ("en", "zh") else "auto")


def language_of(context: click.Context) -> str:
    """ "en" or "zh", as the command line of this context asks."""
    found: str | None = context.meta.get(LANGUAGE)
    return found or language("auto")


# --- values --------------------------------------------------------------------------------------


class Choice(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """One of several words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word. Raises UsageFault."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            words = [str(word) for word in self.choices]
            near = nearest(str(value), words)
            raise UsageFault(
                Text(
                    "{flag}: {value!r} is not one of {words}{near}",
                    "{flag}：{value!r} 不在可选值之中：{words}{near}",
                ),
                ctx,
                flag=_name(param),
                value=value,
                words=listed(words),
                near=Text(f"; did you mean {near}?", f"（是否应为 {near}？）")
                if near
                else Text("", ""),
            ) from None


class IntRange(click.IntRange):
    """An integer between bounds that belong to it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises UsageFault."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise _no_number(
                value, param, ctx, Text("an integer", "整数"), self.min, self.max
            ) from None


class FloatRange(click.FloatRange):
    """A number between bounds that belong to it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises UsageFault."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise _no_number(
                value, param, ctx, Text("a number", "数字"), self.min, self.max
            ) from None


def _no_number(
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
    kind: Text,
    low: float | None,
    high: float | None,
) -> UsageFault:
    if low is not None and high is not None:
        span = Text(f" between {low} and {high}", f"（{low} 到 {high} 之间）")
    elif low is not None:
        span = Text(f" of at least {low}", f"（不小于 {low}）")
    else:
        span = Text("", "")
    return UsageFault(
        Text("{flag}: {value!r} is not {kind}{span}", "{flag}：{value!r} 不是{kind}{span}"),
        ctx,
        flag=_name(param),
        value=value,
        kind=kind,
        span=span,
    )


def _name(param: click.Parameter | None) -> str:
    """A parameter as people write it: its longest flag, or an argument's name."""
    if param is None:
        return ""
    return (
        max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name
    )


SHARE: Final = FloatRange(0, 1)
COUNT: Final = IntRange(0)
LENGTH: Final = IntRange(1)


# --- flags ---------------------------------------------------------------------------------------


class Option(click.Option):
    """A flag with its help in both languages, its group, and the default that help names."""

    def __init__(
        self,
        *args: Any,
        text: Text,
        group: str,
        shown: object = None,
        **settings: Any,
    ) -> None:
        settings["help"] = text.en
        super().__init__(*args, **settings)
        self.text = text
        self.group = group
        self.shown = shown

    def record(self, context: click.Context, lang: str) -> tuple[str, str, str] | None:
        """The flag, what `--help` says of it, and its default; None for a hidden one."""
        found = self.get_help_record(context)
        if found is None:
            return None
        default = ""
        if self.shown is not None:
            shown = self.shown.plain(lang) if isinstance(self.shown, Text) else self.shown
            default = f"（默认：{shown}）" if lang == "zh" else f"  [default: {shown}]"
        if self.required:
            default = "（必填）" if lang == "zh" else "  [required]"
        return found[0], self.text.plain(lang), default


class Argument(click.Argument):
    """An argument with its help in both languages."""

    def __init__(self, *args: Any, text: Text, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.text = text


def option(
    *names: str, help: Text, group: str, default_shown: object = None, **settings: Any
) -> Callable[[Decorated], Decorated]:
    """Add a flag.

    Args:
        names: as `click.option` takes them.
        help: what it does, a sentence in each language.
        group: a key of `GROUPS`.
        default_shown: the default that `--help` names; a `Text` where it is a phrase.
        settings: what else `click.option` takes.
    """
    settings = {"cls": Option, **settings}
    return click.option(*names, text=help, group=group, shown=default_shown, **settings)


def argument(name: str, help: Text, **settings: Any) -> Callable[[Decorated], Decorated]:
    """Add an argument; else as `option`."""
    return click.argument(name, cls=Argument, text=help, **settings)


def add_options(
    command: Decorated, options: Sequence[Callable[[Decorated], Decorated]]
) -> Decorated:
    """Add several flags, in the order of `--help`."""
    for one in reversed(options):
        command = one(command)
    return command


def lang_option(default: str | None = None) -> Callable[[Decorated], Decorated]:
    """`--lang`."""
    return option(
        "--lang", type=Choice(["en", "zh", "auto"]), default=default, group="general",
        default_shown="auto",
        help=Text("Language: English, Chinese, or that of the environment.",
                  "语言：英文、中文，或跟随系统环境。"),
    )  # fmt: skip


def color_option() -> Callable[[Decorated], Decorated]:
    """`--color`."""
    return option(
        "--color", type=Choice(["auto", "always", "never"]), default="auto", group="output",
        default_shown="auto", help=Text("When to colour the output.", "何时使用颜色。"),
    )  # fmt: skip
