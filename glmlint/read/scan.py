"""Cuts a stream of bytes into JSON values, whatever line breaks stand in or between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.finding import Defect

Row = tuple[int, bytes, Defect | None]
"""1-based line where the row starts, its bytes, and what is already known to be wrong with it."""

Ahead = tuple[int, int, int]
"""What stands before a row in its first line: code points, bytes of UTF-8, units of UTF-16."""

BLANK: Final = b" \t\r\n"
"""White space as JSON has it. Form feeds, U+0085 and the like are not."""

# A raw line feed ends a string: JSON forbids it there, and so one lost quote costs one line
# and does not turn the rest of the file inside out.
_STRING_REST: Final = rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+'
_in_string: Final = re.compile(_STRING_REST).match
_in_container: Final = re.compile(
    rb'[^"\[\]{}]*+(?:"' + _STRING_REST + rb'\\?["\n][^"\[\]{}]*+)*+'
).match
_in_word: Final = re.compile(rb'[^,\[\]{"\n]*+').match
_in_blank: Final = re.compile(rb"[ \t\r\n]*+").match

_OPEN: Final = frozenset(b"[{")
_INSIDE: Final = frozenset({"container", "string in container", "string", "word", "junk"})
_STATE_AT: Final = {ord("{"): "container", ord("["): "container", ord('"'): "string"}
_QUOTE, _COMMA, _CLOSE_ARRAY, _BACKSLASH = b'",]\\'


def too_long(size: int, limit: int, line: int) -> Defect:
    """A row of `size` bytes, which is not read."""
    return Defect("line-too-long", {"bytes": size, "limit": limit}, line)


def after_blank(data: bytes, pos: int) -> int:
    """Index of the first byte at or after `pos` that is not JSON white space."""
    return _end(_in_blank(data, pos))


def value_end(data: bytes, pos: int) -> int:
    """Index after the object or array that opens at `data[pos]`; -1 where it does not close."""
    depth = 0
    size = len(data)
    while True:
        pos = _end(_in_container(data, pos))
        if pos == size or data[pos] == _QUOTE:
            return -1
        depth += 1 if data[pos] in _OPEN else -1
        pos += 1
        if depth <= 0:
            return pos


def _end(found: re.Match[bytes] | None) -> int:
    assert found is not None  # every pattern here also matches nothing at all
    return found.end()


MOST_ON_A_LINE: Final = 10_000


def split_values(line: bytes) -> list[bytes] | None:
    """The objects and arrays that stand one after the other on a line.

    None unless there are at least two, all of them closed, with only white space between, and no
    more than `MOST_ON_A_LINE`.
    """
    parts: list[bytes] = []
    pos = after_blank(line, 0)
    while pos < len(line):
        if len(parts) == MOST_ON_A_LINE:
            return None
        end = value_end(line, pos) if line[pos] in _OPEN else -1
        if end < 0:
            return None
        parts.append(line[pos:end])
        pos = after_blank(line, end)
    return parts if len(parts) > 1 else None


def scan_values(
    blocks: Iterator[bytes],
    in_array: bool,
    max_bytes: int,
    spans: list[tuple[int, int]] | None = None,
    aheads: list[Ahead] | None = None,
) -> Iterator[Row]:
    """Rows of a stream of JSON values (`in_array`: of the elements of the one array it is).

    Brackets and strings are followed, nothing is parsed: text that is not valid JSON comes out as a row,
    and so does an unfinished value at the end. A value of more than `max_bytes` is never held
    whole; its row is empty and has the defect `line-too-long`. The rows do not depend on how the
    stream is cut into blocks. `spans` gets where each row begins and ends in the stream, in bytes,
    `aheads` what stands before it in its line.
    """
    state = "opening" if in_array else "between"
    data, pos = b"", 0
    base = 0  # bytes of the stream before `data`
    line, counted = 1, 0  # data[counted] stands on `line`
    start, number, dropped = 0, 1, 0  # the current value: its index, line, and bytes let go
    depth = 0
    seen_value = seen_comma = False
    fault: str | None = None  # of the syntax around the current value
    before: Ahead = (0, 0, 0)  # what stands on `line` before data[counted]
    ahead = before  # of the current value

    for block in blocks:
        keep = start if state in _INSIDE else pos
        if dropped + pos - keep > max_bytes:
            dropped += pos - keep
            keep = pos
        line += data.count(b"\n", counted, keep)
        if aheads is not None:
            before = _ahead(before, data, counted, keep)
        data, pos, start, counted = data[keep:] + block, pos - keep, 0, 0
        base += keep
        size = len(data)
        while pos < size:
            if state == "container":
                pos = _end(_in_container(data, pos))
                if pos == size:
                    break
                char = data[pos]
                pos += 1
                if char == _QUOTE:
                    state = "string in container"
                    continue
                depth += 1 if char in _OPEN else -1
                if depth:
                    continue
            elif state == "string in container" or state == "string":
                pos = _end(_in_string(data, pos))
                # A backslash at the end waits for the byte that it escapes.
                if pos == size or (data[pos] == _BACKSLASH and pos + 1 == size):
                    break
                pos += 2 if data[pos] == _BACKSLASH else 1
                if state == "string in container":
                    state = "container"
                    continue
            elif state == "word":
                pos = _end(_in_word(data, pos))
                if pos == size:
                    break
            elif state == "junk":
                pos = size
                break
            else:
                pos = after_blank(data, pos)
                if pos == size:
                    break
                char = data[pos]
                if state == "opening":
                    pos += 1
                    state = "between"
                    continue
                line += data.count(b"\n", counted, pos)
                if aheads is not None:
                    ahead = before = _ahead(before, data, counted, pos)
                counted = start = pos
                number, dropped, depth = line, 0, 0
                if state == "after":
                    fault, state = _AFTER_ARRAY, "junk"
                elif char == _COMMA:
                    if seen_comma or not seen_value or not in_array:
                        fault = "an unexpected comma before this value"
                    seen_comma = True
                    pos += 1
                elif char == _CLOSE_ARRAY and in_array:
                    if seen_comma:
                        if spans is not None:
                            spans.append((base + start, base + start))
                        if aheads is not None:
                            aheads.append(ahead)
                        yield number, b",", _invalid(_LAST_COMMAS[0], number)
                    state = "after"
                    pos += 1
                else:
                    if in_array and seen_value and not seen_comma:
                        fault = "no comma before this value"
                    seen_value, seen_comma = True, False
                    state = _STATE_AT.get(char, "word")
                    # A container's bracket is counted where the others are.
                    pos += state != "container"
                continue
            if spans is not None:
                spans.append((base + start - dropped, base + pos))
            if aheads is not None:
                aheads.append(ahead)
            yield _row(data[start:pos], dropped, max_bytes, number, fault)
            fault, state = None, "between"

    if spans is not None:
        spans.append((base + start - dropped, base + len(data)))
    if aheads is not None:
        aheads.append(ahead)
    if state in _INSIDE:
        yield _row(data[start:], dropped, max_bytes, number, fault)
    elif seen_comma and not in_array:
        yield number, b",", _invalid(_LAST_COMMAS[1], number)
    if in_array and state not in ("after", "junk"):
        line += data.count(b"\n", counted)
        if spans is not None:
            spans.append((base + len(data), base + len(data)))
        if aheads is not None:
            aheads.append(_ahead(before, data, counted, len(data)))
        yield line, b"", _invalid(_NOT_CLOSED, line)


def ahead_of(data: bytes) -> Ahead:
    """What stands before the row that follows these bytes, which begin a line."""
    return _ahead((0, 0, 0), data, 0, len(data))


def _ahead(before: Ahead, data: bytes, start: int, stop: int) -> Ahead:
    """What stands on the line of `data[stop]` before it, where `before` stands before `data[start]`."""
    last = data.rfind(b"\n", start, stop) + 1
    if last:
        before, start = (0, 0, 0), last
    piece = data[start:stop]
    points = len(piece.translate(None, _LATER_BYTES))
    astral = 0 if piece.isascii() else len(piece) - len(piece.translate(None, _FOUR_BYTES))
    return before[0] + points, before[1] + len(piece), before[2] + points + astral


_LATER_BYTES: Final = bytes(range(0x80, 0xC0))
_FOUR_BYTES: Final = bytes(range(0xF0, 0xF8))
"""First bytes of characters that take two units of UTF-16."""


def _row(value: bytes, dropped: int, limit: int, number: int, fault: str | None) -> Row:
    size = dropped + len(value)
    if size > limit:
        return number, b"", too_long(size, limit, number)
    return number, value.rstrip(BLANK), _invalid(fault, number) if fault else None


_NOT_CLOSED: Final = "the array is not closed"
_AFTER_ARRAY: Final = "text after the end of the array"
_LAST_COMMAS: Final = ("a comma before the closing bracket", "a comma after the last value")

NO_ROWS: Final = frozenset((_NOT_CLOSED, _AFTER_ARRAY, *_LAST_COMMAS))
"""Faults of what stands around the rows: what carries one of these is not a row itself."""


def _invalid(reason: str, line: int) -> Defect:
    return Defect("invalid-json", {"reason": reason}, line)
