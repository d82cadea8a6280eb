"""Renders templates that came from outside in a process of their own, which ends where they overdo it.

A template is a program: it may loop, double its strings, pad to gigabytes, and one call into C can
take all of that, in which no thread of this process could stop it. So it runs in another process, with
bounds on its time, its memory and what it prints (`jinja`).
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import json
import marshal
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from glmlint.text import Text
from glmlint.trainer import jinja

PATIENCE: Final = 40
"""How many times its processor time a rendering may take by the clock: the machine may be busy."""

BATCH: Final = 256
"""Conversations in one request."""

Template = tuple[str, jinja.Features]
"""Its text, and what its environment has."""

TIME: Final = Text(
    "takes more than {seconds:.0f} s of processor time for one rendering",
    "单次渲染占用的处理器时间超过 {seconds:.0f} 秒",
)
MEMORY: Final = Text(
    "takes more than {megabytes} MB of memory for one rendering",
    "单次渲染占用的内存超过 {megabytes} MB",
)
LENGTH: Final = Text(
    "prints more than {characters:character} for one rendering",
    "单次渲染输出超过 {characters:,} 个字符",
)
CRASH: Final = Text("makes the process that renders it crash", "导致渲染进程崩溃")
NO_PROCESS: Final = Text(
    "can't be rendered: no process can be started for it ({why})",
    "无法渲染：不能为其启动进程（{why}）",
)


class Stopped(Exception):
    """A bound was reached, or the process can't go on: a phrase that follows the template's name."""

    def __init__(self, text: Text, **values: object) -> None:
        super().__init__(text.en)
        self.text = text
        self.values = values


class UnfitValue(Exception):
    """The template does not compile."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        """Of the exception's class."""


_START: Final = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "runpy.run_path(sys.argv.pop(), run_name='__main__')"
)


class Worker:
    """A process that renders; started when it is needed, and again after it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._sent: set[int] = set()
        self._keys: dict[Template, int] = {}
        self._lock = threading.Lock()

    def compile(self, template: Template) -> None:
        """See whether the template compiles. Raises as `render`."""
        self._ask(template, {}, [])

    def render(
        self,
        template: Template,
        names: dict[str, Any],
        conversations: Iterable[Any],
    ) -> Iterator[jinja.Printed | Exception]:
        """What the template prints for each conversation, or the exception that it raises there.

        Args:
            template: its text and what its environment has.
            names: its variables but for `messages`.
            conversations: each the value of `messages`; taken as far as the answers are.

        Raises:
            Unfit: it does not compile.
            Stopped: it takes too much.
        """
        waiting = iter(conversations)
        while batch := list(islice(waiting, BATCH)):
            yield from self._ask(template, names, batch)

    def _ask(
        self, template: Template, names: dict[str, Any], conversations: list[Any]
    ) -> list[jinja.Printed | Exception]:
        with self._lock:
            process = self._running()
            key = self._keys.setdefault(template, len(self._keys))
            source = None if key in self._sent else template
            request = pickle.dumps((key, source, names, conversations))
            answer = self._exchange(process, request)
            if isinstance(answer, list):
                self._sent.add(key)
        if answer == jinja.TOO_LONG:
            raise Stopped(LENGTH, characters=jinja.characters_for(len(request)))
        if answer == jinja.OUT_OF_MEMORY:
            raise Stopped(MEMORY, megabytes=jinja.memory_for(len(request)) >> 20)
        if isinstance(answer, tuple):
            raise UnfitValue(answer[1], answer[2])
        return [_error(*found) if len(found) == 4 else found for found in answer]

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is not None and process.poll() is None and self._owner == os.getpid():
            return process
        self._sent.clear()
        self._owner = os.getpid()  # a fork has the pipes of its parent's process, not the process
        command = [
            *(sys.executable, "-I", "-S", "-c", _START),
            *(str(Path(jinja.__file__)), json.dumps(sys.path)),
        ]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            raise Stopped(NO_PROCESS, why=error) from None
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> Any:
        assert process.stdin is not None and process.stdout is not None
        seconds = jinja.seconds_for(len(request))
        late = False
        try:
            jinja.write_frame(process.stdin, request)
            if late := not _readable(process.stdout, seconds * PATIENCE):
                process.kill()
            answer = jinja.read_frame(process.stdout)
        except OSError:
            answer = b""
        except BaseException:  # Ctrl-C: an answer may still come, to nobody
            self.close()
            raise
        if answer:
            return marshal.loads(answer)
        if self.close() == -getattr(signal, "SIGPROF", 0) or late:
            raise Stopped(TIME, seconds=seconds)
        raise Stopped(CRASH)

    def close(self) -> int | None:
        """End the process. Its exit code, where this is its parent."""
        process, self._process = self._process, None
        if process is None:
            return None
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._owner != os.getpid():
            return None
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(10)


@cache
def worker() -> Worker:
    """The one of this process."""
    made = Worker()
    atexit.register(made.close)
    return made


def _readable(stream: IO[bytes], seconds: float) -> bool:
    """Wait until there is something to read, or the end."""
    if not hasattr(select, "poll"):  # on Windows no pipe can be waited for
        return True
    waiting = select.poll()
    waiting.register(stream, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def _error(module: str, name: str, message: str, turn: int) -> Exception:
    error = _class(module, name)()
    error.args = (message,)
    error.turn = turn  # type: ignore[attr-defined]
    return error


@cache
def _class(module: str, name: str) -> type[Exception]:
    """The class that was raised there, as far as this process has it; one of its name, at least."""
    found: object = None
    if module == "builtins":
        found = getattr(builtins, name, None)
    elif module == "jinja2.exceptions":
        import jinja2

        found = getattr(jinja2.exceptions, name, None)
    base = found if isinstance(found, type) and issubclass(found, Exception) else Exception

    def start(self: Exception) -> None:
        Exception.__init__(self)

    def say(self: Exception) -> str:
        return str(self.args[0])

    return type(name, (base,), {"__init__": start, "__str__": say})
