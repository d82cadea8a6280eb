"""Writes what the rules declare into the settings' schema and page: python docs/make_settings.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

from glmlint.app.limits import declared

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "schemas" / "config.schema.json"
PAGE = ROOT / "docs" / "settings.md"


def schema_text() -> str:
    """The schema of the settings with a line for each limit, between its two neighbours."""
    text = SCHEMA.read_text(encoding="utf-8")
    lines = "".join(
        f"    {json.dumps(one.name)}: {json.dumps(one.schema, ensure_ascii=False)},\n"
        for one in declared()
    )
    known = r'    "[a-z-]+": \{"description": .*, "\$ref": "#/\$defs/(share|count)"\},\n'
    text = re.sub(known, "", text)
    return text.replace('    "eval":', lines + '    "eval":', 1)


def page_text() -> str:
    """The page with the table of limits."""
    rows = ["| limit | value | default | |", "|---|---|---|---|"]
    for one in declared():
        default = "off" if one.default is None else str(one.default)
        rows.append(f"| `{one.name}` | {one.kind} | {default} | {one.en} |")
    start, stop = "<!-- limits -->\n", "\n<!-- end of limits -->"
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    return before + start + "\n".join(rows) + stop + rest.partition(stop)[2]


def main() -> None:
    """Write both."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    PAGE.write_text(page_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
