"""A module imports from lower layers only; commands load only what they need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import glmlint

PACKAGE = Path(glmlint.__file__).parent

LAYERS = (
    {"finding", "plan", "sample", "output", "temporary", "text"},
    {"encoding", "layout", "scan", "source", "schema", "formats", "loader",
     "template", "tokenizer", "span"},
    {"recipes", "mask"},
    {"row", "loaded", "evidence"},
    {"rules", "suppress", "report", "times"},
    {"prepared"},
    {"check", "encode"},
    {"finish", "redact", "progress", "fix", "convert", "scoring", "reporters", "runners", "show"},
    {"settings"},
    {"options"},
    {"cli", "__main__"},
)  # fmt: skip
"""From low to high. A folder counts as one module; within a layer modules may use each other."""

COMMAND_FILES = {"convert/command.py", "scoring/command.py"}
"""Commands that live beside their work: they are read as part of the highest layer."""


def layer_of(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if module in names)


def imports_of(file: Path) -> set[str]:
    """Top-level modules of glmlint that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glmlint."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("glmlint.")}
    return found


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    name = str(file.relative_to(PACKAGE))
    own = "cli" if name in COMMAND_FILES else file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for used in imports_of(file) - {own}:
        assert layer_of(used) <= layer_of(own), f"{name} imports {used}"


def loaded_by(*arguments: str) -> set[str]:
    """Top-level modules that a command has loaded when it ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n@' + ' '.join(sorted(m.split('.')[0] for m in sys.modules))))\n"
        f"sys.argv = ['glmlint', *{list(arguments)!r}]\n"
        "from glmlint.cli import main\nmain()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(out.stdout.rpartition("@")[2].split())


HEAVY = {"rich", "numpy", "splintr", "jsonschema", "torch", "transformers", "msgspec", "jinja2"}


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("check", "--help")])
def test_questions_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "glmlint" in loaded and "click" in loaded
    assert loaded & HEAVY == set()


def test_json_output_loads_neither_rich_nor_torch(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}\n'
    )
    loaded = loaded_by("check", str(file), "--format", "json")
    assert "splintr" in loaded
    assert loaded & {"rich", "torch", "transformers", "jinja2", "jsonschema"} == set()
