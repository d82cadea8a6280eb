"""Nulls of a row that a table added: keys that some other message or tool has, null in all the rest."""

from __future__ import annotations

from glmlint.finding import Pointer
from glmlint.read.padding import row_padding
from glmlint.trainer.row import Fact, Row, per_row


@per_row
def padding(row: Row) -> tuple[Pointer, ...]:
    """The places of such nulls in order, as far as the row alone shows; mostly none."""
    if not row.facts & Fact.NULLS or row.defect is not None:
        return ()
    return tuple(row_padding(row.value))


@per_row
def padded(row: Row) -> frozenset[Pointer]:
    """The same places, to be looked up."""
    return frozenset(padding(row))
