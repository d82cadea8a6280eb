"""Text from data, made safe to print: nothing in it moves the cursor, colours or reorders a line."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"))
"""Unicode categories that print nothing, or act on what stands around them."""

_JOINERS: Final = "\u200c\u200d"
"""Zero-width (non-)joiner: letters of Persian and Hindi words and of family emoji need them."""

_BYTE: Final = re.compile("[\udc80-\udcff]")
"""How Python holds a byte of a path that is no UTF-8 (PEP 383)."""

_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """The text on one line, with control, bidi and other unseen characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if _shows(char) else _escape(char) for char in text)


def _shows(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in _HIDDEN


def _escape(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable_path(path: str) -> str:
    """A path for people: bytes that are no UTF-8 are written as escapes."""
    return visible(_BYTE.sub(lambda match: f"\\x{ord(match.group()) - 0xDC00:02x}", path))
