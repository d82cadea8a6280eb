"""What the budget cuts of one row: how bad it is, and in which message the cut falls."""

from __future__ import annotations

from glmlint.evidence.row import Row


def verdict(row: Row) -> str | None:
    """The one rule that speaks of a cut row, the worst that holds; None for a row that fits.

    `answer-fully-truncated`, `over-truncated` (the lost share exceeds `plan.max_lost_share`) or
    `truncated`.
    """
    if row.rendered is None or row.tokens <= row.kept:
        return None
    if row.supervised and not row.kept_supervised:
        return "answer-fully-truncated"
    if row.supervised and row.lost_supervised / row.supervised > row.plan.max_lost_share:
        return "over-truncated"
    return "truncated"


def cut_message(row: Row) -> int:
    """Index of the message of the first lost token; for an appended end, the last message."""
    owners = row.token_row.owners[: row.kept + 1]
    return max(int(owners[-1]), 0) if owners[-1] >= 0 else max(int(owners.max()), 0)


def loses_end_only(row: Row) -> bool:
    """Whether nothing but the appended end token is cut."""
    return row.tokens == row.kept + 1 and int(row.token_row.owners[row.kept]) < 0


def cuts_an_answer(row: Row) -> int | None:
    """Index of the assistant message in whose supervised span the cut falls.

    None where the cut falls elsewhere, or takes the whole span or none of it. The label at t is
    set by the token at t - shift: those at the last kept and at the first lost place are compared.
    """
    from glmlint.evidence.teaching import written_role

    if not (row.kept_supervised and row.lost_supervised):
        return None
    tokens, shift = row.token_row, row.context.recipe.shift
    before, after = row.kept - 1, row.kept
    if before < 1 or tokens.labels[before] == -100 or tokens.labels[after] == -100:
        return None
    owner = int(tokens.owners[before - shift])
    if owner < 0 or owner != int(tokens.owners[after - shift]):
        return None
    return owner if written_role(row, owner) == "assistant" else None
