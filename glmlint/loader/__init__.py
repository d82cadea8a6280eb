"""What `datasets` makes of a JSON file, worked out from its rows: see `docs/loader.md`."""

from glmlint.loader.cuts import ALONE, BOM, CHUNK, Cut, Cuts, block_size
from glmlint.loader.rows import Load
from glmlint.loader.shapes import LINES, MAX_PATHS, ShapeForm, Shapes, chunk_starts
from glmlint.loader.table import as_table
from glmlint.loader.texts import moment
from glmlint.loader.verdict import OF_FORM, Conflict, Padding

__all__ = [
    "ALONE",
    "BOM",
    "CHUNK",
    "LINES",
    "MAX_PATHS",
    "OF_FORM",
    "Conflict",
    "Cut",
    "Cuts",
    "Load",
    "Padding",
    "ShapeForm",
    "Shapes",
    "as_table",
    "block_size",
    "chunk_starts",
    "moment",
]
