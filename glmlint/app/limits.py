"""The limits that rules declare, read from their files without importing them.

`--help` and the shell's completion ask for them, and importing the rules takes a tenth of a second.
"""

from __future__ import annotations

import ast
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

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its key in the settings."""
        return {"description": self.en, "$ref": "#/$defs/share"}


@cache
def declared() -> tuple[DeclaredLimit, ...]:
    """Every limit, by the names of the rules' files."""
    found = []
    for file in sorted(FOLDER.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "limit=Limit(" in text:
            found += [_declared(node) for node in ast.walk(ast.parse(text)) if _is_limit(node)]
    return tuple(found)


def _is_limit(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Limit"
    )


def _declared(node: ast.AST) -> DeclaredLimit:
    assert isinstance(node, ast.Call)
    name, default, text = node.args
    assert isinstance(text, ast.Call)
    en, zh = (ast.literal_eval(part) for part in text.args)
    return DeclaredLimit(ast.literal_eval(name), ast.literal_eval(default), en, zh)
