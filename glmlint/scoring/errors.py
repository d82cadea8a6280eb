"""What ends a scoring run, or a batch of it: the errors of this folder, without torch."""

from __future__ import annotations

from glmlint.text import Told


class ScoreError(Told):
    """Scoring can't be done; the message is one sentence for the user, the exit code is 2."""


class OutOfMemory(Exception):
    """A batch did not fit the device; a smaller one may."""
