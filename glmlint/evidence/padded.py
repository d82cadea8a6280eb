"""Nulls of a row that a table put in: keys that some other message or tool has, as null in all the rest."""

from __future__ import annotations

from glmlint.finding import Pointer
from glmlint.read.padding import row_padding
from glmlint.trainer.row import Fact, Row, per_row


@per_row
def padded(row: Row) -> frozenset[Pointer]:
    """The places of such nulls, as far as the row alone tells; mostly none."""
    if not row.facts & Fact.NULLS or row.defect is not None:
        return frozenset()
    return frozenset(row_padding(row.value))
