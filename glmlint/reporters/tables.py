"""What the terminal reporters share: a console, a table style, and wrapping that knows Chinese."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import IO, Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from glmlint.patterns import Pattern
from glmlint.visible import log_line, visible

STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}

_NO_START: Final = frozenset("↵，。、；：？！）》」』”’…,.;:?!)]}")
"""Characters that don't begin a line."""

_NO_END: Final = frozenset("（“‘《「『【([{")
"""Characters that don't end a line."""

NARROWEST: Final = 40

JOINER: Final = "\u200d"


class Gate(Console):
    """A console that shows unseen characters as escapes, whoever forgot to: see `glmlint.visible`.

    Texts that wrap or stand in a table are made visible before, or the escapes break their layout.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of something to print, each safe; the line breaks are the layout's."""
        for text, style, control in super().render(renderable, options):
            lines = text.split("\n") if control is None and not text.isprintable() else [text]
            yield Segment("\n".join(map(visible, lines)), style, control)


@contextmanager
def console_for(out: IO[str], width: int, color: bool) -> Iterator[Console]:
    """A console that writes to `out`: no markup in data, no trailing blanks, colours if wanted."""
    buffer = io.StringIO()
    console = Gate(
        file=buffer, width=max(width, NARROWEST), force_terminal=color, no_color=not color,
        color_system="standard" if color else None, markup=False, emoji=False, highlight=False,
        legacy_windows=False, safe_box=False, force_jupyter=False,
    )  # fmt: skip
    yield console
    lines = buffer.getvalue().split("\n")[:-1]
    out.write("".join(log_line(line.rstrip(" ")) + "\n" for line in lines))


def plain_table(**settings: object) -> Table:
    """A table without frame, two blanks between its columns."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", **settings)  # type: ignore[arg-type]


def heading(console: Console, text: str) -> None:
    """A title with an empty line before it."""
    console.print()
    console.print(Text(text, style="bold"))


def print_wrapped(
    console: Console, text: str, style: str = "", *, indent: int = 0, first: Text | None = None
) -> None:
    """Print a text in lines of the console's width.

    Args:
        indent: cells before every line.
        first: what stands in the indent of the first line; `indent` cells wide.
    """
    for number, line in enumerate(wrap(visible(text), console.width - indent)):
        row = first.copy() if first is not None and number == 0 else Text(" " * indent)
        row.append(line, style)
        console.print(row, soft_wrap=True)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at blanks and between Chinese characters."""
    edges = [0, *breaks(text, width), len(text)]
    return [text[start:stop].rstrip(" ") for start, stop in pairwise(edges)]


_COMMAND: Final = Pattern(r"(?<=[:：]) ?(glmlint \S.*)\Z")


def split_command(text: str) -> tuple[str, str]:
    """An advice, and the command at its end, which is to be copied as it stands; "" without one."""
    found = _COMMAND.search(text)
    return (text[: found.start()], found[1]) if found else (text, "")


def breaks(text: str, width: int) -> list[int]:
    """Where the lines after the first begin; blanks at a line's end may lie past `width`."""
    places: list[int] = []
    place = used = 0
    for word in _words(text):
        if used and used + cell_len(word.rstrip(" ")) > width:
            places.append(place)
            used = 0
        rest = word
        while cell_len(rest.rstrip(" ")) > width and (head := _head(rest, width)):  # such as a path
            place += head
            places.append(place)
            rest = rest[head:]
        place += len(rest)
        used += cell_len(rest)
    return places


def _words(text: str) -> Iterator[str]:
    """Pieces between which a line may break, each with the blanks after it."""
    word = ""
    for char in text:
        # What joins or accents the character before it has no cell of its own.
        opens = word and char != " " and char not in _NO_START and cell_len(char)
        wide = word and (cell_len(char) == 2 or cell_len(word[-1]) == 2)
        joined = word and (word[-1] == JOINER or word[-1] in _NO_END)
        if opens and not joined and (word[-1] == " " or wide):
            yield word
            word = ""
        word += char
    if word:
        yield word


def _head(word: str, width: int) -> int:
    """How many characters at the start of a word fit; at least one, 0 when all do."""
    used = 0
    for place, char in enumerate(word):
        used += cell_len(char)
        if used > width and place:
            return place
    return 0


def shortened(path: str, width: int) -> str:
    """A path of at most `width` cells; its end is what tells files apart."""
    if cell_len(path) <= width:
        return path
    tail = path
    while tail and cell_len(tail) > width - 1:
        tail = tail[1:]
    return "…" + tail


def padded(text: str, width: int) -> str:
    """The text and blanks, `width` cells in all."""
    return text + " " * max(width - cell_len(text), 0)
