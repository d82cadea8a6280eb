"""The report: everything that was counted and found. Two reports merge into one; nothing else."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field

from glmlint.evidence import duplicates
from glmlint.evidence.duplicates import Rows
from glmlint.evidence.ignored import IgnoredRows
from glmlint.finding import RANK, Defect, Excerpt, Finding, Location, Pointer
from glmlint.trainer.base import Text
from glmlint.trainer.loaded import Parts
from glmlint.trainer.mask import GRID, Counts, Int, sum_at

COUNTS = (
    "samples",
    "clean",
    "with_findings",
    "unreadable",
    "dropped",
    "tokens",
    "supervised_tokens",
    "kept_tokens",
    "kept_supervised_tokens",
    "lost_supervised_tokens",
    "truncated_samples",
    "fully_truncated_samples",
)
"""The integers of `totals`, in the order of the JSON report."""


IN_ANOTHER_FORMAT: Final = "unreadable in another format"
"""Note of a file: rows that the trainer can't read, as they are in a known form of another one."""


class Totals(Struct):
    """Counts of rows and tokens, as `docs/json.md` defines them."""

    samples: int = 0
    clean: int = 0
    with_findings: int = 0
    unreadable: int = 0
    dropped: int = 0
    dropped_by_reason: Counter[str] = field(default_factory=Counter)
    """Reason -> rows that the trainer leaves out for it."""
    tokens: int = 0
    supervised_tokens: int = 0
    kept_tokens: int = 0
    kept_supervised_tokens: int = 0
    lost_supervised_tokens: int = 0
    truncated_samples: int = 0
    fully_truncated_samples: int = 0

    @property
    def trainable_ratio(self) -> float | None:
        """Share of the kept tokens that is supervised; None when nothing is kept."""
        return self.kept_supervised_tokens / self.kept_tokens if self.kept_tokens else None

    @property
    def lost_share(self) -> float | None:
        """Share of the supervised tokens that the budget cuts; None when there are none."""
        return (
            self.lost_supervised_tokens / self.supervised_tokens if self.supervised_tokens else None
        )

    @property
    def readable(self) -> int:
        """Rows that the trainer can read."""
        return self.samples - self.unreadable - self.dropped

    def add(self, other: Totals) -> None:
        """Add the counts of other rows."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.dropped_by_reason += other.dropped_by_reason


MOST_ONCE: Final = 10_000
"""Findings reported once per file that are kept of it. Data may make each of its rows another one: those
beyond are only counted."""


class Once(Struct):
    """A finding that is reported once per file: its first place, and how many rows it stands for."""

    rule: str
    severity: str
    text: Text
    values: dict[str, Any]
    help: Text
    pointer: Pointer | None
    line: int | None
    column: int | None
    rows: int
    fixable: bool = False
    habit: Habit | None = None
    """What is reported instead where most rows of the file are like this."""
    span: Location | None = None
    excerpt: Excerpt | None = None
    turn: int = 0
    """How many others the row told before it: the order of those of one place."""

    def before(self, other: Once) -> bool:
        """Whether this one of the two rows is reported: the worse one, else the earlier one."""
        mine, theirs = RANK[self.severity], RANK[other.severity]
        return mine > theirs or (mine == theirs and (self.line or 0) <= (other.line or 0))


class Habit(Struct, frozen=True):
    """What is reported once per file of something that most of its rows have: a cause, not a slip."""

    text: Text
    help: Text
    severity: str
    fixable: bool


class Places(Struct):
    """Sorted places with a whole number at each, such as a sparse histogram. Merges by sum."""

    at: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    number: Int = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, at: Int, number: Int) -> None:
        """Add numbers at places."""
        self.at, self.number = sum_at(
            np.concatenate((self.at, at)), np.concatenate((self.number, number))
        )


class Curve(Struct):
    """Budget -> supervised tokens that it keeps. Merges by sum.

    Exact at every budget where the first tokens of a row are kept. Other cuts keep sometimes fewer
    under a larger budget: they are counted at the budgets of `GRID`.
    """

    places: Places = field(default_factory=Places)
    """Place -> by how much the number of supervised tokens at a place changes there."""
    grid: Int | None = None
    """Kept supervised tokens at each budget of `GRID`; None where `places` is exact."""

    def add(self, counts: Counts) -> None:
        """Add a chunk of rows."""
        if counts.grid is None:
            self.places.add(counts.edges, counts.changes)
        else:
            self.grid = counts.grid if self.grid is None else self.grid + counts.grid

    def merge(self, other: Curve) -> None:
        """Add other rows of the same trainer."""
        self.places.add(other.places.at, other.places.number)
        if other.grid is not None:
            self.grid = other.grid if self.grid is None else self.grid + other.grid

    def kept(self, budget: int) -> int:
        """How many supervised tokens a budget keeps; of a grid, the largest one at or below it."""
        if self.grid is None:
            return kept_supervised(self.places, budget)
        place = int(np.searchsorted(np.array(GRID), budget, side="right")) - 1
        return int(self.grid[place]) if place >= 0 else 0

    def smallest(self, share: float) -> int | None:
        """The smallest budget from which on at least that share is kept; None without any tokens."""
        if self.grid is None:
            return smallest_budget(self.places, share)
        if not self.grid[-1]:
            return None
        short = np.flatnonzero(self.grid < _part(share, int(self.grid[-1])))
        return int(GRID[int(short[-1]) + 1 if len(short) else 0])


class Held(Struct):
    """A finding whose fingerprint is in the baseline: whether it is an old one is known at the end."""

    fingerprint: str
    rule: str
    severity: str
    line: int
    clean: bool
    """Whether nothing else was found in the row."""
    finding: Finding | None
    """None past `max_findings`: it would not be printed."""


class Times(Struct):
    """Nanoseconds, each counted once. Merges by sum."""

    rules: Counter[str] = field(default_factory=Counter)
    """Nanoseconds by rule."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows that a rule was called for."""
    parts: Counter[str] = field(default_factory=Counter)
    """Nanoseconds of what is not a rule, by the names in `PARTS`."""

    def add(self, other: Times) -> None:
        """Add what was measured elsewhere."""
        self.rules.update(other.rules)
        self.rows.update(other.rows)
        self.parts.update(other.parts)

    @property
    def total(self) -> int:
        """Nanoseconds in all."""
        return self.rules.total() + self.parts.total()


class Kept(Struct):
    """Lengths of the rows as they go into the trainer's packer, in the order of the file."""

    parts: list[tuple[int, npt.NDArray[np.int32]]] = field(default_factory=list)
    """(line of its first row, lengths as in `trainer.packing.Lengths`) of each part of the file."""

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """All of them in order, whatever the order in which the parts came."""
        parts = sorted(self.parts, key=lambda part: part[0])
        return np.concatenate([np.zeros(0, np.int32), *(lengths for _, lengths in parts)])


class FileStats(Struct):
    """What was counted and found in one file, or in a part of it."""

    path: str
    totals: Totals = field(default_factory=Totals)
    lengths: Places = field(default_factory=Places)
    """Length in tokens -> number of readable rows of that length."""
    curve: Curve = field(default_factory=lambda: Curve())
    """How many supervised tokens any budget keeps."""
    supervised_kinds: Counter[str] = field(default_factory=Counter)
    """With `plan.kinds`: a group of `kinds.GROUPS` -> supervised tokens, before truncation."""
    kept_kinds: Counter[str] = field(default_factory=Counter)
    """The same after truncation."""
    findings: list[Finding] = field(default_factory=list)
    once: dict[tuple[str, str], Once] = field(default_factory=dict)
    rule_counts: Counter[str] = field(default_factory=Counter)
    """Findings of single places by rule, also of those that are not kept."""
    rule_rows: Counter[str] = field(default_factory=Counter)
    """Rows by rule that has findings in them."""
    severity_counts: Counter[str] = field(default_factory=Counter)
    defects: list[Defect] = field(default_factory=list)
    """Faults of the whole file."""
    blank_lines: int = 0
    first_blank: int | None = None
    notes: Counter[str] = field(default_factory=Counter)
    """Numbers that file rules work with, by a name of theirs."""
    rows: Rows = field(default_factory=Rows)
    """Hashes of the rows, where a rule compares rows with each other."""
    shapes: Parts = field(default_factory=Parts)
    """What the loader's outcome depends on, where the recipe's trainer reads through `datasets`."""
    packed: Kept = field(default_factory=Kept)
    """What goes into the trainer's packer; nothing where it packs no rows."""
    ignores: IgnoredRows = field(default_factory=IgnoredRows)
    """The rows that have an ignore key."""
    ignored: int = 0
    """Findings that a row's ignore key silenced."""
    held: list[Held] = field(default_factory=list)
    """Findings of rows whose fingerprints are in the baseline."""
    held_once: dict[frozenset[tuple[str, str]], list[int]] = field(default_factory=dict)
    """Keys of `once` that are in the baseline -> lines of the rows with these, and nothing else that
    counts: whether the baseline covers all of them is known at the end."""
    wanted: dict[tuple[int, bytes], set[str]] = field(default_factory=dict)
    """(line, what stands for the row) -> rules that it may ignore; b"" where only the line is known."""
    changeable: FileStats | None = None
    """The same of the rows that the loader may hand over otherwise though messages keep their keys.
    They are counted apart, to be checked once more alone, until `settle` adds them."""
    changeable_lines: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    """Lines of those rows, in parts."""
    times: Times | None = None
    """Where the time went, until the part is added to a report."""

    def settle(self, max_findings: int) -> None:
        """Count the rows that were counted apart with the others."""
        part, self.changeable, self.changeable_lines = self.changeable, None, []
        if part is not None:
            self.merge(part, max_findings)

    @property
    def remembered(self) -> int:
        """Bytes of the hashes of rows."""
        return self.rows.size + (0 if self.changeable is None else self.changeable.rows.size)

    def thin(self, level: int) -> None:
        """Remember one conversation in 2**level."""
        self.rows.thin(level)
        if self.changeable is not None:
            self.changeable.rows.thin(level)

    @property
    def measured(self) -> int:
        """Rows whose length is known: those that the trainer reads, and those that it drops by length."""
        return int(self.lengths.number.sum())

    def add_counts(self, counts: Counts) -> None:
        """Add the token counts of a chunk of readable rows."""
        totals = self.totals
        lost = counts.supervised - counts.kept_supervised
        totals.tokens += int(counts.tokens.sum())
        totals.supervised_tokens += int(counts.supervised.sum())
        totals.kept_tokens += int(counts.kept.sum())
        totals.kept_supervised_tokens += int(counts.kept_supervised.sum())
        totals.lost_supervised_tokens += int(lost.sum())
        totals.truncated_samples += int((counts.tokens > counts.kept).sum())
        totals.fully_truncated_samples += int(
            ((counts.supervised > 0) & (counts.kept_supervised == 0)).sum()
        )
        at, number = np.unique(counts.tokens, return_counts=True)
        self.lengths.add(at, number.astype(np.int64))
        self.curve.add(counts)

    def merge(self, other: FileStats, max_findings: int) -> None:
        """Add another part of the same file."""
        if other.changeable is not None:
            if self.changeable is None:
                self.changeable = FileStats(self.path)
            self.changeable.merge(other.changeable, max_findings)
            self.changeable_lines += other.changeable_lines
        self.totals.add(other.totals)
        self.lengths.add(other.lengths.at, other.lengths.number)
        self.curve.merge(other.curve)
        self.supervised_kinds.update(other.supervised_kinds)
        self.kept_kinds.update(other.kept_kinds)
        self._add_findings(other.findings, max_findings)
        for key, once in other.once.items():
            self.add_once(key, once)
        self.rule_counts += other.rule_counts
        self.rule_rows += other.rule_rows
        self.severity_counts += other.severity_counts
        self.notes.update(other.notes)
        if other.rows.table is not None:
            self.rows.add(other.rows.table)
        self.shapes.merge(other.shapes)
        self.packed.parts += other.packed.parts
        self.ignores.merge(other.ignores)
        self.ignored += other.ignored
        for place, rules in other.wanted.items():
            self.wanted.setdefault(place, set()).update(rules)
        for held in other.held:
            if len(self.held) >= max_findings:
                held.finding = None
            self.held.append(held)
        for keys, lines in other.held_once.items():
            self.held_once.setdefault(keys, []).extend(lines)
        for defect in other.defects:
            if defect not in self.defects:
                self.defects.append(defect)
        self.blank_lines += other.blank_lines
        if other.first_blank is not None:
            self.first_blank = min(self.first_blank or other.first_blank, other.first_blank)

    def _add_findings(self, findings: list[Finding], most: int) -> None:
        """Keep the first findings of both; those of a later part mostly come behind all others."""
        if not findings:
            return
        new = keep_first([*findings], most)
        if self.findings and order(new[0]) < order(self.findings[-1]):
            self.findings = keep_first([*self.findings, *new], most)
        elif len(self.findings) < most:
            self.findings += new[: most - len(self.findings)]

    def add_once(self, key: tuple[str, str], once: Once) -> None:
        """Count a finding that is reported once per file: of its worst row, the earliest of them."""
        known = self.once.get(key)
        if known is None:
            if len(self.once) < MOST_ONCE:
                self.once[key] = once
            else:
                self.rule_counts[once.rule] += once.rows
                self.severity_counts[once.severity] += once.rows
            return
        first = known if known.before(once) else once
        first.rows = known.rows + once.rows
        self.once[key] = first


def order(finding: Finding) -> tuple[int, int, str, str]:
    """The order of findings in one file."""
    return (finding.line or 0, finding.column or 0, finding.rule, finding.pointer or "")


def keep_first(findings: list[Finding], limit: int) -> list[Finding]:
    """The first findings, in order."""
    findings.sort(key=order)
    del findings[limit:]
    return findings


class Report(Struct):
    """What was counted and found in all files."""

    files: dict[str, FileStats] = field(default_factory=dict)
    """By path, in the order in which they were named."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of what could not be read: exit code 2."""
    interrupted: bool = False
    left_alone: set[str] = field(default_factory=set)
    """Paths of files that `--fix` does not touch: packed ones, pipes, those of `--eval` alone."""
    remembered: int = 0
    """Bytes of the hashes that are kept, in all files."""
    level: int = 0
    """One conversation in 2**level is remembered."""
    times: Times = field(default_factory=Times)
    """Where the time went, with `plan.profile_rules`."""

    def file(self, path: str) -> FileStats:
        """The part of that file, made when it is new."""
        if path not in self.files:
            self.files[path] = FileStats(path)
        return self.files[path]

    def forget(self, path: str) -> None:
        """Take a file out, as if it had not been checked."""
        self.remembered -= self.files.pop(path).remembered

    def take_changeable(self, path: str) -> npt.NDArray[np.uint32]:
        """Take the rows that were counted apart out of a file. Returns their lines, sorted."""
        stats = self.file(path)
        lines = np.sort(np.concatenate([np.zeros(0, np.uint32), *stats.changeable_lines]))
        self.remembered -= stats.remembered
        stats.changeable, stats.changeable_lines = None, []
        self.remembered += stats.remembered
        return lines

    def add(self, stats: FileStats, max_findings: int) -> None:
        """Add a part of a file."""
        stats.thin(self.level)
        self.remembered += stats.remembered
        self.file(stats.path).merge(stats, max_findings)
        if stats.times is not None:
            self.times.add(stats.times)
        while self.remembered > duplicates.LIMIT:
            self._thin(self.level + 1)

    def _thin(self, level: int) -> None:
        self.level = level
        for stats in self.files.values():
            stats.thin(level)
        self.remembered = sum(stats.remembered for stats in self.files.values())

    def merge(self, other: Report, max_findings: int) -> None:
        """Add another report."""
        if other.level > self.level:
            self._thin(other.level)
        for stats in other.files.values():
            self.add(stats, max_findings)
        self.problems += other.problems
        self.left_alone |= other.left_alone
        self.times.add(other.times)
        self.interrupted |= other.interrupted


def nearest_rank(lengths: Places, share: float) -> int | None:
    """The exact quantile of a length histogram (nearest rank); None when it is empty."""
    if not len(lengths.at):
        return None
    seen = np.cumsum(lengths.number)
    rank = max(1, _part(share, int(seen[-1])))
    return int(lengths.at[np.searchsorted(seen, rank)])


def _part(share: float, whole: int) -> int:
    """The least whole number that is at least this share; 0.56 of 50 is 28, not 28.000000000000004."""
    return math.ceil(Fraction(repr(share)) * whole)


def kept_supervised(supervised: Places, budget: int) -> int:
    """How many supervised tokens a budget keeps, exactly."""
    if not len(supervised.at):
        return 0
    height = np.cumsum(supervised.number)
    edges = np.minimum(np.append(supervised.at, supervised.at[-1]), budget)
    return int((np.diff(edges) * height).sum())


def smallest_budget(supervised: Places, share: float) -> int | None:
    """The smallest budget that keeps that share of the supervised tokens; None without any."""
    if not len(supervised.at):
        return None
    height = np.cumsum(supervised.number)[:-1]
    widths = np.diff(supervised.at)
    kept = np.concatenate(([0], np.cumsum(widths * height)))
    wanted = _part(share, int(kept[-1]))
    after = int(np.searchsorted(kept, wanted))
    if after == 0:
        return int(supervised.at[0])
    missing = wanted - int(kept[after - 1])
    return int(supervised.at[after - 1]) + -(-missing // int(height[after - 1]))
