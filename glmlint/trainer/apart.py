"""Messages that are rendered each by itself, whose tokens a trainer then joins.

verl and slime do not render a conversation as a whole: the tokens of each message, rendered alone, are
cut by lengths that were measured once, and put one behind the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from glmlint.trainer.base import Context
from glmlint.trainer.chat import borders, lay_out_text
from glmlint.trainer.layout import NONE, SAME, Encoded, Int32, Layout, Piece, Tokens
from glmlint.trainer.mask import sequence, sequences
from glmlint.trainer.template import Rendered


def ids_of(texts: Sequence[str], context: Context) -> list[Int32]:
    """Texts as an HF tokenizer encodes them: control tokens in them are control tokens."""
    layouts = [lay_out_text(text, ([0], [0]), context) for text in texts]
    return [tokens.input_ids for tokens in sequences(layouts, context)]


def tokens_of(rendered: Rendered, messages: Sequence[Any], context: Context) -> Tokens:
    """The tokens of messages that were rendered together, all with their label, and whose each is."""
    found = borders(rendered, messages, context, None)
    return sequence(lay_out_text(rendered.text, found, context), context)


def said_by(ids: Int32, owner: int) -> Tokens:
    """Tokens that are all of one owner, all with their label."""
    return Tokens(ids, ids, np.full(len(ids), owner, np.int32))


def masked(tokens: Tokens, start: int) -> Tokens:
    """The same with labels from a place on."""
    labels = tokens.labels.copy()
    labels[:start] = NONE
    return Tokens(tokens.input_ids, labels, tokens.owners)


def joined(parts: Sequence[Tokens], context: Context) -> Layout:
    """The parts one behind the other: control tokens as ids, what is between them as text."""
    layout = Layout([], [], [], [])
    if not parts:
        return layout
    ids = np.concatenate([part.input_ids for part in parts])
    trained = np.concatenate([part.labels for part in parts]) != NONE
    owners = np.concatenate([part.owners for part in parts])
    names = context.tokenizer.control_text
    control = np.isin(ids, list(names))
    changes = (np.diff(owners) != 0) | (np.diff(trained) != 0) | control[1:] | control[:-1]
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(ids)]
    runs = list(pairwise(edges)) if len(ids) else []
    spelled = [
        b"".join(map(context.tokenizer.token_bytes, ids[start:stop].tolist()))
        for start, stop in runs
    ]
    texts = [text.decode("utf-8", "replace") for text in spelled]
    encoded, offsets = context.tokenizer.encode(texts)
    for place, (start, stop) in enumerate(runs):
        piece: Piece = texts[place]
        if control[start]:
            piece = int(ids[start])
        elif not np.array_equal(encoded[offsets[place] : offsets[place + 1]], ids[start:stop]):
            piece = Encoded(ids[start:stop].astype(np.uint32))
        layout.add([piece], SAME if trained[start] else NONE, int(owners[start]))
    return layout
