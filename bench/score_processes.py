"""Processes that share a limit of time: each has its part of what is left, and is ended after it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class NotMeasured(Exception):
    """A process failed or took too long; the text says which and why."""


class Processes:
    """Runs Python programs one after the other within `limit` seconds together.

    `weights` has every program that is to run: its part of the time, against the others. Time that
    one does not need goes to those after it. With `fork` they are forks of this process, which has
    imported what they need, and not fresh ones.
    """

    def __init__(
        self, folder: Path, limit: float, weights: dict[str, int], *, fork: bool = False
    ) -> None:
        self.folder = folder
        self.limit = limit
        self.began = time.monotonic()
        self.weights = dict(weights)
        self.fork = fork

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    def share(self, name: str) -> float:
        """Seconds that the program would have if it started now."""
        part = self.weights[name] / sum(self.weights.values())
        return max(1.0, (self.limit - self.seconds) * part)

    def run(self, name: str, argv: Sequence[str], *, fork: bool = True) -> tuple[str, str, float]:
        """Run Python with `argv`: (its standard output, its standard error, seconds).

        Raises:
            NotMeasured: it took longer than its share, or failed.
        """
        streams = (self.folder / "output.txt", self.folder / "errors.txt")
        share = self.share(name)
        del self.weights[name]
        since = time.monotonic()
        code = (_forked if self.fork and fork else _started)(argv, streams, share)
        seconds = time.monotonic() - since
        output, errors = (file.read_text(encoding="utf-8", errors="replace") for file in streams)
        if code is None:
            raise NotMeasured(f"{name}: ended after {seconds:.0f} s, its share of --limit")
        if code:
            lines = [line.strip() for line in (output + errors).splitlines() if line.strip()]
            why = lines[-1][:300] if lines else "no output"
            raise NotMeasured(f"{name}: failed with exit code {code}: {why}")
        return output, errors, seconds

    def job(self, name: str, job: str, **options: Any) -> dict[str, Any]:
        """What a job of `score_jobs.py` finds; it is told until when it may go on.

        Raises:
            NotMeasured: it took longer than its share, or failed.
        """
        result = self.folder / "result.json"
        told = json.dumps({**options, "until": time.time() + 0.85 * self.share(name)})
        self.run(name, [str(HERE / "score_jobs.py"), job, told, str(result)])
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found


def _started(argv: Sequence[str], streams: tuple[Path, Path], seconds: float) -> int | None:
    """Exit code of a fresh process; None where it was ended."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "LANG": "C.UTF-8"}
    with streams[0].open("wb") as output, streams[1].open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *argv],
            stdout=output,
            stderr=errors,
            env=environment,
            start_new_session=True,
            # an alarm outlives exec: it ends the process even where this one is killed
            preexec_fn=lambda: signal.alarm(int(seconds) + 5),
        )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:  # with all that it has started itself, and on Ctrl-C too
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may hold it for a while
            process.wait(10)


def _forked(argv: Sequence[str], streams: tuple[Path, Path], seconds: float) -> int | None:
    """As `_started`, by a fork of this process."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        signal.alarm(int(seconds) + 5)
        _become(argv, streams)
    end, done, status = time.monotonic() + seconds, 0, 0
    try:
        while not done and time.monotonic() < end:
            time.sleep(0.005)
            done, status = os.waitpid(child, os.WNOHANG)
    finally:
        if not done:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if done else None


def _become(argv: Sequence[str], streams: tuple[Path, Path]) -> None:
    """In the child: run `argv` as a fresh Python would, and end."""
    import runpy
    import traceback

    code = 1
    try:
        for number, file in enumerate(streams, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        if argv[0] == "-m":
            sys.argv = list(argv[1:])
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(argv)
            runpy.run_path(argv[0], run_name="__main__")
        code = 0
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print(exit_.code)
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
