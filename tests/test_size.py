"""A hostile row costs no more than its size: four times the messages, about four times the steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from bounded import run
from row_families import STRUCTURES, TEXTS, line_of

from glmlint.app.settings import resolve
from glmlint.engine.check import Checker, check_chunk
from glmlint.loader import Shapes
from glmlint.read.source import Chunk
from glmlint.trainer.base import open_context

CALLS = ("good calls", "many tools, many calls", "ShareGPT calls", "a name for each")
RECIPES = ("glm4", "glm4-combine", "llamafactory", "swift", "trl")


@cache
def checker(recipe: str) -> Checker:
    plan = resolve({"config": None, "lang": "en", "select": ["ALL"], "recipe": recipe})
    checker = Checker(plan, open_context(plan))
    steps(b'{"messages": 5}', checker)
    return checker


def steps(raw: bytes, checker: Checker) -> int:
    """How many functions are called, or generators resumed, to check one row."""
    chunk = Chunk("a.jsonl", [raw], [1], {}, [], 0, None)
    taken = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal taken
        taken += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        check_chunk(chunk, checker)
    finally:
        sys.setprofile(None)
    return taken


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_grow_with_the_row(recipe: str) -> None:
    """Of each family a row, and one of four times the parts: about four times the steps."""
    too_many = {}
    for family in STRUCTURES if recipe == "glm4" else CALLS:
        steps(line_of(family, 5), checker(recipe))  # what is loaded and remembered once
        few, many = (steps(line_of(family, size), checker(recipe)) for size in (100, 400))
        if many > 4.6 * few + 60_000:  # what begins in long rows, and is bounded itself
            too_many[family] = (few, many)
    assert not too_many


def test_no_text_is_looked_through_again_and_again(tmp_path: Path) -> None:
    """Texts of 6,000 parts and rows of 300, in a minute of processor time: they take five
    seconds, and what grows with a square would take hours."""
    file = tmp_path / "a.jsonl"
    for families, size in ((TEXTS, 6_000), (STRUCTURES, 300)):
        file.write_bytes(b"".join(line_of(family, size) for family in families))
        done = run("check", file, "--select", "ALL", "--quiet", cpu=60)
        assert done.returncode == 1, done.stderr[-500:]


def operations(work: Callable[[], Any]) -> int:
    """How many bytecode operations a piece of work takes."""
    taken = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal taken
        frame.f_trace_opcodes = True
        taken += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return taken


ROWS: dict[str, Callable[[int], list[Any]]] = {
    "a wide row, then narrow ones": lambda n: [
        {f"k{i}": 1 for i in range(n)},
        *({f"q{i}": 1} for i in range(n)),
    ],
    "no key twice": lambda n: [{f"k{i}.{j}": "x" for j in range(4)} for i in range(n)],
    "keys in any order": lambda n: [{f"k{(i + j) % n}": 1 for j in range(4)} for i in range(n)],
}


@pytest.mark.parametrize("name", ROWS)
def test_shapes_take_no_more_than_their_rows(name: str) -> None:
    def see(size: int) -> None:
        shapes = Shapes()
        for number, row in enumerate(ROWS[name](size)):
            shapes.add(row, number + 1, number * 10, 10)
        shapes.load("4.6.1")

    assert operations(lambda: see(400)) <= 4.6 * operations(lambda: see(100)) + 5_000
