"""A text that remembers which turn each part of it comes from, and how it becomes pieces.

Trainers that join texts before they tokenize them write one string over several turns. Owners are
those of `trainer.layout`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

import numpy as np

from glmlint.trainer.base import Context
from glmlint.trainer.layout import TOOLS, Encoded, Piece

Part = tuple[str, int]
"""A text and its owner."""


class Owned:
    """A text in parts, each with its owner. Immutable; equal texts may be cut differently."""

    __slots__ = ("parts", "text")

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts: tuple[Part, ...] = tuple([part for part in parts if part[0]])
        """None of them is empty."""
        self.text = "".join([text for text, _ in self.parts])

    def __add__(self, other: Owned) -> Owned:
        return Owned((*self.parts, *other.parts))

    def cut(self, edges: Iterable[int]) -> list[Owned]:
        """The text cut at code points, which ascend: one part more than there are edges."""
        found: list[Owned] = []
        parts = iter(self.parts)
        text, owner = next(parts, ("", 0))
        start = at = 0  # where the current part begins, and what is cut off already
        for edge in (*edges, len(self.text)):
            piece: list[Part] = []
            while at < edge:
                stop = min(start + len(text), edge)
                piece.append((text[at - start : stop - start], owner))
                at = stop
                if at == start + len(text):
                    start = at
                    text, owner = next(parts, ("", 0))
            found.append(Owned(piece))
        return found

    def part(self, start: int, stop: int | None = None) -> Owned:
        """The code points from `start` to `stop`, as a slice counts them; no negative ones."""
        return self.cut((start, len(self.text) if stop is None else stop))[1]

    def strip(self) -> Owned:
        """As `str.strip`."""
        start = len(self.text) - len(self.text.lstrip())
        return self.part(start, max(len(self.text.rstrip()), start))

    def replace(self, old: str, new: Owned) -> Owned:
        """As `str.replace`."""
        edges: list[int] = []
        found = self.text.find(old)
        while found >= 0:
            edges += (found, found + len(old))
            found = self.text.find(old, found + len(old))
        if not edges:
            return self
        return joined(new if place % 2 else kept for place, kept in enumerate(self.cut(edges)))


def owned(text: str, owner: int) -> Owned:
    """A text of one owner."""
    return Owned(((text, owner),))


def joined(texts: Iterable[Owned]) -> Owned:
    """The texts one after the other."""
    return Owned([part for text in texts for part in text.parts])


def pieces_of(text: Owned, context: Context) -> Iterator[tuple[Piece, int]]:
    """The pieces of a text and their owners: control tokens as ids, none of the others empty.

    A token that runs over two parts belongs to the first. Tool lists, which many rows share, are
    encoded once.
    """
    whole = text.text
    ends = list(accumulate(len(part) for part, _ in text.parts))
    at = index = 0
    for offset, name in [*context.tokenizer.find_control(whole), (len(whole), "")]:
        if index < len(ends) and ends[index] >= offset > at:  # of one part, as most are
            owner = text.parts[index][1]
            yield from _encoded(whole[at:offset], [(whole[at:offset], owner)], context)
            index += ends[index] == offset
            start = offset
        else:
            start = at
        runs: list[Part] = []
        while start < offset:
            stop = min(ends[index], offset)
            owner = text.parts[index][1]
            if runs and runs[-1][1] == owner:
                runs[-1] = (runs[-1][0] + whole[start:stop], owner)
            else:
                runs.append((whole[start:stop], owner))
            start = stop
            index += stop == ends[index]
        if runs:
            yield from _encoded(whole[at:offset], runs, context)
        if name:
            yield context.id(name), text.parts[index][1]
            at = offset + len(name)
            while index < len(ends) and ends[index] <= at:
                index += 1


def _encoded(text: str, runs: list[Part], context: Context) -> Iterator[tuple[Piece, int]]:
    """The pieces of a text without control tokens, of which `runs` are the parts."""
    if len(runs) == 1:
        owner = runs[0][1]
        yield context.encoded(text) if owner == TOOLS else text, owner
        return
    ids = context.tokenizer.encode([text])[0]
    sizes = [len(context.tokenizer.token_bytes(int(token))) for token in ids]
    starts = [0, *accumulate(sizes)][:-1]
    edges = list(accumulate(len(part.encode()) for part, _ in runs))[:-1]
    for tokens, (_, owner) in zip(np.split(ids, np.searchsorted(starts, edges)), runs, strict=True):
        if len(tokens):
            yield Encoded(tokens), owner
