"""The limits that rules declare, read from their files without importing them.

`--help` and the shell's completion ask for them, and importing the rules takes a tenth of a second.
"""

from __future__ import annotations

import ast
import contextlib
import os
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from glmlint.patterns import Pattern

FOLDER: Final = Path(__file__).parents[1] / "rules"


class DeclaredLimit(NamedTuple):
    """One limit, as its rule's file has it."""

    name: str
    default: float | None
    en: str
    zh: str
    kind: str = "share"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its key in the settings."""
        return {"description": self.en, "$ref": f"#/$defs/{self.kind}"}

    def value(self, given: float) -> float:
        """A value of the settings as the rule gets it: TOML may write a count as `3.0`."""
        return int(given) if self.kind == "count" else given


@cache
def declared() -> tuple[DeclaredLimit, ...]:
    """Every limit, by the names of the rules' files."""
    found = []
    for path in sorted(entry.path for entry in os.scandir(FOLDER) if entry.name.endswith(".py")):
        with open(path, "rb") as file:  # noqa: PTH123  # a hundred files: Path takes as long again
            text = file.read()
        found += [_declared(_call(text, at.start(1))) for at in _LIMIT.finditer(text)]
    return tuple(found)


_LIMIT: Final = Pattern(rb"= ?(Limit\()")


def _call(text: bytes, start: int) -> ast.expr:
    """The call that begins there, without what stands around it: to parse that costs much more."""
    stop = start
    while True:
        stop = text.index(b")", stop) + 1
        with contextlib.suppress(SyntaxError):
            return ast.parse(text[start:stop], mode="eval").body


def _declared(node: ast.expr) -> DeclaredLimit:
    given = _arguments(node, ("name", "default", "help", "kind"))
    said = _arguments(given.pop("help"), ("en", "zh"))
    values = {name: ast.literal_eval(value) for name, value in {**given, **said}.items()}
    return DeclaredLimit(**values)


def _arguments(node: ast.expr, names: tuple[str, ...]) -> dict[str, ast.expr]:
    """The arguments of a call by name, wherever they stand."""
    assert isinstance(node, ast.Call)
    found = dict(zip(names, node.args, strict=False))
    return found | {str(one.arg): one.value for one in node.keywords}
