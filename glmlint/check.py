"""The engine: lines -> report. Every way to run glmlint calls `check_lines`."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Struct

from glmlint.duplicates import conversation, table
from glmlint.finding import Defect, Finding, fingerprint, json_pointer
from glmlint.loaded import learn, loaded_sample, part_of, remember
from glmlint.loader import Load
from glmlint.mask import count, sequence
from glmlint.plan import Plan
from glmlint.recipes.base import Context, Dropped, Rendered, TrainerError, open_context
from glmlint.report import FileStats, Once, Report, keep_first
from glmlint.row import Fact, Row
from glmlint.rules.base import Loaded, Problem, all_rules
from glmlint.sample import (
    MESSAGE_KEYS,
    SHAPE_ERRORS,
    SILENT_KEYS,
    Sample,
    decode_sample,
    encode_sample,
    read,
)
from glmlint.source import Chunk, InputFile, read_chunks, rereadable, split_values
from glmlint.suppress import (
    KEY,
    Held,
    Ignores,
    ignored_names,
    once_fingerprint,
    plain_content,
    read_ignores,
)
from glmlint.textfacts import answer_facts, line_facts
from glmlint.times import HASH, READ, REST, SHAPES, TOKENIZE, Watch, timing

LOADER_ERROR: Final = "DatasetGenerationError"
"""What `datasets` raises on bytes that it can't read."""

_PLAIN_TURNS: Final = re.compile(r"s?(?:u(?:ao)*a)+")


class EncodedRow(Struct):
    """One row as the trainer hands it to the model."""

    path: str
    line: int
    index: int
    """0-based number of the row in its file."""
    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    error: str | None
    """Name of the exception with which the trainer ends at this row."""
    dropped: bool
    spans: list[Span]
    ignores: tuple[str, ...] = ()
    """Rules and families that the row's own ignore key names."""


class Span(Struct):
    """The tokens of one message."""

    start: int
    stop: int
    message: int
    role: str
    header: int
    """How many tokens at the start are the role token and the metadata line."""
    call: bool
    """An assistant message with metadata: a tool call."""


class Prepared(Struct):
    """One row, read and laid out, its tokens not yet counted."""

    line: int
    raw: bytes
    facts: int
    sample: Sample | None
    value: Any
    defect: Defect | None
    rendered: Rendered | None
    error: TrainerError | None
    dropped: str | None
    conversation: bytes | None = None
    """The row's messages, encoded in a fixed form; None where that is not at hand."""
    shape: int = 0
    """What stands for the row's shape (see `loader.Shapes.known`), its tool lists apart."""
    tools: tuple[bytes, ...] = ()
    """The bytes of the row's tool lists, for which `shape` does not stand."""
    loaded: list[Any] | None = None
    """The messages as the loader hands them to the trainer, where they differ from the written ones."""
    loaded_sample: Sample | None = None
    """The same, where they still are of good shape."""


@cache
def _turn_facts(roles: tuple[str, ...]) -> int:
    """Facts that follow from who speaks in which order."""
    facts = 0
    if not _PLAIN_TURNS.fullmatch("".join(role[0] for role in roles)):
        facts |= Fact.ROLES
    if roles.count("assistant") > 1:
        facts |= Fact.HISTORY
    if "observation" in roles:
        facts |= Fact.CALLS
    return facts


@cache
def _row_keys(keys: tuple[str, ...]) -> int:
    facts = 0
    if not SILENT_KEYS.issuperset(keys):
        facts |= Fact.KEYS
    if "tools" in keys:
        facts |= Fact.TOOLS
    return facts


@cache
def _message_keys(keys: tuple[str, ...]) -> int:
    return 0 if MESSAGE_KEYS.issuperset(keys) else Fact.KEYS


def prepare(
    raw: bytes,
    line: int,
    context: Context,
    defect: Defect | None = None,
    facts: int | None = None,
    load: Load | None = None,
) -> Prepared:
    """Read one row and lay it out as the trainer does.

    Args:
        raw: the row's bytes, without line end.
        line: 1-based.
        defect: a fault that the source knows already.
        facts: what `line_facts` says of the bytes, when it was asked.
        load: what the loader makes of the file's rows, where it changes some.
    """
    if defect is not None and defect.rule != "not-jsonl":
        return Prepared(line, raw, Fact.DEFECT, None, None, defect, None, None, None)
    if facts is None:
        facts = line_facts([raw])[0]
    marks = context.tokenizer.marks
    if marks and (b"\\" in raw or any(mark in raw for mark in marks)):
        facts |= Fact.CONTROL  # an escape may hide one
    value: Any = UNSET
    sample: Sample | None
    try:
        sample = decode_sample(raw)
        again = encode_sample(sample)
    except SHAPE_ERRORS:
        sample = None
    if sample is None or again.count(b'"') != raw.count(b'"') or b"\\u0022" in raw:
        # An unread key, a repeated one, or a row of another shape: read the whole value.
        found = read(raw)
        value = found.value
        if found.defect is not None:
            return Prepared(line, raw, Fact.DEFECT, None, value, found.defect, None, None, None)
        if found.non_finite:
            facts |= Fact.NON_FINITE
            sample = None
        if isinstance(value, dict):
            facts |= _row_keys(tuple(value))
            if isinstance(value.get("messages"), list):
                for message in value["messages"]:
                    if isinstance(message, dict):
                        facts |= _message_keys(tuple(message))
    if defect is not None:
        facts |= Fact.DEFECT
    prepared = Prepared(line, raw, facts, sample, value, defect, None, None, None)
    if sample is not None and _good(sample, prepared, context):
        if not prepared.facts & Fact.KEYS:
            prepared.conversation = again
        if load is not None and not (load.keeps_keys and _without_floats(sample)):
            as_loaded = loaded_sample(sample, load, context)
            if as_loaded is None:
                prepared.value = read(raw).value
                prepared.loaded = _loaded(prepared.value["messages"], load)
            elif as_loaded is not sample:
                prepared.loaded_sample = as_loaded
        _lay_out_sample(sample, prepared, context, load)
    else:
        prepared.sample = None
        _lay_out_value(prepared, context, load)
    if prepared.error is not None or prepared.dropped is not None:
        prepared.facts |= Fact.RAISES
    if prepared.loaded is not None or prepared.loaded_sample is not None:
        prepared.facts |= Fact.LOADED
    return prepared


def _good(sample: Sample, prepared: Prepared, context: Context) -> bool:
    """Whether the tool lists are in good shape too; sets the facts of the messages."""
    roles = []
    facts = prepared.facts
    keys = 0  # which sets of keys the messages have: a bit each
    others = 0  # messages with more than role and content
    tools: tuple[bytes, ...] = ()
    for message in sample.messages:
        roles.append(message.role)
        if message.tools is not UNSET:
            facts |= Fact.TOOLS | Fact.CALLS
            raw = bytes(message.tools)
            if context.tools(raw) is None:
                return False
            tools = (*tools, raw)
            others += 1
            keys |= 2 if message.metadata is UNSET else 4
        elif message.metadata is not UNSET:
            facts |= Fact.CALLS
            others += 1
            keys |= 8
        if not message.content or message.content.isspace():
            facts |= Fact.EMPTY
        elif message.role == "assistant":
            facts |= answer_facts(message.content)
            if message.content[0] in '{["':
                facts |= Fact.CALLS
    prepared.facts = facts | _turn_facts(tuple(roles))
    prepared.shape = keys | (others < len(roles))
    prepared.tools = tools
    return True


_FLOAT: Final = re.compile(rb"[0-9][.eE]")


def _without_floats(sample: Sample) -> bool:
    """Whether the row surely comes back as written where its messages keep their keys."""
    return not any(
        _FLOAT.search(bytes(message.tools))
        for message in sample.messages
        if message.tools is not UNSET
    )


def _loaded(messages: list[Any], load: Load) -> list[Any] | None:
    """The messages as the trainer receives them; None where they are as written."""
    loaded: list[Any] = load.messages(messages)
    # Unlike ==, this tells 0 from 0.0, and one order of keys from another.
    return None if repr(loaded) == repr(messages) else loaded


def _lay_out_sample(
    sample: Sample, prepared: Prepared, context: Context, load: Load | None
) -> None:
    recipe = context.recipe
    try:
        plain = prepared.loaded_sample or sample
        if prepared.loaded is None and not (
            prepared.facts & Fact.CONTROL and recipe.typed_control_tokens
        ):
            prepared.rendered = recipe.render_plain(plain, context)
        if prepared.rendered is None:
            if prepared.value is UNSET:
                prepared.value = read(prepared.raw).value
            messages = prepared.value["messages"]
            if load is not None and prepared.loaded is None:
                prepared.loaded = _loaded(messages, load)
            prepared.rendered = recipe.render(
                messages if prepared.loaded is None else prepared.loaded, context
            )
    except TrainerError as error:
        prepared.error = error
    except Dropped as reason:
        prepared.dropped = str(reason)


def _lay_out_value(prepared: Prepared, context: Context, load: Load | None) -> None:
    """A row that breaks the schema: what the trainer makes of it all the same."""
    prepared.facts |= Fact.ODD | Fact.TOOLS | Fact.CALLS | Fact.ROLES | Fact.EMPTY | Fact.HISTORY
    prepared.facts |= Fact.LOOP | Fact.PLACEHOLDER
    value = prepared.value
    if value is UNSET:  # the tools of a row that decodes are odd
        found = read(prepared.raw)
        value = prepared.value = found.value
        if found.defect is not None:
            prepared.defect = found.defect
            prepared.facts |= Fact.DEFECT
            return
        if found.non_finite:
            prepared.facts |= Fact.NON_FINITE
    if not isinstance(value, dict):
        prepared.error = TrainerError(LOADER_ERROR, "the row is no object")
        return
    if "messages" not in value:
        prepared.error = TrainerError("KeyError", "'messages'")
        return
    messages = value["messages"]
    if load is not None and isinstance(messages, list):
        prepared.loaded = _loaded(messages, load)
        messages = messages if prepared.loaded is None else prepared.loaded
    try:
        if not isinstance(messages, list):
            raise TrainerError("TypeError", "messages is no list", ("messages",))
        prepared.rendered = context.recipe.render(messages, context)
    except TrainerError as error:
        prepared.error = error
    except Dropped as reason:
        prepared.dropped = str(reason)


def prepared_rows(chunk: Chunk, context: Context) -> Iterator[Prepared]:
    """Every row of a chunk; a line that holds several values gives several rows."""
    defects = chunk.defects
    load = context.loads.get(chunk.path)
    facts = line_facts(chunk.lines)
    for index, (raw, line) in enumerate(zip(chunk.lines, chunk.numbers, strict=True)):
        prepared = prepare(
            raw, line, context, defects.get(index) if defects else None, facts[index], load
        )
        defect = prepared.defect
        if defect is not None and defect.rule == "invalid-json" and (parts := split_values(raw)):
            note = Defect("not-jsonl", {"kind": "several-on-a-line"}, line)
            yield prepare(parts[0], line, context, load=load)
            for part in parts[1:]:
                yield prepare(part, line, context, note, load=load)
        else:
            yield prepared


Progress = Callable[[int, int], None]
"""Called after each chunk with the rows and bytes done."""


class Checker:
    """The rules of a plan, made ready: which run on a row with given facts."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self.plan = plan
        self.context = context
        self.watch = Watch() if plan.profile_rules else None
        """Where the time goes, where that is asked."""
        self.layout_context = self.watch.context(context) if self.watch else context
        self._known = self.watch.rules(all_rules()) if self.watch else all_rules()
        self._by_path: dict[str, tuple[dict[str, str], frozenset[str]]] = {}
        self._by_facts: dict[tuple[int, int], list[tuple[Loaded, str]]] = {}
        hashes = {
            loaded.rule.hashes
            for rules in (plan.rules, *(block.rules for block in plan.per_file))
            for loaded, _ in self._meant(rules)
        }
        self.hashes = bool(hashes - {None})
        """Whether some rule compares rows with each other."""
        self.prompts = "prompts" in hashes
        """Whether it compares their prompts too."""
        self.near = "signatures" in hashes
        """Whether it looks for rows that are nearly the same."""

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
            applies = loaded.rule.applies
            if applies is None or applies(self.context.recipe, self.plan):
                yield loaded, severity

    def rules_of(self, path: str) -> Iterator[tuple[Loaded, str]]:
        """The rules that hold for one file, and their severity."""
        return self._meant(self.severities(path))

    def level(self, path: str, rule: str, severity: str, problem: Problem) -> str:
        """A problem's severity: its own word counts where the user has not set the rule's."""
        if problem.severity is None or rule in self._chosen(path)[1]:
            return severity
        return problem.severity

    def rules_for(self, path: str, facts: int) -> list[tuple[Loaded, str]]:
        """The row rules that can find something in a row with these facts, and their severity."""
        chosen = self._chosen(path)[0]
        key = (id(chosen), facts)
        if key not in self._by_facts:
            rules = []
            for loaded, severity in self._meant(chosen):
                if loaded.check is None and loaded.note is None:
                    continue
                when = loaded.rule.when
                if when & facts or (when == Fact.ANY and not facts & Fact.DEFECT):
                    rules.append((loaded, severity))
            # Some rules speak only where no narrower rule did.
            rules.sort(key=lambda item: LAST.get(item[0].rule.name, 0))
            self._by_facts[key] = rules
        return self._by_facts[key]

    def check_row(
        self, row: Row, stats: FileStats, unreadable: bool, ignores: Ignores | None = None
    ) -> bool:
        """Run the rules on one row. Returns whether it has a finding of warning or error."""
        counted = False
        pending: list[tuple[tuple[str, str], Once]] = []
        held: list[Held] = []
        for loaded, severity in self.rules_for(row.path, row.facts):
            rule = loaded.rule
            if row.defect is not None and row.value is None and rule.needs_value:
                continue
            if loaded.note is not None:
                for name in loaded.note(row):
                    stats.notes[name] += 1
            if loaded.check is None:
                continue
            for problem in loaded.check(row):
                if problem.raises:
                    row.memo["raises"] = True
                level = self.level(row.path, rule.name, severity, problem)
                if level == "off":
                    continue
                if level != "info":
                    row.named.append(problem.pointer or ())
                if problem.trains and level == "error":
                    row.memo.setdefault("trains", set()).add(problem.pointer or ())
                if ignores is not None and ignores.match(rule.name):
                    stats.ignored += 1
                    continue
                if problem.once is not None:
                    if self.plan.add_ignores and not self._is_old(
                        once_fingerprint(rule.name, problem.once, row.path)
                    ):
                        _want(stats, row, rule.name)
                    key = (rule.name, problem.once)
                    known = stats.once.get(key)
                    if known is not None and (known.line or 0) <= row.line:
                        known.rows += 1
                    else:
                        pending.append((key, self._once(row, rule.name, level, problem)))
                    continue
                finding = self._finding(row, rule.name, level, problem)
                if self._is_old(finding.fingerprint):
                    kept = finding if len(stats.held) < self.plan.max_findings else None
                    held.append(Held(finding.fingerprint, rule.name, level, row.line, False, kept))
                    continue
                if self.plan.add_ignores:
                    _want(stats, row, rule.name)
                stats.rule_counts[rule.name] += 1
                stats.severity_counts[level] += 1
                if len(stats.findings) < self.plan.max_findings:
                    stats.findings.append(finding)
                counted = counted or level != "info"
        for key, once in pending:
            # Which row is named is known only when all parts are merged: `finish` counts it.
            once.otherwise_clean = not counted and not unreadable and once.severity != "info"
            stats.add_once(key, once)
        for old in held:
            old.clean = not counted and not unreadable
        stats.held += held
        if ignores is not None:
            ignores.clean = not counted and not unreadable
            stats.ignores.setdefault(row.line, []).append(ignores)
        return counted

    def _is_old(self, identity: str) -> bool:
        """Whether the baseline holds such a finding; how many of them, `finish` knows."""
        plan = self.plan
        return plan.write_baseline or (plan.baseline is not None and identity in plan.baseline)

    def _finding(self, row: Row, rule: str, severity: str, problem: Problem) -> Finding:
        lang = self.plan.lang
        pointer = None if problem.pointer is None else json_pointer(problem.pointer)
        column = problem.column
        return Finding(
            rule=rule,
            severity=severity,
            path=row.path,
            line=row.line,
            column=column if column is not None else self._column(row, problem),
            pointer=pointer,
            message=problem.text.say(lang, **problem.values),
            help=problem.help.say(lang, **problem.values),
            fixable=bool(problem.edits),
            fingerprint=fingerprint(rule, pointer, row.identity),
        )

    def _column(self, row: Row, problem: Problem) -> int | None:
        return row.positions.column(problem.pointer) if problem.pointer else 1

    def _once(self, row: Row, rule: str, severity: str, problem: Problem) -> Once:
        column = problem.column if problem.column is not None else self._column(row, problem)
        return Once(
            rule, severity, problem.text, problem.values, problem.help, problem.pointer,
            row.line, column, 1, False, bool(problem.edits),
        )  # fmt: skip


def _want(stats: FileStats, row: Row, rule: str) -> None:
    """Remember that the row may ignore the rule; only an object can say so."""
    if isinstance(row.value, dict):
        stats.wanted.setdefault((row.line, row.identity), set()).add(rule)


def matches(path: str, pattern: str, root: str) -> bool:
    """Whether a glob of the settings file means a file.

    Args:
        path: as given on the command line.
        pattern: relative to `root`; `*` crosses folders, and without a slash it is the file's name.
        root: the settings file's folder.
    """
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    names = [relative, path] if "/" in pattern else [relative, path, relative.rpartition("/")[2]]
    patterns = (pattern, pattern.replace("**/", ""))
    return any(fnmatchcase(name, glob.removeprefix("./")) for name in names for glob in patterns)


LAST: Final = {"non-assistant-supervised": 1, "invalid-shape": 2, "trainer-raises": 3}
"""Rules that look at what the others said of the row, and their order."""


def check_chunk(chunk: Chunk, checker: Checker) -> FileStats:
    """Check one chunk of one file."""
    with timing(checker.watch, REST):
        stats = _check_chunk(chunk, checker)
    if checker.watch is not None:
        stats.times = checker.watch.take()
    return stats


def _check_chunk(chunk: Chunk, checker: Checker) -> FileStats:
    context, watch = checker.context, checker.watch
    stats = FileStats(chunk.path)
    stats.blank_lines = chunk.blank_lines
    stats.first_blank = chunk.first_blank
    stats.defects = list(chunk.file_defects)
    with timing(watch, READ):
        rows = list(prepared_rows(chunk, checker.layout_context))
    totals = stats.totals
    totals.samples = len(rows)
    readable = [row for row in rows if row.rendered is not None]
    facts = np.fromiter((row.facts for row in readable), np.int64, len(readable))
    if readable:
        with timing(watch, TOKENIZE):
            counts = count([row.rendered for row in readable if row.rendered is not None], context)
        stats.add_counts(counts)
        facts |= np.where(counts.supervised == 0, Fact.UNTRAINED, 0)
        facts |= np.where(counts.tokens > counts.kept, Fact.CUT, 0)
    place = 0
    said: list[tuple[bytes, int, bool]] = []
    for prepared in rows:
        has_tokens = prepared.rendered is not None
        unreadable = not has_tokens and prepared.dropped is None
        if has_tokens:
            prepared.facts = int(facts[place])
        totals.unreadable += unreadable
        found = False
        # Rows without unread keys have no value yet, so that they pay nothing for this.
        answers = isinstance(prepared.value, dict) and KEY in prepared.value
        if answers or checker.rules_for(chunk.path, prepared.facts):
            row = Row(
                chunk.path,
                prepared.line,
                prepared.raw,
                context,
                facts=prepared.facts,
                sample=prepared.sample,
                value=prepared.value,
                defect=prepared.defect,
                rendered=prepared.rendered,
                error=prepared.error,
                dropped=prepared.dropped,
            )
            ignores = None
            if answers:
                row.content = plain_content(prepared.raw)
                ignores = read_ignores(prepared.value, row.content, checker.severities(chunk.path))
            if has_tokens:
                row.tokens = int(counts.tokens[place])
                row.supervised = int(counts.supervised[place])
                row.kept = int(counts.kept[place])
                row.kept_supervised = int(counts.kept_supervised[place])
            found = checker.check_row(row, stats, unreadable, ignores)
        if not unreadable:
            if found:
                totals.with_findings += 1
            else:
                totals.clean += 1
        if checker.hashes and (content := _conversation(prepared)) is not None:
            said.append((content, prepared.line, not found and not unreadable))
        place += has_tokens
    if context.recipe.through_datasets:
        with timing(watch, SHAPES):
            stats.shapes.add(part_of(chunk, rows, context))
    if said:
        with timing(watch, HASH):
            stats.rows.parts.append(table(said, checker.prompts, checker.near))
    keep_first(stats.findings, checker.plan.max_findings)
    return stats


def _conversation(prepared: Prepared) -> bytes | None:
    if prepared.conversation is not None:
        return prepared.conversation
    return None if prepared.value is UNSET else conversation(prepared.value)


@contextmanager
def _no_collection() -> Iterator[None]:
    """A chunk makes a million objects and no cycles: looking for cycles costs a tenth of the time."""
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
) -> Report:
    """Check rows of any files, in any cut: the reports of the parts merge into the same report.

    Args:
        chunks: parts of files, as `source.read_chunks` gives them.
        plan: the settings.
        context: the plan's tokenizer and template, when they are loaded already.
        progress: called after each chunk.
        report: what is known of other rows; it is added to, also where the chunks end in an error.
    """
    checker = Checker(plan, context or open_context(plan))
    report = Report() if report is None else report
    watch = checker.watch
    for chunk in chunks if watch is None else watch.reading(chunks):
        stats = check_chunk(chunk, checker)
        with timing(watch, REST):
            report.add(stats, plan.max_findings)
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
) -> None:
    """Check a file, once more where the loader turns out to change its rows.

    Args:
        file: it is read from its beginning.
        plan: the settings.
        context: the plan's tokenizer and template.
        report: what is known of other files; it is added to.
        progress: called after each chunk with the rows and bytes done.
        after: path of the split that is loaded before this one and has been checked.

    Raises:
        source.SourceError: the file can't be read, or no further; what was read is in the report.
    """
    context.loads.pop(file.path, None)
    with rereadable(file) as source:
        check_lines(read_chunks(source), plan, context, progress, report)
        shapes = report.file(file.path).shapes  # a file without rows is reported as well
        before = report.file(after).shapes.whole if after is not None else None
        if remember(file.path, shapes, context, before) is not None:
            report.forget(file.path)
            check_lines(read_chunks(source), plan, context, progress, report)


def encode_rows(
    files: Sequence[str],
    plan: Plan,
    *,
    context: Context | None = None,
    truncate: bool = True,
) -> Iterator[EncodedRow]:
    """Every row of the files as the trainer hands it to the model, in order.

    Args:
        files: paths, "-" for standard input.
        plan: the settings.
        context: the plan's tokenizer and template, when they are loaded already.
        truncate: cut at the budget, as the trainer does.

    Raises:
        source.SourceError: a file can't be read.
    """
    context = context or open_context(plan)
    limit = plan.max_length if truncate else None
    for path in files:
        index = 0
        with rereadable(InputFile(path)) as file:
            learn(file, context)
            for chunk in read_chunks(file):
                for prepared in prepared_rows(chunk, context):
                    yield _encoded(path, index, prepared, context, limit)
                    index += 1


_NO_IDS: Final = np.zeros(0, np.int32)


def _encoded(
    path: str, index: int, prepared: Prepared, context: Context, limit: int | None
) -> EncodedRow:
    if prepared.rendered is None:
        error = prepared.error.exception if prepared.error else LOADER_ERROR
        dropped = prepared.dropped is not None
        return EncodedRow(
            path, prepared.line, index, _NO_IDS, _NO_IDS, None if dropped else error, dropped, []
        )
    ignores = () if prepared.value is UNSET else ignored_names(prepared.value)
    tokens = sequence(prepared.rendered, context)
    if prepared.loaded is not None:
        messages = prepared.loaded
    elif prepared.value is not UNSET:
        messages = prepared.value["messages"]
    else:
        sample = prepared.loaded_sample or prepared.sample
        assert sample is not None  # a row without a value was decoded typed
        messages = [
            {"role": message.role, "metadata": message.metadata or None}
            for message in sample.messages
        ]
    return EncodedRow(
        path,
        prepared.line,
        index,
        tokens.input_ids[:limit],
        tokens.labels[:limit],
        None,
        False,
        spans(tokens.owners[:limit], tokens.input_ids, messages, context),
        ignores,
    )


def spans(
    owners: npt.NDArray[np.int32], ids: npt.NDArray[np.int32], messages: list[Any], context: Context
) -> list[Span]:
    """The token ranges of the messages, with the length of each header."""
    found: list[Span] = []
    edges = np.flatnonzero(np.diff(owners)) + 1
    starts = [0, *edges.tolist()]
    stops = [*edges.tolist(), len(owners)]
    for start, stop in zip(starts, stops, strict=True):
        message = int(owners[start]) if stop > start else -1
        if message < 0:
            continue
        entry = messages[message] if message < len(messages) else None
        entry = entry if isinstance(entry, dict) else {}
        metadata = entry.get("metadata")
        call = entry.get("role") == "assistant" and bool(metadata)
        head = len(f"{metadata or ''}\n".encode())
        size = seen = 0
        for token in ids[start + 1 : stop]:
            if seen >= head:
                break
            seen += len(context.tokenizer.token_bytes(int(token)))
            size += 1
        found.append(Span(start, stop, message, str(entry.get("role", "")), 1 + size, call))
    return found
