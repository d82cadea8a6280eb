"""What a killed run leaves beside the data goes with the next one, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import LIMIT, started, until
from test_cli import glmlint

from glmlint.temporary import new_name

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is a matter of POSIX")

ALIAS = (
    '{"messages": [{"role": "human", "content": "%d"}, {"role": "assistant", "content": "a"}]}\n'
)


def left_by_a_dead_process(folder: Path) -> Path:
    """A file as a killed run leaves it."""
    code = (
        "import sys; from pathlib import Path; from glmlint.temporary import new_name\n"
        "path = new_name(Path(sys.argv[1])); path.touch(); print(path)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, check=True, timeout=LIMIT
    )
    path = Path(out.stdout.decode().strip())
    assert path.is_file()
    return path


def test_the_next_writer_of_a_folder_takes_away_what_is_left(tmp_path: Path) -> None:
    for command in (
        ("check", "--fix"),
        ("convert", "--to", "glm4", "-o", str(tmp_path / "b.jsonl")),
    ):
        left = left_by_a_dead_process(tmp_path)
        file = tmp_path / "a.jsonl"
        file.write_text(ALIAS % 1, encoding="utf-8")
        assert glmlint(*command, str(file)).returncode == 0
        assert not left.exists() and not list(tmp_path.glob(".glmlint-*"))


def test_foreign_files_and_those_in_use_stay(tmp_path: Path) -> None:
    left = left_by_a_dead_process(tmp_path)
    _, here, process, rest = left.name.split("-")
    names = [
        f".glmlint-{here}-{os.getpid()}-{rest}",  # its process runs
        f".glmlint-{here}-1-{rest}",
        f".glmlint-{'0' * 12}-{process}-{rest}",  # of another machine
        f".glmlint-{here}-{process}-notes.tmp",
        f"x{left.name}", f"{left.name}.jsonl", ".glmlint-abc.tmp",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / f".glmlint-{here}-{process}-{'a' * 32}.tmp").mkdir()
    (tmp_path / f".glmlint-{here}-{process}-{'b' * 32}.tmp").symlink_to(left)
    before = {path.name for path in tmp_path.iterdir()}
    fresh = new_name(tmp_path)
    assert fresh.parent == tmp_path and not fresh.exists()
    assert {path.name for path in tmp_path.iterdir()} == before - {left.name}


def test_a_run_that_only_reads_takes_nothing_away(tmp_path: Path) -> None:
    left = left_by_a_dead_process(tmp_path)
    file = tmp_path / "a.jsonl"
    file.write_text(ALIAS % 1, encoding="utf-8")
    assert glmlint("check", str(tmp_path)).returncode in (0, 1)
    assert glmlint("check", "--diff", str(file)).returncode == 1
    assert left.is_file()


def test_after_kill_9_a_second_fix_leaves_the_data_alone_in_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(ALIAS % n for n in range(3000)), encoding="utf-8")
    command = [sys.executable, "-m", "glmlint", "check", "--fix", "--quiet", str(file)]
    with started(*command[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: list(tmp_path.glob(".glmlint-*.tmp")), process)
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
    file.write_text(ALIAS % 1, encoding="utf-8")
    assert subprocess.run(command, capture_output=True, check=False, timeout=LIMIT).returncode in (
        0,
        1,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
