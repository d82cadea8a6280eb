"""What becomes of a row that a trainer can't lay out: an exception, or the row is left out."""

from __future__ import annotations

from glmlint.finding import Pointer


class TrainerError(Exception):
    """The trainer raises at this row and the run ends."""

    def __init__(self, exception: str, detail: str, at: Pointer | None = None) -> None:
        super().__init__(f"{exception}: {detail}")
        self.exception = exception
        """Name of the exception class."""
        self.detail = detail
        self.at = at
        """Where in the row, when that is known."""


class Dropped(Exception):
    """The trainer leaves this row out, with a warning or none."""

    def __init__(self, reason: str, detail: str = "", at: Pointer | None = None) -> None:
        super().__init__(detail or reason)
        self.reason = reason
        """A short name, as it is counted in the report: "too-long", "odd-turns", …"""
        self.detail = detail
        """What the package says, or what is wrong with this row."""
        self.at = at
        """Where in the row, when that is known."""
