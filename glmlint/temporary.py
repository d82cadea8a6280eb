"""Names of files that are written beside others, and their removal after a run that was killed.

A name says which process writes the file. What is left of a process that no longer runs is in
nobody's way but the user's; a file of any other name, machine or container is left alone.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from functools import cache
from pathlib import Path
from typing import Final

from glmlint.patterns import Pattern

_NAME: Final = Pattern(r"\.glmlint-([0-9a-f]{12})-([1-9][0-9]{0,9})-[0-9a-f]{32}\.tmp")


_made: Final[set[Path]] = set()
"""Every name that this process was given."""


def new_name(folder: Path) -> Path:
    """A name in the folder that no other file has; what killed runs left there goes first."""
    _remove_left(folder)
    path = folder / f".glmlint-{_here()}-{os.getpid()}-{uuid.uuid4().hex}.tmp"
    _made.add(path)
    return path


def remove_made() -> None:
    """Take away what this process made and has not moved to its place: the end of every run.

    Whoever asks for a name removes its file; a signal may come in between.
    """
    while _made:
        with contextlib.suppress(OSError):
            _made.pop().unlink()


@cache
def _here() -> str:
    """Stands for the machine since its start, and for the numbering of processes in a container."""
    known = [os.uname().nodename if hasattr(os, "uname") else ""]
    with contextlib.suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
    with contextlib.suppress(OSError):
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    import hashlib  # late: most runs write no file

    return hashlib.blake2b("\n".join(known).encode(), digest_size=6).hexdigest()


@cache
def _remove_left(folder: Path) -> None:
    """Once a folder and process: a folder can hold very many files."""
    with contextlib.suppress(OSError):
        names = [entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
        for found in filter(None, map(_NAME.fullmatch, names)):
            if found[1] == _here() and not _runs(int(found[2])):
                with contextlib.suppress(OSError):
                    (folder / found[0]).unlink()


def _runs(process: int) -> bool:
    """Whether there is such a process; True where that can't be asked."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
