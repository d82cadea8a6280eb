"""A progress bar on standard error for work of more than a second, on a terminal only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from glmlint.text import Text

PATIENCE = 1.0
"""Seconds before the bar shows."""


_ROWS: Final = Text("rows", "行")


class Progress:
    """Counts rows and bytes; draws once the work takes long."""

    def __init__(self, paths: Sequence[str], when: str, lang: str) -> None:
        self.on = when == "always" or (when == "auto" and sys.stderr.isatty())
        self.started = time.monotonic()
        self.lang = lang
        self.rows = 0
        self.done = 0
        self.total = _size(paths) if self.on else None
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def add(self, rows: int, size: int) -> None:
        """Count rows and bytes that are done."""
        if not self.on:
            return
        self.rows += rows
        self.done += size + rows
        if self.bar is None and time.monotonic() - self.started > PATIENCE:
            self._start()
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, rows=f"{self.rows:,}")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("{task.fields[rows]} " + _ROWS.plain(self.lang)),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task("check", total=self.total, rows="0")
        self.bar.start()


class Passes:
    """Passes over one file, told as one: with each, the count goes back to where the file began."""

    def __init__(self, told: Callable[[int, int], None] | None) -> None:
        self.told = told
        self.rows = self.size = 0

    def add(self, rows: int, size: int) -> None:
        """Count rows and bytes that this pass has done."""
        if self.told is not None:
            self.rows += rows
            self.size += size
            self.told(rows, size)

    def again(self) -> None:
        """Another pass begins."""
        if self.told is not None and (self.rows or self.size):
            self.told(-self.rows, -self.size)
            self.rows = self.size = 0


def _size(paths: Sequence[str]) -> int | None:
    """Bytes of all files; None when a packed file or a pipe makes it unknown."""
    total = 0
    for path in paths:
        if path == "-" or path.endswith((".gz", ".zst", ".parquet")):
            return None
        try:
            total += os.stat(path).st_size  # noqa: PTH116  # any text at all
        except (OSError, ValueError):
            return None
    return total
