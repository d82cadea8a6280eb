"""Which rule made what of which row: remembered while a file is repaired, for who wants to look."""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec import Struct

from glmlint.fix.edit import one_line

ROOM: Final = 64 << 20
"""Bytes of rows that are remembered; of what comes later the rule is not known."""

_LONGEST_WAY: Final = 200


class Step(Struct, frozen=True):
    """What one rule made of a row."""

    rule: str
    """"" where it is not known."""
    before: bytes
    after: bytes


class Trail:
    """The steps by which rows became what they are."""

    def __init__(self) -> None:
        self._steps: dict[bytes, tuple[str, bytes]] = {}
        """Of a row, the rule that made it and what it was before."""
        self._dropped: dict[bytes, str] = {}
        self._room = ROOM

    def step(self, rule: str, before: bytes, after: bytes) -> None:
        """Note that a rule made another row of one."""
        if before != after and self._room > 0:
            self._room -= len(before)
            self._steps[_key(after)] = (rule, flat(before))

    def drop(self, rule: str, row: bytes) -> None:
        """Note that a rule drops a row."""
        if self._room > 0:
            for state in (row, *(step.before for step in self.way(row))):
                self._room -= 100
                self._dropped[_key(state)] = rule

    def way(self, row: bytes) -> list[Step]:
        """How a row became what it is, the first step first; empty where it is as it was."""
        steps: list[Step] = []
        known = {flat(row)}
        while len(steps) < _LONGEST_WAY and (found := self._steps.get(_key(row))):
            rule, before = found
            if before in known:
                break
            known.add(before)
            steps.insert(0, Step(rule, before, flat(row)))
            row = before
        return steps

    def dropped_by(self, row: bytes) -> str:
        """The rule that dropped a row; "" where it is not known."""
        return self._dropped.get(_key(row), "")


def flat(row: bytes) -> bytes:
    """The row on one line, as it is after its file has been written one row a line."""
    if b"\n" not in row and b"\r" not in row:
        return row
    try:
        return one_line(row.decode()).encode()
    except UnicodeDecodeError:
        return row


def _key(row: bytes) -> bytes:
    return hashlib.blake2b(flat(row), digest_size=16).digest()
