"""Which message of a row teaches what: roles, trained messages, supervised tokens by message."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from glmlint.finding import Pointer
from glmlint.trainer.base import Context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import IGNORE_INDEX, NONE, SAME, Encoded, Layout, Piece, authors
from glmlint.trainer.row import Row, per_row


def written_role(row: Row, index: int) -> Any:
    """The role of a message as it is written; None where there is none."""
    if row.conversation is not None:
        turns = row.conversation.turns
        return turns[index].role if index < len(turns) else None
    if row.sample is not None:
        return row.sample.messages[index].role
    message = row.messages[index] if index < len(row.messages) else None
    return message.get("role") if isinstance(message, dict) else None


def trained_messages(row: Row) -> list[int]:
    """Indexes of the messages that carry loss, in order; no tokenizer is asked."""
    return sorted(owner for owner, trained in row.printed.items() if trained and owner >= 0)


def foreign_messages(row: Row) -> list[int]:
    """Trained messages that no assistant wrote; no tokenizer is asked."""
    return [index for index in trained_messages(row) if written_role(row, index) != "assistant"]


def carries_loss(row: Row, index: int) -> bool:
    """Whether a message carries loss itself.

    The token after it, its stop, is not asked; nor is the last one alone, where it is trained for what
    it holds of the next text: tokens do not end where texts do.
    """
    assert row.layout is not None
    layout = row.layout
    places = [place for place, owner in enumerate(layout.owners) if owner == index]
    taught = [
        place
        for place in places
        if layout.rest[place] != NONE or (layout.first[place] != NONE and place != places[0])
    ]
    if not taught:
        return False
    last = places[-1]
    piece, behind = layout.pieces[last], last + 1
    shared = (
        taught == [last]
        and len(places) > 1
        and _tokens_of(row, piece) == 1
        and behind < len(layout.pieces)
        and layout.first[behind] != NONE
    )
    return not shared


def _tokens_of(row: Row, piece: Piece) -> int:
    if isinstance(piece, str):
        return len(row.context.tokenizer.encode([piece])[0])
    return len(piece.ids) if isinstance(piece, Encoded) else 1


def supervised_in(row: Row, messages: Iterable[int]) -> dict[int, int]:
    """Trained messages -> how many supervised tokens each brings.

    A message's stop token counts as its own (see `layout.authors`).
    """
    messages = list(messages)
    if not messages:
        return {}
    tokens = row.all_tokens
    places = np.flatnonzero(tokens.labels != IGNORE_INDEX)
    places = places[places >= 1]
    owners, numbers = np.unique(
        authors(tokens.owners, tokens.labels != IGNORE_INDEX)[places], return_counts=True
    )
    brought = dict(zip(owners.tolist(), numbers.tolist(), strict=True))
    return {index: brought[index] for index in messages if index in brought}


@per_row
def last_pieces(row: Row) -> dict[int, int]:
    """Owner -> place of the last piece of its layout."""
    owners = () if row.layout is None else row.layout.owners
    return {owner: place for place, owner in enumerate(owners)}


def unstopped_answers(row: Row) -> Iterator[int]:
    """Trained assistant messages after which no stop is taught, in order.

    The one token after an answer teaches the stop: the next role token, or the appended end. A
    template may also close the turn itself, with a control token at the end of the message.
    """
    layout = row.layout
    if layout is None:
        return
    pieces, first, owners = layout.pieces, layout.first, layout.owners
    ends = last_pieces(row)
    for index in trained_messages(row):
        if written_role(row, index) != "assistant":
            continue
        closing = last = ends[index]
        while (
            closing > 0
            and owners[closing] == index
            and isinstance(text := pieces[closing], str)
            and not text.strip()
        ):
            closing -= 1
        for place in (closing, last + 1):
            if place >= len(pieces) or not isinstance(pieces[place], int):
                continue
            if first[place] != NONE and not _closes_a_part(row, index, place):
                break
        else:
            yield index


def _closes_a_part(row: Row, index: int, place: int) -> bool:
    """Whether a control token ends a part of the message, as `</tool_call>` does, not the message."""
    layout = row.layout
    assert layout is not None
    piece = layout.pieces[place]
    name = row.context.tokenizer.control_text.get(piece, "") if isinstance(piece, int) else ""
    if not name.startswith("</") or layout.owners[place] != index:
        return False
    opening = row.context.tokenizer.control.get(f"<{name[2:]}")
    return opening is not None and any(
        piece == opening
        for piece, owner in zip(layout.pieces, layout.owners, strict=True)
        if owner == index and isinstance(piece, int)
    )


@per_row
def _system_headers(row: Row) -> dict[int, int]:
    """How many system tokens are laid out for a message."""
    assert row.layout is not None
    system = row.context.id("<|system|>")
    pieces = row.layout.pieces
    found: dict[int, int] = {}
    for at in [at for at, piece in enumerate(pieces) if type(piece) is int and piece == system]:
        owner = row.layout.owners[at]
        found[owner] = found.get(owner, 0) + 1
    return found


def prints_tools(row: Row, index: int) -> bool:
    """Whether a message's tool list is in the prompt: it stands after a system token of its own."""
    if row.layout is None:
        return False
    if row.sample is not None:
        content: Any = row.sample.messages[index].content
    else:
        message = row.messages[index]
        content = message.get("content") if isinstance(message, dict) else None
    headers = _system_headers(row).get(index, 0)
    return headers > (1 if written_role(row, index) == "system" and content else 0)


def printed_text(row: Row) -> str:
    """The text of the row as the trainer lays it out, without the tools that rows share."""
    assert row.layout is not None
    names = {token: name for name, token in row.context.tokenizer.control.items()}
    return "".join(
        piece if isinstance(piece, str) else names.get(piece, "") if isinstance(piece, int) else ""
        for piece in row.layout.pieces
    )


def whole_text(row: Row, owner: int | None = None) -> str:
    """What the trainer lays out, all of it, as text; with an owner what is laid out for it alone."""
    assert row.layout is not None
    return text_of_layout(row.layout, row.context, owner)


def text_of_layout(layout: Layout, context: Context, owner: int | None = None) -> str:
    """As `whole_text`, of any layout."""
    tokenizer = context.tokenizer
    names, parts = tokenizer.control_text, []
    for piece, whose in zip(layout.pieces, layout.owners, strict=True):
        if owner not in (None, whose):
            continue
        if isinstance(piece, str):
            parts.append(piece.encode("utf-8", "surrogatepass"))
        elif isinstance(piece, int):
            parts.append(names.get(piece, "").encode())
        else:
            for token in piece.ids.tolist():
                name = names.get(token)
                parts.append(name.encode() if name is not None else tokenizer.token_bytes(token))
    return b"".join(parts).decode("utf-8", "replace")


_PROBE: Final = "Zq7probe7qZ"


def reaches(row: Row, at: Pointer, shape: tuple[Hashable, ...]) -> bool | None:
    """Whether the text at a place of a row gets into the input: another one is put there, and looked for.

    Args:
        row: one that is laid out.
        at: where a string stands.
        shape: what the answer depends on; it is given once for rows that are alike.

    Returns:
        None where that can't be seen: the trainer raises, or no string stands there.
    """
    value: Any = row.value if row.loaded is None else row.loaded
    context = row.context

    def probed() -> bool | None:
        try:
            changed = _put(value, at)
            layout = context.trainer.lay_out(changed, context)
        except (TrainerError, Dropped, LookupError, TypeError):
            return None
        return _PROBE in text_of_layout(layout, context)

    return context.remembered(("reaches", *shape), probed)


def _put(value: Any, at: Pointer) -> Any:
    """A JSON value with the probe at a place; what does not change is shared."""
    if not at:
        if not isinstance(value, str):
            raise TypeError
        return _PROBE
    first, *rest = at
    changed = _put(value[first], tuple(rest))
    if isinstance(value, list):
        return [changed if place == first else item for place, item in enumerate(value)]
    return {**value, first: changed}


def taught_after(row: Row, index: int) -> str | None:
    """The control token that is trained after a turn; None for text, or for nothing."""
    layout = row.layout
    if layout is None or index not in layout.owners:
        return None
    place = len(layout.owners) - layout.owners[::-1].index(index)
    if place >= len(layout.pieces) or layout.first[place] == NONE:
        return None
    piece, label = layout.pieces[place], layout.first[place]
    token = piece if label == SAME else label
    names = {number: name for name, number in row.context.tokenizer.control.items()}
    return names.get(token) if isinstance(token, int) else None
