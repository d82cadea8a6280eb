"""Draws docs/check.svg and docs/show.svg from what glmlint prints: python docs/make_screenshots.py."""

from __future__ import annotations

import html
import io
import os
import re
from itertools import groupby
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glmlint.app.settings import resolve
from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.engine.show import show
from glmlint.read.source import InputFile, read_chunks
from glmlint.reporters import text
from glmlint.reporters.base import ReporterOptions
from glmlint.trainer.base import open_context

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "examples/train.jsonl"
SHOWN_LINE = 3
CELL = 12.2
"""Width of a cell in rich's SVG, in its units."""
TEXT = re.compile(
    r'(<text class="[^"]*-r\d+" x=")([\d.]+)(" y="[^"]*" textLength=")[\d.]+("[^>]*>)([^<]*)</text>'
)
OPTIONS = ReporterOptions(width=80, color=True, terminal=True)


def draw(command: str, printed: str, target: Path) -> None:
    """One terminal window as SVG; the same text always gives the same file."""
    console = Console(file=io.StringIO(), record=True, width=OPTIONS.width, legacy_windows=False)
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(printed), soft_wrap=True)
    picture = console.export_svg(title="glmlint", unique_id=target.stem)
    picture = TEXT.sub(spaced, picture)
    target.write_text(picture, encoding="utf-8", newline="\n")


def spaced(text: re.Match[str]) -> str:
    """A `<text>` cut where Chinese begins and ends: rich gives all characters the same width."""
    head, x, middle, tail, content = text.groups()
    place = float(x)
    parts = []
    for cells, run in groupby(html.unescape(content), key=cell_len):
        piece = "".join(run)
        width = CELL * max(cells, 1) * len(piece)
        escaped = html.escape(piece).replace(" ", "&#160;")
        parts.append(f"{head}{place:g}{middle}{width:g}{tail}{escaped}</text>")
        place += width
    return "".join(parts)


def main() -> None:
    """Draw both pictures in English, with the default settings."""
    os.chdir(ROOT)
    plan = resolve({"lang": "en"}, (EXAMPLE,))
    context = open_context(plan)
    result = finish(check_lines(read_chunks(InputFile(EXAMPLE)), plan, context), plan, context)
    out = io.StringIO()
    text.write(result, out, OPTIONS)
    draw(f"glmlint check {EXAMPLE}", out.getvalue(), ROOT / "docs" / "check.svg")
    out = io.StringIO()
    show(EXAMPLE, SHOWN_LINE, plan, context, out, OPTIONS)
    draw(f"glmlint show {EXAMPLE}:{SHOWN_LINE}", out.getvalue(), ROOT / "docs" / "show.svg")


if __name__ == "__main__":
    main()
