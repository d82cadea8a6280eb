"""Findings as a person reads them: the worst first, and what says the same once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from glmlint.finding import RANK, Finding
from glmlint.patterns import Pattern

SHOWN: Final = 3
"""Findings of one kind in one file that are shown; more are named by their lines."""

_NUMBER: Final = Pattern(r"\d+")


@dataclass
class Block:
    """A finding that is shown, and those that are told with it."""

    first: Finding
    beside: list[Finding] = field(default_factory=list)
    """Other findings of the same place."""
    folded: list[Finding] = field(default_factory=list)
    """Findings of other rows that say the same."""


def blocks(findings: Sequence[Finding], *, every: bool) -> list[Block]:
    """The findings of one file in the order of reading.

    Args:
        findings: of one file, by place.
        every: whether each is shown, also where many say the same.
    """
    by_place: dict[tuple[object, ...], Block] = {}
    shown: dict[tuple[str, ...], list[Block]] = {}
    alike: dict[tuple[str, ...], Block] = {}
    found: list[Block] = []
    for finding in sorted(findings, key=lambda one: -RANK[one.severity]):
        kind = finding.rule, finding.severity, finding.kind
        words = *kind, _NUMBER.sub("", finding.message)
        if finding.span is not None and (block := by_place.get(_place(finding))) is not None:
            beside = {one.kind for one in block.beside}
            if finding.line == block.first.line:
                block.beside.append(finding)
                continue
            if finding.kind in beside:  # the rows that are folded into it say all of it again
                continue
        if not every and finding.line is not None:
            same = alike.get(words)
            if same is None and len(shown.get(kind, ())) >= SHOWN:
                same = shown[kind][-1]
            if same is not None:
                same.folded.append(finding)
                by_place.setdefault(_place(finding), same)
                continue
        block = Block(finding)
        found.append(block)
        by_place.setdefault(_place(finding), block)
        alike[words] = block
        shown.setdefault(kind, []).append(block)
    return found


def _place(finding: Finding) -> tuple[object, ...]:
    return (finding.line, finding.span)


def lines_of(findings: Iterable[Finding]) -> list[int]:
    """Lines of the rows of some findings, each once, in order."""
    return sorted({finding.line for finding in findings if finding.line is not None})
