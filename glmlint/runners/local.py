"""Check files one after the other, in this process or by an engine that has others."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from glmlint.engine.check import check_file
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.progress import Progress
from glmlint.read.paths import find_inputs
from glmlint.read.source import InputFile, SourceError, rewritable
from glmlint.runners.tasks import Task, TaskEngine, add, check_tasks
from glmlint.trainer.base import Context

SMALL: Final = 4 << 20
"""Bytes of a file that one process checks alone."""


def check_files(
    paths: Sequence[str],
    plan: Plan,
    context: Context,
    progress: str = "never",
    jobs: int = 1,
    engine: TaskEngine | None = None,
) -> Report:
    """Check every file; what can't be read is kept as a problem, and the others go on.

    Args:
        paths: files, folders, globs, "-" for standard input.
        plan: the settings.
        context: the plan's tokenizer and template.
        progress: "auto", "always" or "never": a bar on standard error.
        jobs: processes of this machine.
        engine: where tasks are done instead.
    """
    if jobs == 1 or engine is not None:
        return _check_files(paths, plan, context, progress, engine)
    from glmlint.runners.processes import Processes

    with Processes(plan, context, jobs) as processes:
        return _check_files(paths, plan, context, progress, processes)


def _check_files(
    paths: Sequence[str], plan: Plan, context: Context, progress: str, engine: TaskEngine | None
) -> Report:
    # A validation file that is among the paths as well goes by the name that the plan has for it.
    inputs, missing = find_inputs([*plan.eval_files, *paths], plan.choice)
    inputs.sort(key=lambda file: file.path in plan.eval_files)
    # A validation split is cast to the types of the training split, where that is one file.
    trained = [file.path for file in inputs if file.path not in plan.eval_files]
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
    if engine is not None:
        engine.expect(sum(_size(file) or 0 for file in inputs))
    with Progress(["-" if file.stdin else file.path for file in inputs], progress) as bar:
        try:
            for alone, files in groupby(inputs, key=lambda file: _is_small(file, plan)):
                if engine is not None and alone:
                    _check_small([*files], engine, plan, report, bar)
                    continue
                for file in files:
                    later = file.path in plan.eval_files and len(trained) == 1
                    after = trained[0] if later and trained[0] in report.files else None
                    run = None
                    if engine is not None:
                        run = partial(check_tasks, engine, plan, context)
                    try:
                        check_file(file, plan, context, report, bar.add, after, run)
                    except SourceError as error:
                        report.problems.append((file.path, error.say(plan.lang)))
        except KeyboardInterrupt:
            report.interrupted = True
    return report


def _check_small(
    files: Sequence[InputFile], engine: TaskEngine, plan: Plan, report: Report, bar: Progress
) -> None:
    """Check each file in one process, several at a time."""
    parts = (Task(file, _size(file) or 0) for file in files)
    for file, done in zip(files, engine.run(parts), strict=True):
        try:
            add(done, report, plan, bar.add)
        except SourceError as error:
            report.problems.append((file.path, error.say(plan.lang)))


def _is_small(file: InputFile, plan: Plan) -> bool:
    """Whether a file is checked in one process; the types of a split may depend on another one."""
    size = None if file.path in plan.eval_files else _size(file)
    return size is not None and size < SMALL


def _size(file: InputFile) -> int | None:
    """Bytes of a file; None where it is none, or can't be looked at."""
    if file.is_stdin:
        return None
    try:
        found = Path(file.path).stat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
