"""Flags that several commands share, and how a command turns them into a Plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from glmlint.app.flags import COUNT, LENGTH, SHARE, Choice, add_options, lang_option, option
from glmlint.app.limits import declared
from glmlint.output import tell
from glmlint.text import Text, is_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

    from glmlint.plan import Plan
    from glmlint.trainer.base import Context

Command = TypeVar("Command", bound=Callable[..., Any])


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

    from glmlint.choices import STYLES

    return [CompletionItem(name) for name in STYLES if name.startswith(incomplete)]


def complete_files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Files and folders for the shell's completion: the shell knows them itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


_PLAN_OPTIONS = (
    option("--recipe", metavar="NAME", shell_complete=complete_recipes, group="trainer",
           default_shown="glm4",
           help=Text("Which trainer: see `glmlint recipes`.",
                     "使用哪个训练框架的配方，见 `glmlint recipes`。")),
    option("--trainer-config", metavar="FILE", shell_complete=complete_files, group="trainer",
           help=Text("The trainer's own YAML or JSON: recipe, options, budget, data files, model.",
                     "训练框架自己的 YAML 或 JSON 配置：从中读取配方、选项、长度预算、数据文件和模型。")),
    option("--set", multiple=True, metavar="KEY=VALUE", group="trainer",
           help=Text("An option of the trainer, such as combine=true; see `glmlint recipes`.",
                     "训练框架的选项，如 combine=true，见 `glmlint recipes`。")),
    option("--max-input-length", type=LENGTH, metavar="N", group="budget", default_shown=512,
           help=Text("As in the official script: the budget is N + M + 1.",
                     "与官方脚本相同：长度预算为 N + M + 1。")),
    option("--max-output-length", type=LENGTH, metavar="M", group="budget", default_shown=512,
           help=Text("As in the official script.", "与官方脚本相同。")),
    option("--max-length", type=LENGTH, metavar="L", group="budget",
           help=Text("The budget itself, in tokens.", "长度预算本身，单位为 token。")),
    option("--tokenizer", metavar="SPEC", shell_complete=complete_files, group="trainer",
           default_shown="glm4",
           help=Text("glm4, a model folder, a tokenizer.json, a tiktoken rank file, or a hub name "
                     "with --allow-download.",
                     "glm4、模型文件夹、tokenizer.json、tiktoken 词表文件，或加上 --allow-download "
                     "时的 hub 模型名。")),
    option("--allow-download", is_flag=True, group="trainer",
           help=Text("Allow --tokenizer to name a model on the hub.",
                     "允许 --tokenizer 使用 hub 上的模型。")),
    option("--template", metavar="NAME|FILE", shell_complete=complete_files, group="trainer",
           help=Text("Revision of the model's chat template: ChatGLM, GLM-4, or a .jinja file.",
                     "对话模板的版本：ChatGLM、GLM-4，或 .jinja 文件。")),
    option("--pin", multiple=True, metavar="NAME=VERSION", group="trainer",
           help=Text("Version of transformers or datasets on the trainer's machine; `auto` reads "
                     "this environment, a file name reads its pins.",
                     "训练机器上 transformers 或 datasets 的版本；auto 读取当前环境，给出文件名则读取"
                     "其中固定的版本。")),
    option("--config", metavar="FILE", shell_complete=complete_files, group="general",
           default_shown=Text("glmlint.toml or pyproject.toml, upwards",
                              "向上查找 glmlint.toml 或 pyproject.toml"),
           help=Text("Settings file.", "配置文件。")),
    lang_option(),
)  # fmt: skip


_MODEL_OPTION = (
    option("--model", metavar="NAME|FOLDER", shell_complete=complete_files, group="trainer",
           default_shown="glm-4-9b",
           help=Text("The model that is tuned: its vocabulary, chat template and the trainer's name "
                     "for it.",
                     "要微调的模型：决定词表、对话模板以及训练框架中的模板名称。")),
)  # fmt: skip


def model_option(command: Command) -> Command:
    """Add `--model`; in `score` the flag of that name is the model that scores."""
    return add_options(command, _MODEL_OPTION)


def limit_options() -> list[Callable[[Command], Command]]:
    """A flag for each limit that a rule declares."""
    found: list[Callable[[Command], Command]] = []
    for limit in declared():
        takes, shown = (COUNT, "N") if limit.kind == "count" else (SHARE, "X")
        add: Callable[[Command], Command] = option(
            f"--{limit.name}", type=takes, metavar=shown, group="gates",
            default_shown=limit.default, help=Text(limit.en, limit.zh),
        )  # fmt: skip
        found.append(add)
    return found


def plan_options(command: Command) -> Command:
    """Add the flags that say what is trained: recipe, budget, tokenizer, template, versions."""
    return add_options(command, _PLAN_OPTIONS)


_RULE_OPTIONS = (
    option("--select", multiple=True, metavar="RULE,…", shell_complete=complete_rules,
           group="rules",
           help=Text("These rules or families instead of the default ones; ALL for all.",
                     "只用这些规则或规则族，代替默认规则；ALL 表示全部。")),
    option("--extend-select", multiple=True, metavar="RULE,…", shell_complete=complete_rules,
           group="rules",
           help=Text("These in addition to the default ones.", "在默认规则之外再加上这些。")),
    option("--ignore", multiple=True, metavar="RULE,…", shell_complete=complete_rules,
           group="rules", help=Text("All but these.", "不用这些规则。")),
    option("--severity", multiple=True, metavar="RULE=LEVEL", shell_complete=complete_rule,
           group="rules",
           help=Text("error, warning, info or off for one rule.",
                     "设置某条规则的级别：error、warning、info 或 off。")),
)  # fmt: skip


def rule_options(command: Command) -> Command:
    """Add the flags that choose rules."""
    return add_options(command, _RULE_OPTIONS)


def fail_on_option() -> Callable[[Command], Command]:
    """`--fail-on`."""
    return option(
        "--fail-on", type=Choice(["error", "warning", "info", "never"]), group="gates",
        default_shown="error",
        help=Text("The mildest severity that fails the run.", "达到该级别的问题会使检查不通过。"),
    )  # fmt: skip


_FILE_OPTIONS = (
    option("--exclude", multiple=True, metavar="GLOB,…", group="files",
           help=Text("Files and folders to leave out of folders, instead of the default list.",
                     "遍历文件夹时排除的文件和文件夹，代替默认列表。")),
    option("--extend-exclude", multiple=True, metavar="GLOB,…", group="files",
           help=Text("Files and folders to leave out in addition.", "另外排除的文件和文件夹。")),
    option("--force-exclude/--no-force-exclude", default=None, group="files",
           help=Text("Apply the excludes also to files that are named, as pre-commit does.",
                     "对直接写出的文件也应用排除（供 pre-commit 使用）。")),
    option("--respect-gitignore/--no-respect-gitignore", default=None, group="files",
           default_shown="--respect-gitignore",
           help=Text("Leave out of folders what git ignores, or read it.",
                     "遍历文件夹时是否跳过 git 忽略的文件。")),
    option("--stdin-filename", metavar="NAME", shell_complete=complete_files, group="files",
           help=Text("The name of standard input: in findings, for [[per-file]], for its ending.",
                     "标准输入的文件名：用于问题列表、[[per-file]] 以及按后缀判断格式。")),
    option("--show-files", is_flag=True, group="files",
           help=Text("Print the files that would be read, and stop.", "只列出会读取的文件。")),
    option("--show-settings", is_flag=True, group="files",
           help=Text("Print every setting and where it came from, and stop.",
                     "只显示每项设置的值及其来源。")),
)  # fmt: skip


def file_options(command: Command) -> Command:
    """Add the flags that choose files, and show what was chosen."""
    return add_options(command, _FILE_OPTIONS)


_BASELINE_OPTIONS = (
    option("--baseline", metavar="FILE", shell_complete=complete_files, group="gates",
           help=Text("Known findings, listed in this file, do not count.",
                     "基线文件：其中记录的是已知问题，不计入结果。")),
    option("--write-baseline", is_flag=True, default=None, group="gates",
           help=Text("Write all findings of this run into the baseline.",
                     "把本次的所有问题写入基线。")),
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
    from glmlint.read.paths import find_inputs
    from glmlint.trainer.base import open_context
    from glmlint.trainer.template import TemplateFault
    from glmlint.trainer.tokenizer import TokenizerError

    allow_download = bool(flags.pop("allow_download", False))
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    try:
        plan = resolve(named, paths, family)
        if (
            plan.eval_files
        ):  # folders and patterns mean files; what is missing is reported when read
            files, missing = find_inputs(plan.eval_files, plan.choice)
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


def refuse_inputs(written: Sequence[tuple[str, str]], paths: Sequence[str], plan: Plan) -> None:
    """See that no report and no baseline takes the place of data.

    Args:
        written: flags, and the files that they name; "-" is standard output.
        paths: what is read.
        plan: which files the paths mean, and the language.

    Raises:
        Failure: one of the files is read.
    """
    written = [(flag, target) for flag, target in written if target != "-"]
    if not written:
        return
    from glmlint.read.paths import find_inputs
    from glmlint.reporters.words import say

    inputs = {os.path.realpath(file.path) for file in find_inputs(paths, plan.choice)[0]}
    for flag, target in written:
        if os.path.realpath(target) in inputs:
            raise Failure(say("is-input", plan.lang, flag=flag, target=target))
