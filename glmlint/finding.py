"""What glmlint says of one place in one file: findings, their severities and their places."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

SEVERITIES: Final = ("error", "warning", "info")
"""From worst to mildest. A rule can also be "off"."""

RANK: Final = {"error": 3, "warning": 2, "info": 1, "off": 0, "never": 4}
"""Higher is worse. "never" is a `--fail-on` level that nothing reaches."""

Pointer = tuple[str | int, ...]
"""A path into a sample: object keys and array indexes, outermost first."""


class Location(msgspec.Struct, frozen=True):
    """Where a finding stands in its file, as editors and code hosts count."""

    line: int
    """1-based; below the line of the row where the row stands over several."""
    end_line: int
    columns: tuple[int, int]
    """1-based, in code points: of the first character, and of the one after the last."""
    bytes: tuple[int, int]
    """The same in bytes of UTF-8."""
    utf16: tuple[int, int]
    """The same in units of UTF-16."""

    def counted(self, unit: str) -> tuple[int, int]:
        """The columns in "codepoint", "byte" or "utf16" units."""
        return {"byte": self.bytes, "utf16": self.utf16}.get(unit, self.columns)


class Excerpt(msgspec.Struct, frozen=True):
    """A piece of the row around what a finding is about, as it is written."""

    before: str
    text: str
    """What the finding is about, or the beginning of it."""
    after: str
    cut: tuple[bool, bool, bool]
    """Whether more of the row stands before, of the text inside, and of the row behind."""


class TextEdit(msgspec.Struct, frozen=True):
    """A replacement of a piece of a file."""

    place: Location
    """What goes; empty where text only comes in."""
    text: str
    """What stands there then."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, as the reporters print it. The fields are those of the JSON report."""

    rule: str
    severity: str
    path: str
    line: int | None
    column: int | None
    pointer: str | None
    message: str
    help: str
    fixable: bool
    fingerprint: str
    rows: int = 1
    """How many rows the finding stands for: more than one for those told once a file."""
    kind: str = ""
    """Findings of one kind say the same sentence, of other places and values."""
    span: Location | None = None
    """None for what has no place in a row."""
    excerpt: Excerpt | None = None
    """None where none was asked for, and where there is no span."""
    edit: TextEdit | None = None
    """The safe repair, where a report asked for it and it is an edit of the row."""


class Defect(msgspec.Struct, frozen=True):
    """A fault of the bytes, seen by the source or the decoder before there is a sample."""

    rule: str
    """The rule that reports it, such as "invalid-json"."""
    values: dict[str, Any] = {}
    """What the rule's sentence needs: `reason` and the like."""
    line: int | None = None
    """1-based; None when the fault is the whole file's."""
    column: int | None = None
    """1-based, in code points of the line."""


def json_pointer(path: Pointer) -> str:
    """RFC 6901 text of a path: `("messages", 3, "a/b")` -> `/messages/3/a~1b`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def place(path: Pointer) -> str:
    """A path as people read it: `("messages", 3, "content")` -> `messages[3].content`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text or "the row"


def row_identity(content: bytes) -> bytes:
    """Eight bytes that stand for a row's content: many findings share one long row."""
    return hashlib.blake2b(content.strip(), digest_size=8).digest()


def fingerprint(rule: str, pointer: str | None, content: bytes) -> str:
    """Identity of a finding across edits of other rows: rule, pointer and what is found in."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(rule.encode())
    digest.update(b"\0" + (pointer or "").encode("utf-8", "surrogatepass") + b"\0")
    digest.update(content.strip())
    return digest.hexdigest()


def value_at(value: Any, path: Pointer) -> Any:
    """What stands at a path of a JSON value; None where there is nothing."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def file_identity(path: str) -> bytes:
    """What stands for a file in fingerprints: its path from the current folder, if it is below."""
    return b"-" if path == "-" else _file_identity(path, str(Path.cwd()))


@lru_cache(256)
def _file_identity(path: str, folder: str) -> bytes:
    relative = os.path.relpath(path, folder)
    if relative.startswith(os.pardir):
        relative = str(Path(path).absolute())
    return relative.replace(os.sep, "/").encode("utf-8", "surrogateescape")
