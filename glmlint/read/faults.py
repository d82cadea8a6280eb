"""What ends the reading of a file."""

from __future__ import annotations

from glmlint.text import Told


class SourceError(Told):
    """A file cannot be read, or no further: a phrase that follows "path: "."""
