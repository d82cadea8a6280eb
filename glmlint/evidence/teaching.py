"""Which message of a row teaches what: roles, trained messages, supervised tokens by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from glmlint.evidence.row import Row
from glmlint.trainer.base import IGNORE_INDEX, ROLE_IDS


def written_role(row: Row, index: int) -> Any:
    """The role of a message as it is written; None where there is none."""
    if row.sample is not None:
        return row.sample.messages[index].role
    message = row.messages[index] if index < len(row.messages) else None
    return message.get("role") if isinstance(message, dict) else None


def trained_messages(row: Row) -> list[int]:
    """Indexes of the messages that the mask covers, in order; no tokenizer is asked."""
    return sorted(owner for owner, trained in row.printed.items() if trained and owner >= 0)


def foreign_messages(row: Row) -> dict[int, int]:
    """Trained messages that no assistant wrote -> how many supervised tokens each brings.

    A label belongs to the message whose mask sets it. With a mask that lies one place behind the
    labels, the one token after an answer (its stop token) so is the answer's.
    """
    foreign = [index for index in trained_messages(row) if written_role(row, index) != "assistant"]
    if not foreign:
        return {}
    tokens = row.token_row
    places = np.flatnonzero(tokens.labels != IGNORE_INDEX)
    places = places[places >= 1]
    owners, numbers = np.unique(
        tokens.owners[places - row.context.recipe.shift], return_counts=True
    )
    brought = dict(zip(owners.tolist(), numbers.tolist(), strict=True))
    return {index: brought[index] for index in foreign if index in brought}


def unstopped_answers(row: Row) -> Iterator[int]:
    """Trained assistant messages after which no stop is taught, in order.

    The one token after an answer teaches the stop: the next role token, or the appended end. A
    template may also close the turn itself, with a control token at the end of the message.
    """
    rendered = row.rendered
    if rendered is None:
        return
    pieces, trained, owners = rendered.pieces, rendered.trained, rendered.owners
    shift = row.context.recipe.shift
    ends = {owner: place for place, owner in enumerate(owners)}
    for index in trained_messages(row):
        if written_role(row, index) != "assistant":
            continue
        closing = last = ends[index]
        while closing > 0 and isinstance(text := pieces[closing], str) and not text.strip():
            closing -= 1
        for place in (closing, last + 1):
            if place >= len(pieces) or not isinstance(pieces[place], int):
                continue
            if shift <= place and trained[place - shift]:
                break
        else:
            yield index


def prints_tools(row: Row, index: int) -> bool:
    """Whether a message's tool list is in the prompt: it stands behind a system token of its own."""
    if row.rendered is None:
        return False
    headers = row.memo.get("system headers")
    if headers is None:
        pieces = zip(row.rendered.owners, row.rendered.pieces, strict=True)
        headers = Counter(owner for owner, piece in pieces if piece == ROLE_IDS["system"])
        row.memo["system headers"] = headers
    if row.sample is not None:
        content: Any = row.sample.messages[index].content
    else:
        message = row.messages[index]
        content = message.get("content") if isinstance(message, dict) else None
    return bool(headers[index] > (1 if written_role(row, index) == "system" and content else 0))


def printed_text(row: Row) -> str:
    """The text of the row as the trainer lays it out, without the tools that rows share."""
    assert row.rendered is not None
    names = {token: name for name, token in row.context.tokenizer.control.items()}
    return "".join(
        piece if isinstance(piece, str) else names.get(piece, "") if isinstance(piece, int) else ""
        for piece in row.rendered.pieces
    )
