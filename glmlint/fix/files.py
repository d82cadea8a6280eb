"""Repairs files: each gets a draft beside it, and the draft takes its place in one step.

At any moment, whatever ends the run, a file is either the old or the new one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from msgspec import Struct, field, structs

from glmlint.engine.baseline import Matching
from glmlint.engine.check import Checker, check_lines
from glmlint.evidence.report import Report
from glmlint.fix.rows import Repair, repair_of
from glmlint.fix.stream import (
    FileForm,
    Output,
    Pass,
    Undecodable,
    Unrewritable,
    form_of,
    pieces,
    run_pass,
    utf8_copy,
    wanted_rewrites,
)
from glmlint.fix.trail import Trail
from glmlint.plan import Plan
from glmlint.progress import Passes
from glmlint.read.source import Chunk, InputFile, SourceError, is_packed, read_chunks
from glmlint.read.survey import Survey
from glmlint.rules.base import all_rules
from glmlint.temporary import new_name
from glmlint.trainer.base import Context, Text
from glmlint.trainer.loaded import learn

MAX_PASSES: Final = 5
"""How often a file is read again after its form has changed."""

STDIN: Final = Text("standard input is not repaired", "标准输入不会被修复")
NOT_A_FILE: Final = Text("not repaired: not a regular file", "未修复：不是普通文件")
PACKED: Final = Text(
    "not repaired: unpack a compressed or Parquet file first",
    "未修复：压缩文件或 Parquet 文件需先解包",
)
READ_ONLY: Final = Text("not repaired: the file is read-only", "未修复：文件是只读的")
FOLDER: Final = Text(
    "not repaired: no file can be created beside it ({reason})",
    "未修复：无法在同一文件夹中创建文件（{reason}）",
)
WRITING: Final = Text(
    "not repaired, the file is unchanged: {reason}",
    "未修复，文件保持原样：{reason}",
)
CHANGED: Final = Text(
    "not repaired: the file changed in the meantime; run glmlint again",
    "未修复：文件在此期间被改动；请重新运行 glmlint",
)
WIDE: Final = Text(
    "not repaired: the file is {encoding}; --unsafe-fixes converts it to UTF-8",
    "未修复：文件编码是 {encoding}；--unsafe-fixes 会转存为 UTF-8",
)
UNDECODABLE: Final = Text(
    "not repaired: some bytes are not valid {encoding}",
    "未修复：有些字节不是合法的 {encoding}",
)
UNREWRITABLE: Final = Text(
    "not rewritten one row per line: row {row} cannot be read",
    "未改写为每行一条：第 {row} 条无法读取",
)
LEFT: Final = Text(
    "left unchanged, since their edits undo each other or are too many: rows {rows}",
    "修改互相抵消或过多，以下各条保持原样：{rows}",
)
EMPTIED: Final = Text(
    "no row is deleted: all of them would be, and repairs never empty a file; if it is a copy of "
    "another file, delete it yourself",
    "没有删除任何行：否则所有行都会被删除，而修复不会清空文件；如果它是另一个文件的副本，请自行删除",
)


class Unfixable(Exception):
    """A file that is not repaired."""

    def __init__(self, text: Text, *, fails: bool, **values: object) -> None:
        super().__init__(text.en)
        self.text = text
        self.values = values
        self.fails = fails
        """Whether the run fails with it; otherwise it is only reported."""


class Draft(Struct):
    """A file, and what will replace it."""

    path: str
    """As the user gave it."""
    real: Path
    """The file itself, behind links."""
    before: os.stat_result
    """The file's state before it was read."""
    temporary: Path | None = None
    """The repaired file; None where there was nothing to repair."""
    made: list[Path] = field(default_factory=list)
    """Every temporary file, noted before it is made: Ctrl-C may come as soon as it is there."""
    done: Pass = field(default_factory=Pass)
    notes: dict[str, tuple[Text, dict[str, object]]] = field(default_factory=dict)
    """What is reported about it, once each."""
    keeps_rows: bool = False
    """No row is deleted: all would have been."""
    old: Counter[str] = field(default_factory=Counter)
    """Old findings that the last pass over it did not repair."""
    known: Survey | None = None

    def survey(self) -> Survey:
        """What the original file is like; read when the first row asks."""
        if self.known is None:
            self.known = Survey()
            with contextlib.suppress(SourceError, OSError), self.real.open("rb") as file:
                self.known.read(read_chunks(InputFile(self.path, file)))
        return self.known


class Fixes(Struct):
    """What a run repairs, or has repaired."""

    drafts: list[Draft] = field(default_factory=list)
    """Files that change."""
    fixed: Counter[str] = field(default_factory=Counter)
    """Repaired problems by rule."""
    rows: int = 0
    dropped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of files that could not be repaired: exit code 2."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """(path, sentence) of what is only reported."""


@contextlib.contextmanager
def drafted(
    paths: Sequence[str],
    plan: Plan,
    context: Context,
    *,
    unsafe: bool = False,
    beside: bool = True,
    progress: Callable[[int, int], None] | None = None,
    trail: Trail | None = None,
) -> Iterator[Fixes]:
    """Drafts of the repaired files; `commit` puts them in place, else they are gone at the end.

    Args:
        paths: the files.
        plan: its rules decide what is repaired.
        context: the plan's tokenizer and template.
        unsafe: also what changes the meaning of rows.
        beside: make drafts in the folder of their file, from where they can be moved; else in
            the folder for temporary files, where they can only be looked at.
        progress: called with rows and bytes.
        trail: notes which rule does what.
    """
    repair = structs.replace(repair_of(plan, context, unsafe), trail=trail)
    fixes = Fixes()
    drafts: dict[str, Draft] = {}
    try:
        for path in paths:
            try:
                drafts[path] = draft = open_draft(path)
                _settle(draft, repair, beside, progress)
            except Unfixable as error:
                sentence = error.text.say(plan.lang, **error.values)
                (fixes.failures if error.fails else fixes.notes).append((path, sentence))
                if path in drafts:
                    clear(drafts.pop(path))
        _drop_repeated(paths, drafts, plan, repair, beside, fixes)
        for draft in drafts.values():
            for text, values in draft.notes.values():
                fixes.notes.append((draft.path, text.say(plan.lang, **values)))
        fixes.drafts = [draft for draft in drafts.values() if draft.temporary is not None]
        _count(fixes)
        yield fixes
    finally:
        for draft in drafts.values():
            clear(draft)


def repaired(
    data: bytes, path: str, plan: Plan, context: Context, *, unsafe: bool = False
) -> bytes:
    """What a repair leaves of a text that is still in an editor.

    Args:
        data: the text.
        path: its name, which decides which rules hold for it.
        plan: its rules decide what is repaired.
        context: the plan's tokenizer and template.
        unsafe: also what changes the meaning of rows.
    """
    repair = repair_of(plan, context, unsafe)
    plan = dataclasses.replace(plan, eval_files=())
    source = new_name(Path(tempfile.gettempdir()))
    try:
        with os.fdopen(os.open(source, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
        draft = Draft(path, source, source.stat())
        try:
            _settle(draft, repair, beside=False)
            _drop_repeated([path], {path: draft}, plan, repair, False, Fixes())
            return data if draft.temporary is None else draft.temporary.read_bytes()
        except Unfixable:
            return data
        finally:
            clear(draft)
    finally:
        source.unlink(missing_ok=True)


def _count(fixes: Fixes) -> None:
    fixes.fixed = sum((draft.done.fixed for draft in fixes.drafts), Counter())
    fixes.rows = sum(draft.done.rows for draft in fixes.drafts)
    fixes.dropped = sum(draft.done.dropped for draft in fixes.drafts)


def commit(fixes: Fixes, plan: Plan) -> None:
    """Put every draft in the place of its file; `fixes` then counts those that got there."""
    placed = []
    for draft in fixes.drafts:
        try:
            _replace(draft)
            placed.append(draft)
        except Unfixable as error:
            fixes.failures.append((draft.path, error.text.say(plan.lang, **error.values)))
    fixes.drafts = placed
    _count(fixes)


# --- drafts --------------------------------------------------------------------------------------


def open_draft(path: str) -> Draft:
    """A draft without changes. Raises Unfixable."""
    if path == "-":
        raise Unfixable(STDIN, fails=False)
    real = Path(os.path.realpath(path))
    try:
        before = real.stat()
        if not stat.S_ISREG(before.st_mode):
            raise Unfixable(NOT_A_FILE, fails=False)
        with real.open("rb") as handle:
            if is_packed(handle.read(4)):
                raise Unfixable(PACKED, fails=False)
    except OSError as error:
        raise Unfixable(WRITING, fails=True, reason=error.strerror) from None
    return Draft(path, real, before)


def _settle(
    draft: Draft,
    repair: Repair,
    beside: bool,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Pass over the file until its form is settled and no row has anything left to repair."""
    passes = Passes(progress)
    for _ in range(MAX_PASSES):
        before = draft.temporary
        _learn(draft, repair)
        for _ in range(MAX_PASSES):
            passes.again()
            if not _advance(draft, repair, beside, None, passes.add):
                break
        if draft.temporary == before:
            break  # else the loader may change the other rows
    if draft.done.left:
        rows = ", ".join(map(str, draft.done.left[:10])) + ", …" * (len(draft.done.left) > 10)
        draft.notes["left"] = (LEFT, {"rows": rows})


def _learn(draft: Draft, repair: Repair) -> None:
    """Learn what the loader makes of the repaired file."""
    # Rows are judged as they are once the blank lines are out.
    stay = not repair.removes_blank_lines(draft.path)
    with (
        contextlib.suppress(SourceError, OSError),  # `check` will say so
        (draft.temporary or draft.real).open("rb") as copy,
    ):
        learn(InputFile(draft.path, copy), repair.checker.context, blanks=stay)


def _advance(
    draft: Draft,
    repair: Repair,
    beside: bool,
    drops: Mapping[int, str] | None,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """One pass. Returns whether another one may find more."""
    repair = structs.replace(repair, survey=draft.survey)
    if drops is None:
        draft.old = repair.old.restart(draft.old)
        if draft.keeps_rows:
            repair = structs.replace(repair, drops=False)
    try:
        with (draft.temporary or draft.real).open("rb") as handle:
            form = form_of(handle, draft.path)
            if not form.data:
                return False
            rewrites = wanted_rewrites(form, draft.path, repair)
            if form.codec is not None:
                _decode(draft, handle, form, "not-utf8" in rewrites, beside)
                return True
            if "unrewritable" in draft.notes:
                rewrites.discard("not-jsonl")
            made: list[Path] = []
            try:
                with contextlib.ExitStack() as open_files:

                    def start() -> IO[bytes]:
                        made.append(new_file(draft, beside))
                        return open_files.enter_context(made[0].open("wb", _BUFFER))

                    output = Output(handle, start)
                    done = run_pass(
                        handle,
                        draft.path,
                        form,
                        output,
                        repair,
                        rewrites,
                        drops,
                        draft.done.marks,
                        progress,
                    )
            except Unrewritable as error:
                _remove(made)
                draft.notes["unrewritable"] = (UNREWRITABLE, {"row": error.row})
                return True
            except BaseException:
                _remove(made)
                raise
    except OSError as error:
        raise Unfixable(WRITING, fails=True, reason=error.strerror or str(error)) from None
    if done.dropped and not done.kept:
        _remove(made)
        draft.notes["emptied"] = (EMPTIED, {})
        draft.keeps_rows = True
        return True
    draft.done.left = done.left
    if not made:
        return False
    _take(draft, made[0])
    draft.done.fixed += done.fixed
    draft.done.rows += done.rows
    draft.done.marks = done.marks
    draft.done.dropped += done.dropped
    if done.reshaped:  # a row that could not be read may be readable now
        draft.notes.pop("unrewritable", None)
    return done.reshaped


_BUFFER: Final = 1 << 20


def _decode(draft: Draft, handle: IO[bytes], form: FileForm, allowed: bool, beside: bool) -> None:
    """Make a UTF-8 draft of a UTF-16 or UTF-32 file."""
    encoding = next(d.values["encoding"] for d in form.defects if d.rule == "not-utf8")
    if not allowed:
        raise Unfixable(WIDE, fails=False, encoding=encoding)
    made = new_file(draft, beside)
    try:
        with made.open("wb", _BUFFER) as out:
            utf8_copy(handle, form, out)
    except BaseException as error:
        _remove([made])
        if isinstance(error, Undecodable):
            raise Unfixable(UNDECODABLE, fails=False, encoding=encoding) from None
        raise
    _take(draft, made)
    draft.done.fixed["not-utf8"] += 1


def new_file(draft: Draft, beside: bool) -> Path:
    """An empty file that no other user can read."""
    if beside and not (draft.before.st_mode & 0o222 and os.access(draft.real, os.W_OK)):
        raise Unfixable(READ_ONLY, fails=True)
    folder = draft.real.parent if beside else Path(tempfile.gettempdir())
    path = new_name(folder)
    draft.made.append(path)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise Unfixable(FOLDER, fails=True, reason=error.strerror) from None
    return path


def _take(draft: Draft, made: Path) -> None:
    _forget(draft)
    draft.temporary = made


def _forget(draft: Draft) -> None:
    if draft.temporary is not None:
        _remove([draft.temporary])
        draft.temporary = None


def clear(draft: Draft) -> None:
    """Take every temporary file of a draft away."""
    _remove(draft.made)
    draft.temporary = None


def _remove(paths: list[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _replace(draft: Draft) -> None:
    """Move a draft to the place of its file. Raises Unfixable, and then the file is as it was."""
    assert draft.temporary is not None  # files without changes have been left out
    before = draft.before
    try:
        handle = os.open(draft.temporary, os.O_RDONLY)
        try:
            with contextlib.suppress(PermissionError):  # only root can give files away
                os.fchown(handle, before.st_uid, before.st_gid)
            os.fchmod(handle, stat.S_IMODE(before.st_mode))
            os.fsync(handle)
        finally:
            os.close(handle)
        now = draft.real.stat()
        same = ("st_size", "st_mtime_ns", "st_ino", "st_dev")
        if any(getattr(now, name) != getattr(before, name) for name in same):
            raise Unfixable(CHANGED, fails=True)
        draft.temporary.replace(draft.real)
    except FileNotFoundError:
        raise Unfixable(CHANGED, fails=True) from None
    except OSError as error:
        raise Unfixable(WRITING, fails=True, reason=error.strerror or str(error)) from None
    draft.temporary = None
    # The move itself is to last, too; some file systems do not offer that.
    with contextlib.suppress(OSError):
        folder = os.open(draft.real.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


# --- rows that repeat others ---------------------------------------------------------------------


def _drop_repeated(
    paths: Sequence[str],
    drafts: dict[str, Draft],
    plan: Plan,
    repair: Repair,
    beside: bool,
    fixes: Fixes,
) -> None:
    """Drop the rows that a rule across rows wants to be dropped, until there are none."""
    across = [
        name
        for name, loaded in all_rules().items()
        if loaded.check_run is not None and loaded.rule.fix and repair.allows(name)
    ]
    for _ in range(MAX_PASSES):
        found = _repeated([*paths, *plan.eval_files], drafts, plan, repair.checker.context, across)
        dropped = 0
        for path, by_row in found.items():
            draft = drafts[path]
            if draft.keeps_rows:
                continue
            before = draft.done.dropped
            try:
                _advance(draft, repair, beside, by_row)
                if draft.done.dropped > before:
                    draft.done.fixed.update(by_row.values())
                    dropped += draft.done.dropped - before
                    _settle(draft, repair, beside)
            except Unfixable as error:
                fixes.failures.append((path, error.text.say(plan.lang, **error.values)))
                clear(drafts.pop(path))
        if not dropped:
            break


def _repeated(
    paths: Sequence[str],
    drafts: dict[str, Draft],
    plan: Plan,
    context: Context,
    across: list[str],
) -> dict[str, dict[int, str]]:
    """File -> number of a row to delete -> the rule that deletes it."""

    def only(rules: dict[str, str]) -> dict[str, str]:
        return {name: level for name, level in rules.items() if name in across}

    chosen = dataclasses.replace(
        plan,
        rules=only(plan.rules),
        per_file=tuple(
            dataclasses.replace(block, rules=only(block.rules)) for block in plan.per_file
        ),
    )
    checker = Checker(chosen, context)
    if not checker.hashes:
        return {}
    report = Report()
    for path in dict.fromkeys(paths):
        if path == "-":
            continue
        with contextlib.suppress(SourceError, OSError):  # `check` will say so
            for chunk in _numbered(path, drafts.get(path)):
                report.merge(check_lines([chunk], chosen, context), chosen.max_findings)
    found: dict[str, dict[int, str]] = {}
    matching = Matching(plan.baseline, plan.write_baseline)
    for name in across:
        check_run = all_rules()[name].check_run
        assert check_run is not None  # chosen so
        for placed in check_run(report, chosen):
            level = checker.severities(placed.path).get(name, "off")
            drops = any(edit.op == "drop-row" for edit in placed.problem.edits)
            if report.files[placed.path].ignores.match(placed.line or 0, name):
                continue
            if plan.baseline is not None and matching.holds_placed(name, placed):
                continue
            if level != "off" and drops and placed.line and placed.path in drafts:
                found.setdefault(placed.path, {}).setdefault(placed.line, name)
    return found


def _numbered(path: str, draft: Draft | None) -> Iterator[Chunk]:
    """The rows of a file with their numbers instead of lines: a line may hold several."""
    number = 1
    if draft is None:
        for chunk in read_chunks(InputFile(path)):
            size = len(chunk.lines)
            yield Chunk(path, chunk.lines, range(number, number + size), chunk.defects)
            number += size
        return
    with (draft.temporary or draft.real).open("rb") as handle:
        form = form_of(handle, path)
        if not form.data or form.codec is not None:
            return
        lines: list[bytes] = []
        for piece in pieces(handle, form):
            if piece.row is not None or piece.defect is not None:
                lines.append(piece.row or b"")
            if len(lines) == 1000:
                yield Chunk(path, lines, range(number, number + 1000))
                number += 1000
                lines = []
        yield Chunk(path, lines, range(number, number + len(lines)))
