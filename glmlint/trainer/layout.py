"""How a trainer lays a row out: pieces, the labels of their tokens, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.trainer.tokenizer import Ids

Int32 = npt.NDArray[np.int32]

IGNORE_INDEX: Final = -100
"""The label of a token that is in no loss (torch's cross_entropy)."""

NONE: Final = IGNORE_INDEX
SAME: Final = -1
"""What stands in a layout for the label of a token that is its own target."""

PREFIX: Final = -1
"""Owner of what stands in front of all turns, such as [gMASK]<sop>."""
END: Final = -2
"""Owner of what the trainer appends after the last turn."""
SYSTEM: Final = -3
"""Owner of a system text that no turn holds: a column's, or the trainer's own."""
TOOLS: Final = -4
"""Owner of a tool list that stands beside the turns."""


class Encoded:
    """A text that is encoded already."""

    __slots__ = ("ids",)

    def __init__(self, ids: Ids) -> None:
        self.ids = ids


Piece = int | str | Encoded
"""One control token, a text still to encode, or a text that is encoded already."""


class Layout:
    """A row as its trainer lays it out. All lists have one entry a piece; no piece is empty.

    The first token of a piece may have another label than the others: with a mask that lies one
    place behind the labels it is set by the piece before (see `shifted`), and LLaMA-Factory
    teaches another token there than the input holds.
    """

    __slots__ = ("first", "owners", "pieces", "rest", "sizes", "tokens", "units", "weights")

    def __init__(
        self,
        pieces: list[Piece],
        first: list[int],
        rest: list[int],
        owners: list[int],
        units: list[int] | None = None,
        weights: list[float] | None = None,
    ) -> None:
        self.pieces = pieces
        self.first = first
        """Label of the piece's first token: `NONE`, `SAME`, or the id of another token."""
        self.rest = rest
        """Label of the piece's other tokens: `NONE` or `SAME`."""
        self.owners = owners
        """Index of the turn of each piece, or one of the negative owners of this module."""
        self.units = units
        """Number of the unit of each piece, for trainers whose cut treats some ranges as one."""
        self.sizes: npt.NDArray[np.int64] | None = None
        """How many tokens each piece has, once they are counted."""
        self.tokens: Tokens | None = None
        """The whole row, where it was tokenized to be laid out: whoever changes the lists sets None."""
        self.weights = weights
        """Factor of each piece's loss, for trainers that weigh tokens; None: all count the same."""

    def add(self, pieces: Sequence[Piece], label: int, owner: int, unit: int = 0) -> None:
        """Append pieces that share label (`NONE` or `SAME`), owner and unit; empty texts are left out."""
        self.tokens = None
        for piece in pieces:
            if piece == "" or (isinstance(piece, Encoded) and not len(piece.ids)):
                continue
            self.pieces.append(piece)
            self.first.append(label)
            self.rest.append(label)
            self.owners.append(owner)
            if self.units is not None:
                self.units.append(unit)

    @property
    def trained(self) -> dict[int, bool]:
        """Owner -> whether some token that is laid out for it carries loss.

        The token after a turn teaches that turn to stop: its label counts for the turn before, but
        where it is the header of a turn that is trained whole (as in `authors`).
        """
        owners = self.owners
        known = dict.fromkeys(owners, False)
        for place, (first, rest) in enumerate(zip(self.first, self.rest, strict=True)):
            if first != NONE:
                before = owners[place - 1] if place else PREFIX
                header = before >= 0 and before != owners[place] and self._heads(place)
                known[before if before >= 0 and not header else owners[place]] = True
            if rest != NONE and type(self.pieces[place]) is not int:
                known[owners[place]] = True
        return known

    def _heads(self, place: int) -> bool:
        """Whether a labelled first token of a turn begins a turn that is trained whole, after one
        whose last token is not trained."""
        pieces = self.pieces
        if (self.first if isinstance(pieces[place - 1], int) else self.rest)[place - 1] != NONE:
            return False
        if not isinstance(pieces[place], int):
            return self.rest[place] != NONE
        after = place + 1
        return (
            after < len(pieces)
            and self.owners[after] == self.owners[place]
            and self.first[after] != NONE
        )


def shifted(pieces: list[Piece], labels: list[int], owners: list[int]) -> Layout:
    """A layout whose mask lies one place behind the labels: the label at t is set by t - 1.

    Args:
        pieces: none of them empty.
        labels: `SAME` for a piece that the mask covers, else `NONE`.
        owners: as in `Layout`.
    """
    return Layout(pieces, [NONE, *labels[:-1]], labels, owners)


class Tokens(Struct):
    """One row as ids and labels, aligned, before or after truncation."""

    input_ids: Int32
    labels: Int32
    owners: Int32
    """As in `Layout`, one a token."""
    units: Int32 | None = None
    """As in `Layout`, one a token."""
    weights: npt.NDArray[np.float32] | None = None
    """As in `Layout`, one a token."""

    def part(self, places: slice | npt.NDArray[np.intp]) -> Tokens:
        """The tokens at some places, in order."""
        units = None if self.units is None else self.units[places]
        weights = None if self.weights is None else self.weights[places]
        return Tokens(
            self.input_ids[places], self.labels[places], self.owners[places], units, weights
        )

    @property
    def supervised(self) -> int:
        """How many labels are in the loss: those at index 1 or later that are not -100."""
        return int(np.count_nonzero(self.labels[1:] != IGNORE_INDEX))


def authors(owners: Int32, labelled: npt.NDArray[np.bool_]) -> Int32:
    """Whose doing the label of each token is, as a turn's index or a negative owner.

    The first token after a turn is that turn's stop token, so its label belongs to the turn before;
    but not where the turn before is not trained, and the label goes on after it: it is the header of
    a turn that is trained whole.

    Args:
        owners: of the tokens.
        labelled: which of them have a label.
    """
    found = owners.copy()
    starts = np.flatnonzero(owners[1:] != owners[:-1]) + 1
    goes_on = np.append(labelled[1:] & (owners[1:] == owners[:-1]), False)
    stops = starts[(owners[starts - 1] >= 0) & ~(goes_on[starts] & ~labelled[starts - 1])]
    found[stops] = owners[stops - 1]
    return found


def layout_of(tokens: Tokens) -> Layout:
    """A layout of ids that are known already: one piece for each run of like labels and owners."""
    ids, labels, owners = tokens.input_ids, tokens.labels, tokens.owners
    units = np.zeros(len(ids), np.int32) if tokens.units is None else tokens.units
    kind = np.where(labels == ids, SAME, labels)
    edges = (
        np.flatnonzero((np.diff(kind) != 0) | (np.diff(owners) != 0) | (np.diff(units) != 0)) + 1
    )
    layout = Layout([], [], [], [], None if tokens.units is None else [])
    if not len(ids):
        return layout
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(ids)], strict=True):
        label = int(kind[start])
        width = 1 if label not in (NONE, SAME) else stop - start
        for at in range(start, stop, width):  # another label than the token's own: one at a time
            layout.pieces.append(Encoded(ids[at : at + width].astype(np.uint32)))
            layout.first.append(label)
            layout.rest.append(label if label == SAME else NONE)
            layout.owners.append(int(owners[at]))
            if layout.units is not None:
                layout.units.append(int(units[at]))
    return layout
