"""What `check --fix` and `check --diff` do with paths, and the sentences that they end with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Final

from glmlint.engine.redact import MASK, redacted_line
from glmlint.fix.diff import unified
from glmlint.fix.files import Draft, Fixes, commit, drafted
from glmlint.fix.trail import Trail
from glmlint.patterns import Pattern
from glmlint.plan import FileChoice, Plan
from glmlint.progress import Progress
from glmlint.read.paths import find_inputs
from glmlint.trainer.base import Context, Text
from glmlint.visible import diff_line, printable_path, visible

FIXED: Final = (Text("Fixed", "已修复"), Text("Would fix", "可修复"))
"""For `--fix`, and for `--diff`."""

NOTHING: Final = Text("Nothing to fix.", "没有可修复的问题。")
FAILED: Final = Text("Nothing was fixed.", "没有修复任何问题。")

HIDDEN: Final = Text(
    "{mask} in the diff replaces a secret or personal number: the diff can't be applied there; "
    "--fix can",
    "差异中的 {mask} 代替了密钥或个人号码：含有它的行不能用差异文件应用，请使用 --fix",
)

ESCAPED: Final = Text(
    "characters that are invisible or control a log are escaped in the diff: it can't be applied "
    "there; a diff written to a file (> fix.patch) keeps them",
    "差异中不可见的字符或会被日志系统解释的内容以转义形式显示，含有它们的行不能用差异文件应用；把差异重定向到文件（> fix.patch）时会保持原样",
)

ELSEWHERE: Final = Text(
    "outside the current folder, where patch and git apply change nothing: name the file "
    "(patch {path} fix.patch)",
    "文件不在当前目录下，patch 和 git apply 不会修改它：请指明文件（patch {path} fix.patch）",
)

_LINE: Final = Pattern(rb"[^\n]*\n|[^\n]+")


def fix_files(
    paths: Sequence[str], plan: Plan, context: Context, *, unsafe: bool, progress: str = "never"
) -> Fixes:
    """Repair the files in place.

    Args:
        paths: files, folders and patterns; what can't be read is left to `check` to report.
        plan: its rules decide what is repaired.
        context: the plan's tokenizer and template.
        unsafe: also what changes the meaning of rows.
        progress: "auto", "always" or "never".
    """
    files = [file.path for file in find_inputs(paths, _unnamed(plan))[0]]
    with (
        Progress(files, progress, plan.lang) as bar,
        drafted(files, plan, context, unsafe=unsafe, progress=bar.add) as fixes,
    ):
        commit(fixes, plan)
    return fixes


def look(
    paths: Sequence[str],
    plan: Plan,
    context: Context,
    show: Callable[[Fixes], None],
    *,
    unsafe: bool,
    progress: str = "never",
    trail: Trail | None = None,
) -> Fixes:
    """Have `show` print what `fix_files` would do; the files stay as they are.

    Args:
        paths, plan, context, unsafe, progress: as for `fix_files`.
        show: called once with the drafts, which are gone afterwards.
        trail: notes which rule does what.
    """
    inputs, missing = find_inputs(paths, _unnamed(plan))
    files = [file.path for file in inputs]
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(files, progress, plan.lang))
        with drafted(
            files, plan, context, unsafe=unsafe, beside=False, progress=bar.add, trail=trail
        ) as fixes:
            stack.close()  # a bar and what is shown may be on one terminal
            fixes.failures += [(problem.path, problem.say(plan.lang)) for problem in missing]
            show(fixes)
    return fixes


def diff_files(
    paths: Sequence[str],
    plan: Plan,
    context: Context,
    out: IO[bytes],
    *,
    unsafe: bool,
    progress: str = "never",
    raw: bool = False,
    color: bool = False,
) -> Fixes:
    """Write a unified diff of what `fix_files` would do; the files stay as they are.

    Secrets and numbers of persons are not shown, nor, unless `raw`, characters that act on a
    terminal or a log: lines with them can't be applied, and `notes` says so.
    """

    def show(fixes: Fixes) -> None:
        for draft in fixes.drafts:
            fixes.notes += [
                (draft.path, note.say(plan.lang, mask=MASK, path=printable_path(str(draft.real))))
                for note in _write_diff(draft, out, raw=raw, color=color)
            ]

    return look(paths, plan, context, show, unsafe=unsafe, progress=progress)


def _write_diff(draft: Draft, out: IO[bytes], *, raw: bool, color: bool) -> list[Text]:
    """Write the diff of one file. Returns why it can't be applied, as far as it can't."""
    assert draft.temporary is not None  # `drafts` are those with changes
    below, name = head_name(draft)
    hidden = escaped = False
    with draft.real.open("rb") as old, draft.temporary.open("rb") as new:
        for part in unified(old, new, name):
            for line in _LINE.findall(part):  # a CR alone ends none
                shown = redacted_line(line)
                hidden = hidden or shown is not line
                safe = shown if raw else diff_line(shown)
                escaped = escaped or safe is not shown
                out.write(_colored(safe) if color else safe)
    notes = ((HIDDEN, hidden), (ESCAPED, escaped), (ELSEWHERE, not below))
    return [note for note, holds in notes if holds]


def head_name(draft: Draft) -> tuple[bool, bytes]:
    """The file's name for the head of a diff, as `patch -p0` and `git apply -p0` read it.

    Returns whether it is below the current folder (they touch nothing outside it), and the name:
    of the file itself where the path is a link, since they follow none.
    """
    folder = os.path.realpath(os.curdir)
    name = os.fsencode(os.path.relpath(draft.real, folder))
    below = not name.startswith(os.pardir.encode() + os.sep.encode())
    if not below:
        name = os.fsencode(draft.path)
    text = name.decode("utf-8", "surrogateescape")
    if visible(text) != text or '"' in text or "\\" in text:
        return below, b'"' + b"".join(_ESCAPED.get(one) or _quoted(one) for one in name) + b'"'
    return below, name + b"\t" * (b" " in name)


_ESCAPED: Final = {ord('"'): b'\\"', ord("\\"): b"\\\\"}


def _quoted(byte: int) -> bytes:
    return bytes([byte]) if 0x20 <= byte < 0x7F else b"\\%03o" % byte


_COLORS: Final = {b"@": b"\x1b[36m", b"-": b"\x1b[31m", b"+": b"\x1b[32m"}


def _colored(line: bytes) -> bytes:
    """A line of a diff in its colour."""
    code = b"\x1b[1m" if line.startswith((b"--- ", b"+++ ")) else _COLORS.get(line[:1])
    body = line.rstrip(b"\r\n")
    return line if code is None else code + body + b"\x1b[0m" + line[len(body) :]


def _unnamed(plan: Plan) -> FileChoice:
    """Standard input is repaired nowhere, least of all in a file whose name it has."""
    return replace(plan.choice, stdin_name=None)


def sentence(fixes: Fixes, lang: str, *, would: bool = False) -> str:
    """ "Fixed 12 problems in 7 rows (2 of them dropped)." """
    problems = fixes.fixed.total()
    if not problems:
        return (FAILED if fixes.failures or fixes.notes else NOTHING).say(lang)
    verb = FIXED[would].say(lang)
    rows, dropped, files = fixes.rows, fixes.dropped, len(fixes.drafts)
    if lang == "zh":
        where = f" {rows:,} 行" if rows else f" {files:,} 个文件"
        tail = f"（其中删除 {dropped:,} 行）" if dropped else ""
        return f"{verb}{where}中的 {problems:,} 个问题{tail}。"
    where = _counted(rows, "row") if rows else _counted(files, "file")
    tail = f" ({dropped:,} of them dropped)" if dropped else ""
    return f"{verb} {_counted(problems, 'problem')} in {where}{tail}."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
