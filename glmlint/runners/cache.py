"""The cache: what was found in a file, kept until the file, the settings or glmlint change.

An entry is good while the file's size, times and number are those that it had when it was read. A
file that had just been written may change again within one tick of its clock: of such a file the
entry also holds a hash of the content, by which it is known. Entries are written beside their place
and moved there, so that two runs never see half of one; what is damaged, or of another version, is
as if it were not there. A full or forbidden disk means no cache, and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

import glmlint
from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.read.source import InputFile
from glmlint.runners.packed import Unpackable, pack, unpack
from glmlint.temporary import new_name
from glmlint.text import is_file, is_folder
from glmlint.trainer.base import Context

SMALLEST: Final = 1 << 20
"""Bytes of a file from which an entry is worth it."""
LARGEST: Final = 128 << 20
"""Bytes of an entry."""
MOST: Final = 1 << 30
"""Bytes of all entries: the ones that were used longest ago go first."""

_FRESH: Final = 2.0
"""Seconds in which a file may change without its times showing it, on the coarsest of disks."""
_MAGIC: Final = b"glmlint cache 1\n"
_TAG: Final = "CACHEDIR.TAG"
_SIGNATURE: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# What glmlint found in files that have not changed since; `glmlint clean` removes it.\n"
)
_SUFFIX: Final = ".entry"
_BUT: Final = frozenset(
    (
        "data", "notes", "fail_on", "baseline_file", "choice", "output_format", "column_unit", "jobs",
        "engine", "cache", "cache_dir", "origins",
    )
)  # fmt: skip
"""What of a plan has no part in what is found in a file."""
_LIBRARIES: Final = (
    "splintr-rs", "msgspec", "numpy", "jinja2", "jsonschema", "detect-secrets", "python-stdnum",
    "rensa", "pyarrow", "zstandard",
)  # fmt: skip


def default_folder() -> Path | None:
    """The user's folder for what can be made again; None where there is none."""
    named = os.environ.get("GLMLINT_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        if base and Path(base).is_absolute():
            return Path(base) / "glmlint"
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA")
            return Path(base) / "glmlint" / "cache" if base else None
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "glmlint"


class Entry(msgspec.Struct, array_like=True):
    """What is known of one file under one plan."""

    state: tuple[int, ...]
    """See `_state`."""
    content: bytes
    """Hash of the file's bytes; b"" where its state alone tells it."""
    packed: bytes
    """Its part of the report."""


class Cache:
    """The entries of one plan."""

    def __init__(
        self, folder: Path, plan: Plan, context: Context, smallest: int = SMALLEST
    ) -> None:
        self.folder = folder
        self._smallest = smallest
        self._plan = plan
        self._context = context
        self._before: dict[str, tuple[tuple[int, ...], bytes]] = {}
        """Path -> state and hash of a file that is about to be read."""
        self._wrote = False

    def may_know(self, file: InputFile) -> bool:
        """Whether there is an entry, good or not."""
        place = self._place(file)
        return place is not None and place.is_file()

    def get(self, file: InputFile) -> FileStats | None:
        """What was found in a file; None where that is not known any more."""
        self._before.pop(file.path, None)
        place = self._place(file)
        if place is None:
            return None
        try:
            state = _state(file.path)
            entry = _read(place)
            if entry is not None and entry.state[0] == state[0]:
                same = entry.state == state
                if same and not entry.content:
                    with contextlib.suppress(OSError):
                        os.utime(place)
                    return self._unpacked(entry)
                if entry.content and _hash(file.path) == entry.content:
                    if not _is_fresh(state):
                        self._write(place, Entry(state, b"", entry.packed))
                    return self._unpacked(entry)
            self._before[file.path] = state, _hash(file.path) if _is_fresh(state) else b""
        except (OSError, ValueError):
            pass
        return None

    def put(self, file: InputFile, stats: FileStats) -> None:
        """Keep what was found in a file that `get` did not know, if it is still the same file."""
        before = self._before.pop(file.path, None)
        place = self._place(file)
        if before is None or place is None or stats.remembered > LARGEST:
            return
        try:
            if _state(file.path) == before[0]:
                packed = pack(stats)
                if len(packed) <= LARGEST:
                    self._write(place, Entry(*before, packed))
        except (OSError, ValueError, Unpackable):
            pass

    def close(self) -> None:
        """Take away the oldest entries where there are too many."""
        if not self._wrote:
            return
        with contextlib.suppress(OSError):
            entries = sorted(
                (found.st_mtime, found.st_size, path)
                for path in entries_of(self.folder)
                for found in (path.stat(),)
            )
            over = sum(size for _, size, _ in entries) - MOST
            for _, size, path in entries:
                if over <= 0:
                    break
                path.unlink(missing_ok=True)
                over -= size

    def _unpacked(self, entry: Entry) -> FileStats | None:
        try:
            found = unpack(entry.packed)
        except Unpackable:
            return None
        return found if isinstance(found, FileStats) else None

    def _place(self, file: InputFile) -> Path | None:
        if file.is_stdin or file.copy is not None or file.memory is not None:
            return None
        name = "\0".join((file.path, os.path.realpath(file.path)))
        try:
            if Path(file.path).stat().st_size < self._smallest:
                return None
            key = hashlib.blake2b(
                self._fingerprint + name.encode("utf-8", "surrogateescape"), digest_size=20
            ).hexdigest()
        except (OSError, ValueError):
            return None
        return self.folder / key[:2] / (key[2:] + _SUFFIX)

    def _write(self, place: Path, entry: Entry) -> None:
        body = msgspec.msgpack.encode(entry)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.parent.mkdir(exist_ok=True, mode=0o700)
        tag = self.folder / _TAG
        if not tag.exists():
            tag.write_text(_SIGNATURE, encoding="utf-8")
            (self.folder / ".gitignore").write_text("*\n", encoding="utf-8")
        beside = new_name(place.parent)
        try:
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(number, "wb") as out:  # noqa: PTH123
                out.write(_MAGIC + hashlib.blake2b(body, digest_size=16).digest())
                out.write(body)
            beside.replace(place)
            self._wrote = True
        finally:
            beside.unlink(missing_ok=True)

    @cached_property
    def _fingerprint(self) -> bytes:
        """Stands for all that decides what is found in a file, but the file."""
        plan = {
            one.name: getattr(self._plan, one.name)
            for one in dataclasses.fields(self._plan)
            if one.name not in _BUT
        }
        known = [
            sys.version,
            [(name, _version(name)) for name in _LIBRARIES],
            [*_code()],
            msgspec.to_builtins(plan, order="deterministic"),
            repr(self._context.template),
            [*_tokenizer(self._context.tokenizer.name)],
        ]
        text = json.dumps(known, sort_keys=True, default=repr)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest()


def entries_of(folder: Path) -> Iterator[Path]:
    """The entries in a folder of the cache, of every version; nothing else that may lie there."""
    if is_file(folder / _TAG):
        yield from folder.glob("[0-9a-f][0-9a-f]/*" + _SUFFIX)


def clean(folder: Path) -> tuple[int, int]:
    """Remove all entries, and the folder where nothing else is in it.

    Returns:
        Number and bytes of what went.

    Raises:
        OSError: one of them can't be removed.
    """
    number = size = 0
    for path in [*entries_of(folder)]:
        size += path.stat().st_size
        path.unlink(missing_ok=True)
        number += 1
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    if {path.name for path in folder.glob("*")} <= {_TAG, ".gitignore"}:
        for name in (_TAG, ".gitignore"):
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
    return number, size


def _read(place: Path) -> Entry | None:
    """An entry; None where there is none, or it is not whole."""
    try:
        data = memoryview(place.read_bytes())
    except FileNotFoundError:
        return None
    body = data[len(_MAGIC) + 16 :]
    if data[: len(_MAGIC) + 16] != _MAGIC + hashlib.blake2b(body, digest_size=16).digest():
        return None
    try:
        return msgspec.msgpack.decode(body, type=Entry)
    except msgspec.MsgspecError:
        return None


def _state(path: str) -> tuple[int, ...]:
    """Size, times of content and of the file itself, number and disk."""
    found = Path(path).stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def _is_fresh(state: tuple[int, ...]) -> bool:
    return max(state[1], state[2]) > (time.time() - _FRESH) * 1e9


def _hash(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _version(name: str) -> str | None:
    from importlib import metadata  # no small file has an entry

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _code() -> Iterator[tuple[str, int, int]]:
    """glmlint's own files: a checkout changes without its version."""
    root = Path(glmlint.__file__).parent
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name != "__pycache__")
        for name in sorted(files):
            found = (Path(folder) / name).stat()
            yield str(Path(folder).relative_to(root) / name), found.st_size, found.st_mtime_ns


def _tokenizer(name: str) -> Iterator[tuple[str, str]]:
    """Name and hash of the files that a tokenizer is made of; of one that comes along, its name."""
    path = Path(name)
    files = [path] if is_file(path) else sorted(path.glob("*token*")) if is_folder(path) else []
    yield name, ""
    for file in files:
        if file.is_file():
            yield str(file), _hash(str(file)).hex()
