"""Commands and flags, nothing else: what they do stands in the modules that they call."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from glmlint import __version__
from glmlint.app.options import (
    Failure,
    add_options,
    baseline_options,
    complete_files,
    complete_formats,
    complete_rule,
    complete_styles,
    data_paths,
    limit_options,
    make_plan,
    model_option,
    plan_options,
    refuse_inputs,
    rule_options,
    save_baseline,
)
from glmlint.app.outputs import ORDER, OutputsFault, remember_order, reports_of
from glmlint.app.process import UnknownCommand, run
from glmlint.output import tell
from glmlint.plan import COLUMN_UNITS, STYLES

if TYPE_CHECKING:
    from glmlint.engine.finish import Result
    from glmlint.plan import Plan
    from glmlint.trainer.base import Context

LATER = {
    "compare": (
        "glmlint.app.compare:compare",
        "The same rows under several trainers: what each teaches.",
    ),
    "convert": (
        "glmlint.convert.command:convert",
        "ShareGPT, OpenAI, Alpaca, ChatGLM3 to GLM messages, and back.",
    ),
    "score": (
        "glmlint.scoring.command:score",
        "Baseline loss of a model on the supervised tokens.",
    ),
}
"""Commands whose modules are imported when they are called, and what `--help` says of them."""


class Commands(click.Group):
    """The group of commands; some are loaded late, so that questions are answered quickly."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, in the order of the help text."""
        return [*super().list_commands(context), *LATER]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name in LATER:
            module, _, attribute = LATER[name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return super().get_command(context, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first argument; of those that there are, late ones too, one is meant."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownCommand(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing those that are loaded late."""
        del context
        own = [(name, self.commands[name].get_short_help_str(120)) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl([*own, *((name, text) for name, (_, text) in LATER.items())])


class FormatOption(click.Option):
    """`--format`, whose help names the formats that there are."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The flag and its help, with the formats in it."""
        from glmlint.reporters.base import names

        record = super().get_help_record(ctx)
        *first, last = names()
        named = f"{', '.join(first)} or {last}"
        return record and (record[0], record[1].format(formats=named))


class OfPlace(click.Command):
    """A command that takes FILE:LINE; `-:17`, a line of standard input, is no flag."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put such a place behind the flags."""
        places = [word for word in args if word.startswith("-:") and word[2:].isdecimal()]
        if places and "--" not in args:
            args = [*(word for word in args if word not in places), "--", *places]
        return super().parse_args(context, args)


class OfReports(click.Command):
    """A command that prints reports: each `--output` is that of the `--format` before it."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Remember in which order they came."""
        given = list(args)
        rest = super().parse_args(context, args)
        remember_order(self, context, given)
        return rest


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="glmlint %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors in glmlint itself.")
def cli(debug: bool) -> None:
    """See exactly what your trainer will train on, before you pay for the GPU.

    \b
    glmlint check train.jsonl       what trains, what is lost, what is broken
    glmlint show train.jsonl:17     one sample, token by token
    glmlint explain null-content    what a rule means
    """
    del debug  # read by `main`


_REPORT_OPTIONS = (
    click.option("--fail-on", type=click.Choice(["error", "warning", "info", "never"]),
                 help="The mildest severity that fails the run.  [default: error]"),
    *limit_options(),
    click.option("--eval", multiple=True, metavar="FILE", shell_complete=complete_files,
                 help="A file of the validation split: report rows that stand in both."),
    baseline_options,
    click.option("--add-ignores", is_flag=True, default=None,
                 help="Write the findings of each row into it, as rules that it ignores."),
    click.option("--format", "formats", multiple=True, metavar="FORMAT", cls=FormatOption,
                 shell_complete=complete_formats,
                 help="{formats}; may be repeated, each with its --output behind it.  [default: text]"),
    click.option("--output", "--output-file", "outputs", multiple=True, metavar="FILE",
                 shell_complete=complete_files,
                 help="Where the format before goes.  [default: standard output]"),
    click.option("--output-format", metavar="STYLE", shell_complete=complete_styles,
                 help="Style of text: full (with excerpts), concise (one line a finding) or grouped "
                      "(by file); any other name is that of a --format.  [default: full]"),
    click.option("--column-unit", type=click.Choice(COLUMN_UNITS),
                 help="What columns count: Unicode code points, UTF-8 bytes (vim, Emacs) or UTF-16 "
                      "units (LSP).  [default: codepoint]"),
    click.option("--max-findings", type=click.IntRange(0), metavar="N",
                 help="How many findings are kept and printed; counts are always whole.  "
                      "[default: 20000; 200 on a terminal]"),
    click.option("--fix", is_flag=True,
                 help="Repair what is safe to repair, in place; then report what is left."),
    click.option("--unsafe-fixes", is_flag=True,
                 help="With --fix or --diff: also repairs that change what is trained."),
    click.option("--diff", is_flag=True,
                 help="Show what --fix would do and change nothing; exit code 1 if that is anything."),
    click.option("--statistics", is_flag=True, help="Count findings by rule."),
    click.option("--profile-rules", is_flag=True, default=None,
                 help="After the report, on standard error: the time that each rule took."),
    click.option("--quiet", "-q", is_flag=True, help="Print findings only."),
    click.option("--verbose", "-v", is_flag=True,
                 help="Print everything: all tables, every help, what was assumed in full."),
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto",
                 help="[default: auto]"),
    click.option("--progress", type=click.Choice(["auto", "always", "never"]), default="auto",
                 help="Progress on standard error.  [default: auto]"),
)  # fmt: skip


def report_options(command: Any) -> Any:
    """Add the flags that say what is printed and what fails."""
    return add_options(command, _REPORT_OPTIONS)


@cli.command(cls=OfReports)
@click.argument("paths", nargs=-1, metavar="[PATH]…", shell_complete=complete_files)
@model_option
@plan_options
@rule_options
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
    **flags: Any,
) -> None:
    """Lint files or folders; `-` is standard input, no PATH the current folder.

    Exit code 0: clean; 1: findings at or over --fail-on; 2: something could not be read or done;
    130: interrupted.
    """
    from dataclasses import replace

    from glmlint.output import OutputError, colored, opened, silence, width
    from glmlint.reporters.base import ReporterOptions, about, get
    from glmlint.reporters.words import say
    from glmlint.runners.local import check_files
    from glmlint.text import system_fault

    # As ruff has it, where styles and formats are one.
    flags["output_format"] = output_format if output_format in STYLES else None
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
    refuse_inputs(written, (*paths, *plan.eval_files), lang)
    if diff and plan.profile_rules:
        raise Failure(say("profile-diff", lang))
    if plan.add_ignores and (fix or diff or plan.write_baseline):
        raise Failure(say("ignores-alone", lang))
    if diff:
        raise SystemExit(_diff(paths, plan, context, unsafe_fixes, progress))
    if any(about(one.form).excerpts for one in reports):
        plan = replace(plan, excerpts=True)
    fixes = None
    if fix:
        from glmlint.fix.run import fix_files, sentence

        fixes = fix_files(paths, plan, context, unsafe=unsafe_fixes, progress=progress)
    report = check_files(paths, plan, context, progress)
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
    if not report.interrupted and any(about(one.form).edits for one in reports):
        from glmlint.fix.suggest import with_edits

        result.findings = with_edits(result)
    # Files first: whoever reads standard output may close it early.
    for form, target in sorted(reports, key=lambda one: one.target == "-"):
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
    for path, reason in report.problems:
        tell(reason, path=path)
    if fixes is not None:
        for path, note in fixes.notes:
            tell(note, path=path)
        tell(sentence(fixes, lang), name="")
    if report.interrupted:
        tell(say("stopped", lang))
    _profile(result, color)
    raise SystemExit(result.exit_code)


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
            counts = say("ignores-added", lang, rows=f"{done.rows:,}", rules=f"{done.rules:,}")
            tell(counts, path=file.path)
    for path, reason in failures:
        tell(reason, path=path)
    if not left:
        tell(say("nothing-found", lang))
    return 2 if failures else 0


def _diff(paths: tuple[str, ...], plan: Plan, context: Context, unsafe: bool, progress: str) -> int:
    """Show what --fix would do. 0: nothing, 1: something, 2: a part could not be looked at."""
    from glmlint.fix.run import diff_files, sentence
    from glmlint.output import into_file, silence

    out, raw = sys.stdout.buffer, into_file(sys.stdout)
    try:
        fixes = diff_files(paths, plan, context, out, unsafe=unsafe, progress=progress, raw=raw)
        out.flush()
    except BrokenPipeError:  # whoever reads has seen something, and enough
        silence()
        return 1
    for path, note in [*fixes.failures, *fixes.notes]:
        tell(note, path=path)
    tell(sentence(fixes, plan.lang, would=True), name="")
    return 2 if fixes.failures else int(bool(fixes.drafts))


def data_of(plan: Plan) -> tuple[str, ...]:
    """The files that the trainer's own settings name. Raises UsageError without any."""
    if not plan.data:
        raise click.UsageError("Missing argument 'FILE[:LINE]'.")
    return plan.data


@cli.command(cls=OfPlace)
@click.argument("place", required=False, metavar="FILE[:LINE]", shell_complete=complete_files)
@model_option
@plan_options
@rule_options
@click.option("--ids", is_flag=True, help="Print token ids too.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto",
              help="[default: auto]")  # fmt: skip
def show(place: str | None, ids: bool, color: str, **flags: Any) -> None:
    """One sample as the trainer sees it: supervised, masked and lost tokens, and the budget."""
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


@cli.command(cls=OfPlace)
@click.argument("place", required=False, metavar="FILE[:LINE]", shell_complete=complete_files)
@model_option
@plan_options
@click.option("--no-truncate", is_flag=True, help="The whole sequence, before the budget cuts it.")
@click.option(
    "--packed",
    is_flag=True,
    help="The sequences that come out of the trainer's packer, where it packs rows.",
)
def encode(place: str | None, no_truncate: bool, packed: bool, **flags: Any) -> None:
    """Print the trainer's own ids and labels, one JSON object a sample.

    A row at which the trainer raises gives its exception as "error".
    """
    from glmlint.engine.encode import encode_rows, packed_rows
    from glmlint.read.source import SourceError, find_inputs
    from glmlint.reporters.rows import entry_of
    from glmlint.reporters.words import say

    path, line = split_place(place) if place else ("", None)
    plan, context = make_plan(flags, (path,) if place else ())
    if packed and (no_truncate or line is not None):
        raise Failure(say("packed-alone", plan.lang))
    if packed and not context.trainer.packs(context.options):
        raise Failure(say("packed-none", plan.lang, trainer=context.trainer.called.say(plan.lang)))
    inputs, missing = find_inputs((path,) if place else data_of(plan))
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


@cli.command()
@model_option
@plan_options
@rule_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              help="[default: text]")  # fmt: skip
def rules(form: str, **flags: Any) -> None:
    """The catalogue of rules: severity, family, fix, and which are on."""
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


@cli.command()
@click.argument("rule", shell_complete=complete_rule)
@click.option("--lang", type=click.Choice(["en", "zh", "auto"]), default="auto",
              help="Language of the text.  [default: auto]")  # fmt: skip
def explain(rule: str, lang: str) -> None:
    """One rule: what it means, why it matters in training, examples, how to repair it."""
    from glmlint.output import colored, language, width
    from glmlint.reporters.catalogue import UnknownRule, write_rule

    color = colored("auto", sys.stdout.isatty())
    try:
        write_rule(rule, sys.stdout, language(lang), width(), color)
    except UnknownRule as error:
        raise Failure(error.say(language(lang))) from None


@cli.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              help="[default: text]")  # fmt: skip
@click.option("--lang", type=click.Choice(["en", "zh", "auto"]), default="auto",
              help="Language of the text.  [default: auto]")  # fmt: skip
def recipes(form: str, lang: str) -> None:
    """The trainers that glmlint knows to the token, with source and date."""
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
    sys.exit(run(cli))


if __name__ == "__main__":
    main()
