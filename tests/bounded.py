"""Runs glmlint in a process with a bound on memory and time: what a test of a bound needs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

SECONDS = 240
"""Of the clock: the machine may be busy. No test is about this number; it ends what hangs."""


def run(
    *arguments: str | Path, megabytes: int = 4096, cpu: int = 60, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of glmlint.

    Args:
        arguments: the command line.
        megabytes: address space that the process may take.
        cpu: seconds of processor time, after which it is killed.
        stdin: what it reads there.
    """

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))

    return subprocess.run(
        [sys.executable, "-m", "glmlint", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=SECONDS,
        preexec_fn=bound,
        env={**os.environ, "RAYON_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )


def refused(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one sentence with which a run was refused, exit code 2."""
    told = done.stderr.decode()
    assert done.returncode == 2, (done.returncode, told[-2000:])
    assert told.startswith("glmlint: ") and told.count("\n") == 1, told[-2000:]
    assert "bug in glmlint" not in told
    return told


_PEAK = """
import sys
from glmlint.app.cli import cli
from glmlint.app.process import run
sys.argv[0] = "glmlint"
code = run(cli)
with open("/proc/self/status") as file:  # getrusage counts what was before exec, too
    [most] = (line.split()[1] for line in file if line.startswith("VmHWM"))
sys.stderr.write(f"\\n{code} {most}")
"""


def peak(*arguments: str | Path, megabytes: int = 8192, cpu: int = 120) -> tuple[str, float]:
    """What a command of glmlint tells on both streams, and the most megabytes of memory it held."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))

    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *map(str, arguments)],
        capture_output=True,
        timeout=SECONDS,
        preexec_fn=bound,
        env={**os.environ, "RAYON_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    told, _, numbers = done.stderr.decode().rpartition("\n")
    assert "bug in glmlint" not in told and len(numbers.split()) == 2, (done.returncode, told)
    return done.stdout.decode() + told, int(numbers.split()[1]) / 1024
