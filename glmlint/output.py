"""Where output goes and in which language: a terminal, a closed pipe, a file as a whole."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from glmlint.temporary import new_name
from glmlint.visible import json_text, log_line, printable_path, visible


class OutputError(OSError):
    """Standard output takes no more, and not because its reader has gone."""


def tell(
    sentence: str, *, path: str | os.PathLike[str] | None = None, name: str = "glmlint"
) -> None:
    """One line on standard error, whatever the sentence holds: nothing else of glmlint writes there.

    Args:
        sentence: for people.
        path: a file that it is about, "-" for standard input.
        name: who speaks; "" for a line without.
    """
    parts = [name, "" if path is None else printable_path(os.fspath(path)), visible(sentence)]
    _to_stderr(log_line(": ".join(filter(None, parts))))


def tell_json(value: Any) -> None:
    """One line of JSON on standard error, for programs."""
    _to_stderr(json_text(value))


def _to_stderr(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # full, closed: there is nobody left to tell
        if sys.stderr is not None:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def put(out: IO[str], *cells: str) -> None:
    """One line of a report for people, whatever it holds; several cells stand apart by tabs."""
    out.write(log_line("\t".join(map(visible, cells))) + "\n")


def into_file(stream: IO[str]) -> bool:
    """Whether a stream goes to a regular file: to no terminal, and to no log by way of a pipe."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def width() -> int:
    """Columns of the terminal; 80 where there is none, never fewer than 40."""
    # As `shutil.get_terminal_size`, without all that module's unpackers of archives.
    columns = 0
    with contextlib.suppress(KeyError, ValueError):
        columns = int(os.environ["COLUMNS"])
    if columns <= 0 and sys.__stdout__ is not None:
        with contextlib.suppress(OSError, ValueError):  # no terminal, or a closed stream
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns
    return max(40, columns or 80)


def colored(when: str, terminal: bool) -> bool:
    """Whether to colour: "always", "never", or "auto" for a terminal that wants it (NO_COLOR)."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return when == "always" or (when == "auto" and terminal and not plain)


def language(lang: str) -> str:
    """ "en" or "zh": the one asked for, or with "auto" that of the environment."""
    if lang != "auto":
        return lang
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@contextmanager
def opened(target: str) -> Iterator[IO[str]]:
    """Standard output for "-", else a file that is there whole or not at all.

    Raises:
        OSError: the file can't be written.
    """
    if target == "-":
        yield sys.stdout
        return
    if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113  # a device
        with open(target, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            yield file
        return
    real = Path(os.path.realpath(target))  # a link stays one
    part = new_name(real.parent)
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(real)
    finally:
        part.unlink(missing_ok=True)


def silence() -> None:
    """After a broken pipe: nothing more is written, and Python does not complain on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
