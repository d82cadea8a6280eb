"""Files that a trainer's settings name as `datasets` takes them: a path, or a loader and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from glmlint.read.paths import DATA_SUFFIXES
from glmlint.text import is_folder
from glmlint.trainer.config import found_file

LOADERS: Final = frozenset(("json", "parquet", "csv", "text", "arrow"))
"""Names of loaders, in the place of a path."""


def data_files(path: Any, files: Any, folder: Path) -> Iterator[str]:
    """The local files; nothing for a name of the hub.

    Args:
        path: a file, a folder, or a loader's name.
        files: `data_files`: one, or a list.
        folder: of the settings; the folder that glmlint runs in comes first.
    """
    if not isinstance(path, str):
        return
    names = [files] if isinstance(files, str) else files if isinstance(files, list) else []
    named = [name for name in names if isinstance(name, str)]
    folders = [Path(), folder]
    if path in LOADERS and named:
        wanted = named
    elif named:
        wanted = [str(Path(path) / name) for name in named]
    else:
        wanted = [path]
    for name in wanted:
        found = found_file(name, folders)
        if found is None:
            continue
        if is_folder(found):
            inside = sorted(found.iterdir())
            yield from (str(one) for one in inside if one.name.endswith(DATA_SUFFIXES))
        else:
            yield str(found)
