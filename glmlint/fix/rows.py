"""One row -> the row without what its rules can repair."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct, field

from glmlint.engine.baseline import once_fingerprint, problem_fingerprint
from glmlint.engine.check import Checker
from glmlint.engine.ignores import plain_content, read_ignores
from glmlint.finding import Defect, file_identity, fingerprint
from glmlint.fix.edit import apply
from glmlint.fix.trail import Trail
from glmlint.plan import Plan
from glmlint.read.charset import decoded
from glmlint.read.source import Chunk
from glmlint.read.survey import Survey
from glmlint.rules.base import IGNORE_KEY, Problem, all_rules
from glmlint.trainer.base import Context
from glmlint.trainer.prepared import count_rows, prepared_rows
from glmlint.trainer.row import Row

MAX_ROUNDS: Final = 50
"""How often one row is read again after an edit."""

MAX_PROBLEMS: Final = 10_000
"""How many problems of one row are repaired: beyond them the row is left unchanged."""


class Old:
    """What the baseline still allows; each old finding uses up one of its fingerprint."""

    def __init__(self, baseline: Mapping[str, int] | None) -> None:
        self.left: Counter[str] = Counter(baseline)
        self.taken: Counter[str] = Counter()

    def restart(self, taken: Counter[str]) -> Counter[str]:
        """Give back what an earlier pass over a file took; the answer fills with what this one takes."""
        self.left.update(taken)
        self.taken = Counter()
        return self.taken

    def take(self, found: Counter[str]) -> None:
        """Findings of a row that stay."""
        self.left.subtract(found)
        self.taken.update(found)

    def of_file(self, rule: str, path: str) -> bool:
        """Whether the baseline holds the rule's finding of the whole file."""
        return self.left[fingerprint(rule, None, file_identity(path))] > 0

    def of_rows(self, rule: str, key: str, path: str) -> bool:
        """Whether it holds the rule's finding that is reported once per file."""
        return self.left[once_fingerprint(rule, key, path)] > 0

    def of_row(self, rule: str, problem: Problem, row: Row, found: Counter[str]) -> bool:
        """Whether it holds a problem of one row, beside those in `found`, which it joins."""
        if not self.left:
            return False
        if problem.once is not None:
            return self.of_rows(rule, problem.once, row.path)
        identity = problem_fingerprint(rule, problem, row)
        if self.left[identity] <= found[identity]:
            return False
        found[identity] += 1
        return True


class Repair(Struct, frozen=True):
    """What may be repaired, and the rules that say how."""

    checker: Checker
    unsafe: bool
    old: Old
    """Findings that are not repaired."""
    drops: bool = True
    """Whether rows may go."""
    survey: Callable[[], Survey] | None = None
    """What the whole file is like, before the first repair."""
    trail: Trail | None = None
    """Where it is noted which rule did what, if anybody wants to know."""

    def allows(self, rule: str) -> bool:
        """Whether the rule's edits may be applied."""
        fix = all_rules()[rule].rule.fix
        return fix == "safe" or (fix == "unsafe" and self.unsafe)

    def removes_blank_lines(self, path: str) -> bool:
        """Whether blank lines of a file go."""
        on = self.checker.severities(path).get("blank-line", "off") != "off"
        return on and self.allows("blank-line") and not self.old.of_file("blank-line", path)


class Repaired(Struct):
    """What was done to one row."""

    raw: bytes | None
    """The row's bytes; None when the row is to go."""
    fixed: Counter[str] = field(default_factory=Counter)
    """Repaired problems by rule."""
    left: bool = False
    """The row is as it was, though there was something to repair: its edits undo each other."""


def repair_of(plan: Plan, context: Context, unsafe: bool) -> Repair:
    """The rules of a plan that can repair rows."""
    fixing = dataclasses.replace(
        plan,
        rules=_fixing(plan.rules),
        per_file=tuple(
            dataclasses.replace(block, rules=_fixing(block.rules)) for block in plan.per_file
        ),
    )
    return Repair(Checker(fixing, context), unsafe, Old(plan.baseline))


def _fixing(rules: dict[str, str]) -> dict[str, str]:
    known = all_rules()
    return {n: level for n, level in rules.items() if n in known and known[n].rule.fix is not None}


def read_rows(
    path: str, lines: list[bytes], context: Context, defects: dict[int, Defect] | None = None
) -> list[list[Row]]:
    """The rows of each line: one, or several where a line holds several values."""
    chunk = Chunk(path, lines, range(len(lines)), defects or {})
    rows = list(prepared_rows(chunk, context))
    count_rows(rows, context)
    found: list[list[Row]] = [[] for _ in lines]
    for row in rows:
        found[row.line].append(row)
    return found


def problems_of(row: Row, repair: Repair, old: Counter[str]) -> Iterator[tuple[str, list[Problem]]]:
    """The problems that may be repaired, rule by rule, in the order in which `check` has them.

    Args:
        old: becomes the fingerprints of those that the baseline holds.
    """
    checker = repair.checker
    row.survey = repair.survey
    rules = checker.rules_for(row)
    ignores = None
    if rules and isinstance(row.value, dict) and IGNORE_KEY in row.value:
        row.content = plain_content(row.raw)
        ignores = read_ignores(row.value, (called.name for called in rules))
    for name, severity, check, _, needs_value in rules:
        if check is None:
            continue
        if row.defect is not None and row.value is None and needs_value:
            continue
        fitting = []
        for problem in check(row):
            level = checker.level(row.path, name, severity, problem)
            if level == "off":
                continue
            if level != "info":
                row.said.places.append(problem.pointer or ())
            if ignores is not None and ignores.match(name):
                continue
            if repair.old.of_row(name, problem, row, old):
                continue
            if problem.edits and repair.allows(name):
                fitting.append(problem)
        if fitting:
            yield name, fitting


class Cure(Struct, frozen=True):
    """One problem, and its row without it."""

    rule: str
    problem: Problem
    raw: bytes
    """The row's bytes after the edits of this problem alone."""


def cures(row: Row, repair: Repair) -> Iterator[Cure]:
    """What edits can do for each problem of a row alone; those that drop it are left out."""
    # What the loader makes of an edited row depends on the edited file: it is laid out as written.
    context = dataclasses.replace(row.context, loads={})
    for rule, problems in problems_of(row, repair, Counter()):
        for problem in problems:
            if any(edit.op in ("drop-row", "rewrite") for edit in problem.edits):
                continue
            text, number = apply(row.raw.decode(), [problem.edits])
            raw = text.encode()
            if not number or raw == row.raw:
                continue
            after = read_rows(row.path, [raw], context)[0]
            if len(after) == 1 and _better(row, after[0]):
                yield Cure(rule, problem, raw)


def repair_row(row: Row, repair: Repair) -> Repaired:
    """Apply the edits of one row, rule by rule, until no rule has one more."""
    raw = row.raw
    fixed: Counter[str] = Counter()
    seen = {raw}
    for _ in range(MAX_ROUNDS):
        old: Counter[str] = Counter()
        step = _step(row, repair, old)
        if step is None:
            repair.old.take(old)
            return Repaired(row.raw, fixed)
        rule, number, after = step
        fixed[rule] += number
        if after is None:
            if repair.trail is not None:
                repair.trail.drop(rule, row.raw)
            return Repaired(None, fixed)
        if after.raw in seen or fixed.total() > MAX_PROBLEMS:
            break
        seen.add(after.raw)
        if repair.trail is not None:
            repair.trail.step(rule, row.raw, after.raw)
        row = after
    return Repaired(raw, left=True)


def _step(row: Row, repair: Repair, old: Counter[str]) -> tuple[str, int, Row | None] | None:
    """One rule's edits: its name, how many problems, and the row after them (None: it is to go).

    Rows are dropped only when nothing else can be done for them.
    """
    drop: tuple[str, int, Row | None] | None = None
    for rule, problems in problems_of(row, repair, old):
        if any(edit.op == "drop-row" for problem in problems for edit in problem.edits):
            drop = drop or (rule, 1, None)
            continue
        rewritten = [e for problem in problems for e in problem.edits if e.op == "rewrite"]
        if rewritten:
            number, raw = 1, decoded(row.raw, rewritten[0].value or "utf-8") or row.raw
        else:
            text, number = apply(row.raw.decode(), [problem.edits for problem in problems])
            raw = text.encode()
        if not number or raw == row.raw:
            continue
        # What the loader makes of an edited row depends on the edited file: it is laid out as written.
        context = dataclasses.replace(row.context, loads={})
        after = read_rows(row.path, [raw], context)[0]
        if len(after) == 1 and _better(row, after[0]):
            return rule, number, after[0]
    return drop if repair.drops else None


def _better(row: Row, after: Row) -> bool:
    """Whether the edited bytes still are a row, or have become one."""
    if after.defect is None:
        return True
    return row.defect is not None and after.defect.rule not in ("invalid-json", row.defect.rule)
