"""What git ignores below a folder: nested `.gitignore` files and `.git/info/exclude`, without git."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MOST_BYTES: Final = 1 << 20
"""A longer file of patterns is none that somebody wrote; it is ignored."""


class Chain(Struct, frozen=True):
    """The patterns that hold in a folder, from the outermost file to the innermost."""

    links: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    """Folder of the patterns, and the patterns."""
    in_repository: bool = False
    """Outside of one, a `.gitignore` means nothing."""

    def entered(self, folder: str) -> Chain:
        """The patterns that hold inside a folder below; a repository in it begins anew."""
        if os.path.lexists(f"{folder}{os.sep}.git"):
            return _of_repository(folder)
        if not self.in_repository:
            return self
        spec = _patterns(f"{folder}{os.sep}.gitignore")
        return self if spec is None else Chain((*self.links, (folder, spec)), True)

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Whether the innermost pattern that matches a path ignores it."""
        for folder, spec in reversed(self.links):
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            found = spec.check_file(relative + ("/" if is_folder else "")).include
            if found is not None:
                return found
        return False


def chain_at(folder: str) -> Chain:
    """The patterns from above that hold inside a folder; none where they ignore the folder itself.

    Whoever names a folder wants it read. Its own files of patterns hold in it all the same.
    """
    above = [Path(folder), *Path(folder).parents]
    root = next((one for one in above if os.path.lexists(one / ".git")), None)
    if root is None:
        return Chain()
    chain = _of_repository(str(root))
    for one in reversed(above[: above.index(root)]):
        if chain.ignores(str(one), is_folder=True):
            return Chain(in_repository=True)
        if one != Path(folder):
            chain = chain.entered(str(one))
    return chain


def _of_repository(root: str) -> Chain:
    """The patterns of a repository's first folder; the weakest are those of `info/exclude`."""
    links = []
    for file in (_git_folder(Path(root)) / "info" / "exclude", Path(root) / ".gitignore"):
        spec = _patterns(str(file))
        if spec is not None:
            links.append((root, spec))
    return Chain(tuple(links), True)


def _git_folder(root: Path) -> Path:
    """The folder `.git`, also where a file of that name says where it is: of a worktree, the main one."""
    git = root / ".git"
    try:
        if git.is_file():
            git = root / _line(git).removeprefix("gitdir:").strip()
            common = git / "commondir"
            if common.is_file():
                git = git / _line(common)
    except (OSError, ValueError):
        pass  # no git folder: there is nothing to exclude
    return git


def _line(file: Path) -> str:
    with file.open("rb") as handle:
        return os.fsdecode(handle.read(4096)).partition("\n")[0].strip()


def _patterns(file: str) -> GitIgnoreSpec | None:
    """The patterns of a file; None without any. Lines that are no patterns are left out, as git does."""
    try:
        if not os.path.isfile(file) or os.path.getsize(file) > MOST_BYTES:  # noqa: PTH113, PTH202
            return None
        lines = os.fsdecode(Path(file).read_bytes()).replace("\r\n", "\n").split("\n")
    except OSError:
        return None
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    if not lines:
        return None
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
