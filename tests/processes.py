"""Starts glmlint as a process, and waits for it no longer than a limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

LIMIT = 120.0
"""Seconds for anything that a test waits for: on a busy machine too it is done long before."""


def _listens() -> None:
    """In the child: a suite that runs in the background ignores signals, its children must not."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@contextmanager
def started(*command: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is gone at the end of the block, whatever becomes of the test.

    `command` are arguments of Python, such as "-m", "glmlint", "check".
    """
    environment = {**os.environ, "LANG": "C.UTF-8", **settings.pop("env", {})}
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, preexec_fn=_listens, **settings
    )
    try:
        yield process
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                with suppress(BrokenPipeError):
                    stream.close()
        process.wait(LIMIT)


def until(condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> bool:
    """Wait until the condition holds, or the process has ended: then False.

    Fails where neither happens within the limit.
    """
    end = time.monotonic() + LIMIT
    while not condition():
        if process is not None and process.poll() is not None:
            return bool(condition())
        assert time.monotonic() < end, "nothing happened within the limit"
        time.sleep(0.002)
    return True
