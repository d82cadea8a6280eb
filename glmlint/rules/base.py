"""What a rule is: its facts and sentences, the problems it reports, and the registry."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from glmlint.evidence.scores import FileScores, ScoredRow
from glmlint.finding import Pointer, value_at
from glmlint.loader import CHUNK
from glmlint.patterns import Pattern
from glmlint.plan import Plan
from glmlint.read.span import Positions
from glmlint.text import nearest
from glmlint.trainer.base import Text, Trainer, get_trainer
from glmlint.trainer.row import Fact, Row

if TYPE_CHECKING:
    from glmlint.evidence.report import FileStats, Habit, Report

__all__ = ["Example", "Fact", "Pointer", "Problem", "Row", "Rule", "Text"]

FAMILIES: Final = ("structure", "tools", "mask", "budget", "loader", "content", "dataset", "score")


IGNORE_KEY: Final = "glmlint"
"""The key under which a row lists rules to ignore."""


class Edit(Struct, frozen=True):
    """One change of a row: a JSON-pointer operation."""

    op: str
    """"replace", "add", "remove", "drop-row", or "rewrite": write the file anew, one row a line."""
    pointer: Pointer
    value: Any = None


Part = Callable[[], tuple[int, int] | None]
"""Finds the start and stop of what a finding is about, in code points of the row's text."""


class Problem(Struct):
    """What one rule reports at one place."""

    text: Text
    values: dict[str, Any]
    pointer: Pointer | None
    severity: str | None
    """Another severity than the rule's own, by recipe or evidence."""
    help: Text
    once: str | None
    """Reported once per file and value of this, with the number of rows; None: reported every time."""
    raises: bool
    """The sentence names the exception that the trainer raises."""
    edits: tuple[Edit, ...]
    column: int | None
    trains: bool = False
    """The sentence says that the text at the place is trained, though no assistant wrote it."""
    habit: Habit | None = None
    """Reported instead, once per file, where most rows are like this. `{samples}` is their number."""
    of_trainer: bool = False
    """It is how the trainer treats every such row, not a fault of the row: the row counts as clean."""
    part: Part | None = None
    """Finds the very characters that the sentence is about; asked only where the finding is kept.
    Without it, or where it finds none, they are the value that the pointer names."""


def place_of(problem: Problem, positions: Positions) -> tuple[int, int]:
    """Start and stop of what a problem is about, in the text of its row."""
    if problem.part is not None and (found := problem.part()) is not None:
        return found
    if problem.column is not None:
        return problem.column - 1, problem.column
    return positions.nearest(problem.pointer) if problem.pointer else (0, 0)


class Placed(Struct):
    """A problem of one row that is known only when all rows are."""

    path: str
    line: int | None
    problem: Problem
    content: bytes
    """Stands for the row in the fingerprint: its hash."""
    clean: bool
    """Whether nothing else was found in the row."""
    group: bytes | None = None
    """Stands for the rows that the problem is about, where any of them may come first."""
    partner: bytes | None = None
    """Stands for the earlier row, as `content` does, where the later one is named."""


def scored(row: ScoredRow, problem: Problem) -> Placed:
    """A problem of a row that a model has scored."""
    return Placed(row.path, row.line, problem, row.key.hex().encode(), clean=False)


class Example(Struct, kw_only=True):
    """Rows for the documentation and the tests, and the settings under which they are read."""

    rows: tuple[Any, ...] = ()
    """Each a JSON value, or the bytes of a line."""
    plan: dict[str, Any] = {}
    """Fields of `Plan` that differ from the defaults."""
    file: bytes | None = None
    """A whole file's bytes, in place of rows."""
    name: str = "train.jsonl"
    """The file's name."""
    max_line: int = 64 << 20
    """Bytes of the longest row that is read."""
    eval_rows: tuple[Any, ...] = ()
    """Rows of a second file, `dev.jsonl`, which is the validation split."""
    loader_bytes: int = CHUNK
    """How many bytes `datasets` reads at a time."""

    def files(self) -> dict[str, bytes]:
        """The example's files by name."""
        if self.file is not None:
            return {self.name: self.file}
        files = {"train.jsonl": _lines(self.rows)}
        if self.eval_rows:
            files["dev.jsonl"] = _lines(self.eval_rows)
        return files


def _lines(rows: tuple[Any, ...]) -> bytes:
    return b"".join(
        (row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()) + b"\n"
        for row in rows
    )


class Limit(Struct, frozen=True):
    """A limit that a rule checks against: a flag and a settings key of that name.

    `app.limits` reads it from the rule's file without importing it: literals only.
    """

    name: str
    """`--name` on the command line, `name` in the settings."""
    default: float | None
    """None: the rule is off unless the limit is set."""
    help: Text
    kind: Literal["share", "count"] = "share"
    """A share is a number from 0 to 1, a count an integer from 0."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The facts of one rule.

    Its file also has `check(row)`, `check_file(file, plan)` or `check_run(report, plan)`;
    `check_scores(file)` in the family `score`, which only `glmlint score` runs.
    """

    name: str
    family: str
    title_zh: str
    """What the docstring's first line says, in Chinese; no stop at the end."""
    severity: str
    text: Text
    """The message: the place, then what happens in training. Fields in braces are filled in."""
    help: Text
    """What to do about it."""
    doc_zh: str = ""
    """What the docstring's other paragraphs say, in Chinese, as many paragraphs; wrapped lines are
    joined (`text.unwrapped_zh`)."""
    help_alone: Text | None = None
    """The help where no repair is available, if `help` mentions one."""
    limit: Limit | None = None
    """The limit that the rule checks against, where it has one."""
    form: str | None = None
    """The form of rows that the rule checks; the rule is off where the trainer does not read it."""
    when: int = Fact.ANY
    fix: str | None = None
    """"safe", "unsafe" or None."""
    opt_in: bool = False
    """Off unless selected by name or by ALL."""
    needs_value: bool = True
    """Whether `check` is skipped where the bytes are not JSON."""
    after: tuple[str, ...] = ()
    """Rules that run before this one, since it depends on what they reported; "*": all others."""
    hashes: str | None = None
    """"rows", "prompts" or "signatures": what `check_run` needs to have remembered of every row."""
    applies: Callable[[Trainer, Plan], bool] | None = None
    """Whether the rule applies under a recipe; None: always."""
    bad: tuple[Any, ...] = ()
    """Rows (or `Example`s) that the rule reports."""
    good: tuple[Any, ...] = ()
    """Rows (or `Example`s) that it does not report."""
    variants: dict[str, Text] = field(default_factory=dict)
    """Other sentences, by name."""

    def limit_of(self, plan: Plan) -> float:
        """The limit of this run. A rule whose limit has no default runs only where it is set."""
        assert self.limit is not None
        limit = plan.limits.get(self.limit.name, self.limit.default)
        assert limit is not None
        return limit

    def problem(
        self,
        pointer: Pointer | None = (),
        *,
        text: Text | str | None = None,
        severity: str | None = None,
        help: Text | None = None,
        once: str | None = None,
        raises: bool = False,
        edits: tuple[Edit, ...] = (),
        column: int | None = None,
        trains: bool = False,
        habit: Habit | None = None,
        of_trainer: bool = False,
        part: Part | None = None,
        **values: Any,
    ) -> Problem:
        """A problem of this rule; `text` is a sentence, or the name of a variant."""
        if isinstance(text, str):
            text = self.variants[text]
        if help is None:
            help = self.help if edits or self.help_alone is None else self.help_alone
        return Problem(
            text or self.text, values, pointer, severity, help, once, raises, edits,
            column, trains, habit, of_trainer, part,
        )  # fmt: skip


def part_of(row: Row, pointer: Pointer, part: str) -> Part:
    """The first place of a part in the string that the pointer names."""

    def find() -> tuple[int, int] | None:
        text = value_at(row.value, pointer)
        at = text.find(part) if part and isinstance(text, str) else -1
        return row.positions.part(pointer, at, at + len(part)) if at >= 0 else None

    return find


def stretch_of(row: Row, index: int, start: int, stop: int) -> Part:
    """Some characters of a turn's text, where that stands in one string."""

    def find() -> tuple[int, int] | None:
        at = row.at(index, "content")
        return row.positions.part(at, start, stop) if row.writes(index) else None

    return find


def key_of(row: Row, pointer: Pointer) -> Part:
    """The key whose value the pointer names."""
    return lambda: row.positions.key(pointer)


def member_of(row: Row, pointer: Pointer) -> Part:
    """The key whose value the pointer names, and the value."""

    def find() -> tuple[int, int] | None:
        key, value = row.positions.key(pointer), row.positions.byte_range(pointer)
        return None if key is None or value is None else (key[0], value[1])

    return find


def value_of(row: Row, pointer: Pointer) -> Part:
    """The value at another place than the one by which the finding is known."""
    return lambda: row.positions.byte_range(pointer)


@cache
def words_of(recipe: str) -> dict[str, Text]:
    """Fields that any sentence may have: the name of the trainer of the run, and its budget."""
    trainer = get_trainer(recipe)
    return {"trainer": trainer.called, "budget_means": trainer.budget_means}


def general(text: Text, rule: Rule | None = None) -> Text:
    """A sentence as a page shows it: its own fields stay, the trainer is the default one.

    Args:
        rule: whose sentence it is; no trainer is named where the rule does not apply to the default one.
    """
    told = words_of(Plan.recipe)
    applies = None if rule is None else rule.applies
    if applies is not None and not applies(get_trainer(Plan.recipe), Plan()):
        told = {"trainer": Trainer.called, "budget_means": Trainer.budget_means}
    en, zh = text.en, spaced(text.zh, told)
    for name, word in told.items():
        en, zh = en.replace(f"{{{name}}}", word.en), zh.replace(f"{{{name}}}", word.zh)
    return Text(en, zh)


def sentence(text: Text, plan: Plan, values: dict[str, Any]) -> str:
    """A rule's sentence in the language of the run."""
    values = {**words_of(plan.recipe), **values}
    if plan.lang == "zh":
        text = Text(text.en, spaced(text.zh, values))
    return text.say(plan.lang, **values)


def spaced(zh: str, values: Mapping[str, object]) -> str:
    """A Chinese sentence with spaces between its characters and fields filled with Latin letters."""

    def latin(field: re.Match[str], end: int) -> bool:
        value = values.get(field[1])
        edge = (value.zh if isinstance(value, Text) else str(value))[end:][:1]
        return edge.isascii() and edge.isalnum()

    zh = _FIELD_AFTER.sub(lambda found: " " * latin(found, 0) + found[0], zh)
    return _FIELD_BEFORE.sub(lambda found: found[0] + " " * latin(found, -1), zh)


_FIELD_AFTER: Final = Pattern(r"(?<=[\u3400-\u9fff])\{(\w+)\}")
_FIELD_BEFORE: Final = Pattern(r"\{(\w+)\}(?=[\u3400-\u9fff])")


@dataclass(frozen=True)
class Loaded:
    """A rule and the functions of its file."""

    rule: Rule
    check: Callable[[Row], Iterable[Problem]] | None
    check_file: Callable[[FileStats, Plan], Iterable[Problem]] | None
    note: Callable[[Row], Iterable[str]] | None
    """What `check_file` needs of the rows: names, counted in `FileStats.notes`."""
    check_run: Callable[[Report, Plan], Iterable[Placed]] | None
    check_scores: Callable[[FileScores], Iterable[Placed]] | None
    """What the rules of the family `score` have in place of all these."""
    doc: str
    """The file's docstring: what the rule means, why it matters, the evidence."""


@cache
def all_rules() -> dict[str, Loaded]:
    """Every rule by name, found in this folder."""
    package = importlib.import_module("glmlint.rules")
    found: dict[str, Loaded] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name == "base" or info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        loaded = Loaded(
            module.rule,
            getattr(module, "check", None),
            getattr(module, "check_file", None),
            getattr(module, "note", None),
            getattr(module, "check_run", None),
            getattr(module, "check_scores", None),
            module.__doc__ or "",
        )
        found[loaded.rule.name] = loaded
    return {name: found[name] for name in _in_order(found)}


def _in_order(rules: dict[str, Loaded]) -> Iterable[str]:
    """Names by alphabet, each behind those that its rule runs after."""
    speaks_last = {name for name in rules if "*" in rules[name].rule.after}
    before = {
        name: set(rules) - speaks_last if name in speaks_last else set(rules[name].rule.after)
        for name in sorted(rules)
    }
    done: dict[str, None] = {}

    def place(name: str) -> None:
        if name in done:
            return
        for other in sorted(before[name] & rules.keys()):
            place(other)
        done[name] = None

    for name in sorted(rules):
        place(name)
    return done


def limit_of(plan: Plan, rule: str) -> float:
    """The limit of another rule, for a rule that reports only beyond it."""
    return all_rules()[rule].rule.limit_of(plan)


def default_rules(max_severity: str = "warning") -> dict[str, str]:
    """The rules that are on when nobody chose any: errors and warnings, no opt-in, no scores."""
    on = ("error", "warning") if max_severity == "warning" else ("error", "warning", "info")
    return {
        name: loaded.rule.severity
        for name, loaded in all_rules().items()
        if loaded.rule.severity in on and not loaded.rule.opt_in and loaded.rule.family != "score"
    }


def known_name(name: str) -> str | None:
    """The name, when a rule or family has it."""
    return name if name in all_rules() or name in FAMILIES or name == "ALL" else None


def nearest_name(name: str) -> str | None:
    """The rule or family whose name is closest to an unknown one."""
    return nearest(name, [*all_rules(), *FAMILIES, "ALL"])
