"""`glmlint compare`: the same rows under several trainers, budgets or options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from glmlint.app.flags import (
    COUNT,
    LENGTH,
    MISSING_ARGUMENT,
    Choice,
    UsageFault,
    argument,
    color_option,
    lang_option,
    option,
)
from glmlint.app.help import Command
from glmlint.app.options import Failure, complete_files, complete_recipes, data_paths, make_plan
from glmlint.text import Text

_AS_IN_CHECK: Final = Text("As in `glmlint check`.", "与 `glmlint check` 相同。")

_REPEATED: Final = ("recipe", "max_length", "model", "tokenizer", "template", "trainer_config")
"""Flags that may be given once for all sides, or once for each, in order."""


@click.command(
    cls=Command,
    summary=Text(
        "Show what several trainers teach of the same rows, and where they differ.",
        "对比几种训练框架在同一批数据上各自训练什么、有哪些差异。",
    ),
    more=Text(
        "\b\n"
        "glmlint compare train.jsonl --recipe glm4 --recipe llamafactory\n"
        "glmlint compare train.jsonl --max-length 512 --max-length 2048\n"
        "glmlint compare glm.jsonl sharegpt.jsonl --recipe glm4 --recipe llamafactory"
        "\n\n"
        "Rows that a trainer does not read are handed to it in a form that it reads. Two files are "
        "the same rows, each in the form of its side.",
        "\b\n"
        "glmlint compare train.jsonl --recipe glm4 --recipe llamafactory\n"
        "glmlint compare train.jsonl --max-length 512 --max-length 2048\n"
        "glmlint compare glm.jsonl sharegpt.jsonl --recipe glm4 --recipe llamafactory"
        "\n\n"
        "某个训练框架不支持的数据行会先转换成它支持的格式。给出两个文件时，它们是同一批数据，各用一方的格式。",
    ),
)
@argument(
    "files",
    nargs=-1,
    metavar="FILE…",
    shell_complete=complete_files,
    help=Text("One file for all sides, or one for each.", "各方共用的一个文件，或每方一个。"),
)
@option(
    "--recipe",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_recipes,
    group="trainer",
    help=Text("A trainer; given once for each side.", "训练框架的配方；每方给一次。"),
)
@option(
    "--trainer-config",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    group="trainer",
    help=Text(
        "A trainer's own settings; given once for each side.", "训练框架自己的配置；每方给一次。"
    ),
)
@option(
    "--set",
    "set_",
    multiple=True,
    metavar="[N:]KEY=VALUE",
    group="trainer",
    help=Text(
        "An option of the trainers that have it, or of side N alone.",
        "训练框架的选项：用于有此选项的各方，或只用于第 N 方。",
    ),
)
@option(
    "--max-length",
    multiple=True,
    type=LENGTH,
    metavar="L",
    group="budget",
    help=Text(
        "The budget; given twice, it compares two budgets.", "长度预算；给两次则对比两种预算。"
    ),
)
@option(
    "--model",
    multiple=True,
    metavar="NAME|FOLDER",
    shell_complete=complete_files,
    group="trainer",
    help=Text("The model that is tuned.", "要微调的模型。"),
)
@option(
    "--tokenizer",
    multiple=True,
    metavar="SPEC",
    shell_complete=complete_files,
    group="trainer",
    help=_AS_IN_CHECK,
)
@option(
    "--template",
    multiple=True,
    metavar="NAME|FILE",
    shell_complete=complete_files,
    group="trainer",
    help=_AS_IN_CHECK,
)
@option("--pin", multiple=True, metavar="NAME=VERSION", group="trainer", help=_AS_IN_CHECK)
@option(
    "--rows",
    type=COUNT,
    default_shown=Text("1; 10 in html", "1，html 为 10"),
    metavar="N",
    group="output",
    help=Text("How many of the rows that differ are printed.", "显示多少个有差异的数据行。"),
)
@option(
    "--format",
    "form",
    type=Choice(["text", "json", "html"]),
    default="text",
    default_shown="text",
    group="output",
    help=Text("How the result is printed.", "输出格式。"),
)
@color_option()
@option(
    "--config",
    metavar="FILE",
    shell_complete=complete_files,
    group="general",
    default_shown=Text(
        "glmlint.toml or pyproject.toml, upwards", "向上查找 glmlint.toml 或 pyproject.toml"
    ),
    help=Text("Settings file.", "配置文件。"),
)
@lang_option()  # fmt: skip
def compare(files: tuple[str, ...], rows: int | None, form: str, color: str, **flags: Any) -> None:
    """Compare what trainers make of the same rows."""
    from glmlint.comparison.rows import Side, compare_files
    from glmlint.output import colored, width
    from glmlint.read.paths import find_inputs
    from glmlint.read.source import SourceError
    from glmlint.reporters.base import ReporterOptions
    from glmlint.reporters.words import say

    sides: list[Side] = []
    paths: list[list[str]] = []
    number = max(len(flags[name]) for name in _REPEATED)
    number = max(number, len(files) if len(files) > 1 else 0, _sides_of(flags["set_"]))
    plan = None
    for place in range(max(number, 1)):
        own: dict[str, Any] = {
            "pin": flags["pin"],
            "config": flags["config"],
            "lang": flags["lang"],
        }
        for name in _REPEATED:
            own[name] = _own(flags[name], place, number, name)
        own["set"] = _set(flags["set_"], place + 1)
        named = () if not files else (files[place if len(files) > 1 else 0],)
        plan, context = make_plan(own, named)
        found, missing = find_inputs(data_paths(named, plan), plan.choice)
        for problem in missing:
            raise Failure(problem.say(plan.lang), path=problem.path)
        sides.append(Side(plan.recipe, context))
        paths.append([one.path for one in found])
    assert plan is not None
    if len(sides) < 2:
        raise Failure(say("compare-two", plan.lang))
    if not all(paths):
        raise UsageFault(MISSING_ARGUMENT, click.get_current_context(), name="FILE…")
    name_sides(sides)
    if rows is None:
        rows = 10 if form == "html" else 1
    try:
        result = compare_files(paths, sides, rows)
    except SourceError as error:
        raise Failure(error.say(plan.lang), path=error.path) from None
    if form == "json":
        from glmlint.comparison.json_report import write_comparison as write_json

        write_json(result, sys.stdout)
        return
    if form == "html":
        from glmlint.comparison.html_report import write_comparison as write_html

        write_html(result, sys.stdout, plan.lang)
        return
    from glmlint.comparison.text_report import write_comparison

    terminal = sys.stdout.isatty()
    options = ReporterOptions(
        width=width(), color=colored(color, terminal), terminal=terminal, quiet=False,
        statistics=False, max_findings=0,
    )  # fmt: skip
    write_comparison(result, sys.stdout, options, plan.lang)


def _own(values: Sequence[Any], place: int, number: int, name: str) -> Any:
    if len(values) > 1 and len(values) != number:
        raise UsageFault(
            Text("{flag} is given {times} times for {sides} sides",
                 "{flag} 给了 {times} 次，而对比的有 {sides} 方"),
            click.get_current_context(),
            flag=f"--{name.replace('_', '-')}", times=len(values), sides=number,
        )  # fmt: skip
    return None if not values else values[place] if len(values) > 1 else values[0]


def _sides_of(entries: Sequence[str]) -> int:
    """The highest side that `--set N:…` names."""
    numbers = [entry.partition(":")[0] for entry in entries]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _set(entries: Sequence[str], side: int) -> tuple[str, ...]:
    found = []
    for entry in entries:
        number, colon, rest = entry.partition(":")
        if not (colon and number.isdecimal()):
            found.append(entry)
        elif int(number) == side:
            found.append(rest)
    return tuple(found)


def name_sides(sides: list[Any]) -> None:
    """Labels that differ: the trainer's name, and what it has that another of that name has not."""
    labels = [side.label for side in sides]
    for side in sides:
        if labels.count(side.context.plan.recipe) < 2:
            continue
        twins = [one for one in sides if one.context.plan.recipe == side.context.plan.recipe]
        told = []
        options = side.context.plan.options
        for key in options:
            if any(one.context.plan.options.get(key) != options[key] for one in twins):
                told.append(f"{key}={options[key]}")
        if len({one.context.plan.max_length for one in twins}) > 1 and not told:
            told.append(f"{side.context.plan.max_length:,}")
        if len({one.context.tokenizer.name for one in twins}) > 1:
            told.append(side.context.tokenizer.name)
        side.label = " ".join([side.label, *told])
    for number, side in enumerate(sides, 1):
        if [one.label for one in sides].count(side.label) > 1:
            side.label = f"{number}: {side.label}"
