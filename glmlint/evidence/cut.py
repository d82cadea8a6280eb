"""What the budget cuts of one row: how bad it is, and in which message the cut falls."""

from __future__ import annotations

from glmlint.evidence.teaching import written_role
from glmlint.trainer.layout import IGNORE_INDEX, authors
from glmlint.trainer.row import Row


def verdict(row: Row) -> str | None:
    """The one rule that speaks of a cut row, the worst that holds; None for a row that fits.

    `answer-fully-truncated`, `over-truncated` (the lost share exceeds `plan.max_lost_share`) or
    `truncated`.
    """
    if row.layout is None or row.tokens <= row.kept:
        return None
    if row.supervised and not row.kept_supervised:
        return "answer-fully-truncated"
    if row.supervised and row.lost_supervised / row.supervised > row.plan.max_lost_share:
        return "over-truncated"
    return "truncated"


def cut_message(row: Row) -> int:
    """Index of the message of the first lost token; for an appended end, the last message."""
    owners = row.all_tokens.owners[: row.kept + 1]
    return max(int(owners[-1]), 0) if owners[-1] >= 0 else max(int(owners.max()), 0)


def loses_end_only(row: Row) -> bool:
    """Whether nothing but the appended end token is cut."""
    return row.tokens == row.kept + 1 and int(row.all_tokens.owners[row.kept]) < 0


def cuts_an_answer(row: Row) -> int | None:
    """Index of the assistant message in whose supervised span the cut falls.

    None where the cut falls elsewhere, or takes the whole span or none of it. The
    labels at the last kept and at the first lost place are compared.
    """
    if not (row.kept_supervised and row.lost_supervised):
        return None
    tokens = row.all_tokens
    before, after = row.kept - 1, row.kept
    if before < 1 or IGNORE_INDEX in (tokens.labels[before], tokens.labels[after]):
        return None
    owners = authors(tokens.owners[: after + 1])
    owner = int(owners[before])
    if owner < 0 or owner != int(owners[after]):
        return None
    return owner if written_role(row, owner) == "assistant" else None
