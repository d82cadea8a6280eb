"""Messages that are rendered each by itself, whose tokens a trainer then joins.

verl and slime do not render a conversation as a whole: the tokens of each message, rendered alone, are
cut by lengths that were measured once, and put one after the other. The lengths mostly end at a control
token, and then no text needs to be tokenized for the cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glmlint.trainer.base import Context
from glmlint.trainer.chat import borders, lay_out_text
from glmlint.trainer.layout import NONE, SAME, Encoded, Int32, Layout, Piece
from glmlint.trainer.mask import input_ids
from glmlint.trainer.template import Rendered
from glmlint.trainer.tokenizer import Ids


def ids_of(texts: Sequence[str], context: Context) -> list[Int32]:
    """Texts as an HF tokenizer encodes them: control tokens in them are control tokens."""
    layouts = [lay_out_text(text, ([0], [0]), context) for text in texts]
    return input_ids(layouts, context)


def of_messages(rendered: Rendered, messages: Sequence[Any], context: Context) -> Layout:
    """Messages that were rendered together, all with their label, and whose each part is."""
    return lay_out_text(rendered.text, borders(rendered, messages, context, None), context)


def said_by(text: str, owner: int, context: Context) -> Layout:
    """A text that is all of one owner, with its label."""
    return lay_out_text(text, ([0], [owner]), context)


def cut(layout: Layout, start: int, stop: int | None, context: Context) -> Layout:
    """The tokens from one place on, up to another one, as a slice counts them."""
    found = Layout([], [], [], [])
    if stop is not None and stop < 0:
        stop = max(size_of(layout, context) + stop, 0)
    at = 0
    for piece, label, owner in zip(layout.pieces, layout.rest, layout.owners, strict=True):
        if at >= start and stop is None:
            found.add([piece], label, owner)
        elif isinstance(piece, int):
            if start <= at and (stop is None or at < stop):
                found.add([piece], label, owner)
        else:
            ids = _encoded(piece, context)
            part = ids[max(start - at, 0) : None if stop is None else max(stop - at, 0)]
            found.add([piece if len(part) == len(ids) else _text(part, context)], label, owner)
            at += len(ids) - 1
        at += 1
    return found


def masked(layout: Layout, start: int, context: Context) -> Layout:
    """The same, the first tokens without a label.

    Args:
        start: how many.
    """
    found = Layout([], [], [], [])
    at = 0
    for piece, owner in zip(layout.pieces, layout.owners, strict=True):
        if at >= start or isinstance(piece, int):
            found.add([piece], SAME if at >= start else NONE, owner)
        else:
            ids = _encoded(piece, context)
            if at + len(ids) <= start:
                found.add([piece], NONE, owner)
            else:
                for part, label in ((ids[: start - at], NONE), (ids[start - at :], SAME)):
                    found.add([_text(part, context)], label, owner)
            at += len(ids) - 1
        at += 1
    return found


def unlabelled(layout: Layout) -> Layout:
    """The same without any label."""
    labels = [NONE] * len(layout.pieces)
    return Layout(layout.pieces, labels, list(labels), layout.owners)


def joined(parts: Sequence[Layout]) -> Layout:
    """The parts one after the other."""
    found = Layout([], [], [], [])
    for part in parts:
        found.pieces += part.pieces
        found.first += part.first
        found.rest += part.rest
        found.owners += part.owners
    return found


def size_of(layout: Layout, context: Context) -> int:
    """How many tokens there are."""
    return len(input_ids([layout], context)[0])


def same_ids(one: Layout, other: Layout, context: Context) -> bool:
    """Whether two layouts are the same tokens, whatever their labels."""
    plain = not any(isinstance(piece, Encoded) for piece in (*one.pieces, *other.pieces))
    if plain and one.pieces == other.pieces:
        return True
    first, second = input_ids([one, other], context)
    return np.array_equal(first, second)


def _encoded(piece: Piece, context: Context) -> Ids:
    return piece.ids if isinstance(piece, Encoded) else context.tokenizer.encode([str(piece)])[0]


def _text(ids: Ids, context: Context) -> Piece:
    """Some tokens as a text, where that is encoded to them again."""
    text = context.tokenizer.bytes_of(ids.tolist()).decode("utf-8", "replace")
    again = context.tokenizer.encode([text])[0]
    return text if np.array_equal(again, ids) else Encoded(ids)
