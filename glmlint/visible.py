"""The gate for everything that is printed: what came from outside can't act on a terminal or a log.

Texts of rows, keys, paths, values of flags and messages of libraries may hold escape sequences,
characters that reorder or hide what stands around them, and line breaks. People read them as
escapes, on one line; JSON keeps the value, with its own escapes. `output.tell`, `output.put` and
`tables.console_for` are the only ways to print for people, and each of them goes through here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

from glmlint.patterns import Pattern

_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"))
"""Unicode categories that print nothing, or act on what stands around them."""

_JOINERS: Final = "\u200c\u200d"
"""Zero-width (non-)joiner: letters of Persian and Hindi words and of family emoji need them."""

_BYTE: Final = Pattern("[\udc80-\udcff]")
"""How Python holds a byte of a path that is no UTF-8 (PEP 383)."""

_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_ANYWHERE: Final = r"##(?=\[|[a-z]+\[)"
_COMMAND: Final = Pattern(rf"^((?:\s|\x1b\[[0-9;]*m)*):(?=:)|{_ANYWHERE}")
"""What a CI system takes for a command in a log: `::error::` at the start of a line, `##[error]`
and `##vso[…]` anywhere in it (actions/runner, ActionCommand.cs; Azure Pipelines; TeamCity)."""


def visible(text: str) -> str:
    """The text on one line, with control, bidi and other unseen characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if _shows(char) else _escape(char) for char in text)


def printable_path(path: str) -> str:
    """A path for people: bytes that are no UTF-8 are written as escapes."""
    return visible(_BYTE.sub(lambda match: f"\\x{ord(match.group()) - 0xDC00:02x}", path))


def log_line(text: str) -> str:
    """A visible text as a line of its own, in which no CI system finds a command."""
    if "::" not in text and "##" not in text:
        return text
    return _COMMAND.sub(_disarmed, text)


def _disarmed(match: re.Match[str]) -> str:
    return "#\\x23" if match[0] == "##" else f"{match[1]}\\x3a"


def diff_line(line: bytes) -> bytes:
    """A line of a diff as people and logs get it; bytes that are no UTF-8 stay as they are."""
    text = line.decode("utf-8", "surrogateescape")
    body = text.removesuffix("\r\n").removesuffix("\n")
    shown = body
    if not body.isprintable():
        kept = (char in "\t" or _shows(char) or _BYTE.match(char) for char in body)
        pairs = zip(body, kept, strict=True)
        shown = "".join(char if keep else _escape(char) for char, keep in pairs)
    shown = log_line(shown)
    if shown == body:
        return line
    return (shown + text[len(body) :]).encode("utf-8", "surrogateescape")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON of a value, on one line without `indent`: readable Chinese, unseen characters escaped.

    What is read back is the value: also a lone surrogate of a path that is no UTF-8.
    """
    separators = (", ", ": ") if indent is None else (",", ": ")
    return escaped_json(json.dumps(value, ensure_ascii=False, separators=separators, indent=indent))


def escaped_json(text: str) -> str:
    """The same JSON, with unseen characters and commands of CI systems written as its escapes.

    What may be escaped stands in texts alone: of the control characters JSON has blanks and line
    breaks between them, and those stay.
    """
    if "##" in text:
        text = re.sub(_ANYWHERE, r"#\\u0023", text)
    if text.isprintable():
        return text
    return "".join(
        char if _shows(char) or char in "\r\n\t" else _json_escape(char) for char in text
    )


def _shows(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in _HIDDEN


def _escape(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    return json.dumps(char)[1:-1]
