"""What a reporter is, and the registry: every file of this folder with a `write` is one format."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import IO, TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from glmlint.engine.finish import Result

NO_FORMATS: Final = frozenset(
    ("base", "catalogue", "figures", "sample_text", "rule_times", "score_text", "tables", "text_tables",
     "verdict", "visible", "words")
)  # fmt: skip
"""Files of this folder that the formats share; they are not imported to find the formats."""


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


class Reporter(Protocol):
    """A module of this folder, as its callers see it."""

    name: str
    """The format's name, the same as the module's."""

    def write(self, result: Result, out: IO[str], options: ReporterOptions) -> None:
        """Print a finished run."""


@cache
def names() -> tuple[str, ...]:
    """The formats, sorted."""
    package = importlib.import_module("glmlint.reporters")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in found if name not in NO_FORMATS))


def get(name: str) -> Reporter:
    """The reporter of that format. Raises KeyError."""
    if name not in names():
        raise KeyError(name)
    return importlib.import_module(f"glmlint.reporters.{name}")
