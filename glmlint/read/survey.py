"""What a whole file is like, as far as a repair of one row has to know it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct, field

from glmlint.read.formats import TURN_KEYS, role_in
from glmlint.read.nulls import KeySets
from glmlint.read.sample import read
from glmlint.read.scan import split_values
from glmlint.read.source import Chunk

MOST: Final = 3
"""So many rows at least make a habit, where they are more than half of the file's."""


_MAX_FUNCTIONS: Final = 10_000


class Survey(Struct):
    """Counts over all rows of a file."""

    rows: int = 0
    misplaced: Counter[str] = field(default_factory=Counter)
    """Role -> rows that end with what may be an answer under it, in place of the assistant's."""
    nulls: KeySets = field(default_factory=KeySets)
    """Which keys all objects at one place have."""
    called: dict[str, set[str]] = field(default_factory=dict)
    """Function -> the arguments that some call of it has a value for, where they are an object."""

    def read(self, chunks: Iterable[Chunk]) -> None:
        """All rows of a file."""
        for chunk in chunks:
            for raw in chunk.lines:
                found = read(raw)
                several = split_values(raw) if found.defect is not None else None
                for value in map(_value, several) if several else (found.value,):
                    self.add(value)

    def add(self, value: Any) -> None:
        """One row, decoded."""
        self.rows += 1
        self.nulls.add(value)
        if not isinstance(value, dict):
            return
        for key in TURN_KEYS:
            if isinstance(turns := value.get(key), list):
                if key == "messages" and (index := misplaced_answer(turns)) is not None:
                    self.misplaced[role_in(turns[index]) or ""] += 1
                for turn in turns:
                    self._see_calls(turn)

    def _see_calls(self, turn: Any) -> None:
        calls = turn.get("tool_calls") if isinstance(turn, dict) else None
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function", call) if isinstance(call, dict) else None
            if not isinstance(function, dict):
                continue
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str) and isinstance(arguments, dict):
                if name not in self.called and len(self.called) >= _MAX_FUNCTIONS:
                    continue
                known = self.called.setdefault(name, set())
                known.update(key for key, value in arguments.items() if value is not None)

    @property
    def hopeless(self) -> bool:
        """Whether the turns of the file surely come from no table."""
        return all(self.nulls.at(key, 0) is None for key in TURN_KEYS)


def _value(raw: bytes) -> Any:
    return read(raw).value


def is_habit(rows: int, samples: int) -> bool:
    """Whether so many rows of a file's samples are what its author does, not a slip."""
    return rows >= MOST and 2 * rows > samples


def misplaced_answer(messages: list[Any], number: int | None = None) -> int | None:
    """The last message, where it may be an answer under the wrong role: it comes right after a
    question, and no assistant speaks it. None for every other end, also for three of the user's.

    Args:
        messages: all of them, or the last three.
        number: how many there are in all, where these are the last ones.
    """
    roles = [role_in(message) if isinstance(message, dict) else None for message in messages[-3:]]
    if len(roles) < 2 or roles[-2] != "user" or roles[-1] not in ("user", "system", "observation"):
        return None
    if roles[-1] == "user" and roles[0] == "user" and len(roles) > 2:
        return None
    content = messages[-1].get("content")
    last = (len(messages) if number is None else number) - 1
    return last if isinstance(content, str) and content.strip() else None
