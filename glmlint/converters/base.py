"""Types of the converters: a format, what was lost on the way, a refused row; and the registry."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from glmlint.converters.dialogue import Dialogue
from glmlint.finding import Defect, Pointer


class Kind(msgspec.Struct, frozen=True):
    """A kind of loss, guess or refusal, with its sentence."""

    name: str
    en: str
    zh: str


class Loss(msgspec.Struct, frozen=True):
    """One thing that a row could not carry over, or that was guessed."""

    kind: Kind
    pointer: Pointer
    """Where it stands in the source row."""


class Refused(Exception):
    """A row that cannot be converted."""

    def __init__(
        self, kind: Kind, *pointer: str | int, detail: str = "", defect: Defect | None = None
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.pointer: Pointer = pointer
        self.detail = detail
        """What stands there, in a few words, where that helps to find it."""
        self.defect = defect
        """What is wrong with the row's bytes: `check` has a rule that tells it."""


class Notes(msgspec.Struct):
    """What the conversion of one row has to say, and the choices that it was given."""

    losses: list[Loss] = []
    take: str | None = None
    """Which answer of a preference row becomes the answer: "chosen", or None to refuse."""

    def add(self, kind: Kind, *pointer: str | int) -> None:
        """Note a loss at a place of the source row."""
        self.losses.append(Loss(kind, pointer))


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A format of rows. Its module holds it as `FORMAT`; that is all it takes to be known."""

    name: str
    """As `--from` and `--to` spell it."""
    recognised: tuple[str, ...] = ()
    """The answers of `formats.recognise` that mean it, beside its name."""
    matches: Callable[[Any], bool] | None = None
    """Whether a row that is of none of the forms in `formats.recognise` is of this one. Never raises."""
    about: str
    """What its rows are like: a cell of the table in `docs/convert.md`, as all text here in Markdown."""
    notes: str = ""
    """What else is to know of them: the cell beside it."""
    read: Callable[[Any, Notes], Dialogue]
    """Row -> what it says. Notes what it can't read; raises Refused."""
    write: Callable[[Dialogue, Notes], dict[str, Any]] | None = None
    """What is said -> row, where glmlint writes the format. Notes losses; raises Refused."""
    read_by: str = ""
    """Where it is written: the trainers that read it, for the table of `--to`."""
    written: str = ""
    """How its rows are written, for the same table."""


@cache
def formats() -> dict[str, Format]:
    """All formats by name, found among the modules of this package."""
    package = importlib.import_module("glmlint.converters")
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"glmlint.converters.{info.name}")
        format_ = getattr(module, "FORMAT", None)
        if isinstance(format_, Format):
            found[format_.name] = format_
    return found


def reader_of(recognised: str) -> Format | None:
    """The format that reads rows which `formats.recognise` names so."""
    return next(
        (one for one in formats().values() if recognised in (one.name, *one.recognised)), None
    )
