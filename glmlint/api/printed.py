"""How results show themselves: as text with `print`, with colours on a terminal, as HTML in a notebook."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import IO, TYPE_CHECKING, Literal

from glmlint.output import colored, width
from glmlint.reporters.base import ReporterOptions
from glmlint.visible import visible

if TYPE_CHECKING:
    from rich.text import Text


class Printed:
    """A result that can be printed; a subclass writes its text and its HTML."""

    __slots__ = ()

    def write_text(self, out: IO[str], options: ReporterOptions) -> None:
        """Write it for people."""
        raise NotImplementedError

    def to_html(self) -> str:
        """A fragment of HTML, as notebooks show it; data is escaped."""
        raise NotImplementedError

    def print(
        self, file: IO[str] | None = None, *, color: Literal["auto", "always", "never"] = "auto"
    ) -> None:
        """Print it as the command does.

        Args:
            file: where to. Default: standard output.
            color: "auto" colours on a terminal.
        """
        out = sys.stdout if file is None else file
        self.write_text(out, _options(colored(color, out.isatty())))

    def __str__(self) -> str:
        out = io.StringIO()
        self.write_text(out, _options(False))
        return out.getvalue().rstrip("\n")

    def __repr__(self) -> str:
        return str(self)

    def __rich__(self) -> Text:
        from rich.text import Text

        out = io.StringIO()
        self.write_text(out, _options(True))
        return Text.from_ansi(out.getvalue().rstrip("\n"))

    def _repr_html_(self) -> str:
        return self.to_html()


def _options(color: bool) -> ReporterOptions:
    return ReporterOptions(width=width(), color=color, terminal=True)


# --- HTML ----------------------------------------------------------------------------------------

_CELL = "padding:2px 8px;text-align:{align};vertical-align:top;white-space:pre-wrap"


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def text_of(value: object) -> str:
    """A value as text of HTML: unseen characters as escapes, no markup."""
    return value if isinstance(value, Markup) else escape(visible(str(value)))


def paragraph(text: str, style: str = "") -> str:
    """A line of its own."""
    return f'<div style="margin:4px 0;{style}">{text_of(text)}</div>'


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> str:
    """A plain table; the columns of the given numbers are flush right."""
    ends = set(right)
    styles = [
        _CELL.format(align="right" if number in ends else "left") for number in range(len(columns))
    ]

    def line(tag: str, cells: Sequence[object]) -> str:
        return "".join(
            f'<{tag} style="{style}">{text_of(cell)}</{tag}>'
            for style, cell in zip(styles, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return (
        f'<table style="border-collapse:collapse;margin:4px 0"><thead><tr>{line("th", columns)}</tr>'
        f"</thead><tbody>{body}</tbody></table>"
    )
