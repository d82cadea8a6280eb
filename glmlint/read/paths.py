"""Paths, folders and patterns -> the data files that they mean, less what settings and git leave out."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import msgspec

from glmlint.plan import DEFAULT_EXCLUDE, FileChoice
from glmlint.read.faults import FORBIDDEN, SourceError, reason_of
from glmlint.read.gitignore import Chain, chain_at
from glmlint.read.remote import files_of, is_remote
from glmlint.read.source import InputFile
from glmlint.text import Text

DATA_SUFFIXES: Final = (
    *(base + packed for base in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst")),
    ".parquet",
)
"""What a folder means: its files with these endings."""

_JSON_SUFFIXES: Final = (".json", ".json.gz", ".json.zst")

NAMED_SUFFIXES: Final = (*DATA_SUFFIXES, *_JSON_SUFFIXES)
"""What a pattern means: also the `.json` files that it matches."""


MOST_LOOKED: Final = 2_000
"""Entries of an ignored folder that are looked at for data."""


class PathProblem(msgspec.Struct, frozen=True):
    """A path that could not be read, wholly or in part: exit code 2."""

    path: str
    reason: Text
    """What is the matter, as a phrase that follows "path: "; nothing is to be filled in."""

    def say(self, lang: str) -> str:
        """The reason in that language."""
        return self.reason.plain(lang)


class Found(msgspec.Struct):
    """What some paths mean."""

    inputs: list[InputFile] = []
    problems: list[PathProblem] = []
    excluded: list[str] = []
    """Named files that `force-exclude` leaves out."""
    ignored: list[str] = []
    """Data that git ignores in named folders: files, and folders with such files."""
    json_files: int = 0
    """`.json` files of named folders: they are read when they are named themselves."""


def find_inputs(
    paths: Sequence[str], choice: FileChoice | None = None
) -> tuple[list[InputFile], list[PathProblem]]:
    """The files that paths, folders and patterns mean, each once, in the order given.

    A folder means the files of `DATA_SUFFIXES` at any depth, sorted; hidden folders in it are
    left out. A pattern (`*`, `?`, `[…]`, `**`) that no file bears as its name is expanded here.
    """
    found = look_up(paths, choice)
    return found.inputs, found.problems


def look_up(paths: Sequence[str], choice: FileChoice | None = None) -> Found:
    """As `find_inputs`, with what was left out.

    What a user names is read, also where a pattern excludes it, but with `force-exclude`.
    """
    found = Found()
    walk = _Walk(choice or FileChoice(), found)
    seen: set[str] = set()
    for given in paths:
        for path in walk.meaning(given):
            identity = path if path == "-" or is_remote(path) else os.path.realpath(path)
            if identity not in seen:
                seen.add(identity)
                name = walk.choice.stdin_name if path == "-" else None
                found.inputs.append(InputFile(name or path, stdin=name is not None))
    return found


class _Walk:
    """One look for files: what is chosen, and what was found on the way."""

    def __init__(self, choice: FileChoice, found: Found) -> None:
        self.choice = choice
        self.found = found
        self.excludes = [
            (os.path.realpath(root), _plain(pattern)) for root, pattern in choice.exclude
        ]

    def meaning(self, given: str) -> list[str]:
        """The files that one path means."""
        if given == "-":
            return ["-"]
        if is_remote(given):
            return self._remote(given)
        try:
            mode = Path(given).stat().st_mode
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and glob.has_magic(given):
                return self._matches(given)
            return self._problem(given, reason_of(error))
        if self.choice.force and self._named_excluded(given):
            self.found.excluded.append(given)
            return []
        if stat.S_ISDIR(mode):
            problems = len(self.found.problems)
            files = self.below(given)
            if not files and len(self.found.problems) == problems:
                return self._problem(given, self._without_data(given))
            return files
        reason = _unreadable(given, mode)
        return self._problem(given, reason) if reason else [given]

    def _remote(self, given: str) -> list[str]:
        try:
            found = files_of(given, DATA_SUFFIXES, NAMED_SUFFIXES)
        except SourceError as error:
            return self._problem(given, Text(error.say("en"), error.say("zh")))
        except (OSError, ValueError) as error:
            return self._problem(given, reason_of(error))
        return found or self._problem(given, _NO_MATCH)

    def _problem(self, path: str, reason: Text) -> list[str]:
        self.found.problems.append(PathProblem(path, reason))
        return []

    def _matches(self, pattern: str) -> list[str]:
        matched = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - keeps "./"
        any_data = any(path.lower().endswith(NAMED_SUFFIXES) for path in matched)
        before = len(self.found.problems) + len(self.found.excluded)
        files: list[str] = []
        for path in matched:
            if _is_folder(path):
                files += self.below(path)
            elif not any_data or path.lower().endswith(NAMED_SUFFIXES):
                files += self.meaning(path)  # `data/*` does not mean the README beside the data
        if not files and before == len(self.found.problems) + len(self.found.excluded):
            return self._problem(pattern, _NO_MATCH)
        return files

    def below(self, folder: str) -> list[str]:
        """Data files below a folder, sorted. Links to folders are followed, each target once."""
        files: list[str] = []
        visited: set[str] = set()
        chain = chain_at(os.path.realpath(folder)) if self.choice.gitignore else Chain()
        # A stack: no depth of folders is too deep for it. With each path, what git ignores there.
        waiting: list[tuple[str, str, Chain]] = [(folder, os.path.realpath(folder), chain)]
        while waiting:
            path, place, chain = waiting.pop()
            try:
                mode = Path(path).stat().st_mode
                if stat.S_ISDIR(mode):
                    identity = os.path.realpath(path)
                    if identity not in visited:
                        visited.add(identity)
                        if self.choice.gitignore:
                            chain = chain.entered(place)
                        waiting += reversed([*self._wanted_in(path, place, chain)])
                elif stat.S_ISREG(mode):
                    reason = _unreadable(path, mode)
                    files += self._problem(path, reason) if reason else [path]
            except OSError as error:
                self._problem(path, reason_of(error))
        return files

    def _wanted_in(self, folder: str, place: str, chain: Chain) -> Iterator[tuple[str, str, Chain]]:
        """Folders and data files in a folder, sorted by name."""
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - Path drops the user's "./"
            lower = name.lower()
            is_folder = _is_folder(path)
            # "._x.jsonl" is what macOS leaves beside x.jsonl on foreign disks: no data.
            is_json = lower.endswith(_JSON_SUFFIXES) and not name.startswith(".")
            is_data = lower.endswith(DATA_SUFFIXES) and not name.startswith("._")
            if is_folder and name.startswith("."):
                continue
            if not (is_folder or is_data or is_json):
                continue
            own = f"{place}{os.sep}{name}"
            if self._excluded(own, name):
                continue
            if chain.ignores(own, is_folder):
                if is_data or (is_folder and _has_data(path)):
                    self.found.ignored.append(path)
                continue
            if is_folder or is_data:
                yield path, own, chain
            else:
                self.found.json_files += 1

    def _excluded(self, place: str, name: str) -> bool:
        """Whether a pattern of the settings leaves out just this file or folder."""
        for root, pattern in self.excludes:
            if "/" not in pattern:
                if fnmatchcase(name, pattern):
                    return True
            elif Path(pattern).is_absolute():
                if _fits(place.replace(os.sep, "/"), pattern):
                    return True
            elif _fits(os.path.relpath(place, root).replace(os.sep, "/"), pattern):
                return True
        return False

    def _named_excluded(self, given: str) -> bool:
        """The same of a named path, or of a folder in which it is."""
        place = Path(os.path.realpath(given))
        roots = {Path(root) for root, _ in self.excludes}
        inside = [
            one for one in (place, *place.parents) if any(root in one.parents for root in roots)
        ]
        return any(self._excluded(str(one), one.name) for one in (inside or [place]))

    def _without_data(self, folder: str) -> Text:
        """Why there is no data in a folder."""
        for leaves_out, choice in (
            (Text(".gitignore", ".gitignore"), replace(self.choice, gitignore=False)),
            (
                Text("the exclude patterns", "exclude 模式"),
                replace(self.choice, gitignore=False, exclude=()),
            ),
        ):
            there = len(_Walk(choice, Found()).below(folder))
            if there:
                return Text(
                    f"every data file in it is left out by {leaves_out.en} ({there:,}); a file that "
                    "is named is read",
                    f"其中的 {there:,} 个数据文件都被 {leaves_out.zh} 排除；直接写出的文件仍会读取",
                )
        reason = Text(
            "no .jsonl, .ndjson or .parquet file in this folder",
            "文件夹中没有 .jsonl、.ndjson 或 .parquet 文件",
        )
        if any(entry.name.endswith(".json") for entry in Path(folder).iterdir()):
            return Text(
                f"{reason.en}; a .json file is read when it is named",
                f"{reason.zh}；.json 文件需要直接写出文件名才会读取",
            )
        return reason


def _plain(pattern: str) -> str:
    """A pattern without what means nothing in it: `./` and `**/` in front, a slash at the end."""
    pattern = pattern.replace(os.sep, "/")
    while pattern.startswith(("./", "**/")):
        pattern = pattern.partition("/")[2]
    return pattern.rstrip("/") or pattern


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern.replace("**/", ""))


def _unreadable(path: str, mode: int) -> Text | None:
    """Why a thing that is not a folder cannot be read. A pipe can: `<(zcat …)` is one."""
    device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    if stat.S_ISSOCK(mode) or (device and path != os.devnull):
        return Text(
            "a device or a socket, not a file; use - for standard input",
            "不是文件，而是设备或套接字；读取标准输入请用 -",
        )
    return None if os.access(path, os.R_OK) else FORBIDDEN


def _has_data(folder: str) -> bool:
    """Whether data files are among the first entries below a folder, hidden ones aside."""
    looked = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    looked += 1
                    if looked > MOST_LOOKED:
                        return False
                    if entry.name.startswith(".") or entry.name in DEFAULT_EXCLUDE:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.name.lower().endswith(DATA_SUFFIXES):
                        return True
        except OSError:
            continue
    return False


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:
        return False


_NO_MATCH: Final = Text("no file with data matches this pattern", "没有与此模式匹配的数据文件")
