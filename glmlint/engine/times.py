"""Where a check spends its time, by rule and by part: measured only when somebody asks.

Nothing of it is in the way of a run without `--profile-rules`: the rules' own functions are
exchanged for timed ones when the checker is made.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter_ns
from typing import Any, Final, TypeVar

from glmlint.evidence.report import Times
from glmlint.rules.base import Loaded
from glmlint.trainer.base import Context

T = TypeVar("T")

READ: Final = "read"
LAY_OUT: Final = "lay-out"
TOKENIZE: Final = "tokenize"
SHAPES: Final = "shapes"
HASH: Final = "hash"
REST: Final = "rest"
FIRST_PASS: Final = "first-pass"
"""All of a pass over a file that was checked once more, as the loader hands its rows over."""

PARTS: Final = (READ, LAY_OUT, TOKENIZE, SHAPES, HASH, REST, FIRST_PASS)
"""What is no rule, in the order of the table."""


class Watch:
    """Measures one process; what stands inside something else is counted there and not outside."""

    def __init__(self) -> None:
        self.times = Times()
        self._inside = 0

    def take(self) -> Times:
        """What was measured since the last call."""
        taken, self.times = self.times, Times()
        return taken

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens in the block as a part, less what is counted inside it."""
        before, self._inside = self._inside, 0
        start = perf_counter_ns()
        try:
            yield
        finally:
            spent = perf_counter_ns() - start
            self.times.parts[name] += spent - self._inside
            self._inside = before + spent

    def reading(self, chunks: Iterable[T]) -> Iterator[T]:
        """The same chunks; the time until each is there is the reader's."""
        iterator = iter(chunks)
        while True:
            try:
                with self.part(READ):
                    chunk = next(iterator)
            except StopIteration:
                return
            yield chunk

    def context(self, context: Context) -> Context:
        """A context whose recipe counts as laying out; it shares what the other one remembers."""
        trainer = copy.copy(context.trainer)
        for name in ("lay_out", "lay_out_sample"):
            setattr(trainer, name, self._timed_part(getattr(trainer, name)))
        timed = dataclasses.replace(context)
        timed.__dict__["trainer"] = trainer  # where `cached_property` keeps it
        return timed

    def _timed_part(self, function: Callable[..., T]) -> Callable[..., T]:
        def timed(*arguments: Any) -> T:
            with self.part(LAY_OUT):
                return function(*arguments)

        return timed

    def rules(self, known: dict[str, Loaded]) -> dict[str, Loaded]:
        """The same rules, with functions that count as theirs."""
        return {name: self._timed(loaded) for name, loaded in known.items()}

    def _timed(self, loaded: Loaded) -> Loaded:
        name = loaded.rule.name
        rows = Counter[str]({name: 1})
        none = Counter[str]()
        wrapped: dict[str, Any] = {}
        for key in ("note", "check", "check_file", "check_run"):
            function = getattr(loaded, key)
            if function is not None:
                # `note` and `check` of a rule see the same rows.
                per_row = key == "check" or (key == "note" and loaded.check is None)
                wrapped[key] = self._timed_rule(name, function, rows if per_row else none)
        return dataclasses.replace(loaded, **wrapped)

    def _timed_rule(
        self, name: str, function: Callable[..., Iterable[T]], rows: Counter[str]
    ) -> Callable[..., Iterator[T]]:
        """The function, stepped through as its caller does: rules may look at each other."""

        def timed(*arguments: Any) -> Iterator[T]:
            self.times.rows.update(rows)
            start = perf_counter_ns()
            for found in function(*arguments):
                self._count(name, perf_counter_ns() - start)
                yield found
                start = perf_counter_ns()
            self._count(name, perf_counter_ns() - start)

        return timed

    def _count(self, rule: str, spent: int) -> None:
        self.times.rules[rule] += spent
        self._inside += spent


def timing(watch: Watch | None, part: str) -> AbstractContextManager[None]:
    """A block that counts as a part, where there is a watch."""
    return nullcontext() if watch is None else watch.part(part)
