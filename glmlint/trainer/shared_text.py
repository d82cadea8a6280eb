"""One text that several have written (a system text and its tools): whose each token is."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from glmlint.trainer.layout import Encoded, Piece
from glmlint.trainer.tokenizer import Tokenizer

Parts = tuple[tuple[str, int], ...]
"""(text, owner) in order: the text is all of them joined."""


def shared_pieces(parts: Parts, tokenizer: Tokenizer) -> list[tuple[Piece, int]]:
    """The pieces of the joined text, with their owners: control tokens as ids, as HF reads it.

    A piece that lies in one part stays text. One that reaches over a border is encoded as a whole,
    and each of its tokens belongs to the part in which it begins.
    """
    parts = tuple(part for part in parts if part[0])
    ends = list(accumulate(len(text) for text, _ in parts))
    found: list[tuple[Piece, int]] = []
    at = 0
    for piece in tokenizer.split("".join(text for text, _ in parts)):
        part = bisect_right(ends, at)
        if isinstance(piece, int):
            found.append((piece, parts[part][1]))
            at += len(tokenizer.token_bytes(piece).decode())
            continue
        stop = at + len(piece)
        if stop <= ends[part]:
            found.append((piece, parts[part][1]))
        else:
            inner = [end - at for end in ends[part:] if end < stop]
            runs = _runs(piece, inner, tokenizer)
            owners = (owner for _, owner in parts[part:])
            found += [(run, owner) for run, owner in zip(runs, owners, strict=False)]
        at = stop
    return [
        (piece, owner) for piece, owner in found if not isinstance(piece, Encoded) or len(piece.ids)
    ]


def _runs(text: str, borders: list[int], tokenizer: Tokenizer) -> list[Encoded]:
    """The tokens of a text, cut at borders (in characters): one run more than there are borders."""
    ids, _ = tokenizer.encode([text])
    starts = [0, *accumulate(len(tokenizer.token_bytes(int(token))) for token in ids)]
    cuts = [0, *(_first(starts, len(text[:border].encode())) for border in borders), len(ids)]
    return [Encoded(ids[cuts[n] : cuts[n + 1]]) for n in range(len(cuts) - 1)]


def _first(starts: list[int], place: int) -> int:
    """The first token that begins at a place (in bytes) or behind it."""
    return min(bisect_right(starts, place - 1), len(starts) - 1)
