"""Cheap facts of a row, a bit each: which rules are worth calling."""

from __future__ import annotations

from typing import Final


class Fact:
    """Cheap facts of a row, one bit each: a rule runs only where one of its facts holds.

    A fact may hold where the rule then finds nothing; it never misses a row that has it.
    """

    ANY: Final = 0
    """A rule with this runs on every row that has a value."""
    DEFECT: Final = 1 << 0
    """The bytes are not a row, or the loader refuses them."""
    ODD: Final = 1 << 1
    """The row breaks the sample schema."""
    KEYS: Final = 1 << 2
    """A key that is in no schema, in the row or in a message."""
    ROLES: Final = 1 << 3
    """Anything but: system?, then user and assistant in turn, calls answered by observations."""
    TOOLS: Final = 1 << 4
    """A `tools` key, in a message or in the row."""
    CALLS: Final = 1 << 5
    """An assistant message with metadata or with what looks like a call, or an observation."""
    CONTROL: Final = 1 << 6
    """Text that may hold a typed control token."""
    EMPTY: Final = 1 << 7
    """A message whose content is empty or white space."""
    THINK: Final = 1 << 8
    """The letters of a think tag."""
    RAISES: Final = 1 << 9
    """The trainer raises, or drops the row."""
    UNTRAINED: Final = 1 << 10
    """No supervised token, before truncation."""
    CUT: Final = 1 << 11
    """Longer than the budget."""
    HISTORY: Final = 1 << 12
    """Two or more assistant messages."""
    NON_FINITE: Final = 1 << 13
    """NaN or an infinity."""
    HIDDEN: Final = 1 << 14
    """What may be an invisible or a damaged character."""
    SECRET: Final = 1 << 15
    """What may be the beginning of a key or token."""
    PLACEHOLDER: Final = 1 << 16
    """What may be a text that waits to be filled in."""
    FENCE: Final = 1 << 17
    """Three backticks."""
    LOOP: Final = 1 << 18
    """An answer whose last letters stand shortly before its end, too."""
    LOADED: Final = 1 << 20
    """The loader hands the row over changed."""
    NUMBER: Final = 1 << 19
    """What may be the number of a person, a card or an account."""
    MARKS: Final = 1 << 21
    """What may be a mark of another model's template: of a call, a speaker, the end of a text."""
    NULLS: Final = 1 << 22
    """The letters of null."""
    FOREIGN: Final = 1 << 23
    """What may be a form that the trainer does not read, though every key is a known one."""
    LOOKED: Final = 1 << 25
    """One of the rows by which rules judge the whole file: see `is_looked_at`."""
    LABELS: Final = 1 << 24
    """The trainer may give labels to more than answers with their stops, or to less."""
    LISTS: Final = 1 << 26
    """A tool list of which a rule may say something: see `evidence.tool_facts`."""
    CALLING: Final = 1 << 27
    """A call or a result that is not all in order, or a form in which that is not seen at once."""


EVERY: Final = -1
"""All facts."""
COSTLY: Final = Fact.LOOP | Fact.NUMBER
"""Facts that take time to find out and that nothing but `when` of a rule asks for."""


_ALL_LOOKED_AT: Final = 10
"""The first 2**10 rows are looked at, and about 2**9 of each doubling after them."""


def is_looked_at(line: int) -> bool:
    """Whether rules that judge the whole file by some of its rows look at the one in this line.

    It depends on the line alone, so that every cut of a file gives the same rows.
    """
    skipped = line.bit_length() - _ALL_LOOKED_AT
    return skipped <= 0 or not line & ((1 << skipped) - 1)
