"""What ends a scoring run, or a batch of it: the errors of this folder, without torch."""

from __future__ import annotations


class ScoreError(Exception):
    """Scoring can't be done; the message is one sentence for the user, the exit code is 2."""

    rule: str | None = None
    """The rule that also tells it as a finding of the report, where there is one."""


class VocabularyError(ScoreError):
    """A token of the data is no row of the model's embedding."""

    rule = "model-vocabulary-mismatch"


class OutOfMemory(Exception):
    """A batch did not fit the device; a smaller one may."""
