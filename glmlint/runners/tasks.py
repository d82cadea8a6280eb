"""Parts of a run that can be checked apart: what each one is, and what comes of it."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from glmlint.engine.check import (
    Checker,
    NextPass,
    PassPlan,
    Progress,
    check_chunk,
    check_file,
    no_collection,
)
from glmlint.evidence.report import FileStats, Report
from glmlint.loader import CHUNK, Load
from glmlint.plan import Plan
from glmlint.read.source import (
    CHUNK_BYTES,
    MAX_LINE,
    Chunk,
    InputFile,
    LineNumbers,
    Range,
    SourceError,
    among,
    line_ranges,
    read_chunks,
    read_range,
)
from glmlint.text import RunStopped
from glmlint.trainer.base import Context


class Task(Struct, frozen=True):
    """What one process checks at a time."""

    source: InputFile | Chunk | Range
    """A whole file, in as many passes as it takes; rows; bytes of a file."""
    size: int
    """Bytes."""
    pass_: PassPlan = PassPlan.WHOLE
    lines: frozenset[int] | None = None
    """The only lines that are checked."""
    load: bytes | None = None
    """What the loader makes of the file's rows, pickled."""
    keep_until: int | None = None
    """Findings of later rows are only counted."""


class Done(Struct):
    """What came of a part: a piece for each chunk, as one process would have added them."""

    stats: list[FileStats]
    sizes: list[tuple[int, int]]
    """Rows and bytes of each."""
    error: BaseException | None = None
    """What ended it after these."""


class Sizes(NamedTuple):
    """How a file is read: arguments of `read_chunks`."""

    chunk_bytes: int = CHUNK_BYTES
    max_line: int = MAX_LINE
    loader_bytes: int = CHUNK


SIZES: Final = Sizes()


class TaskEngine(Protocol):
    """Whatever checks parts."""

    def expect(self, size: int) -> None:
        """A run of so many bytes begins, as far as that is known."""

    def run(self, parts: Iterator[Task]) -> Iterator[Done]:
        """Check parts, and give what came of them in their order.

        Where `parts` raises, so does this, once all that came before is given.
        """


class Feed:
    """Tasks one by one, up to where reading them ends in an error, which is kept until `end`."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self._tasks = tasks
        self.more = True
        self.failure: Exception | None = None

    def take(self) -> Task | None:
        """The next task; None where there is no more."""
        task = None
        try:
            task = next(self._tasks, None)
        except (SourceError, OSError) as error:
            self.failure = error
        self.more = task is not None
        return task

    def end(self) -> None:
        """All that came before is given. Raises what ended the tasks."""
        if self.failure is not None:
            raise self.failure


class Bench:
    """Checks parts one after the other in this process."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self.plan = plan
        self.context = context
        self.checker = Checker(plan, context)
        self._load: bytes | None = None

    def check(self, task: Task) -> Done:
        """Check a task. What is raised is kept in what comes of it."""
        done = Done([], [])
        try:
            if isinstance(task.source, InputFile):
                self._check_file(task.source, done)
            else:
                self._check_rows(task, task.source, done)
        except (Exception, RunStopped) as error:
            done.error = error
        return done

    def _check_file(self, file: InputFile, done: Done) -> None:
        report, seen = Report(), [0, 0]

        def count(rows: int, size: int) -> None:
            seen[0] += rows
            seen[1] += size

        try:
            check_file(file, self.plan, self.context, report, count)
        finally:
            self._load = None
            self.context.loads.pop(file.path, None)
            for stats in report.files.values():
                stats.times = report.times if self.plan.profile_rules else None
                done.stats.append(stats)
                done.sizes.append((seen[0], seen[1]))

    def _check_rows(self, task: Task, source: Chunk | Range, done: Done) -> None:
        checker, watch = self.checker, self.checker.watch
        if task.load is None:
            self.context.loads.pop(source.path, None)
        elif task.load != self._load:
            self.context.forget_loaded()
            self.context.loads[source.path] = pickle.loads(task.load)
        self._load = task.load
        checker.keep_until(source.path, task.keep_until)
        chunks: Iterable[Chunk] = read_range(source) if isinstance(source, Range) else (source,)
        for chunk in chunks if watch is None else watch.reading(chunks):
            rows = chunk if task.lines is None else chunk.only(task.lines)
            if task.lines is not None and not rows.lines:
                continue
            with no_collection():
                done.stats.append(check_chunk(rows, checker, task.pass_))
            done.sizes.append((len(rows.lines), sum(map(len, rows.lines))))


def check_tasks(
    engine: TaskEngine,
    plan: Plan,
    context: Context,
    file: InputFile,
    report: Report,
    next_pass: NextPass,
    progress: Progress | None,
    lines: LineNumbers | None,
    sizes: Sizes = SIZES,
) -> None:
    """One pass over a file by an engine; arguments and errors as of `check.check_here`."""
    load = context.loads.get(file.path)
    for done in engine.run(_tasks(file, plan, report, next_pass, lines, load, sizes)):
        add(done, report, plan, progress)


def add(done: Done, report: Report, plan: Plan, progress: Progress | None) -> None:
    """Add what came of a part, as one process adds it. Raises what ended the task."""
    for stats, (rows, size) in zip(done.stats, done.sizes, strict=True):
        report.add(stats, plan.max_findings)
        if progress is not None:
            progress(rows, size)
    if done.error is not None:
        raise done.error


def _tasks(
    file: InputFile,
    plan: Plan,
    report: Report,
    next_pass: NextPass,
    lines: LineNumbers | None,
    load: Load | None,
    sizes: Sizes,
) -> Iterator[Task]:
    """The rows of a file in order: its first ones as they are read here, then ranges, where there
    can be any."""
    pickled = None if load is None else pickle.dumps(load)
    path = file.path

    def task(source: Chunk | Range, size: int, some: frozenset[int] | None) -> Task:
        findings = report.files[path].findings if path in report.files else []
        full = len(findings) >= plan.max_findings and findings
        return Task(source, size, next_pass(), some, pickled, findings[-1].line if full else None)

    for chunk in read_chunks(file, *sizes):
        size = sum(map(len, chunk.lines))
        ranges = (
            None
            if file.is_stdin or file.copy is not None or file.memory is not None
            else line_ranges(chunk, *sizes[:2])
        )
        if lines is not None:
            chunk = chunk.among(lines)
        if lines is None or chunk.lines:
            yield task(chunk, size, None)
        if ranges is not None:
            break
    else:
        return
    for one, after in _with_next(ranges):
        some = None if lines is None else among(lines, one.number, after)
        if some is None or some:
            yield task(one, one.end - one.begin, some)


def _with_next(ranges: Iterator[Range]) -> Iterator[tuple[Range, int | None]]:
    """Each range, and the number of the line after it; None after the last."""
    held: Range | None = None
    for found in ranges:
        if held is not None:
            yield held, found.number
        held = found
    if held is not None:
        yield held, None
