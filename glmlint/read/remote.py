"""Files that are named by a URL, such as `s3://bucket/train.jsonl`: read through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from glmlint.extras import install
from glmlint.patterns import Pattern
from glmlint.read.faults import SourceError
from glmlint.text import Text

_URL: Final = Pattern(r"[a-z][a-z0-9+.-]+(::|://)")
_OF_PROCESS: Final = ("memory:", "generic:")
"""What is only there for the process that wrote it."""


def is_remote(path: str) -> bool:
    """Whether a path is a URL; one letter before the colon is a disk of Windows."""
    return _URL.match(path) is not None and not os.path.lexists(path)


def is_shared(path: str) -> bool:
    """Whether other processes see the same file."""
    return not path.startswith(_OF_PROCESS)


@contextmanager
def open_remote(path: str) -> Iterator[IO[bytes]]:
    """Open a file that is named by a URL.

    Raises:
        SourceError: fsspec is not there, or can't read it.
        OSError: the file is not there.
    """
    with _told():
        opened: IO[bytes] = _fsspec().open(path, "rb").open()
    with opened, _told():
        yield opened


def files_of(path: str, data: tuple[str, ...], named: tuple[str, ...]) -> list[str]:
    """The files that a URL means, as a path would: itself, those of a pattern, the data of a folder.

    Args:
        path: a file that bears it as its name is no pattern.
        data: how files of a folder end that are read.
        named: how those of a pattern end, where any does.

    Raises:
        SourceError, OSError: as of `open_remote`.
    """
    with _told():
        system, inside = _fsspec().core.url_to_fs(path)

        def below(folder: str) -> list[str]:
            return [one for one in system.find(folder) if one.lower().endswith(data)]

        if any(mark in inside for mark in "*?[") and not system.exists(inside):
            matched: dict[str, Any] = system.glob(inside, detail=True)
            folders = [one for one, facts in matched.items() if facts["type"] == "directory"]
            files = [one for one in matched if one not in folders]
            some = [one for one in files if one.lower().endswith(named)]
            found = {*(some or files), *(one for folder in folders for one in below(folder))}
        elif system.isdir(inside):
            found = {*below(inside)}
        else:
            system.info(inside)  # raises where there is none
            return [path]
        return [system.unstrip_protocol(one) for one in sorted(found)]


def _fsspec() -> Any:
    try:
        import fsspec
    except ImportError:
        how = install("ray")
        raise SourceError(
            Text("reading it needs fsspec: {how}", "读取它需要 fsspec：{how}"), how=how
        ) from None
    return fsspec


@contextmanager
def _told() -> Iterator[None]:
    """What a store's own client raises is one sentence; what the system says stays as it is."""
    try:
        yield
    except (OSError, SourceError):
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(Text("{why}", "{why}"), why=why) from None
