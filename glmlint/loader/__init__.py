"""What `datasets` makes of a JSON Lines file, worked out from its rows: see `docs/loader.md`."""

from glmlint.loader.rows import Load
from glmlint.loader.shapes import CHUNK, MAX_PATHS, Shapes, chunk_starts
from glmlint.loader.texts import moment
from glmlint.loader.verdict import Conflict, Padding

__all__ = [
    "CHUNK",
    "MAX_PATHS",
    "Conflict",
    "Load",
    "Padding",
    "Shapes",
    "chunk_starts",
    "moment",
]
