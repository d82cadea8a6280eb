"""Draws docs/check.svg and docs/show.svg from what glmlint prints: python docs/make_screenshots.py."""

from __future__ import annotations

import html
import io
import os
import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glmlint.app.settings import resolve
from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.engine.show import look
from glmlint.read.source import InputFile, read_chunks
from glmlint.reporters import text
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.sample_text import write_sample
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


def drawn(command: str, printed: str, name: str) -> str:
    """One terminal window as SVG; the same text always gives the same picture."""
    console = Console(file=io.StringIO(), record=True, width=OPTIONS.width, legacy_windows=False)
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(printed), soft_wrap=True)
    picture = console.export_svg(title="glmlint", unique_id=name)
    return TEXT.sub(spaced, picture)


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


def pictures() -> dict[str, str]:
    """File name -> picture: both in English, with the default settings."""
    os.chdir(ROOT)
    plan = replace(resolve({"lang": "en"}, (EXAMPLE,)), excerpts=True)
    context = open_context(plan)
    result = finish(check_lines(read_chunks(InputFile(EXAMPLE)), plan, context), plan, context)
    checked, shown = io.StringIO(), io.StringIO()
    text.write(result, checked, OPTIONS)
    for sample in look(EXAMPLE, SHOWN_LINE, plan, context):
        write_sample(sample, context, shown, OPTIONS, False)
    return {
        "check.svg": drawn(f"glmlint check {EXAMPLE}", checked.getvalue(), "check"),
        "show.svg": drawn(f"glmlint show {EXAMPLE}:{SHOWN_LINE}", shown.getvalue(), "show"),
    }


if __name__ == "__main__":
    for name, picture in pictures().items():
        (ROOT / "docs" / name).write_text(picture, encoding="utf-8", newline="\n")
