"""Check files one after the other, in this process or by an engine that has others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from glmlint.engine.check import Progress as Counted
from glmlint.engine.check import Run, check_file
from glmlint.evidence.report import FileStats, Report
from glmlint.plan import Plan
from glmlint.progress import Progress
from glmlint.read.paths import find_inputs
from glmlint.read.source import InputFile, SourceError, rewritable
from glmlint.runners.tasks import Task, TaskEngine, add, check_tasks
from glmlint.trainer.base import Context

if TYPE_CHECKING:
    from glmlint.runners.cache import Cache

SMALL: Final = 4 << 20
"""Bytes of a file that one process checks alone."""


BATCH: Final = 256
"""Small files that are looked up in the cache before the first of them is checked."""


def check_files(
    paths: Sequence[str],
    plan: Plan,
    context: Context,
    progress: str = "never",
    engine: TaskEngine | None = None,
    cache: Cache | None = None,
) -> Report:
    """Check every file; what can't be read is kept as a problem, and the others go on.

    Args:
        paths: files, folders, globs, "-" for standard input.
        plan: the settings.
        context: the plan's tokenizer and template.
        progress: "auto", "always" or "never": a bar on standard error.
        engine: what has other processes; None: all is done in this one.
        cache: what is known of files from earlier runs.
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
    names = ["-" if file.stdin else file.path for file in inputs]
    with Progress(names, progress, plan.lang) as bar:
        try:
            check_inputs(inputs, plan, context, report, bar.add, engine, cache)
        except KeyboardInterrupt:
            report.interrupted = True
    return report


def check_inputs(
    inputs: Sequence[InputFile],
    plan: Plan,
    context: Context,
    report: Report,
    progress: Counted | None = None,
    engine: TaskEngine | None = None,
    cache: Cache | None = None,
) -> None:
    """Check files, or rows in memory, into a report; what can't be read is kept as a problem.

    Args:
        inputs: those of the validation split behind all others.
        plan: the settings.
        context: the plan's tokenizer and template.
        report: it is added to.
        progress: called with the rows and bytes done.
        engine, cache: as of `check_files`.
    """
    # A validation split is cast to the types of the training split, where that is one file.
    trained = [file.path for file in inputs if file.path not in plan.eval_files]
    run = Running(plan, context, report, progress, engine, cache)
    if engine is not None:
        new = (file for file in inputs if cache is None or not cache.may_know(file))
        engine.expect(sum(_size(file) or 0 for file in new))
    for alone, files in groupby(inputs, key=lambda file: _is_small(file, plan)):
        if engine is not None and alone:
            while some := [*islice(files, BATCH)]:
                _check_small(some, engine, run)
            continue
        for file in files:
            later = file.path in plan.eval_files and len(trained) == 1
            after = trained[0] if later and trained[0] in report.files else None
            if after is None and run.known(file):
                continue
            try:
                check_file(file, plan, context, report, progress, after, run.by)
            except SourceError as error:
                report.problems.append((file.path, error.say(plan.lang)))
            else:
                if after is None:
                    run.remember(file)


class Running:
    """What a run has at hand for each of its files."""

    def __init__(
        self,
        plan: Plan,
        context: Context,
        report: Report,
        progress: Counted | None,
        engine: TaskEngine | None,
        cache: Cache | None,
    ) -> None:
        self.plan = plan
        self.report = report
        self.progress = progress
        self.cache = cache
        self.by: Run | None = None
        """What does a pass over a file; None: this process."""
        if engine is not None:
            self.by = partial(check_tasks, engine, plan, context)

    def known(self, file: InputFile) -> bool:
        """Whether what is in a file was in the cache; it is in the report then."""
        stats = self.cached(file)
        if stats is not None:
            self.take(file, stats)
        return stats is not None

    def cached(self, file: InputFile) -> FileStats | None:
        """What the cache knows of a file."""
        return None if self.cache is None else self.cache.get(file)

    def take(self, file: InputFile, stats: FileStats) -> None:
        """Add what was known of a file."""
        self.report.add(stats, self.plan.max_findings)
        if self.progress is not None:
            self.progress(stats.totals.samples, _size(file) or 0)

    def remember(self, file: InputFile) -> None:
        """Keep what was found in a file that could be read to its end."""
        if self.cache is not None and self.report.level == 0:
            self.cache.put(file, self.report.files[file.path])


def _check_small(files: Sequence[InputFile], engine: TaskEngine, run: Running) -> None:
    """Check each file in one process, several at a time."""
    waiting: list[tuple[InputFile, FileStats | None]] = []

    def tasks() -> Iterator[Task]:
        for file in files:
            stats = run.cached(file)
            waiting.append((file, stats))
            if stats is None:
                yield Task(file, _size(file) or 0)

    found = engine.run(tasks())
    done = next(found, None)
    at = 0
    while at < len(waiting):
        file, stats = waiting[at]
        waiting[at] = file, None
        at += 1
        if stats is not None:
            run.take(file, stats)
            continue
        assert done is not None  # each file that is not known is a task
        try:
            add(done, run.report, run.plan, run.progress)
        except SourceError as error:
            run.report.problems.append((file.path, error.say(run.plan.lang)))
        else:
            run.remember(file)
        done = next(found, None)


def _is_small(file: InputFile, plan: Plan) -> bool:
    """Whether a file is checked in one process; the types of a split may depend on another one."""
    size = None if file.path in plan.eval_files else _size(file)
    return size is not None and size < SMALL


def _size(file: InputFile) -> int | None:
    """Bytes of a file; None where it is none, or can't be looked at."""
    if file.is_stdin or file.memory is not None:
        return None
    try:
        found = Path(file.path).stat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
