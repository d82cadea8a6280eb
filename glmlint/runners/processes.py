"""`--jobs`: parts of a run in several processes of this machine.

Where this process has a single thread, Linux copies it: the copies have every import, the tokenizer
and the memory of both from the start. Elsewhere, or with threads, whose locks a copy would inherit,
they are fresh interpreters.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from glmlint.plan import Plan
from glmlint.runners.tasks import Bench, Done, Feed, Task
from glmlint.text import RunStopped, Text
from glmlint.trainer.base import Context, open_context

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

WORTH: Final = 16 << 20
"""Bytes of a run from which processes are started: less is done before they are up."""

AHEAD: Final = 4
"""Parts a process that may be done before their turn: their results wait in memory."""

DIED: Final = Text(
    "a worker process ended ({how}); if the memory was full, run with fewer --jobs",
    "一个工作进程意外结束（{how}）；如果是内存不足，请减小 --jobs",
)


class Processes:
    """Workers that are started when a run is worth it, and gone at the end of the block."""

    def __init__(self, plan: Plan, context: Context, jobs: int, worth: int | None = None) -> None:
        self._plan = plan
        self._context = context
        self._jobs = jobs
        self._worth = WORTH if worth is None else worth
        self._workers: dict[Connection, BaseProcess] = {}
        self._busy: dict[Connection, int] = {}
        """What a worker is at: the number of its part, counted over the whole run."""
        self._next = 0
        self._bench: Bench | None = None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._workers.values():
            process.kill()
        for connection, process in self._workers.items():
            process.join()
            connection.close()
        self._workers.clear()

    def expect(self, size: int) -> None:
        """Start the workers, where a run of so many bytes is worth it."""
        if size >= self._worth and not self._workers:
            self._start(size)

    def run(self, parts: Iterator[Task]) -> Iterator[Done]:
        """Check parts: see `tasks.TaskEngine`. Raises RunStopped where a worker dies."""
        if self._workers:
            yield from self._spread(parts)
            return
        early, size, given = list[Task](), 0, Feed(parts)
        while size < self._worth and (part := given.take()) is not None:
            early.append(part)
            size += part.size
        if given.failure is None and size >= self._worth:
            self._start()
            yield from self._spread(chain(early, parts))
            return
        self._bench = self._bench or Bench(self._plan, self._context)
        yield from map(self._bench.check, early)
        given.end()

    def _spread(self, parts: Iterator[Task]) -> Iterator[Done]:
        from multiprocessing.connection import wait

        turn = self._next
        found: dict[int, Done] = {}
        given = Feed(parts)
        while True:
            idle = [one for one in self._workers if one not in self._busy]
            while given.more and idle and self._next - turn < AHEAD * self._jobs:
                if (part := given.take()) is not None:
                    self._give(idle.pop(), part)
            if turn in found:
                yield found.pop(turn)
                turn += 1
            elif self._busy:
                for connection in wait([*self._busy]):
                    number, done = self._take(connection)  # type: ignore[arg-type]
                    if number >= turn:  # else of a file that could be read no further
                        found[number] = done
            elif not given.more:
                break
        given.end()

    def _give(self, connection: Connection, part: Task) -> None:
        try:
            connection.send_bytes(pickle.dumps(part, pickle.HIGHEST_PROTOCOL))
        except OSError:
            raise self._died(connection) from None
        self._busy[connection] = self._next
        self._next += 1

    def _take(self, connection: Connection) -> tuple[int, Done]:
        try:
            done = pickle.loads(connection.recv_bytes())
        except (OSError, EOFError):
            raise self._died(connection) from None
        return self._busy.pop(connection), done

    def _died(self, connection: Connection) -> RunStopped:
        process = self._workers[connection]
        process.join(1)
        code = process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                code = signal.Signals(-code).name  # type: ignore[assignment]
        stopped = RunStopped(DIED, how=code)
        stopped.lang = self._plan.lang
        return stopped

    def _start(self, size: int = 0) -> None:
        import multiprocessing

        copies = _alone()
        method = multiprocessing.get_context("fork" if copies else "spawn")
        if copies:
            # What each of the copies would build; no text is encoded, which may start threads.
            self._context.tokenizer.expect(size // self._jobs)
            gc.collect()
            gc.freeze()  # what is there stays where it is: the copies share its memory
        with _held_signals():
            for _ in range(self._jobs):
                ours, theirs = method.Pipe()
                given = self._context if copies else self._context.tokenizer.name
                others = [*self._workers, ours] if copies else []
                process = method.Process(  # type: ignore[attr-defined]
                    target=_work, args=(theirs, self._plan, given, others), daemon=True
                )
                process.start()
                theirs.close()
                self._workers[ours] = process
        if copies:
            gc.unfreeze()


def _alone() -> bool:
    """Whether this process has one thread, so that a copy of it is whole."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208
    except OSError:
        return False


@contextmanager
def _held_signals() -> Iterator[None]:
    """No signal comes through before a new process has said what it does with it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(
    connection: Connection, plan: Plan, given: Context | str, others: Sequence[Connection]
) -> None:
    """A worker's whole life; it ends when the other process closes its end, or is no more.

    Args:
        given: the context, or the name of its tokenizer.
        others: what belongs to the other process: while it is open here, its end is not seen.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process sees to that
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for other in others:
        other.close()
    os.environ["RAYON_NUM_THREADS"] = "1"  # read when the tokenizer first wants threads
    with suppress(EOFError, OSError):
        bench: Bench | None = None
        while True:
            part: Task = pickle.loads(connection.recv_bytes())
            try:
                bench = bench or Bench(plan, _opened(plan, given))
                done = bench.check(part)
            except (Exception, RunStopped) as error:
                done = Done([], [], error)
            connection.send_bytes(packed(done))


def _opened(plan: Plan, given: Context | str) -> Context:
    if isinstance(given, str):
        return replace(open_context(replace(plan, tokenizer=given)), plan=plan)
    return given


def packed(done: Done) -> bytes:
    """What came of a part as bytes; an exception that can't be sent is told by its name."""
    try:
        packed = pickle.dumps(done, pickle.HIGHEST_PROTOCOL)
        if done.error is not None:
            pickle.loads(packed)
    except Exception:
        error: Any = done.error
        told = RuntimeError(f"{type(error).__name__}: {error}")
        packed = pickle.dumps(Done(done.stats, done.sizes, told), pickle.HIGHEST_PROTOCOL)
    return packed
