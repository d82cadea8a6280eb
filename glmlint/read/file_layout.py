"""Tells from the first bytes of a file how its rows stand in it, and whether it is data at all."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

import msgspec

from glmlint.read.scan import BLANK, after_blank, value_end

Mode = Literal["lines", "values", "array"]
"""One row a line; values one after the other, over lines; the elements of one array."""

_LFS: Final = b"version https://git-lfs.github.com/spec/"
_LONGEST_PATH: Final = 4096
_FAILED: Final = object()


def stand_in(head: bytes, whole: bool) -> str | None:
    """What stands in the file in place of data: "lfs-pointer", "symlink-text" or None.

    `head` is the file's start, and all of it where `whole`.
    """
    if head.startswith(_LFS):
        return "lfs-pointer"
    text = head.rstrip(b"\r\n")
    if whole and 0 < len(text) <= _LONGEST_PATH and _looks_like_path(text):
        return "symlink-text"
    return None


def _looks_like_path(text: bytes) -> bool:
    """One word, not JSON, with a slash or the ending of a data file."""
    try:
        word = text.decode()
    except UnicodeDecodeError:
        return False
    if not word.isprintable() or " " in word or word[0] in "[{\"'#<" or parse(text) is not _FAILED:
        return False
    return "/" in word or "\\" in word or word.endswith((".json", ".jsonl", ".ndjson", ".parquet"))


def detect(head: bytes, whole: bool, named_json: bool) -> tuple[Mode, str | None]:
    """How the rows stand in a UTF-8 file, and the kind of `not-jsonl` that it has, if any.

    `head` is the file's start, and all of it where `whole`; `named_json`: its name ends in
    `.json`, where one array is the rule and not the exception.
    """
    mode, kind = _detect(head, whole, named_json)
    return mode, "json-suffix" if named_json else kind


def _detect(head: bytes, whole: bool, named_json: bool) -> tuple[Mode, str | None]:
    start = after_blank(head, 0)
    opener = head[start : start + 1]
    if opener not in (b"{", b"["):
        return "lines", None
    line_end = head.find(b"\n", start)
    first_line = head[start:] if line_end < 0 else head[start:line_end]
    value = parse(first_line) if line_end >= 0 or whole else _FAILED
    if value is not _FAILED:
        follows = after_blank(head, start + len(first_line))
        alone = whole and follows == len(head)
        found = _by_first_line(value, alone, head[follows : follows + 1], named_json)
        spread = found[0] == "lines" and line_end >= 0 and _spreads(head, line_end + 1)
        return ("values", "pretty-printed") if spread else found
    end = value_end(head, start)
    follows = after_blank(head, max(end, 0))
    if line_end < 0 <= end and _opens(head, follows) and b"\r" in head[start:]:
        return "values", "carriage-return"
    if opener == b"{" and 0 <= end < line_end and _spreads(head, start):
        return "values", "pretty-printed"
    if end > line_end >= 0 and (
        parse(head[start:end]) is not _FAILED or first_line.strip(BLANK) == b"{"
    ):
        of_rows = named_json or _opens(head, after_blank(head, start + 1), b"{")
        if opener == b"[" and of_rows and not _opens(head, after_blank(head, end)):
            return "array", "array"
        return "values", "pretty-printed"
    another = end >= 0 and _opens(head, after_blank(head, end))
    if opener == b"[" and (
        named_json or (not another and _array_begins(head, start, line_end, whole))
    ):
        return "array", "array"
    # A first value longer than the head: its inner lines are indented, those of rows are not.
    long_value = end < 0 <= line_end and not whole and head.count(b"\n" + opener, start) == 0
    return ("values", "pretty-printed") if long_value else ("lines", None)


def _by_first_line(
    value: Any, alone: bool, follows: bytes, named_json: bool
) -> tuple[Mode, str | None]:
    """The first line is a value by itself: the file is lines, but for an array that is all."""
    if not isinstance(value, list):
        return "lines", None
    if named_json:
        return ("array", "array") if follows not in (b"[", b"{") else ("lines", None)
    rows = not value or (isinstance(value[0], dict) and not _is_message(value[0]))
    return ("array", "array") if alone and rows else ("lines", None)


_TRIES: Final = 8


def _spreads(head: bytes, pos: int) -> bool:
    """Whether some value that begins on the line at `pos` or later stands over several lines."""
    tries = 0
    while (end := head.find(b"\n", pos)) >= 0 and tries < _TRIES:
        # Nearly every line ends as a value does: those are not looked at.
        if head[pos:end].rstrip(BLANK)[-1:] not in (b"}", b"]", b""):
            tries += 1
            start = close = pos
            while 0 <= close <= end and _opens(head, start := after_blank(head, close)):
                close = value_end(head, start)
            if close > end and parse(head[start:close]) is not _FAILED:
                return True
        pos = end + 1
    return False


def _array_begins(head: bytes, start: int, line_end: int, whole: bool) -> bool:
    """Whether an array that is unfinished, broken or followed by more is the file's one array."""
    own_line = after_blank(head, start + 1) > line_end >= 0
    first = after_blank(head, start + 1)
    if not _opens(head, first, b"{"):
        return False
    end = value_end(head, first)
    if end < 0:
        return own_line or not (whole or line_end >= 0)
    if not own_line and _is_message(parse(head[first:end])):
        return False
    follows = after_blank(head, end)
    return own_line or follows == len(head) or head[follows] in b",]"


def _opens(head: bytes, pos: int, openers: bytes = b"[{") -> bool:
    return pos < len(head) and head[pos] in openers


def _is_message(value: Any) -> bool:
    """A message, not a row: such an array is a row itself (a list of messages)."""
    return isinstance(value, dict) and ("role" in value or "from" in value)


def parse(text: bytes) -> Any:
    """The value that `text` is, also with NaN and lone surrogates in it; else a mark of failure."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(text.strip(BLANK).decode())
    except (ValueError, RecursionError):
        return _FAILED
