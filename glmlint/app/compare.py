"""`glmlint compare`: the same rows under several trainers, budgets or options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from glmlint.app.options import Failure, complete_files, complete_recipes, data_paths, make_plan

_REPEATED: Final = ("recipe", "max_length", "model", "tokenizer", "template", "trainer_config")
"""Flags that may be given once for all sides, or once for each, in order."""


@click.command()
@click.argument("files", nargs=-1, metavar="FILE…", shell_complete=complete_files)
@click.option(
    "--recipe",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_recipes,
    help="A trainer; given once for each side.",
)
@click.option(
    "--trainer-config",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="A trainer's own settings; given once for each side.",
)
@click.option(
    "--set",
    "set_",
    multiple=True,
    metavar="[N:]KEY=VALUE",
    help="An option of the trainers that have it, or of side N alone.",
)
@click.option(
    "--max-length",
    multiple=True,
    type=click.IntRange(1),
    metavar="L",
    help="The budget; given twice, it compares two budgets.",
)
@click.option(
    "--model",
    multiple=True,
    metavar="NAME|FOLDER",
    shell_complete=complete_files,
    help="The model that is tuned.",
)
@click.option(
    "--tokenizer",
    multiple=True,
    metavar="SPEC",
    shell_complete=complete_files,
    help="As in `glmlint check`.",
)
@click.option(
    "--template",
    multiple=True,
    metavar="NAME|FILE",
    shell_complete=complete_files,
    help="As in `glmlint check`.",
)
@click.option("--pin", multiple=True, metavar="NAME=VERSION", help="As in `glmlint check`.")
@click.option(
    "--config",
    metavar="FILE",
    shell_complete=complete_files,
    help="Settings file.  [default: glmlint.toml or pyproject.toml, upwards]",
)
@click.option(
    "--rows",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    help="How many of the rows that differ are printed.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the result is printed.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="[default: auto]",
)
@click.option("--lang", type=click.Choice(["en", "zh", "auto"]),
              help="Language of the report.  [default: auto]")  # fmt: skip
def compare(files: tuple[str, ...], rows: int, form: str, color: str, **flags: Any) -> None:
    """Show what several trainers teach of the same rows, and where they differ.

    \b
    glmlint compare train.jsonl --recipe glm4 --recipe llamafactory
    glmlint compare train.jsonl --recipe llamafactory --max-length 512 --max-length 2048
    glmlint compare glm.jsonl sharegpt.jsonl --recipe glm4 --recipe llamafactory

    Rows that a trainer does not read are handed to it in a form that it reads. Two files are the
    same rows, each in the form of its side.
    """
    from glmlint.comparison.rows import Side, compare_files
    from glmlint.output import colored, width
    from glmlint.read.source import SourceError, find_inputs
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
        found, missing = find_inputs(data_paths(named, plan))
        for problem in missing:
            raise Failure(problem.say(plan.lang), path=problem.path)
        sides.append(Side(plan.recipe, context))
        paths.append([one.path for one in found])
    assert plan is not None
    if len(sides) < 2:
        raise Failure(say("compare-two", plan.lang))
    if not all(paths):
        raise click.UsageError("Missing argument 'FILE…'.")
    name_sides(sides)
    try:
        result = compare_files(paths, sides, rows)
    except SourceError as error:
        raise Failure(error.say(plan.lang)) from None
    if form == "json":
        from glmlint.comparison.json_report import write_comparison as write_json

        write_json(result, sys.stdout)
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
        flag = name.replace("_", "-")
        raise click.UsageError(f"--{flag} is given {len(values)} times for {number} sides")
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
