"""What a reporter is, and the registry: a file of this folder with `name` and `write` is a format."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

from glmlint.patterns import Pattern
from glmlint.text import Text, is_file

if TYPE_CHECKING:
    from glmlint.engine.finish import Result

_FOLDER: Final = Path(__file__).parent
_FORMAT: Final = Pattern(r"(?ms)^name(?:: \w+)? = \"(\w+)\"$.*^def write\(")
"""What the source of a format has at its left edge, with the file's own name."""


@dataclass(frozen=True)
class ReporterOptions:
    """How a report is printed; what it counts does not depend on it."""

    width: int = 80
    """Cells of a line, where the format has lines that wrap."""
    color: bool = False
    terminal: bool = False
    """A person looks at it: tables in place of plain lines."""
    quiet: bool = False
    """Findings only."""
    statistics: bool = False
    """Counts by rule in place of findings."""
    max_findings: int = 20_000
    """How many findings are printed; counts are always whole."""
    style: str = "full"
    """How text is laid out: one of `choices.STYLES`."""
    verbose: bool = False
    """Everything: what was assumed in full, all tables, every help."""
    column_unit: str = "codepoint"
    """What columns count: one of `choices.COLUMN_UNITS`."""
    links: bool = False
    """Places and rules are links, where the terminal takes them (OSC 8)."""
    docs_url: str = ""
    """Where the documentation stands, without a slash at the end; "" where it is nowhere to link to."""


@dataclass(frozen=True)
class About:
    """What a format is for, and what it needs: the variable `about` of its module, if it has one."""

    text: Text
    """Who reads it, in a line: for the shell's completion and `docs/formats.md`."""
    document: bool = False
    """It is one document: beside anything else on standard output nobody could read it."""
    excerpts: bool = False
    """It shows the piece of the row that a finding is about."""
    edits: bool = False
    """It offers the safe repair of a finding as an edit of the file."""
    kinds: bool = False
    """It tells supervised tokens by kind."""


class Reporter(Protocol):
    """A module of this folder, as its callers see it."""

    name: str
    """The format's name, the same as the module's."""

    def write(self, result: Result, out: IO[str], options: ReporterOptions) -> None:
        """Print a finished run."""


@cache
def names() -> tuple[str, ...]:
    """The formats, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.py") if is_format(path.stem)))


def is_format(name: str) -> bool:
    """Whether a file of this folder is that format: it is read, since to import it may load much."""
    path = _FOLDER / f"{name}.py"
    if not (name.isidentifier() and is_file(path)):
        return False
    found = _FORMAT.search(path.read_text(encoding="utf-8"))
    return found is not None and found[1] == name


def get(name: str) -> Reporter:
    """The reporter of that format. Raises KeyError."""
    if not is_format(name):
        raise KeyError(name)
    return importlib.import_module(f"glmlint.reporters.{name}")


def about(name: str) -> About:
    """What that format says of itself. Raises KeyError."""
    return getattr(get(name), "about", None) or About(Text(name, name))
