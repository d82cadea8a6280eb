"""One text that several have written (a system text and its tools): whose each token is."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, pairwise

from glmlint.trainer.layout import Encoded, Piece
from glmlint.trainer.tokenizer import Tokenizer

Parts = tuple[tuple[str, int], ...]
"""(text, owner) in order: the text is all of them joined."""


def shared_pieces(parts: Parts, tokenizer: Tokenizer) -> list[tuple[Piece, int]]:
    """The pieces of the joined text, with their owners: control tokens as ids, as HF reads it.

    A piece that lies in one part stays text. One that reaches over a border is encoded as a whole,
    and each of its tokens belongs to the part in which it begins.
    """
    parts = _by_owner(parts)
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


def _by_owner(parts: Parts) -> Parts:
    """The same text with one part for each owner in a row, and no empty one."""
    found: list[tuple[str, int]] = []
    for text, owner in parts:
        if found and found[-1][1] == owner:
            found[-1] = (found[-1][0] + text, owner)
        elif text:
            found.append((text, owner))
    return tuple(found)


def _runs(text: str, borders: list[int], tokenizer: Tokenizer) -> list[Encoded]:
    """The tokens of a text, cut at borders (in characters): one run more than there are borders."""
    ids, _ = tokenizer.encode([text])
    cuts = [0]
    token = size = 0
    for border in borders:
        place = len(text[:border].encode())
        while size < place and token < len(ids):
            size += len(tokenizer.token_bytes(int(ids[token])))
            token += 1
        cuts.append(token)
    return [Encoded(ids[start:stop]) for start, stop in pairwise([*cuts, len(ids)])]
