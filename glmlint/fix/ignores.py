"""`check --add-ignores`: writes the ignore key into rows; every other byte of the file stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any, Final

from msgspec import Struct

from glmlint.engine.ignores import plain_content
from glmlint.evidence.report import FileStats
from glmlint.finding import row_identity
from glmlint.fix.edit import apply
from glmlint.fix.files import (
    WIDE,
    Draft,
    Fixes,
    Unfixable,
    clear,
    commit,
    new_file,
    open_draft,
)
from glmlint.fix.stream import FileForm, Output, Piece, form_of, pieces
from glmlint.plan import Plan, version
from glmlint.read.charset import BOM
from glmlint.read.sample import read_carefully
from glmlint.rules.base import IGNORE_KEY, Edit
from glmlint.trainer.base import Text

BLOCK: Final = 10 << 20
"""Bytes from which `datasets` infers the columns of a file; a later new column ends the load."""

KEYS_MAY_GO: Final = (3, 1)
"""From this version of `datasets` on a later block may lack a column of the first one."""

LATE: Final = Text(
    "no ignores written: `datasets` takes the columns from the first 10 MB of a file and could no "
    "longer load this one; use --baseline",
    "未写入忽略项：datasets 只从文件的前 10 MB 推断列，写入后将无法加载；请改用 --baseline",
)


class Added(Struct):
    """What was written into one file."""

    rows: int = 0
    rules: int = 0
    """Names that were added, over all rows."""
    reason: str | None = None
    """Why nothing was written, as a phrase that follows "path: "."""


def add_ignores(stats: FileStats, plan: Plan) -> Added:
    """Write what `stats.wanted` names into the rows of one file, in one step.

    Args:
        stats: a file's findings, of a run with `plan.add_ignores`.
        plan: that run's settings.
    """
    if not stats.wanted:
        return Added()
    draft = None
    try:
        draft = open_draft(stats.path)
        added = _write(draft, stats, plan)
        if draft.temporary is None:
            return added
        fixes = Fixes(drafts=[draft])
        commit(fixes, plan)
        return added if not fixes.failures else Added(reason=fixes.failures[0][1])
    except Unfixable as error:
        return Added(reason=error.text.say(plan.lang, **error.values))
    except OSError as error:
        return Added(reason=error.strerror or str(error))
    finally:
        if draft is not None:
            clear(draft)


def _write(draft: Draft, stats: FileStats, plan: Plan) -> Added:
    """Make the draft. Raises Unfixable."""
    added = Added()
    by_line: dict[int, dict[bytes, set[str]]] = {}
    for (line, identity), rules in stats.wanted.items():
        by_line.setdefault(line, {})[identity] = rules
    with draft.real.open("rb") as handle, ExitStack() as open_files:
        form = form_of(handle, draft.path)
        if form.codec is not None:
            encoding = next(d.values["encoding"] for d in form.defects if d.rule == "not-utf8")
            raise Unfixable(WIDE, fails=True, encoding=encoding)

        def start() -> IO[bytes]:
            draft.temporary = new_file(draft, True)
            return open_files.enter_context(draft.temporary.open("wb", 1 << 20))

        output = Output(handle, start)
        if form.start:
            output.keep(BOM)
        key_stands = draft.before.st_size <= BLOCK
        if not key_stands and version(plan.datasets) < KEYS_MAY_GO:
            raise Unfixable(LATE, fails=True)
        for piece, line, offset in _numbered(handle, form):
            output.keep(piece.gap)
            if piece.row is not None:
                new = _answered(piece.row, by_line.get(line), added)
                if not key_stands and (new is not None or b'"glmlint"' in piece.row):
                    if offset > BLOCK:
                        raise Unfixable(LATE, fails=True)
                    key_stands = True
                if new is None:
                    output.keep(piece.row)
                else:
                    output.change(new)
                output.keep(piece.end)
            if piece.passed is not None:
                output.keep_range(*piece.passed)
    return added


def _numbered(handle: IO[bytes], form: FileForm) -> Iterator[tuple[Piece, int, int]]:
    """(piece, line where its row starts, offset of the piece's end); lines as `check` counts them."""
    line, offset = 1, form.start
    for piece in pieces(handle, form):
        line += piece.gap.count(b"\n")
        offset += len(piece.gap) + len(piece.row or b"") + len(piece.end)
        yield piece, line, offset
        line += (piece.row or b"").count(b"\n") + piece.end.count(b"\n")
        if piece.passed is not None:
            line += _lines_between(handle, *piece.passed)
            offset += piece.passed[1] - piece.passed[0]


def _lines_between(handle: IO[bytes], start: int, stop: int) -> int:
    count = 0
    while start < stop and (block := os.pread(handle.fileno(), min(1 << 20, stop - start), start)):
        count += block.count(b"\n")
        start += len(block)
    return count


def _answered(row: bytes, wanted: dict[bytes, set[str]] | None, added: Added) -> bytes | None:
    """The row with its new ignores; None where it stays as it is."""
    if wanted is None:
        return None
    rules = {*wanted.get(row_identity(plain_content(row)), ()), *wanted.get(b"", ())}
    done = with_ignores(row, rules)
    if done is None:
        return None
    added.rows += 1
    added.rules += done[1]
    return done[0]


def with_ignores(row: bytes, rules: set[str]) -> tuple[bytes, int] | None:
    """The row with names in its ignore key, and how many are new; None where it can't have more."""
    value = read_carefully(row).value
    if not rules or not isinstance(value, dict):
        return None
    entry: Any = value.get(IGNORE_KEY)
    names = entry.get("ignore") if isinstance(entry, dict) else None
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        new = sorted(rules - set(names))
        edit = Edit("replace", (IGNORE_KEY, "ignore"), [*names, *new])
    else:
        new = sorted(rules)
        edit = Edit("add", (IGNORE_KEY,), {"ignore": new})
    if not new:
        return None
    text, applied = apply(row.decode(), [[edit]])
    return (text.encode(), len(new)) if applied else None
