"""Says why a text is not valid JSON: the kind of fault and its place."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from glmlint.patterns import Pattern

BLANK: Final = " \t\r\n"

FULL_WIDTH: Final = dict(zip("“”„‟＂：，｛｝［］‘’", '""""":,{}[]\'\'', strict=True))
"""Punctuation of Chinese input methods and word processors -> what JSON has in its place."""

WORDS: Final = {
    "None": "null",
    "True": "true",
    "False": "false",
    "undefined": "null",
    "nil": "null",
    "NULL": "null",
    "Null": "null",
    "TRUE": "true",
    "FALSE": "false",
    "nan": "null",
    "inf": "null",
}
"""Words of other languages -> what JSON writes."""

_WORD: Final = Pattern(r"[A-Za-z_$][\w$.-]*")
_NUMBER: Final = Pattern(r"[+.\d-][\w.+-]*")
_PREFIXED: Final = Pattern(r"[bruf]{1,2}['\"]", re.IGNORECASE)
_CONFLICT: Final = Pattern(r"(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_STRUCTURE: Final = Pattern(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)


class JsonFault(Struct, frozen=True):
    """Why a text is not valid JSON."""

    kind: str
    at: int
    """Code point of the text."""
    found: str = ""
    """The text there, made printable."""
    wanted: str = ""
    """What JSON has in its place, where that is plain."""


def diagnose(text: str, at: int, reason: str) -> JsonFault:
    """The fault of a text that Python's `json` refuses.

    Args:
        text: the text.
        at: where `json` stopped (`JSONDecodeError.pos`).
        reason: its message (`JSONDecodeError.msg`), of any Python since 3.11.
    """
    start = len(text) - len(text.lstrip(BLANK))
    if at <= start:
        return _at_start(text, start)
    if reason.startswith("Extra data"):
        return _after_value(text, start, at)
    if reason.startswith("Invalid control character"):
        kind = "raw-newline" if text[at : at + 1] == "\n" else "control-character"
        return JsonFault(kind, at, printable(text[at : at + 1]))
    if reason.startswith("Unterminated string"):
        kind = "unterminated" if "\n" not in text[at:] else "raw-newline"
        return JsonFault(kind, at, printable(text[at : at + 20]))
    if reason.startswith("Invalid \\"):
        backslash = text.rfind("\\", 0, at + 1)
        return JsonFault("escape", backslash, printable(text[backslash : backslash + 2]))
    return _inside(text, at, reason)


def _at_start(text: str, at: int) -> JsonFault:
    """Not even the first character begins a value."""
    rest = text[at:]
    found = printable(rest[:20])
    if rest.startswith("\ufeff"):
        return JsonFault("mark", at)
    if rest.startswith(("#", "//", "/*", "--")):
        return JsonFault("comment", at, found)
    if _CONFLICT.match(rest):
        return JsonFault("conflict", at, found)
    if rest[:1] in tuple("}]:,"):
        return JsonFault("rest", at, found)
    word = _WORD.match(rest)
    if word and word.group() == rest.rstrip(BLANK + ",") and word.group() in WORDS:
        return JsonFault("word", at, word.group(), WORDS[word.group()])
    if rest.startswith("'"):
        return JsonFault("single-quote", at, found)
    if rest[:1] in FULL_WIDTH:
        return JsonFault("full-width", at, rest[:1], FULL_WIDTH[rest[:1]])
    return JsonFault("prose", at, found)


def _after_value(text: str, start: int, at: int) -> JsonFault:
    """A whole value, and something after it."""
    rest = text[at:]
    found = printable(rest[:20])
    if text[start] not in "{[":
        return JsonFault(
            "rest" if text[start] == '"' else "prose", start, printable(text[start:][:20])
        )
    if rest.startswith(("#", "//", "/*")):
        return JsonFault("comment", at, found)
    if rest.startswith(","):
        return JsonFault("comma-after", at)
    if rest[0] in "}]":
        return JsonFault("extra-closer", at, rest[0])
    return JsonFault("more-text", at, found)


def _inside(text: str, at: int, reason: str) -> JsonFault:
    """A fault of the syntax between the values of an object or an array."""
    before = text[:at].rstrip(BLANK)
    rest = text[at:]
    char = rest[:1]
    found = printable(rest[:20])
    key = reason.startswith("Expecting property name")
    if not rest.strip(BLANK):
        return JsonFault("unclosed", at, wanted=missing_closers(text))
    if rest.startswith(("#", "//", "/*")):
        return JsonFault("comment", at, found)
    if reason.startswith("Illegal trailing comma"):
        closer = rest[1:].lstrip(BLANK)[:1]
        return JsonFault("trailing-comma", at, closer)
    if char in "}]" and before.endswith(","):
        return JsonFault("trailing-comma", len(before) - 1, char)
    if char in ",}]" and before.endswith(":"):
        return JsonFault("no-value", at)
    if char == "," and not reason.startswith("Expecting ':'"):
        return JsonFault("double-comma", at)
    if char == "'" or _PREFIXED.match(rest):
        return JsonFault("single-quote", at, found)
    if char in FULL_WIDTH:
        return JsonFault("full-width", at, char, FULL_WIDTH[char])
    if key:
        if char in "{[" and before.endswith(","):
            return JsonFault("missing-closer", len(before) - 1, char, "}")
        return JsonFault("unquoted-key" if re.match(r"[\w$-]", rest) else "no-key", at, found)
    if reason.startswith("Expecting ':'"):
        return JsonFault("no-colon", at, found)
    if reason.startswith("Expecting ','"):
        return _no_comma(before, at, rest, found)
    word = _WORD.match(rest)
    if word:
        if word.group() in WORDS:
            return JsonFault("word", at, word.group(), WORDS[word.group()])
        return JsonFault("unquoted-text", at, found)
    number = _NUMBER.match(rest)
    return (
        JsonFault("number", at, number.group()[:20]) if number else JsonFault("no-value", at, found)
    )


def _no_comma(before: str, at: int, rest: str, found: str) -> JsonFault:
    """A value is complete, and neither a comma nor the end follows."""
    if rest[0] in "}]":
        return JsonFault("missing-closer", at, rest[0], "}" if rest[0] == "]" else "]")
    if before.endswith('"') and (rest[0] not in '"{[' or at == len(before)):
        return JsonFault("stray-quote", len(before) - 1, found)
    if before[-1:].isdigit() and at == len(before):
        return JsonFault("number", at, found)
    return JsonFault("no-comma", at, found)


def missing_closers(text: str) -> str:
    """The brackets that would close what the text leaves open, innermost first."""
    open_ = []
    for match in _STRUCTURE.finditer(text):
        token = match.group()
        if token in ("{", "["):
            open_.append("}" if token == "{" else "]")
        elif token in ("}", "]") and open_:
            open_.pop()
    return "".join(reversed(open_[-20:]))


def printable(text: str) -> str:
    """The text with what cannot be seen written as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
