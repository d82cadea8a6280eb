"""`--diff`: a terminal sees the words that change, a pipe gets what `patch` and `git apply` take."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import LIMIT
from rich.cells import cell_len
from test_fix import context_of

from glmlint.fix.changed_words import changed_places
from glmlint.fix.files import Fixes, drafted
from glmlint.fix.run import diff_files, look
from glmlint.fix.trail import Trail
from glmlint.reporters.diff_text import write_changes


def row(role: str = "human", ask: str = "你好", **more: Any) -> dict[str, Any]:
    answer = {"role": "assistant", "content": f"An answer to {ask}"}
    return {"messages": [{"role": role, "content": ask}, answer], **more}


def line(*arguments: Any, **more: Any) -> bytes:
    return json.dumps(row(*arguments, **more), ensure_ascii=False).encode() + b"\n"


def shown(
    *paths: Path, width: int = 80, color: bool = False, unsafe: bool = True, **more: Any
) -> str:
    """What a terminal shows of the repairs."""
    context = context_of(**more)
    trail, out = Trail(), io.StringIO()

    def show(fixes: Fixes) -> None:
        write_changes(fixes, trail, context.plan, out, width, color)

    look([str(path) for path in paths], context.plan, context, show, unsafe=unsafe, trail=trail)
    return out.getvalue()


def test_a_terminal_sees_the_word_its_mark_and_the_rule(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    long = "这是一个很长的问题，" * 60
    file.write_bytes(line("user", "Hi") + line(ask=long) + line(ask=long))
    told = shown(file, width=60)
    heading, minus, under, plus, below, dropped, gone = told.splitlines()
    assert heading == f"{file}:2 unknown-role"
    assert minus.startswith('    - … es": [{"role": "human", "content": "这是')
    assert minus.index("human") == under.index("^") and under.strip() == "^^^^^"
    assert plus.startswith('    + … es": [{"role": "user", "content": "这是')
    assert plus.index("user") == below.index("^") and below.strip() == "^^^^"
    assert dropped == f"{file}:3 exact-duplicate: the row is dropped"
    assert gone.startswith('    - {"messages": [{')
    assert all(cell_len(one) <= 60 and one[-1] == "…" for one in (minus, plus, gone))
    colored = shown(file, width=60, color=True)
    assert "^" not in colored and "\x1b[37;41mhuman\x1b[0m" in colored


def test_each_rule_of_a_row_is_told_with_its_places(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    messages = row()["messages"] * 7
    messages[1] = {"role": "gpt", "content": "\x1b[1m <|user|> \u202e"}
    file.write_text(json.dumps({"messages": messages}, ensure_ascii=False) + "\n", "utf-8")
    told = shown(file, lang="zh")
    assert "unknown-role" in told and "special-token-in-content" in told
    assert "这一行另有 4 处改动" in told
    assert "\x1b" not in told and "\u202e" not in told


def test_what_changes_in_the_whole_file_is_one_sentence(tmp_path: Path) -> None:
    array, wide, marked = (tmp_path / name for name in ("a.jsonl", "u.jsonl", "b.jsonl"))
    array.write_text(json.dumps([row("user"), row(ask="b")], indent=2))
    wide.write_bytes(line().decode().encode("utf-16"))
    marked.write_bytes(b"\xef\xbb\xbf" + line("user", "c") + b"\n" + line("user", "d"))
    told = shown(array)
    assert told.splitlines()[0] == f"{array} not-jsonl: rewritten with one row per line"
    assert f"{array}, row 2 unknown-role" in told and told.count("\n") < 15
    assert f"{wide} not-utf8: UTF-16 (little-endian) becomes UTF-8" in shown(wide)
    assert shown(marked) == (
        f"{marked} byte-order-mark: the byte order mark is removed\n"
        f"{marked} blank-line: blank lines are removed\n"
    )
    marked.write_bytes(line("user", "c")[:-1] + line(ask="d"))
    assert f"{marked}:1 not-jsonl: becomes 2 rows, each on its own line" in shown(marked)


def test_a_terminal_gets_so_many_rows_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    key = "ghp_" + "x7K2mQ9vLp4Rt8Zs3Wn6Yb1Hd5Jf0GcAeTuV"
    file.write_bytes(b"".join(line(ask=f"{n} {key}") for n in range(5)))
    told = shown(file, max_findings=2, origins={"max-findings": "flag"}, unsafe=False)
    assert told.count("unknown-role") == 2 and "… and 3 more rows" in told
    assert key not in told and "[HIDDEN]" in told


@given(
    st.text(st.sampled_from('ab ,"中\\'), max_size=30),
    st.text(st.sampled_from('ab ,"中\\'), max_size=30),
)
def test_what_stands_between_the_places_is_the_same(old: str, new: str) -> None:
    at = begin = 0
    for a1, a2, b1, b2 in [*changed_places(old, new), (len(old), len(old), len(new), len(new))]:
        assert at <= a1 <= a2 and begin <= b1 <= b2
        assert old[at:a1] == new[begin:b1]
        at, begin = a2, b2


def test_many_changes_in_a_long_row_are_many_places() -> None:
    old = json.dumps([{"role": "human", "content": f"word {n}"} for n in range(2000)])
    found = changed_places(old, old.replace("human", "user"))
    assert len(found) == 2000
    assert {old[start:stop] for start, stop, _, _ in found} == {"human"}


KINDS = {
    "no line end.jsonl": line("user", "1") + line(ask="2")[:-1],
    "crlf.jsonl": (line("user", "3") + line(ask="4") + line("user", "5")).replace(b"\n", b"\r\n"),
    "文 件/数据.jsonl": line(ask="6") + line("user", "7"),
    "bytes.jsonl": b'{"\xff": 1}\n' + line(ask="8") + line("user", "9"),
    'q"t\\a\t.jsonl': line(ask="10"),
    os.fsdecode(b"\xff.jsonl"): line(ask="11"),
    "mark.jsonl": b"\xef\xbb\xbf" + line(ask="12") + b"\n\n" + line("user", "13"),
    "array.jsonl": json.dumps([row(ask="14"), row(ask="15")], indent=1).encode(),
    "wide.jsonl": (line(ask="16") + line(ask="17")).decode().encode("utf-16"),
    "several.jsonl": line(ask="18")[:-1] + line(ask="19"),
    "cr.jsonl": line(ask="20").replace(b"}]}", b"} \r]}"),
}


def test_a_diff_in_a_file_applies_with_patch_and_with_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in KINDS.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(data)
    context = context_of()
    with drafted(list(KINDS), context.plan, context, unsafe=True, beside=False) as fixes:
        wanted = {one.path: one.temporary.read_bytes() for one in fixes.drafts if one.temporary}
    assert len(wanted) == len(KINDS)
    out = io.BytesIO()
    done = diff_files(list(KINDS), context.plan, context, out, unsafe=True, raw=True)
    assert done.notes == []
    tools = (["patch", "-p0", "-s"], ["git", "apply", "-p0", "-"])
    for tool in tools:
        if shutil.which(tool[0]) is None:
            continue
        for name, data in KINDS.items():
            Path(name).write_bytes(data)
        said = subprocess.run(
            tool, input=out.getvalue(), capture_output=True, check=False, timeout=LIMIT
        )
        assert (said.returncode, said.stdout) == (0, b""), (tool, said)
        assert {name: Path(name).read_bytes() for name in KINDS} == wanted


def test_where_patch_changes_nothing_the_diff_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    real = tmp_path / "a.jsonl"
    real.write_bytes(line())
    context, out = context_of(), io.BytesIO()
    done = diff_files(["../a.jsonl"], context.plan, context, out, unsafe=False, color=True)
    assert [note for _, note in done.notes] == [
        "outside the current folder, where patch and git apply change nothing: "
        f"name the file (patch {real} fix.patch)"
    ]
    assert b"\n\x1b[31m-{" in out.getvalue() and b"\n\x1b[32m+{" in out.getvalue()


def test_the_same_command_on_a_terminal_and_in_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line())
    command = [sys.executable, "-m", "glmlint", "check", "--diff", "a.jsonl"]
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, check=False,
            env={**os.environ, "LANG": "C.UTF-8", "NO_COLOR": "1"}, timeout=LIMIT,
        )  # fmt: skip
        told = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 1 and b"Would fix 1 problem in 1 row." in done.stderr
    assert told.startswith(b"a.jsonl:1 unknown-role\r\n    - ")
