"""A module imports from lower layers only."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import glmlint

PACKAGE = Path(glmlint.__file__).parent

ROOMS = (
    ("lazy", "patterns", "choices", "text", "plan", "finding", "visible", "extras"),
    ("temporary", "output", "progress"),
    ("loader",),
    ("read",),
    ("trainer",),
    ("recipes",),
    ("evidence",),
    ("rules",),
    ("engine",),
    ("fix", "runners"),
    ("converters", "scoring"),
    ("reporters",),
    ("comparison",),
    ("app",),
    ("api", "lsp"),
    ("__main__",),
)
"""From low to high. A folder is a room; `docs/architecture.md` says what each is for."""

COMMAND_FILES = {"glmlint.converters.command", "glmlint.scoring.command"}
"""Commands that live beside their work: they are read as part of `app`."""


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """Modules of glmlint that a module imports, also inside functions and for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glmlint"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {str(node.module)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES.keys()
    return found - {module, "glmlint"}


def room_of(module: str) -> int:
    name = "app" if module in COMMAND_FILES else module.split(".")[1]
    return next(number for number, names in enumerate(ROOMS) if name in names)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "glmlint"])
def test_imports_point_down(module: str) -> None:
    for used in imports_of(module):
        assert room_of(used) <= room_of(module), f"{module} imports {used}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Looks at modules, so inside the rooms as well."""
    sorter = TopologicalSorter({module: imports_of(module) for module in MODULES})
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"an import circle: {error.args[1]}")


def test_no_two_classes_have_one_name() -> None:
    """A name that is looked up in the code has one place."""
    found: dict[str, list[str]] = {}
    for module, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module)
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
