"""What stands around a command: full disks, closed pipes, signals."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from processes import LIMIT, started, until

from glmlint.app import process
from glmlint.app.cli import cli
from glmlint.output import opened, tell
from glmlint.temporary import new_name

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and /dev/full are of POSIX")

ALIAS = (
    '{"messages": [{"role": "human", "content": "%d"}, {"role": "assistant", "content": "a"}]}\n'
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file with something to find and something to repair."""
    file = tmp_path / "data" / "a.jsonl"
    file.parent.mkdir()
    file.write_text("".join(ALIAS % n for n in range(300)))
    return file


PRINTING = [
    ("encode", "{file}"), ("show", "{file}:1"), ("show", "{file}:1", "--ids"),
    ("check", "--diff", "{file}"), ("check", "--diff", "--unsafe-fixes", "{file}"),
    ("rules",), ("rules", "--format", "json"), ("explain", "null-content"),
    ("recipes",), ("recipes", "--format", "json"),
    ("--help",), ("--version",), ("check", "--help"), ("convert", "--help"), ("score", "--help"),
    ("check", "{file}"), ("check", "{file}", "--format", "json"),
    ("check", "{file}", "--format", "jsonl"), ("check", "{file}", "--format", "github"),
    ("check", "{file}", "--statistics"), ("check", "--fix", "{file}"),
    ("convert", "{file}", "--to", "openai"),
    ("compare", "{file}", "--recipe", "glm4", "--recipe", "llamafactory"),
    ("compare", "{file}", "--recipe", "glm4", "--recipe", "llamafactory", "--format", "json"),
]  # fmt: skip
each_printing = pytest.mark.parametrize("command", PRINTING, ids=" ".join)


def filled(command: tuple[str, ...], file: Path) -> list[str]:
    return ["-m", "glmlint", *(word.format(file=file) for word in command)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@each_printing
def test_a_full_disk_is_one_line_and_exit_code_2(
    command: tuple[str, ...], unbuffered: str, data: Path
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, *filled(command, data)],
            stdout=full, stderr=subprocess.PIPE, check=False, timeout=LIMIT,
            env={**os.environ, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    told = done.stderr.decode()
    assert done.returncode == 2
    assert told == "glmlint: standard output can't be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_in_chinese_and_a_full_log_not_at_all(data: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "glmlint", "encode", str(data), "--lang", "zh"]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=LIMIT
        )
        assert done.stderr.decode() == "glmlint: 无法写入标准输出：磁盘空间不足\n"
        silent = subprocess.run(command, stdout=full, stderr=full, check=False, timeout=LIMIT)
        assert silent.returncode == 2
        missing = [*command[:-3], "nowhere.jsonl"]
        assert subprocess.run(missing, stderr=full, check=False, timeout=LIMIT).returncode == 2


def test_a_report_that_finds_no_room_leaves_the_old_one(tmp_path: Path, data: Path) -> None:
    resource = pytest.importorskip("resource")
    target = tmp_path / "report.json"
    for flags in (
        ("check", "--format", "json", "--output", str(target)),
        ("check", "--baseline", str(target), "--write-baseline"),
        ("convert", "--to", "openai", "-o", str(target)),
    ):
        target.write_text('{"version": 1, "findings": {}}')
        done = subprocess.run(
            [sys.executable, "-m", "glmlint", *flags, str(data)],
            capture_output=True, check=False, timeout=LIMIT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        last = done.stderr.decode().splitlines()[-1]
        assert last.startswith("glmlint: ") and last.endswith("File too large"), last
        assert target.read_text() == '{"version": 1, "findings": {}}'
        assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "report.json"]


@each_printing
def test_a_reader_that_has_enough_is_no_error(command: tuple[str, ...], data: Path) -> None:
    data.write_text("".join(ALIAS % n for n in range(3000)))
    with started(*filled(command, data), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()  # as `head` does, before anything comes
        told = running.communicate(timeout=LIMIT)[1].decode()
    finds = command[0] == "check" and not {"--help", "--fix"} & set(command)
    assert running.returncode == int(finds)
    assert "Traceback" not in told and "bug" not in told and "Broken" not in told
    assert told == "" or "--fix" in command or "convert" in command, told


def test_closed_streams_are_no_error(data: Path) -> None:
    for close in (">&-", "2>&-", ">&- 2>&-"):
        line = f'exec "$0" -m glmlint check "$1" --format json {close}'
        done = subprocess.run(
            ["/bin/sh", "-c", line, sys.executable, str(data)],
            capture_output=True, check=False, timeout=LIMIT,
        )  # fmt: skip
        assert done.returncode == 1 and b"Traceback" not in done.stderr, close


# --- signals -------------------------------------------------------------------------------------

ENDS = {"SIGTERM": 143, "SIGHUP": 129}
each_signal = pytest.mark.parametrize("name", ENDS)


@each_signal
@pytest.mark.parametrize("kind", ["fix", "diff", "convert"])
def test_a_signal_takes_the_temporary_file_away(name: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    old = "".join(ALIAS % n for n in range(60_000))
    file.write_text(old)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = {
        "fix": ("check", "--fix", "--quiet", str(file)),
        "diff": ("check", "--diff", str(file)),
        "convert": ("convert", str(file), "--to", "openai", "-o", str(tmp_path / "b.jsonl")),
    }[kind]
    with started(
        "-m", "glmlint", *command, env={"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert until(lambda: list(tmp_path.rglob(".glmlint-*.tmp")), running)
        running.send_signal(getattr(signal, name))
        told = running.communicate(timeout=LIMIT)[1].decode()
    assert running.returncode == ENDS[name]
    assert told == f"glmlint: stopped by {name}\n"
    assert file.read_text() == old
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.jsonl", "tmp"]


class Kill(click.Command):
    """A command that writes files and is stopped in the middle, twice."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__("kill")
        self.folder, self.number = folder, number

    def invoke(self, _context: click.Context) -> None:
        """Stop while a report is half written, and again while that is taken away."""
        alone = new_name(self.folder)  # as one that nobody takes away
        alone.touch()
        try:
            with opened(str(self.folder / "report.json")) as out:
                out.write("half")
                out.flush()
                os.kill(os.getpid(), self.number)
        finally:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Signals as a shell in the foreground hands them down."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in process.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@each_signal
@pytest.mark.usefixtures("default_signals")
def test_every_writer_is_stopped_without_a_trace(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["glmlint"])
    (tmp_path / "report.json").write_text("old")
    with capfd.disabled(), open(os.devnull, "w") as nothing:  # noqa: PTH123
        # `run` leaves standard output closed behind it.
        monkeypatch.setattr(sys, "stdout", nothing)
        monkeypatch.setattr(sys, "stderr", nothing)
        code = process.run(Kill(tmp_path, getattr(signal, name)))
    assert code == ENDS[name]
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "old"


@each_signal
def test_a_run_whose_reader_reads_no_more_can_be_stopped(name: str, data: Path) -> None:
    data.write_text("".join(ALIAS % n for n in range(20_000)))
    with started(
        "-m", "glmlint", "encode", str(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        stream = running.stdout.fileno()

        def waiting() -> bool:
            """Whether most of what a pipe holds is there: megabytes are to come."""
            found = fcntl.ioctl(stream, termios.FIONREAD, b"\0" * 4)
            return bool(struct.unpack("i", found)[0] >= 1 << 15)

        assert until(waiting, running)
        running.send_signal(getattr(signal, name))
        assert running.wait(LIMIT) == ENDS[name]


def test_nohup_goes_on(data: Path) -> None:
    """A signal that whoever started glmlint ignores is ignored by it, too."""
    line = 'trap "" HUP; exec "$0" -m glmlint check - --format json'
    with subprocess.Popen(
        ["/bin/sh", "-c", line, sys.executable],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdin is not None
        running.stdin.write(b" " * (1 << 20))  # taken by a process that is well on its way
        running.send_signal(signal.SIGHUP)
        out, _ = running.communicate(data.read_bytes(), timeout=LIMIT)
    assert running.returncode == 1
    assert json.loads(out)["totals"]["samples"] == 300


def test_handlers_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in process.SIGNALS]
    monkeypatch.setattr(sys, "argv", ["glmlint", "recipes", "--lang", "en"])
    assert process.run(cli) == 0
    assert [signal.getsignal(number) for number in process.SIGNALS] == before


def test_a_line_on_standard_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell("a\nb", path="c\nd")
    tell("::error::x", name="")
    tell("", path="e")
    assert capsys.readouterr().err == "glmlint: c\\nd: a\\nb\n\\x3a:error::x\nglmlint: e\n"
