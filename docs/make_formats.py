"""Writes the tables of docs/convert.md and docs/formats.md from the formats' own files.

python docs/make_formats.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glmlint.converters.base import formats
from glmlint.reporters.base import about, names

PAGE = Path(__file__).resolve().parent / "convert.md"
REPORTS = PAGE.with_name("formats.md")


def page_text() -> str:
    """The page with the table of what is read and the one of what is written."""
    known = [format_ for _, format_ in sorted(formats().items())]
    read = ((one.name, one.about, one.notes) for one in known)
    written = ((one.name, one.read_by, one.written) for one in known if one.write is not None)
    text = PAGE.read_text(encoding="utf-8")
    text = _between(text, "formats", _table(("`--from`", "rows like", "notes"), read))
    return _between(text, "targets", _table(("`--to`", "read by", "rows"), written))


def reports_text() -> str:
    """The page with the table of report formats."""
    told = ((name, about(name).text.en, about(name).text.zh) for name in names())
    text = REPORTS.read_text(encoding="utf-8")
    return _between(text, "reports", _table(("`--format`", "for", "用途"), told))


def _table(head: Iterable[str], rows: Iterable[tuple[str, str, str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---|---|---|"]
    for name, *cells in rows:
        lines.append(
            f"| `{name}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        )
    return "\n".join(lines)


def _between(text: str, mark: str, table: str) -> str:
    """The text with a table between two comments."""
    start, stop = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    before, _, rest = text.partition(start)
    return f"{before}{start}{table}\n{stop}{rest.partition(stop)[2]}"


def main() -> None:
    """Write the pages."""
    PAGE.write_text(page_text(), encoding="utf-8")
    REPORTS.write_text(reports_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
