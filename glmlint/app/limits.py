"""The limits that rules declare, read from their files without importing them.

`--help` and the shell's completion ask for them, and importing the rules takes a tenth of a second.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

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
    for file in sorted(FOLDER.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        if re.search(r"= ?Limit\(", text):
            found += [_declared(node) for node in ast.walk(ast.parse(text)) if _is_limit(node)]
    return tuple(found)


def _is_limit(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Limit"
    )


def _declared(node: ast.AST) -> DeclaredLimit:
    given = _arguments(node, ("name", "default", "help", "kind"))
    said = _arguments(given.pop("help"), ("en", "zh"))
    values = {name: ast.literal_eval(value) for name, value in {**given, **said}.items()}
    return DeclaredLimit(**values)


def _arguments(node: ast.AST, names: tuple[str, ...]) -> dict[str, ast.expr]:
    """The arguments of a call by name, wherever they stand."""
    assert isinstance(node, ast.Call)
    found = dict(zip(names, node.args, strict=False))
    return found | {str(one.arg): one.value for one in node.keywords}
