"""What becomes of a row that a trainer can't lay out: an exception, or the row is left out."""

from __future__ import annotations

from glmlint.finding import Pointer
from glmlint.text import Text


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

    def __init__(self, reason: str, detail: str | Text = "", at: Pointer | None = None) -> None:
        super().__init__((detail.en if isinstance(detail, Text) else detail) or reason)
        self.reason = reason
        """A short name, as it is counted in the report: "too-long", "odd-turns", …"""
        self.detail = detail
        """What the package says, or in both languages what is wrong with this row."""
        self.at = at
        """Where in the row, when that is known."""

    def say(self, lang: str) -> str:
        """Why, for people."""
        detail = self.detail
        return (detail.plain(lang) if isinstance(detail, Text) else detail) or self.reason


NO_LABELS = Text("no token that is kept carries loss", "保留的 token 都不参与训练")
"""Why TRL and axolotl leave a row out of which no token is trained."""
