"""The engine: lines -> report. Every way to run glmlint calls `check_lines`."""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from fnmatch import fnmatchcase
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple

import numpy as np

from glmlint.engine.baseline import once_fingerprint, problem_fingerprint
from glmlint.engine.ignores import plain_content, read_ignores
from glmlint.engine.redact import redacted
from glmlint.engine.times import FIRST_PASS, HASH, READ, REST, SHAPES, TOKENIZE, Watch, timing
from glmlint.evidence.arguments import forget_waste
from glmlint.evidence.duplicates import conversation, table
from glmlint.evidence.ignored import Ignores
from glmlint.evidence.kinds import supervised_kinds
from glmlint.evidence.report import (
    IN_ANOTHER_FORMAT,
    MOST_ONCE,
    FileStats,
    Held,
    Once,
    Report,
    keep_first,
)
from glmlint.evidence.tool_facts import MAY_HAVE, tool_facts
from glmlint.finding import RANK, Excerpt, Finding, Location, json_pointer
from glmlint.loader import Shapes
from glmlint.plan import Plan
from glmlint.progress import Passes
from glmlint.read.facts import COSTLY
from glmlint.read.source import (
    Chunk,
    InputFile,
    LineNumbers,
    SourceError,
    read_chunks,
    rereadable,
)
from glmlint.rules.base import IGNORE_KEY, Loaded, Problem, all_rules, place_of, sentence
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.loaded import decoded_rows, load_of, part_of, remember
from glmlint.trainer.packing import LEFT_OUT
from glmlint.trainer.prepared import count_rows, prepared_rows
from glmlint.trainer.row import Fact, Row

Progress = Callable[[int, int], None]
"""Called after each chunk with the rows and bytes done."""


class PassPlan(Enum):
    """Which of the passes over a file a chunk is checked in."""

    WHOLE = "whole"
    """All rows as the loader hands them over, as far as that is known."""
    FIRST = "first"
    """It is not known what the loader makes of the rows: those that may change are counted apart."""
    CHANGEABLE = "changeable"
    """Those rows alone, as the loader hands them over."""
    LOOK = "look"
    """No rows: it is only found out what the loader makes of them."""


NextPass = Callable[[], PassPlan]
"""Asked before each chunk, since a pass may turn out to be in vain."""

Run = Callable[[InputFile, Report, NextPass, Progress | None, LineNumbers | None], None]
"""One pass over a file: see `check_here`."""


class Called(NamedTuple):
    """A rule as a row meets it."""

    name: str
    severity: str
    check: Callable[[Row], Iterable[Problem]] | None
    note: Callable[[Row], Iterable[str]] | None
    needs_value: bool


class Checker:
    """The rules of a plan, made ready: which run on a row with given facts."""

    def __init__(self, plan: Plan, context: Context) -> None:
        forget_waste()
        self.plan = plan
        self.context = context
        self.watch = Watch() if plan.profile_rules else None
        """Where the time goes, where that is asked."""
        self.layout_context = self.watch.context(context) if self.watch else context
        self._place = {name: place for place, name in enumerate(all_rules())}
        self._known = self.watch.rules(all_rules()) if self.watch else all_rules()
        self._by_path: dict[str, tuple[dict[str, str], frozenset[str]]] = {}
        self._by_facts: dict[tuple[int, int], list[Called]] = {}
        self._row_rules: dict[int, list[tuple[int, Called]]] = {}
        hashes = {
            loaded.rule.hashes
            for rules in (plan.rules, *(block.rules for block in plan.per_file))
            for loaded, _ in self._meant(rules)
        }
        self.hashes = bool(hashes - {None})
        """Whether some rule compares rows with each other."""
        self.prompts = "prompts" in hashes
        """Whether it compares their prompts too."""
        self.wanted = 0
        """The costly facts that some rule asks for, under whatever file's settings."""
        for rules in (plan.rules, *(block.rules for block in plan.per_file)):
            for loaded, _ in self._meant(rules):
                self.wanted |= loaded.rule.when & COSTLY
        self.across = frozenset(name for name, one in self._known.items() if one.check_run)
        """The rules that compare rows with each other, of whatever file's settings."""
        self.packs = context.trainer.packs(context.options)
        self.near = "signatures" in hashes
        """Whether it looks for rows that are nearly the same."""
        self._knows_old = plan.write_baseline or plan.baseline is not None
        self.provisional = False
        """Whether what is found now may be found otherwise in another pass."""
        self._last_kept: dict[str, int] = {}
        """Path -> the last line of which findings are kept, where there are enough of them."""

    def severities(self, path: str) -> dict[str, str]:
        """Rule -> severity, for one file."""
        return self._chosen(path)[0]

    def _chosen(self, path: str) -> tuple[dict[str, str], frozenset[str]]:
        """Rule -> severity for one file, and the rules whose severity the user set there."""
        if path not in self._by_path:
            chosen = self.plan.rules, self.plan.fixed_severity
            for block in self.plan.per_file:
                if matches(path, block.files, self.plan.per_file_root):
                    chosen = block.rules, block.fixed_severity
            self._by_path[path] = chosen
        return self._by_path[path]

    def _meant(self, chosen: dict[str, str]) -> Iterator[tuple[Loaded, str]]:
        """Those of the chosen rules that mean something under the recipe, and their severity."""
        for name, severity in chosen.items():
            loaded = self._known.get(name)
            if loaded is None or severity == "off":
                continue
            if loaded.rule.form not in (None, *self.context.trainer.reads):
                continue
            limit = loaded.rule.limit
            if limit is not None and limit.default is None and limit.name not in self.plan.limits:
                continue
            applies = loaded.rule.applies
            if applies is None or applies(self.context.trainer, self.plan):
                yield loaded, severity

    def rules_of(self, path: str) -> Iterator[tuple[Loaded, str]]:
        """The rules that hold for one file, and their severity."""
        return self._meant(self.severities(path))

    def level(self, path: str, rule: str, severity: str, problem: Problem) -> str:
        """A problem's severity: its own word counts where the user has not set the rule's."""
        if problem.severity is None or rule in self._chosen(path)[1]:
            return severity
        return problem.severity

    def rules_for(self, row: Row) -> list[Called]:
        """The row rules that can find something in a row with its facts, in their order."""
        facts = row.facts
        if facts & MAY_HAVE and row.value_ is not None:
            facts |= tool_facts(row)
        chosen = self._chosen(row.path)[0]
        key = (id(chosen), facts)
        found = self._by_facts.get(key)
        if found is None:
            found = self._by_facts[key] = [
                called
                for when, called in self._of_rows(chosen)
                if when & facts or (when == Fact.ANY and not facts & Fact.DEFECT)
            ]
        return found

    def _of_rows(self, chosen: dict[str, str]) -> list[tuple[int, Called]]:
        """The row rules that are meant, in their order, and the facts that each asks for."""
        found = self._row_rules.get(id(chosen))
        if found is None:
            found = self._row_rules[id(chosen)] = [
                (
                    one.rule.when,
                    Called(one.rule.name, severity, one.check, one.note, one.rule.needs_value),
                )
                for one, severity in self._meant(chosen)
                if one.check is not None or one.note is not None
            ]
            found.sort(key=lambda item: self._place[item[1].name])
        return found

    def check_row(
        self,
        row: Row,
        rules: list[Called],
        stats: FileStats,
        apart: bool,
        ignores: Ignores | None = None,
    ) -> bool:
        """Run the rules on one row. Returns whether it has a finding of warning or error.

        Args:
            row: read and laid out.
            rules: those that can find something in it: see `rules_for`.
            stats: what is found is added to it.
            apart: the row is counted as unreadable or dropped, whatever is found.
            ignores: what the row wants to be left alone with.
        """
        counted = False
        # What is not kept is only counted: no sentence, no column, no fingerprint.
        most = self.plan.max_findings if self._may_keep(row) else 0
        found: list[Finding] = []
        held: list[Held] = []
        held_once: set[tuple[str, str]] = set()
        told: set[tuple[str, str]] = set()
        met: set[str] = set()
        broken = row.defect is not None and row.value is None
        for name, severity, check, note, needs_value in rules:
            if broken and needs_value:
                continue
            if note is not None:
                for noted in note(row):
                    stats.notes[noted] += 1
            if check is None:
                continue
            for problem in check(row):
                if problem.raises:
                    row.said.raises = True
                level = self.level(row.path, name, severity, problem)
                if level == "off":
                    continue
                if level != "info" and not problem.of_trainer:
                    row.said.places.append(problem.pointer or ())
                if problem.trains and level == "error":
                    row.said.trains.add(problem.pointer or ())
                if ignores is not None and ignores.match(name):
                    stats.ignored += 1
                    continue
                if problem.once is not None:
                    met.add(name)
                    key = (name, _short(problem.once))
                    old = self._knows_old and self._is_old(once_fingerprint(*key, row.path))
                    if self.plan.add_ignores and not old:
                        _want(stats, row, name)
                    if key in told:
                        continue  # it stands for so many rows, whatever each says of itself
                    told.add(key)
                    known = stats.once.get(key)
                    worse = known is None or RANK[level] > RANK[known.severity]
                    if known is not None and not worse and (known.line or 0) <= row.line:
                        known.rows += 1
                    elif known is None and len(stats.once) >= MOST_ONCE:
                        stats.rule_counts[name] += 1
                        stats.severity_counts[level] += 1
                    else:
                        stats.add_once(key, self._once(row, name, level, problem, len(told)))
                    if level != "info" and not problem.of_trainer:
                        if old:
                            held_once.add(key)
                        else:  # every row that the finding stands for counts
                            counted = True
                    continue
                if self._knows_old and self._is_old(
                    identity := problem_fingerprint(name, problem, row)
                ):
                    keeps = len(stats.held) + len(held) < self.plan.max_findings
                    kept = self._finding(row, name, level, problem) if keeps else None
                    held.append(Held(identity, name, level, row.line, False, kept))
                    continue
                if self.plan.add_ignores:
                    _want(stats, row, name)
                met.add(name)
                stats.rule_counts[name] += 1
                stats.severity_counts[level] += 1
                if len(found) < most:
                    found.append(self._finding(row, name, level, problem))
                counted = counted or level != "info"
        for met_rule in met:
            stats.rule_rows[met_rule] += 1
        stats.findings += found
        if found and len(stats.findings) >= self.plan.max_findings:
            keep_first(stats.findings, self.plan.max_findings)
            self.kept(stats)
        for one in held:
            one.clean = not counted and not apart
        stats.held += held
        if held_once and not counted and not apart and not self.plan.write_baseline:
            stats.held_once.setdefault(frozenset(held_once), []).append(row.line)
        if ignores is not None:
            ignores.clean = not counted and not apart
        return counted

    def _may_keep(self, row: Row) -> bool:
        """Whether a finding of this row can be among the first ones, which are kept."""
        return row.line <= self._last_kept.get(row.path, row.line)

    def kept(self, stats: FileStats) -> None:
        """Take note of what a report keeps of a file: it may hold enough findings of earlier rows."""
        if self.provisional:
            return
        if stats.findings and len(stats.findings) >= self.plan.max_findings:
            self.keep_until(stats.path, stats.findings[-1].line or 0)

    def keep_until(self, path: str, line: int | None) -> None:
        """Findings of later rows of a file are only counted; None: all may be kept."""
        if line is None:
            self._last_kept.pop(path, None)
        else:
            self._last_kept[path] = line

    def _is_old(self, identity: str) -> bool:
        """Whether the baseline holds such a finding; how many of them, `finish` knows."""
        plan = self.plan
        return plan.write_baseline or (plan.baseline is not None and identity in plan.baseline)

    def _finding(self, row: Row, rule: str, severity: str, problem: Problem) -> Finding:
        pointer = None if problem.pointer is None else json_pointer(problem.pointer)
        span, excerpt = self._spot(row, problem)
        found = Finding(
            rule=rule,
            severity=severity,
            path=row.path,
            line=row.line,
            column=span.columns[0],
            pointer=pointer,
            message=sentence(problem.text, self.plan, problem.values),
            help=sentence(problem.help, self.plan, problem.values),
            fixable=bool(problem.edits),
            fingerprint=problem_fingerprint(rule, problem, row),
            kind=problem.text.en,
            span=span,
            excerpt=excerpt,
        )
        return redacted(found)

    def _spot(self, row: Row, problem: Problem) -> tuple[Location, Excerpt | None]:
        """Where in the row a problem is, and a piece of the row around it if reports show one."""
        positions = row.positions
        found = place_of(problem, positions)
        shown = self.plan.excerpts and bool(row.raw)
        excerpt = positions.excerpt(*found, EXCERPT) if shown else None
        return positions.span(*found, row.line), excerpt

    def _once(self, row: Row, rule: str, severity: str, problem: Problem, turn: int) -> Once:
        span, excerpt = self._spot(row, problem)
        return Once(
            rule, severity, problem.text, problem.values, problem.help, problem.pointer,
            row.line, span.columns[0], 1, bool(problem.edits), problem.habit, span, excerpt, turn,
        )  # fmt: skip


EXCERPT: Final = 400
"""Code points before, of and behind a place that are kept: more than a line shows, so that a secret
at the edge of what is shown is seen whole."""


_LONG_KEY: Final = 200


def _short(key: str) -> str:
    """What stands for a finding told once a file: a name in it may be as long as the row."""
    if len(key) <= _LONG_KEY:
        return key
    return key[:_LONG_KEY] + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _want(stats: FileStats, row: Row, rule: str) -> None:
    """Remember that the row may ignore the rule; only an object can say so."""
    if isinstance(row.value, dict):
        stats.wanted.setdefault((row.line, row.identity), set()).add(rule)


def matches(path: str, pattern: str, root: str) -> bool:
    """Whether a glob of the settings file matches a file.

    Args:
        path: as given on the command line.
        pattern: relative to `root`; `*` crosses folders, and without a slash it is the file's name.
        root: the settings file's folder.
    """
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    names = [relative, path] if "/" in pattern else [relative, path, relative.rpartition("/")[2]]
    patterns = (pattern, pattern.replace("**/", ""))
    return any(fnmatchcase(name, glob.removeprefix("./")) for name in names for glob in patterns)


def check_chunk(chunk: Chunk, checker: Checker, pass_: PassPlan = PassPlan.WHOLE) -> FileStats:
    """Check one chunk of one file."""
    with timing(checker.watch, REST):
        stats = _check_chunk(chunk, checker, pass_)
    if checker.watch is not None:
        stats.times = checker.watch.take()
    return stats


def _check_chunk(chunk: Chunk, checker: Checker, pass_: PassPlan) -> FileStats:
    context, watch = checker.context, checker.watch
    stats = FileStats(chunk.path)
    if pass_ is PassPlan.LOOK:
        with timing(watch, SHAPES):
            stats.shapes.add(part_of(chunk, decoded_rows(chunk), context))
        return stats
    stats.blank_lines = chunk.blank_lines
    stats.first_blank = chunk.first_blank
    stats.defects = list(chunk.file_defects)
    with timing(watch, READ):
        rows = list(prepared_rows(chunk, checker.layout_context, checker.wanted))
    sure = rows
    if pass_ is PassPlan.FIRST and (lines := {row.line for row in rows if row.may_change}):
        sure = [row for row in rows if row.line not in lines]
        stats.changeable = FileStats(chunk.path)
        stats.changeable_lines = [np.fromiter(sorted(lines), np.uint32, len(lines))]
        checker.provisional = True
        _check_rows([row for row in rows if row.line in lines], stats.changeable, checker)
        checker.provisional = False
    _check_rows(sure, stats, checker)
    if context.trainer.through_table and pass_ is not PassPlan.CHANGEABLE:
        with timing(watch, SHAPES):
            stats.shapes.add(part_of(chunk, rows, context))
    return stats


def _check_rows(rows: list[Row], stats: FileStats, checker: Checker) -> None:
    """Check rows of one file and add what is counted and found to its part of the report."""
    context, watch = checker.context, checker.watch
    totals = stats.totals
    totals.samples = sum(row.is_sample for row in rows)
    with timing(watch, TOKENIZE):
        counts = count_rows(rows, context)
    if counts is not None:
        stats.add_counts(counts)
    if checker.packs:
        lengths = [
            LEFT_OUT if row.unreadable or row.dropped is not None else row.kept
            for row in rows
            if row.is_sample
        ]
        if lengths:
            stats.packed.parts.append((rows[0].line, np.array(lengths, np.int32)))
    said: list[tuple[bytes, int, bool]] = []
    answered: list[tuple[int, bytes, Ignores]] = []
    for row in rows:
        if checker.plan.kinds and row.layout is not None:
            supervised, kept = supervised_kinds(row)
            stats.supervised_kinds.update(supervised)
            stats.kept_kinds.update(kept)
        unreadable = row.unreadable
        if unreadable and row.is_sample:
            totals.unreadable += 1
            if row.defect is None and row.foreign is not None:
                stats.notes[IN_ANOTHER_FORMAT] += 1
        found = False
        # Rows without unread keys have no value yet, so that they pay nothing for this.
        answers = row.decoded and isinstance(row.value, dict) and IGNORE_KEY in row.value
        rules = checker.rules_for(row)
        if rules or answers:
            ignores = None
            if answers:
                row.content = plain_content(row.raw)
                ignores = read_ignores(row.value, checker.severities(row.path))
                answered.append((row.line, row.identity, ignores))
            apart = unreadable or row.dropped is not None
            found = checker.check_row(row, rules, stats, apart, ignores)
        if row.dropped is not None:
            totals.dropped += 1
            totals.dropped_by_reason[row.dropped.reason] += 1
        elif not unreadable:
            if found:
                totals.with_findings += 1
            else:
                totals.clean += 1
        if checker.hashes and (content := _conversation(row)) is not None:
            clean = not found and not unreadable and row.dropped is None
            said.append((content, row.line, clean))
    if said:
        with timing(watch, HASH):
            stats.rows.add(table(said, checker.prompts, checker.near))
    if answered:
        stats.ignores.add(answered, checker.across)
    keep_first(stats.findings, checker.plan.max_findings)


def _conversation(row: Row) -> bytes | None:
    if row.conversation_bytes is not None:
        return row.conversation_bytes
    return conversation(row.value) if row.decoded or row.beside is not None else None


@contextmanager
def no_collection() -> Iterator[None]:
    """A chunk makes a million objects and hardly a cycle: looking for cycles costs a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def check_lines(
    chunks: Iterable[Chunk],
    plan: Plan,
    context: Context | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
    next_pass: NextPass = lambda: PassPlan.WHOLE,
) -> Report:
    """Check rows of any files, in any cut: the reports of the parts merge into the same report.

    Args:
        chunks: parts of files, as `source.read_chunks` gives them.
        plan: the settings.
        context: the plan's tokenizer and template, when they are loaded already.
        progress: called after each chunk.
        report: what is known of other rows; it is added to, also where the chunks end in an error.
        next_pass: of several; the loader's part is a pure function of a chunk and `context.loads`.
    """
    checker = Checker(plan, context or open_context(plan))
    report = Report() if report is None else report
    watch = checker.watch
    for chunk in chunks if watch is None else watch.reading(chunks):
        with no_collection():
            stats = check_chunk(chunk, checker, next_pass())
        with timing(watch, REST):
            report.add(stats, plan.max_findings)
            checker.kept(report.file(chunk.path))
        if progress is not None:
            progress(len(chunk.lines), sum(map(len, chunk.lines)))
    if watch is not None:
        report.times.add(watch.take())
    return report


def check_file(
    file: InputFile,
    plan: Plan,
    context: Context,
    report: Report,
    progress: Progress | None = None,
    after: str | None = None,
    run: Run | None = None,
) -> None:
    """Check a file, once more where the loader turns out to change its rows.

    Args:
        file: it is read from its beginning.
        plan: the settings.
        context: the plan's tokenizer and template.
        report: what is known of other files; it is added to.
        progress: called after each chunk with the rows and bytes done.
        after: path of the split that is loaded before this one and has been checked.
        run: does one pass; None: in this process.

    Raises:
        source.SourceError: the file can't be read, or no further; what was read is in the report.
    """
    context.loads.pop(file.path, None)
    passes, times = Passes(progress), copy.deepcopy(report.times)
    path = file.path
    before = report.file(after).shapes.whole if after is not None else None
    first = FirstPass(path, plan, context, report, before)
    run = run or partial(check_here, plan, context)
    with rereadable(file) as source:
        try:
            try:
                run(source, report, first, passes.add, None)
                shapes = report.file(path).shapes  # a file without rows is reported as well
                load = remember(path, shapes, context, before)
            except SourceError:
                if not first.in_vain:
                    raise  # else the next pass ends at the same place
            if not first.in_vain:
                if load is None:
                    return
                if first.splits and load.keeps_keys:
                    if len(lines := report.take_changeable(path)):
                        run(source, report, lambda: PassPlan.CHANGEABLE, None, lines)
                    return
        finally:
            if path in report.files:
                report.files[path].settle(plan.max_findings)
        report.forget(path)
        passes.again()
        if plan.profile_rules:
            times.parts[FIRST_PASS] += report.times.total - times.total
            report.times = times
        run(source, report, lambda: PassPlan.WHOLE, passes.add, None)


class FirstPass:
    """The first pass over a file: it only looks, once it is plain that all rows are checked again."""

    def __init__(
        self, path: str, plan: Plan, context: Context, report: Report, before: Shapes | None
    ) -> None:
        self.path = path
        self.context = context
        self.report = report
        self.before = before
        """The shapes of the split that is loaded before the file."""
        self.splits = _may_split(plan, context)
        """Whether rows that may change are counted apart."""
        self.in_vain = False
        self._asked = 0

    def __call__(self) -> PassPlan:
        self._asked += 1
        # Asked at each doubling, since the answer takes as long as there are keys.
        if not self.in_vain and self._asked.bit_count() == 1 and self.path in self.report.files:
            load = load_of(self.report.files[self.path].shapes, self.context, self.before)
            self.in_vain = load is not None and not (self.splits and load.keeps_keys)
        if self.in_vain:
            return PassPlan.LOOK
        return PassPlan.FIRST if self.splits else PassPlan.WHOLE


def check_here(
    plan: Plan,
    context: Context,
    file: InputFile,
    report: Report,
    next_pass: NextPass,
    progress: Progress | None,
    lines: LineNumbers | None,
) -> None:
    """One pass over a file in this process; arguments and errors as of `check_lines`.

    Args:
        lines: the only lines that are checked, sorted; None: all.
    """
    chunks = read_chunks(file)
    if lines is not None:
        chunks = (part for chunk in chunks if (part := chunk.among(lines)).lines)
    check_lines(chunks, plan, context, progress, report, next_pass)


def _may_split(plan: Plan, context: Context) -> bool:
    """Whether it is known which rows may change, and rows may be counted in another order.

    Packers ask for that of the file, and so does the bound on what a baseline keeps.
    """
    ordered = context.trainer.packs(context.options)
    baseline = plan.write_baseline or plan.baseline is not None
    trainer = context.trainer
    knows = trainer.through_table and context.typed is None and "glm" in trainer.reads
    return knows and not ordered and not baseline
