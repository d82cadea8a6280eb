"""Commands and flags, nothing else: what they do stands in the modules that they call."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from glmlint import __version__
from glmlint.app.flags import (
    LENGTH,
    MISSING_ARGUMENT,
    Choice,
    IntRange,
    Option,
    UsageFault,
    add_options,
    argument,
    color_option,
    lang_option,
    option,
)
from glmlint.app.help import Command, Group
from glmlint.app.options import (
    Failure,
    baseline_options,
    complete_files,
    complete_formats,
    complete_rule,
    complete_styles,
    data_paths,
    fail_on_option,
    file_options,
    limit_options,
    make_plan,
    model_option,
    plan_options,
    refuse_inputs,
    rule_options,
    save_baseline,
)
from glmlint.app.outputs import ORDER, OutputsFault, ReportTarget, remember_order, reports_of
from glmlint.app.process import run
from glmlint.choices import COLUMN_UNITS, ENGINES, STYLES
from glmlint.output import put, tell
from glmlint.text import Text, nearest
from glmlint.visible import printable_path

if TYPE_CHECKING:
    from glmlint.engine.finish import Result
    from glmlint.plan import Plan
    from glmlint.read.paths import Found
    from glmlint.trainer.base import Context

LATER = {
    "clean": (
        "glmlint.app.clean:clean",
        Text("Remove the cache of earlier checks.", "清除以往检查的缓存。"),
    ),
    "compare": (
        "glmlint.app.compare:compare",
        Text("The same rows under several trainers: what each teaches.",
             "同一批数据在几种训练框架下各自学到什么。"),
    ),
    "convert": (
        "glmlint.converters.command:convert",
        Text("ShareGPT, OpenAI, Alpaca, ChatGLM3 to GLM messages, and back.",
             "在 ShareGPT、OpenAI、Alpaca、ChatGLM3 与 GLM messages 格式之间转换。"),
    ),
    "init": (
        "glmlint.app.init:init",
        Text(
            "Write a commented glmlint.toml, and show what calls glmlint in a hook and in CI.",
            "生成带注释的 glmlint.toml，并给出 pre-commit 和 CI 的写法。",
        ),
    ),
    "lsp": (
        "glmlint.lsp.command:lsp",
        Text("Language server for editors: findings while you type, fixes, tokens.",
             "编辑器用的语言服务器：边编辑边检查，可修复，可查看 token。"),
    ),
    "score": (
        "glmlint.scoring.command:score",
        Text("Baseline loss of a model on the supervised tokens.",
             "模型在受监督 token 上的基线损失。"),
    ),
}  # fmt: skip
"""Commands whose modules are imported when they are called, and what `--help` says of them."""


class Commands(Group):
    """The group of commands; some are loaded late, so that questions are answered quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help text."""
        del ctx
        return [*self.commands, *LATER]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name in LATER:
            module, _, attribute = LATER[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first argument; of those that there are, late ones too, one is meant."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = nearest(args[0], self.list_commands(ctx))
            meant = (
                Text(f"; did you mean {near}?", f"；是否应为 {near}？") if near else Text("", "")
            )
            raise UsageFault(_NO_COMMAND, ctx, name=args[0], meant=meant)
        return super().resolve_command(ctx, args)

    def summaries(self) -> list[tuple[str, Text]]:
        """Name and summary of each command, without importing those that are loaded late."""
        return [*super().summaries(), *((name, text) for name, (_, text) in LATER.items())]


_NO_COMMAND = Text("no command {name}{meant}", "没有命令 {name}{meant}")


class FormatOption(Option):
    """`--format`, whose help names the formats that there are."""

    def record(self, context: click.Context, lang: str) -> tuple[str, str, str] | None:
        """The flag and its help, with the formats in it."""
        from glmlint.reporters.base import names

        found = super().record(context, lang)
        *first, last = names()
        named = f"{'、'.join(names())}" if lang == "zh" else f"{', '.join(first)} or {last}"
        return found and (found[0], found[1].format(formats=named), found[2])


class OfPlace(Command):
    """A command that takes FILE:LINE; `-:17`, a line of standard input, is no flag."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put such a place behind the flags."""
        places = [word for word in args if word.startswith("-:") and word[2:].isdecimal()]
        if places and "--" not in args:
            args = [*(word for word in args if word not in places), "--", *places]
        return super().parse_args(ctx, args)


class OfReports(Command):
    """A command that prints reports: each `--output` is that of the `--format` before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember in which order they came."""
        given = list(args)
        rest = super().parse_args(ctx, args)
        remember_order(self, ctx, given)
        return rest


def _show_version(context: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        put(sys.stdout, f"glmlint {__version__}")
        context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    summary=Text(
        "See exactly what your trainer will train on, before you pay for the GPU.",
        "在花钱租 GPU 之前，看清训练框架到底会训练什么。",
    ),
    more=Text(
        "\b\n"
        "glmlint check train.jsonl       what trains, what is lost, what is broken\n"
        "glmlint show train.jsonl:17     one sample, token by token\n"
        "glmlint explain null-content    what a rule means\n"
        "glmlint init                    write a settings file",
        "\b\n"
        "glmlint check train.jsonl       训练了什么、丢了什么、哪里有错\n"
        "glmlint show train.jsonl:17     逐 token 查看一个样本\n"
        "glmlint explain null-content    说明一条规则\n"
        "glmlint init                    生成配置文件",
    ),
)
@option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    group="general",
    help=Text("Show the version and exit.", "显示版本并退出。"),
)
@option(
    "--debug",
    is_flag=True,
    group="general",
    help=Text("Show tracebacks of errors in glmlint itself.", "glmlint 自身出错时显示 traceback。"),
)
@lang_option()
@click.pass_context
def cli(context: click.Context, debug: bool, lang: str | None) -> None:
    """Show the help where no command is named; `--debug` is read by `main`."""
    del debug
    if context.invoked_subcommand is None:
        for line in context.get_help().splitlines():
            put(sys.stdout, line)
        context.exit(2)
    if context.invoked_subcommand not in LONG:
        _start_quickly()
    if lang is not None:  # as if it stood behind the command
        given = {"lang": lang}
        context.default_map = dict.fromkeys(cli.list_commands(context), given)


LONG: Final = ("lsp", "score")
"""Commands that run for hours, one of them with torch."""


def _start_quickly() -> None:
    """Leave out what a run of a second does not need: to look through all that is imported for
    cycles, every few hundred objects, and numpy's threads, whose start takes as long."""
    gc.set_threshold(100_000)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


_REPORT_OPTIONS = (
    fail_on_option(),
    *limit_options(),
    option("--eval", multiple=True, metavar="FILE", shell_complete=complete_files, group="rules",
           help=Text("A file of the validation split: report rows that stand in both.",
                     "验证集文件：报告同时出现在两边的数据行。")),
    baseline_options,
    option("--add-ignores", is_flag=True, default=None, group="fixing",
           help=Text("Write the findings of each row into it, as rules that it ignores.",
                     "把每一行的问题写入该行，作为它要忽略的规则。")),
    option("--format", "formats", multiple=True, metavar="FORMAT", cls=FormatOption,
           shell_complete=complete_formats, group="output", default_shown="text",
           help=Text("{formats}; may be repeated, each with its --output after it.",
                     "{formats}；可重复使用，各自的 --output 写在其后。")),
    option("--output", "--output-file", "outputs", multiple=True, metavar="FILE",
           shell_complete=complete_files, group="output",
           default_shown=Text("standard output", "标准输出"),
           help=Text("Where the format before goes.", "前一个格式写到哪里。")),
    option("--output-format", metavar="STYLE", shell_complete=complete_styles, group="output",
           default_shown="full",
           help=Text("Style of text: full (with excerpts), concise (one line a finding) or grouped "
                     "(by file); any other name is that of a --format.",
                     "text 格式的样式：full（带原文摘录）、concise（每个问题一行）或 grouped（按文件分组）；"
                     "其他名称等同于 --format。")),
    option("--column-unit", type=Choice(COLUMN_UNITS), group="output", default_shown="codepoint",
           help=Text("What columns count: Unicode code points, UTF-8 bytes (vim, Emacs) or UTF-16 "
                     "units (LSP).",
                     "列号的单位：Unicode 码点、UTF-8 字节（vim、Emacs）或 UTF-16 码元（LSP）。")),
    option("--max-findings", type=IntRange(0), metavar="N", group="output",
           default_shown=Text("20000; 200 on a terminal", "20000，终端上为 200"),
           help=Text("How many findings are kept and printed; counts are always whole.",
                     "最多保留并显示多少个问题；计数始终是完整的。")),
    option("--fix", is_flag=True, group="fixing",
           help=Text("Repair what is safe to repair, in place; then report what is left.",
                     "原地修复可以安全修复的问题，然后报告剩下的。")),
    option("--unsafe-fixes", is_flag=True, group="fixing",
           help=Text("With --fix or --diff: also repairs that change what is trained.",
                     "与 --fix 或 --diff 一起使用：也包括会改变训练内容的修复。")),
    option("--diff", is_flag=True, group="fixing",
           help=Text("Show what --fix would do and change nothing; exit code 1 if that is anything.",
                     "只显示 --fix 会做的修改，不改动文件；有可修改之处时退出码为 1。")),
    option("--statistics", is_flag=True, group="output",
           help=Text("Count findings by rule.", "按规则统计问题。")),
    option("--profile-rules", is_flag=True, default=None, group="output",
           help=Text("After the report, on standard error: the time that each rule took.",
                     "在报告之后向标准错误输出每条规则的耗时。")),
    option("--quiet", "-q", is_flag=True, group="output",
           help=Text("Print findings only.", "只显示问题。")),
    option("--verbose", "-v", is_flag=True, group="output",
           help=Text("Print everything: all tables, every help, what was assumed in full.",
                     "显示全部内容：所有表格、每条建议以及完整的前提。")),
    option("--jobs", "-j", type=LENGTH, metavar="N", group="running",
           default_shown=Text("all processors", "所有处理器"),
           help=Text("Processes that check at the same time; the report is the same.",
                     "同时检查的进程数；报告不变。")),
    option("--engine", type=Choice(ENGINES), group="running", default_shown="local",
           help=Text("Where: this machine, or the Ray cluster of RAY_ADDRESS.",
                     "在哪里运行：本机，或 RAY_ADDRESS 指定的 Ray 集群。")),
    option("--cache/--no-cache", default=None, group="running",
           default_shown=Text("--cache; --no-cache in CI", "--cache；在 CI 中为 --no-cache"),
           help=Text("Take what is known of unchanged files from the cache.",
                     "没有改动的文件直接使用缓存中的检查结果。")),
    option("--cache-dir", metavar="FOLDER", shell_complete=complete_files, group="running",
           default_shown=Text("the user's cache folder", "用户的缓存文件夹"),
           help=Text("Where the cache is.", "缓存所在的文件夹。")),
    color_option(),
    option("--progress", type=Choice(["auto", "always", "never"]), default="auto", group="output",
           default_shown="auto",
           help=Text("When to show progress on standard error.", "何时在标准错误上显示进度。")),
)  # fmt: skip


def report_options(command: Any) -> Any:
    """Add the flags that say what is printed and what fails."""
    return add_options(command, _REPORT_OPTIONS)


@cli.command(
    cls=OfReports,
    summary=Text(
        "Lint files or folders; `-` is standard input, no PATH the current folder.",
        "检查文件或文件夹；`-` 表示标准输入，不给 PATH 则检查当前文件夹。",
    ),
    more=Text(
        "Exit code 0: clean; 1: findings at or over --fail-on; 2: something could not be read or "
        "done; 130: interrupted.",
        "退出码 0：没有问题；1：有达到 --fail-on 级别的问题；2：有内容无法读取或操作未能完成；130：被中断。",
    ),
)
@argument(
    "paths",
    nargs=-1,
    metavar="[PATH]…",
    shell_complete=complete_files,
    help=Text(
        "Files, folders or patterns; a folder means its .jsonl, .ndjson and .parquet files.",
        "文件、文件夹或通配模式；文件夹表示其中的 .jsonl、.ndjson 和 .parquet 文件。",
    ),
)
@model_option
@plan_options
@rule_options
@file_options
@report_options
@click.pass_context
def check(
    click_context: click.Context,
    /,
    paths: tuple[str, ...],
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    output_format: str | None,
    statistics: bool,
    quiet: bool,
    verbose: bool,
    color: str,
    progress: str,
    fix: bool,
    unsafe_fixes: bool,
    diff: bool,
    show_files: bool,
    show_settings: bool,
    **flags: Any,
) -> None:
    """Lint files or folders."""
    from dataclasses import replace

    from glmlint.output import OutputError, colored, opened, silence, width
    from glmlint.read.paths import look_up
    from glmlint.reporters.base import ReporterOptions, about, get
    from glmlint.reporters.words import say
    from glmlint.runners.chosen import chosen
    from glmlint.runners.local import check_files
    from glmlint.text import system_fault

    # As ruff has it, where styles and formats are one.
    flags["output_format"] = output_format if output_format in STYLES else None
    if show_settings:
        _show_settings(flags, paths, color)
        return
    plan, context = make_plan(flags, paths)
    lang = plan.lang
    paths = data_paths(paths, plan)
    if not paths and (config := flags.get("trainer_config")):
        why = "".join(f"; {note.plain(lang)}" for note in plan.notes)
        raise Failure(say("config-without-data", lang, path=config) + why)
    paths = paths or (".",)
    try:
        reports = reports_of(formats, outputs, output_format, click_context.meta[ORDER])
    except OutputsFault as error:
        raise Failure(error.say(lang)) from None
    if unsafe_fixes and not (fix or diff):
        raise Failure(say("unsafe-alone", lang))
    written = [("--output", target) for target in outputs]
    if plan.write_baseline and plan.baseline_file is not None:
        written.append(("--baseline", plan.baseline_file))
    refuse_inputs(written, (*paths, *plan.eval_files), plan)
    found = look_up(paths, plan.choice)
    if show_files:
        raise SystemExit(_show_files(found, lang))
    if plan.choice.stdin_name is not None and (fix or diff or plan.add_ignores):
        raise Failure(say("stdin-name-alone", lang))
    if found.inputs and not quiet:
        if found.json_files:
            tell(say("json-left", lang, n=found.json_files))
        if found.ignored:
            first, *more = found.ignored
            key = "ignored-more" if more else "ignored"
            tell(say(key, lang, path=printable_path(first), n=len(more)))
    if diff and plan.profile_rules:
        raise Failure(say("profile-diff", lang))
    if plan.add_ignores and (fix or diff or plan.write_baseline):
        raise Failure(say("ignores-alone", lang))
    if diff:
        raise SystemExit(_diff(paths, plan, context, unsafe_fixes, progress, color))
    asked = [about(one.form) for one in reports]
    drawn = sys.stdout.isatty() and ReportTarget("text", "-") in reports
    plan = replace(
        plan,
        excerpts=drawn or any(one.excerpts for one in asked),
        kinds=any(one.kinds for one in asked),
    )
    fixes = None
    if fix:
        from glmlint.fix.run import fix_files, sentence

        fixes = fix_files(paths, plan, context, unsafe=unsafe_fixes, progress=progress)
    read = ["-" if file.is_stdin else file.path for file in found.inputs]
    with chosen(plan, context, remembers=not fix) as (engine, cache):
        report = check_files(read, plan, context, progress, engine, cache)
    report.problems[:0] = [(problem.path, problem.say(lang)) for problem in found.problems]
    if fixes is not None:
        report.problems += fixes.failures

    from glmlint.engine.finish import finish

    result = finish(report, plan, context)
    if fixes is not None:
        result.fixed = dict(fixes.fixed)
    if plan.add_ignores:
        code = _add_ignores(result)
        _profile(result, color)
        raise SystemExit(code)
    if plan.write_baseline:
        whole = not result.problems and result.exit_code != 130
        save_baseline(plan, result.baseline, whole=whole)
    if not report.interrupted and any(one.edits for one in asked):
        from glmlint.fix.suggest import with_edits

        result.findings = with_edits(result)
    # Files first: whoever reads standard output may close it early.
    for form, target in sorted(reports, key=lambda one: one.target == "-"):
        if form == "text" and target == "-" and not result.files and not report.interrupted:
            continue  # nothing could be read: the lines below say why
        terminal = target == "-" and sys.stdout.isatty()
        options = ReporterOptions(
            width=width(),
            color=colored(color, terminal),
            terminal=terminal,
            quiet=quiet,
            statistics=statistics,
            max_findings=plan.max_findings,
            style=plan.output_format,
            verbose=verbose,
            column_unit=plan.column_unit,
            links=terminal and os.environ.get("TERM") not in ("dumb", "linux"),
            docs_url=os.environ.get("GLMLINT_DOCS_URL", "").rstrip("/"),
        )
        try:
            with opened(target) as out:
                get(form).write(result, out, options)
                out.flush()
        except BrokenPipeError:
            silence()
        except OutputError:
            raise
        except OSError as error:
            raise Failure(f"--output {target}: {system_fault(error).plain(lang)}") from None
    files = [one.target for one in reports]
    seen = sys.stderr is not None and sys.stderr.isatty() and not quiet
    if seen and result.files and "-" not in files:
        from glmlint.reporters.verdict import verdict_short

        tell(say("reports-written", lang, verdict=verdict_short(result)), path=", ".join(files))
    if found.excluded and not result.files:
        tell(say("all-excluded", lang, n=len(found.excluded)))
    if fixes is not None:
        for path, note in fixes.notes:
            tell(note, path=path)
        if result.files:
            tell(sentence(fixes, lang), name="")
    for path, reason in report.problems:
        tell(reason, path=path)
    if report.interrupted:
        tell(say("stopped", lang))
    _profile(result, color)
    raise SystemExit(result.exit_code)


def _show_settings(flags: dict[str, Any], paths: tuple[str, ...], color: str) -> None:
    """Print the settings: a table on a terminal, TOML in a pipe."""
    from glmlint.app.settings import SettingsError, asked_language
    from glmlint.app.show_settings import show_settings
    from glmlint.output import colored, width

    named = {name.replace("_", "-"): value for name, value in flags.items()}
    terminal = sys.stdout.isatty()
    try:
        show_settings(
            named, paths, sys.stdout, width(), colored(color, terminal) if terminal else None
        )
    except SettingsError as error:
        raise Failure(error.say(asked_language(named, paths))) from None


def _show_files(found: Found, lang: str) -> int:
    """Print the files that would be read, one a line. 2: a path could not be read."""
    for file in found.inputs:
        put(sys.stdout, printable_path(file.path))
    for problem in found.problems:
        tell(problem.say(lang), path=problem.path)
    return 2 if found.problems else 0


def _profile(result: Result, color: str) -> None:
    """Print where the time went, if that was measured."""
    if result.times is None:
        return
    from glmlint.output import colored, width
    from glmlint.reporters.rule_times import write_rule_times

    write_rule_times(result, sys.stderr, width(), colored(color, sys.stderr.isatty()))


def _add_ignores(result: Result) -> int:
    """Write ignores into rows. 0: done, 2: a part could not be done, 130: interrupted, nothing done."""
    from glmlint.fix.ignores import add_ignores
    from glmlint.reporters.words import say

    lang = result.plan.lang
    if result.exit_code == 130:
        tell(say("nothing-written", lang))
        return 130
    failures = list(result.problems)
    left = sum(result.rule_counts.values())
    for file in result.files:
        done = add_ignores(file.stats, result.plan)
        if done.reason is not None:
            failures.append((file.path, done.reason))
        if done.rows:
            counts = say("ignores-added", lang, rows=done.rows, rules=done.rules)
            tell(counts, path=file.path)
    for path, reason in failures:
        tell(reason, path=path)
    if not left:
        tell(say("nothing-found", lang))
    return 2 if failures else 0


def _diff(
    paths: tuple[str, ...], plan: Plan, context: Context, unsafe: bool, progress: str, color: str
) -> int:
    """Show what --fix would do. 0: nothing, 1: something, 2: a part could not be looked at."""
    from glmlint.fix.run import diff_files, look, sentence
    from glmlint.fix.trail import Trail
    from glmlint.output import colored, into_file, silence, width

    out, terminal = sys.stdout.buffer, sys.stdout.isatty()
    tinted = colored(color, terminal)
    try:
        if terminal:
            from glmlint.reporters.diff_text import write_changes

            trail = Trail()
            fixes = look(
                paths, plan, context,
                lambda fixes: write_changes(fixes, trail, plan, sys.stdout, width(), tinted),
                unsafe=unsafe, progress=progress, trail=trail,
            )  # fmt: skip
        else:
            fixes = diff_files(
                paths, plan, context, out, unsafe=unsafe, progress=progress,
                raw=into_file(sys.stdout), color=tinted,
            )  # fmt: skip
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen something, and enough
        silence()
        return 1
    for path, note in [*fixes.failures, *fixes.notes]:
        tell(note, path=path)
    tell(sentence(fixes, plan.lang, would=True), name="")
    return 2 if fixes.failures else int(bool(fixes.drafts))


def data_of(plan: Plan) -> tuple[str, ...]:
    """The files that the trainer's own settings name. Raises UsageFault without any."""
    if not plan.data:
        raise UsageFault(MISSING_ARGUMENT, click.get_current_context(), name="FILE[:LINE]")
    return plan.data


_PLACES = Text(
    "A file or folder, or a file and the line of one sample; `-` is standard input.",
    "文件或文件夹，或文件加某个样本的行号；`-` 表示标准输入。",
)
_PLACE = Text(
    "A file, and the line of one sample; without a line its first samples, `-` is standard input.",
    "文件以及某个样本的行号；不给行号则取开头的样本，`-` 表示标准输入。",
)


@cli.command(
    cls=OfPlace,
    summary=Text(
        "One sample as the trainer sees it: supervised, masked and lost tokens, and the budget.",
        "训练框架眼中的一个样本：受监督、不监督和丢失的 token，以及长度预算。",
    ),
)
@argument(
    "place", required=False, metavar="FILE[:LINE]", shell_complete=complete_files, help=_PLACE
)
@model_option
@plan_options
@rule_options
@option("--ids", is_flag=True, group="output",
        help=Text("Print token ids too.", "同时显示 token id。"))  # fmt: skip
@color_option()
def show(place: str | None, ids: bool, color: str, **flags: Any) -> None:
    """Print samples as the trainer sees them."""
    from glmlint.engine.show import ShowError, look
    from glmlint.output import colored, width
    from glmlint.reporters.base import ReporterOptions
    from glmlint.reporters.sample_text import write_sample

    path, line = split_place(place) if place else ("", None)
    plan, context = make_plan(flags, (path,) if place else ())
    path = path or data_of(plan)[0]
    terminal = sys.stdout.isatty()
    options = ReporterOptions(
        width=width(),
        color=colored(color, terminal),
        terminal=terminal,
        quiet=False,
        statistics=False,
        max_findings=plan.max_findings,
    )
    try:
        samples = look(path, line, plan, context)
    except ShowError as error:
        raise Failure(error.say(plan.lang)) from None
    for sample in samples:
        write_sample(sample, context, sys.stdout, options, ids)


@cli.command(
    cls=OfPlace,
    summary=Text(
        "Print the trainer's own ids and labels, one JSON object a sample.",
        "输出训练框架实际得到的 input_ids 和 labels，每个样本一个 JSON 对象。",
    ),
    more=Text(
        'A row at which the trainer raises gives its exception as "error".',
        '训练框架会抛出异常的行，其异常写在 "error" 中。',
    ),
)
@argument(
    "place", required=False, metavar="FILE[:LINE]", shell_complete=complete_files, help=_PLACES
)
@model_option
@plan_options
@option(
    "--no-truncate",
    is_flag=True,
    group="budget",
    help=Text("The whole sequence, before the budget cuts it.", "完整序列，不按长度预算截断。"),
)
@option("--packed", is_flag=True, group="output",
        help=Text("The sequences that come out of the trainer's packer, where it packs rows.",
                  "在训练框架打包数据时，输出打包之后的序列。"))  # fmt: skip
def encode(place: str | None, no_truncate: bool, packed: bool, **flags: Any) -> None:
    """Print ids and labels."""
    from glmlint.engine.encode import encode_rows, packed_rows
    from glmlint.read.paths import find_inputs
    from glmlint.read.source import SourceError
    from glmlint.reporters.rows import entry_of
    from glmlint.reporters.words import say

    path, line = split_place(place) if place else ("", None)
    plan, context = make_plan(flags, (path,) if place else ())
    if packed and (no_truncate or line is not None):
        raise Failure(say("packed-alone", plan.lang))
    if packed and not context.trainer.packs(context.options):
        raise Failure(say("packed-none", plan.lang, trainer=context.trainer.called.say(plan.lang)))
    inputs, missing = find_inputs((path,) if place else data_of(plan), plan.choice)
    for problem in missing:
        raise Failure(problem.say(plan.lang), path=problem.path)
    write = sys.stdout.buffer.write
    found = False
    try:
        files = [file.path for file in inputs]
        whole = encode_rows(files, plan, context=context, truncate=not no_truncate)
        for row in packed_rows(files, plan, context=context) if packed else whole:
            if line is not None and getattr(row, "line", None) != line:
                continue
            found = True
            write(entry_of(row, len(files) > 1))
    except SourceError as error:
        sys.stdout.flush()
        raise Failure(error.say(plan.lang), path=path) from None
    if line is not None and not found:
        raise Failure(say("no-such-line", plan.lang, path=path, line=line))


def form_option(command: Any) -> Any:
    """Add `--format text|json`."""
    return option(
        "--format", "form", type=Choice(["text", "json"]), default="text", group="output",
        default_shown="text", help=Text("How the result is printed.", "输出格式。"),
    )(command)  # fmt: skip


@cli.command(
    cls=Command,
    summary=Text(
        "The catalogue of rules: severity, family, fix, and which are on.",
        "规则目录：级别、规则族、能否修复，以及哪些已启用。",
    ),
)
@model_option
@plan_options
@rule_options
@form_option
def rules(form: str, **flags: Any) -> None:
    """Print the catalogue of rules."""
    from glmlint.app.settings import SettingsError, asked_language, resolve
    from glmlint.output import colored, width
    from glmlint.reporters.catalogue import write_rules

    flags.pop("allow_download", None)
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    try:
        plan = resolve(named)
    except SettingsError as error:
        raise Failure(error.say(asked_language(named))) from None
    write_rules(plan, sys.stdout, form, width(), colored("auto", sys.stdout.isatty()))


@cli.command(
    cls=Command,
    summary=Text(
        "What rules mean, why they matter in training, examples, how to repair it.",
        "说明规则：含义、对训练的影响、示例以及如何修复。",
    ),
    more=Text("Without a RULE: the list of all.", "不给 RULE 则列出所有规则。"),
)
@argument("names", nargs=-1, metavar="[RULE]…", shell_complete=complete_rule,
          help=Text("Names of rules.", "规则名。"))  # fmt: skip
@form_option
@lang_option("auto")
def explain(names: tuple[str, ...], form: str, lang: str) -> None:
    """Print what rules mean."""
    from glmlint.output import colored, language, width
    from glmlint.reporters.catalogue import UnknownRule, known_rules, write_rule, write_rules

    color = colored("auto", sys.stdout.isatty())
    lang = language(lang)
    try:
        found = known_rules(names)
    except UnknownRule as error:
        raise Failure(error.say(lang)) from None
    if form == "json" or not names:
        from glmlint.app.settings import SettingsError, resolve

        try:
            plan = resolve({"lang": lang})
        except SettingsError as error:
            raise Failure(error.say(lang)) from None
        write_rules(plan, sys.stdout, form, width(), color, found or None)
        return
    for number, rule in enumerate(names):
        if number:
            put(sys.stdout, "")
        write_rule(rule, sys.stdout, lang, width(), color)


@cli.command(
    cls=Command,
    summary=Text(
        "The trainers that glmlint knows to the token, with source and date.",
        "glmlint 逐 token 复现的训练框架（配方），附来源和日期。",
    ),
)
@form_option
@lang_option("auto")
def recipes(form: str, lang: str) -> None:
    """Print the recipes."""
    from glmlint.output import colored, language, width
    from glmlint.reporters.catalogue import write_recipes

    color = colored("auto", sys.stdout.isatty())
    write_recipes(sys.stdout, form, language(lang), width(), color)


def split_place(place: str) -> tuple[str, int | None]:
    """FILE or FILE:LINE -> path and line."""
    path, colon, number = place.rpartition(":")
    if colon and number.isdecimal() and not os.path.exists(place):  # noqa: PTH110  # any text at all
        return path, int(number)
    return place, None


def main() -> None:
    """The console script."""
    code = run(cli)
    gc.freeze()  # or Python looks through all of it once more
    sys.exit(code)


if __name__ == "__main__":
    main()
