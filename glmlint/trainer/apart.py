"""Messages that are rendered each by itself, whose tokens a trainer then joins.

verl and slime do not render a conversation as a whole: the tokens of each message, rendered alone, are
cut by lengths that were measured once, and put one behind the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glmlint.trainer.base import Context
from glmlint.trainer.chat import borders, lay_out_text
from glmlint.trainer.layout import NONE, Int32, Layout, Tokens, layout_of
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


def joined(parts: Sequence[Tokens]) -> Layout:
    """The parts one behind the other."""
    if not parts:
        return Layout([], [], [], [])
    return layout_of(
        Tokens(
            np.concatenate([part.input_ids for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.owners for part in parts]),
        )
    )
