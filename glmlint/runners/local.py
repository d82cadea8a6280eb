"""Check files one after the other in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from glmlint.engine.check import check_file
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.progress import Progress
from glmlint.read.paths import find_inputs
from glmlint.read.source import InputFile, SourceError, rewritable
from glmlint.trainer.base import Context


def check_files(
    paths: Sequence[str], plan: Plan, context: Context, progress: str = "never"
) -> Report:
    """Check every file; what can't be read is kept as a problem, and the others go on.

    Args:
        paths: files, folders, globs, "-" for standard input.
        plan: the settings.
        context: the plan's tokenizer and template.
        progress: "auto", "always" or "never": a bar on standard error.
    """
    # A validation file that is among the paths as well goes by the name that the plan has for it.
    inputs, missing = find_inputs([*plan.eval_files, *paths], plan.choice)
    inputs.sort(key=lambda file: file.path in plan.eval_files)
    report = Report()
    report.problems = [(problem.path, problem.say(plan.lang)) for problem in missing]
    # Files of `--eval` alone are read and not repaired; all others are among the paths.
    named = (
        {os.path.realpath(file.path) for file in find_inputs(paths, plan.choice)[0]}
        if plan.eval_files
        else ()
    )
    report.left_alone = {
        file.path
        for file in inputs
        if file.stdin
        or not rewritable(file.path)
        or (file.path in plan.eval_files and os.path.realpath(file.path) not in named)
    }
    with Progress(["-" if file.stdin else file.path for file in inputs], progress) as bar:
        try:
            check_inputs(inputs, plan, context, report, bar.add)
        except KeyboardInterrupt:
            report.interrupted = True
    return report


def check_inputs(
    inputs: Sequence[InputFile],
    plan: Plan,
    context: Context,
    report: Report,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Check files, or rows in memory, into a report; what can't be read is kept as a problem.

    Args:
        inputs: those of the validation split behind all others.
        plan: the settings.
        context: the plan's tokenizer and template.
        report: it is added to.
        progress: called with the rows and bytes done.
    """
    # A validation split is cast to the types of the training split, where that is one file.
    trained = [file.path for file in inputs if file.path not in plan.eval_files]
    for file in inputs:
        later = file.path in plan.eval_files and len(trained) == 1
        after = trained[0] if later and trained[0] in report.files else None
        try:
            check_file(file, plan, context, report, progress, after)
        except SourceError as error:
            report.problems.append((file.path, error.say(plan.lang)))
