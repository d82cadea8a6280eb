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
        self.parts: tuple[Part, ...] = tuple(part for part in parts if part[0])
        """None of them is empty."""
        self.text = "".join(text for text, _ in self.parts)

    def __add__(self, other: Owned) -> Owned:
        return Owned((*self.parts, *other.parts))

    def part(self, start: int, stop: int | None = None) -> Owned:
        """The code points from `start` to `stop`, as a slice counts them; no negative ones."""
        return Owned(self._slice(start, len(self.text) if stop is None else stop))

    def _slice(self, start: int, stop: int) -> Iterator[Part]:
        at = 0
        for text, owner in self.parts:
            yield text[max(start - at, 0) : max(stop - at, 0)], owner
            at += len(text)

    def strip(self) -> Owned:
        """As `str.strip`."""
        start = len(self.text) - len(self.text.lstrip())
        return self.part(start, len(self.text.rstrip()))

    def replace(self, old: str, new: Owned) -> Owned:
        """As `str.replace`."""
        found = self.text.find(old)
        if found < 0:
            return self
        parts: list[Part] = []
        at = 0
        while found >= 0:
            parts += self.part(at, found).parts
            parts += new.parts
            at = found + len(old)
            found = self.text.find(old, at)
        return Owned((*parts, *self.part(at).parts))


def owned(text: str, owner: int) -> Owned:
    """A text of one owner."""
    return Owned(((text, owner),))


def joined(texts: Iterable[Owned]) -> Owned:
    """The texts one after the other."""
    return Owned(part for text in texts for part in text.parts)


def pieces_of(text: Owned, context: Context) -> Iterator[tuple[Piece, int]]:
    """The pieces of a text and their owners: control tokens as ids, none of the others empty.

    A token that runs over two parts belongs to the first. Tool lists, which many rows share, are
    encoded once.
    """
    whole = text.text
    at = 0
    for offset, name in [*context.tokenizer.find_control(whole), (len(whole), "")]:
        if offset > at:
            yield from _encoded(text.part(at, offset), context)
        if name:
            yield context.id(name), text.part(offset, offset + len(name)).parts[0][1]
        at = offset + len(name)


def _encoded(text: Owned, context: Context) -> Iterator[tuple[Piece, int]]:
    runs: list[Part] = []
    for part, owner in text.parts:
        if runs and runs[-1][1] == owner:
            runs[-1] = (runs[-1][0] + part, owner)
        else:
            runs.append((part, owner))
    if len(runs) == 1:
        owner = runs[0][1]
        yield context.encoded(text.text) if owner == TOOLS else text.text, owner
        return
    ids = context.tokenizer.encode([text.text])[0]
    sizes = [len(context.tokenizer.token_bytes(int(token))) for token in ids]
    starts = [0, *accumulate(sizes)][:-1]
    edges = list(accumulate(len(part.encode()) for part, _ in runs))[:-1]
    for tokens, (_, owner) in zip(np.split(ids, np.searchsorted(starts, edges)), runs, strict=True):
        if len(tokens):
            yield Encoded(tokens), owner
