"""A unified diff of two files of any size: what differs is compared window by window."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Final, Protocol

CONTEXT: Final = 3
"""Lines that are shown around a change."""

WINDOW: Final = 200
"""Lines that are compared with each other at a time."""

_LONGEST_HUNK: Final = 2000

Line = tuple[bytes, bytes]
"""b" ", b"-" or b"+", and a line with its end."""


class Lines(Protocol):
    """What is compared."""

    def readline(self) -> bytes:
        """The next line; b"" after the last."""


def unified(old: IO[bytes], new: IO[bytes], name: bytes) -> Iterator[bytes]:
    """The diff in pieces, nothing where the files are the same.

    Args:
        old, new: files at their start.
        name: what stands in the head.
    """
    head = b"--- " + name + b"\n+++ " + name + b"\n"
    for hunk in _hunks(compared(old, new)):
        yield head + hunk
        head = b""


def compared(old: Lines, new: Lines) -> Iterator[Line]:
    """The lines of both with their marks: those that go, those that come and those that stay."""
    a: list[bytes] = []
    b: list[bytes] = []
    while True:
        if not a and not b:
            one, other = old.readline(), new.readline()
            if one == other:
                if not one:
                    return
                yield b" ", one
                continue
            a, b = [one] if one else [], [other] if other else []
        a += _some(old, WINDOW - len(a))
        b += _some(new, WINDOW - len(b))
        at_end = len(a) < WINDOW and len(b) < WINDOW
        blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
        # What comes last may have its counterpart in the next window.
        if not at_end and len(blocks) > 1 and blocks[-1][0] != "equal":
            blocks.pop()
        done_a = done_b = 0
        for tag, a1, a2, b1, b2 in blocks:
            if tag == "equal":
                yield from ((b" ", line) for line in a[a1:a2])
            else:
                yield from ((b"-", line) for line in a[a1:a2])
                yield from ((b"+", line) for line in b[b1:b2])
            done_a, done_b = a2, b2
        a, b = a[done_a:], b[done_b:]


def _some(stream: Lines, number: int) -> list[bytes]:
    found = []
    for _ in range(number):
        line = stream.readline()
        if not line:
            break
        found.append(line)
    return found


def _hunks(lines: Iterable[Line]) -> Iterator[bytes]:
    before: deque[Line] = deque(maxlen=CONTEXT)
    hunk: list[Line] = []
    same = 0  # lines at the hunk's end that are not changes
    old = new = 1  # numbers of the lines that come next
    for mark, line in lines:
        if hunk:
            hunk.append((mark, line))
            same = same + 1 if mark == b" " else 0
            if same > 2 * CONTEXT:
                keep = len(hunk) - same + CONTEXT
                yield _hunk(hunk[:keep], old, new)
                rest = hunk[keep:]
                old, new = _after(hunk, old, new)
                before = deque(rest, CONTEXT)
                hunk = []
            elif len(hunk) >= _LONGEST_HUNK:
                yield _hunk(hunk, old, new)
                old, new = _after(hunk, old, new)
                before.clear()
                hunk = []
        elif mark == b" ":
            before.append((mark, line))
            old, new = old + 1, new + 1
        else:
            hunk = [*before, (mark, line)]
            old, new = old - len(before), new - len(before)
            before.clear()
            same = 0
    if hunk:
        keep = len(hunk) - max(same - CONTEXT, 0)
        yield _hunk(hunk[:keep], old, new)


def _after(hunk: list[Line], old: int, new: int) -> tuple[int, int]:
    return (
        old + sum(mark != b"+" for mark, _ in hunk),
        new + sum(mark != b"-" for mark, _ in hunk),
    )


def _hunk(lines: list[Line], old: int, new: int) -> bytes:
    olds = sum(mark != b"+" for mark, _ in lines)
    news = sum(mark != b"-" for mark, _ in lines)
    # Where one side has no lines, the line before is named, as diff does.
    head = f"@@ -{old - (not olds)},{olds} +{new - (not news)},{news} @@\n".encode()
    body = []
    for mark, line in _old_first(lines):
        body.append(mark + line)
        if not line.endswith(b"\n"):
            body.append(b"\n\\ No newline at end of file\n")
    return head + b"".join(body)


def _old_first(lines: list[Line]) -> Iterator[Line]:
    """The lines with those that go before those that come, in each run of changes."""
    added: list[Line] = []
    for mark, line in lines:
        if mark == b" ":
            yield from added
            added = []
        if mark == b"+":
            added.append((mark, line))
        else:
            yield mark, line
    yield from added
