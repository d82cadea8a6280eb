"""Keywords -> the plan that the command's flags of the same names give."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

import click

from glmlint.api.errors import GlmlintError, told_in
from glmlint.app.cli import check as command
from glmlint.app.flags import UsageFault
from glmlint.app.settings import asked_language, resolve
from glmlint.output import language
from glmlint.plan import Plan
from glmlint.text import nearest
from glmlint.trainer.base import Context, open_context

Path_ = str | os.PathLike[str]
Names = str | Iterable[str]
"""One name, several apart by commas, or a list of them."""

AUTO: Final = "auto"


class PlanSettings(TypedDict, total=False):
    """What is trained and how: the flags that every command takes, with underscores."""

    recipe: str | None
    """Which trainer: see `glmlint recipes`. Default: "glm4", the official script."""
    options: Mapping[str, Any] | None
    """Options of the trainer, such as `{"combine": True}`."""
    set: Mapping[str, Any] | Names | None
    """The same under the flag's name, also as "KEY=VALUE"."""
    trainer_config: Path_ | None
    """The trainer's own YAML or JSON: recipe, options, budget, data files, model."""
    model: Path_ | None
    """The model that is tuned, a name or its folder."""
    max_length: int | None
    """The budget in tokens."""
    max_input_length: int | None
    max_output_length: int | None
    """As in the official script."""
    tokenizer: Path_ | None
    allow_download: bool
    template: Path_ | None
    pin: Mapping[str, str] | Names | None
    """Versions on the trainer's machine, such as `{"datasets": "5.2.0"}`."""
    config: Path_ | None
    """A settings file; "auto" looks for one as the command does. Default: none is read."""
    lang: Literal["en", "zh", "auto"] | None
    """Language of sentences. Default: that of the environment."""


class RuleSettings(PlanSettings, total=False):
    """The same with the flags that choose rules."""

    select: Names | None
    extend_select: Names | None
    ignore: Names | None
    severity: Mapping[str, str] | Names | None


PLAN: Final = frozenset(PlanSettings.__annotations__)
RULES: Final = frozenset(RuleSettings.__annotations__)
FILES: Final = frozenset(("exclude", "extend_exclude", "force_exclude", "respect_gitignore"))

_FLAGS: Final = {one.name: one for one in command.params if one.name is not None}
"""The command's flags by keyword: what each takes is what the keyword takes."""


def known_flags(known: Iterable[str], function: str, settings: Mapping[str, Any]) -> None:
    """See that a function has all these keywords. Raises TypeError, which names the nearest."""
    for name in settings:
        if name not in known:
            near = nearest(name, known)
            meant = f". Did you mean '{near}'?" if near else ""
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'{meant}")


def spoken(lang: object) -> str:
    """The language of an error that is raised before there is a plan: "en" or "zh"."""
    return language(lang if isinstance(lang, str) and lang in ("en", "zh") else "auto")


def plan_of(settings: Mapping[str, Any], paths: Sequence[str] = ()) -> tuple[Plan, Context]:
    """The plan, its tokenizer and its template.

    Args:
        settings: by keyword; None where not given.
        paths: the files that are checked: "auto" looks for settings upwards from these.

    Raises:
        GlmlintError: a setting that can't be used.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    download = bool(given.pop("allow_download", False))
    options = given.pop("options", None)
    lang = spoken(given.get("lang"))
    flags = {name.replace("_", "-"): _value(name, value, lang) for name, value in given.items()}
    config = flags.get("config")
    flags["config"] = None if config == AUTO else config or False
    if options is not None:
        flags["set"] = _options(options, flags.get("set", ()))
    with told_in(asked_language(flags, paths)):
        plan = resolve(flags, paths)
        return plan, open_context(plan, allow_download=download)


def _options(options: Any, others: Any) -> Any:
    """Options of the trainer from both of their keywords, as one object or as texts."""
    if not isinstance(options, Mapping):
        raise TypeError("options must be a dict, such as {'combine': True}")
    if not others:
        return dict(options)
    if not isinstance(others, Mapping):
        raise TypeError("give the trainer's options as options={…} or as set=…, not as both")
    return {**others, **options}


def _value(name: str, value: Any, lang: str) -> Any:
    """A keyword's value as its flag has it. Raises GlmlintError where the flag would refuse it."""
    flag = _FLAGS[name]
    if isinstance(flag, click.Option) and flag.multiple:
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, str | os.PathLike):
            value = (value,)
        return tuple(_converted(flag, name, one, lang) for one in value)
    return _converted(flag, name, value, lang)


def _converted(flag: click.Parameter, name: str, value: Any, lang: str) -> Any:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    whole = isinstance(flag.type, click.types.IntParamType)
    if whole and (isinstance(value, bool) or (isinstance(value, float) and value % 1)):
        value = str(value)  # which is refused, where the number would be cut
    try:
        return flag.type.convert(value, flag, None)
    except UsageFault as error:
        raise GlmlintError(error.text.say(lang, **{**error.values, "flag": name})) from None
