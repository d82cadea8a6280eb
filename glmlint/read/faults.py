"""What ends the reading of a file, and what the system says of a path."""

from __future__ import annotations

from typing import Final

from glmlint.text import Text, Told, system_fault

FORBIDDEN: Final = Text("no permission to read it", "没有读取权限")


class SourceError(Told):
    """A file cannot be read, or no further: a phrase that follows "path: "."""

    path: str | None = None
    """The file, where it is known."""


def reason_of(error: OSError | ValueError) -> Text:
    """Why a path can't be read, as a phrase that follows "path: "."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Text("no such file or folder", "文件或文件夹不存在")
    if isinstance(error, PermissionError):
        return FORBIDDEN
    if isinstance(error, IsADirectoryError):
        return Text("a folder, not a file", "是文件夹，不是文件")
    if isinstance(error, OSError):
        told = system_fault(error)
        return Text(told.en.lower(), told.zh)
    return Text(str(error), f"路径无效：{error}")
