"""Flags that several commands share, and how a command turns them into a Plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from glmlint.app.limits import declared
from glmlint.output import tell
from glmlint.text import is_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

    from glmlint.plan import Plan
    from glmlint.trainer.base import Context

Command = TypeVar("Command", bound=Callable[..., Any])

SHARE = click.FloatRange(0, 1)
COUNT = click.IntRange(0)
LENGTH = click.IntRange(1)


def complete_recipes(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Trainer names for the shell's completion."""
    from click.shell_completion import CompletionItem

    from glmlint.trainer.base import all_trainers

    return [
        CompletionItem(name, help=recipe.title.en)
        for name, recipe in all_trainers().items()
        if name.startswith(incomplete)
    ]


def complete_rule(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The name of one rule for the shell's completion."""
    from click.shell_completion import CompletionItem

    from glmlint.rules.base import all_rules

    return [CompletionItem(name) for name in all_rules() if name.startswith(incomplete)]


def complete_rules(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Rules and families for the shell's completion, after the last comma."""
    from click.shell_completion import CompletionItem

    from glmlint.rules.base import FAMILIES, all_rules

    before, comma, last = incomplete.rpartition(",")
    names = [*all_rules(), *FAMILIES, "ALL"]
    return [CompletionItem(before + comma + name) for name in names if name.startswith(last)]


def complete_formats(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of report formats for the shell's completion."""
    from click.shell_completion import CompletionItem

    from glmlint.output import language
    from glmlint.reporters.base import about, names

    lang = language("auto")
    return [
        CompletionItem(name, help=about(name).text.plain(lang))
        for name in names()
        if name.startswith(incomplete)
    ]


def complete_styles(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Styles of text reports for the shell's completion."""
    from click.shell_completion import CompletionItem

    from glmlint.plan import STYLES

    return [CompletionItem(name) for name in STYLES if name.startswith(incomplete)]


def complete_files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Files and folders for the shell's completion: the shell knows them itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def add_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add several flags, in the order of `--help`."""
    for option in reversed(options):
        command = option(command)
    return command


_PLAN_OPTIONS = (
    click.option("--recipe", metavar="NAME", shell_complete=complete_recipes,
                 help="Which trainer: see `glmlint recipes`.  [default: glm4]"),
    click.option("--trainer-config", metavar="FILE", shell_complete=complete_files,
                 help="The trainer's own YAML or JSON: recipe, options, budget, data files, model."),
    click.option("--set", multiple=True, metavar="KEY=VALUE",
                 help="An option of the trainer, such as combine=true; see `glmlint recipes`."),
    click.option("--max-input-length", type=LENGTH, metavar="N",
                 help="As in the official script: the budget is N + M + 1.  [default: 512]"),
    click.option("--max-output-length", type=LENGTH, metavar="M",
                 help="As in the official script.  [default: 512]"),
    click.option("--max-length", type=LENGTH, metavar="L",
                 help="The budget itself, in tokens."),
    click.option("--tokenizer", metavar="SPEC", shell_complete=complete_files,
                 help="glm4, a model folder, a tokenizer.json, a tiktoken rank file, or a hub name "
                      "with --allow-download.  [default: glm4]"),
    click.option("--allow-download", is_flag=True,
                 help="Allow --tokenizer to name a model on the hub."),
    click.option("--template", metavar="NAME|FILE", shell_complete=complete_files,
                 help="Revision of the model's template: ChatGLM, GLM-4, or a .jinja file."),
    click.option("--pin", multiple=True, metavar="NAME=VERSION",
                 help="Version of transformers or datasets on the trainer's machine; `auto` reads "
                      "this environment, a file name reads its pins."),
    click.option("--config", metavar="FILE", shell_complete=complete_files,
                 help="Settings file.  [default: glmlint.toml or pyproject.toml, upwards]"),
    click.option("--lang", type=click.Choice(["en", "zh", "auto"]),
                 help="Language of the reports.  [default: auto]"),
)  # fmt: skip


_MODEL_OPTION = (
    click.option("--model", metavar="NAME|FOLDER", shell_complete=complete_files,
                 help="The model that is tuned: its vocabulary, chat template and the trainer's name "
                      "for its layout.  [default: glm-4-9b]"),
)  # fmt: skip


def model_option(command: Command) -> Command:
    """Add `--model`; in `score` the flag of that name is the model that scores."""
    return add_options(command, _MODEL_OPTION)


def limit_options() -> list[Callable[[Command], Command]]:
    """A flag for each limit that a rule declares."""
    found: list[Callable[[Command], Command]] = []
    for limit in declared():
        default = "" if limit.default is None else f"  [default: {limit.default}]"
        takes, shown = (COUNT, "N") if limit.kind == "count" else (SHARE, "X")
        found.append(
            click.option(f"--{limit.name}", type=takes, metavar=shown, help=limit.en + default)
        )
    return found


def plan_options(command: Command) -> Command:
    """Add the flags that say what is trained: recipe, budget, tokenizer, template, versions."""
    return add_options(command, _PLAN_OPTIONS)


_RULE_OPTIONS = (
    click.option("--select", multiple=True, metavar="RULE,…", shell_complete=complete_rules,
                 help="These rules or families instead of the default ones; ALL for all."),
    click.option("--extend-select", multiple=True, metavar="RULE,…", shell_complete=complete_rules,
                 help="These beside the default ones."),
    click.option("--ignore", multiple=True, metavar="RULE,…", shell_complete=complete_rules,
                 help="All but these."),
    click.option("--severity", multiple=True, metavar="RULE=LEVEL", shell_complete=complete_rule,
                 help="error, warning, info or off for one rule."),
)  # fmt: skip


def rule_options(command: Command) -> Command:
    """Add the flags that choose rules."""
    return add_options(command, _RULE_OPTIONS)


_BASELINE_OPTIONS = (
    click.option("--baseline", metavar="FILE", shell_complete=complete_files,
                 help="Findings that this file holds are old ones: they do not count."),
    click.option("--write-baseline", is_flag=True, default=None,
                 help="Write all findings of this run into the baseline."),
)  # fmt: skip


def baseline_options(command: Command) -> Command:
    """Add the flags of the baseline."""
    return add_options(command, _BASELINE_OPTIONS)


class Failure(click.ClickException):
    """The run could not be done: one line on standard error, exit code 2."""

    exit_code = 2

    def __init__(self, message: str, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(message)
        self.path = path
        """The file that it is about."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        del file
        tell(self.message, path=self.path)


def save_baseline(
    plan: Plan, found: Mapping[str, Mapping[str, int]], *, whole: bool, scores: bool = False
) -> None:
    """Write a run's findings into the plan's baseline, and say so.

    Args:
        found: rule -> fingerprint -> count.
        whole: whether all was read: a part of the findings is no baseline.
        scores: the run is one of `score`.

    Raises:
        Failure: the file can't be written.
    """
    from glmlint.engine.baseline import BaselineError, write_baseline
    from glmlint.reporters.words import say

    path = plan.baseline_file
    assert path is not None  # `resolve` has seen to it
    if not whole:
        tell(say("baseline-kept", plan.lang), path=path)
        return
    try:
        write_baseline(path, found, scores)
    except BaselineError as error:
        raise Failure(error.say(plan.lang)) from None
    total = sum(count for counts in found.values() for count in counts.values())
    tell(say("baseline-written", plan.lang, n=total), path=path)


def make_plan(
    flags: dict[str, Any], paths: Sequence[str] = (), family: str | None = None
) -> tuple[Plan, Context]:
    """The plan of a command's flags, its tokenizer and its template.

    Args:
        flags: the command's keyword arguments; those of `plan_options` and others.
        paths: what the command reads.
        family: the only rules that the command runs; None: those of `check`.

    Raises:
        Failure: a setting that can't be used.
    """
    from dataclasses import replace

    from glmlint.app.settings import SettingsError, asked_language, resolve
    from glmlint.read.source import find_inputs
    from glmlint.trainer.base import open_context
    from glmlint.trainer.template import TemplateFault
    from glmlint.trainer.tokenizer import TokenizerError

    allow_download = bool(flags.pop("allow_download", False))
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    try:
        plan = resolve(named, paths, family)
        if plan.eval_files:  # folders and patterns mean files; what is missing is told when read
            files, missing = find_inputs(plan.eval_files)
            names = [*(file.path for file in files), *(problem.path for problem in missing)]
            plan = replace(plan, eval_files=tuple(names))
        return plan, open_context(plan, allow_download=allow_download)
    except (SettingsError, TemplateFault, TokenizerError) as error:
        raise Failure(error.say(asked_language(named, paths))) from None


def data_paths(paths: Sequence[str], plan: Plan) -> tuple[str, ...]:
    """What is to be read: the paths, or the files that the trainer's own settings name.

    A folder that holds those files stands for them: the official script is given its data so.
    """
    if not plan.data:
        return tuple(paths)
    folders = [os.path.realpath(path) for path in paths]
    if all(
        is_folder(folder)
        and all(os.path.realpath(file).startswith(folder + os.sep) for file in plan.data)
        for folder in folders
    ):
        return plan.data
    return tuple(paths)


def refuse_inputs(written: Sequence[tuple[str, str]], paths: Sequence[str], lang: str) -> None:
    """See that no report and no baseline takes the place of data.

    Args:
        written: flags, and the files that they name; "-" is standard output.
        paths: what is read.
        lang: "en" or "zh".

    Raises:
        Failure: one of the files is read.
    """
    written = [(flag, target) for flag, target in written if target != "-"]
    if not written:
        return
    from glmlint.read.source import find_inputs
    from glmlint.reporters.words import say

    inputs = {os.path.realpath(file.path) for file in find_inputs(paths)[0]}
    for flag, target in written:
        if os.path.realpath(target) in inputs:
            raise Failure(say("is-input", lang, flag=flag, target=target))
