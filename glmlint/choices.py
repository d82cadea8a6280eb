"""The words that some flags and settings take: `--help` needs them, and none of the plan."""

from __future__ import annotations

from typing import Final

STYLES: Final = ("full", "concise", "grouped")
"""Text reports: with excerpts, one line a finding, or by file; the names are ruff's."""

ENGINES: Final = ("local", "ray")
"""Where rows are checked: by processes of this machine, or of a Ray cluster."""

COLUMN_UNITS: Final = ("codepoint", "byte", "utf16")
"""What a column counts: Unicode code points, UTF-8 bytes (vim, Emacs), UTF-16 units (LSP)."""
