"""What a trainer keeps of a row that is longer than its budget: one function a policy.

Each takes the whole row and the budget in tokens and gives the sequences that are trained on:
usually one, several where the row is split, none where it is left out (`Dropped` says why).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glmlint.trainer.errors import Dropped
from glmlint.trainer.layout import IGNORE_INDEX, Tokens

Cut = Callable[[Tokens, int], list[Tokens]]


def keep_start(tokens: Tokens, budget: int) -> list[Tokens]:
    """The first tokens of the row. The one policy whose kept tokens grow with the budget."""
    return [tokens.part(slice(budget))]


def keep_end(tokens: Tokens, budget: int) -> list[Tokens]:
    """The last tokens of the row."""
    return [tokens.part(slice(max(len(tokens.input_ids) - budget, 0), None))]


def drop_longer(tokens: Tokens, budget: int) -> list[Tokens]:
    """The row as it is, or nothing of it."""
    if len(tokens.input_ids) > budget:
        raise Dropped("too-long")
    return [tokens]


def split(tokens: Tokens, budget: int) -> list[Tokens]:
    """The row in pieces of at most the budget, one after the other."""
    size = len(tokens.input_ids)
    return [tokens.part(slice(at, at + budget)) for at in range(0, size, max(budget, 1))]


def without_first_label(parts: list[Tokens]) -> list[Tokens]:
    """The same sequences, the first token of each without a label (it is in no loss anyway)."""
    for part in parts:
        if len(part.labels) and part.labels[0] != IGNORE_INDEX:
            part.labels = np.concatenate(([np.int32(IGNORE_INDEX)], part.labels[1:]))
        if part.weights is not None and len(part.weights):
            part.weights = np.concatenate(([np.float32(0)], part.weights[1:]))
    return parts
