"""A hostile row costs no more than its size: four times the messages, about four times the steps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from glmlint.app.settings import resolve
from glmlint.engine.check import Checker, check_chunk
from glmlint.loader import Shapes
from glmlint.read.source import Chunk
from glmlint.trainer.base import open_context

ASK = {"role": "user", "content": "q"}
ANSWER = {"role": "assistant", "content": "a"}


def tool(name: str = "f") -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def start(*tools: Any) -> list[Any]:
    return [{"role": "system", "content": "", "tools": list(tools)}, ASK]


def call(name: str, arguments: str) -> list[Any]:
    said = {"role": "assistant", "metadata": name, "content": arguments}
    return [said, {"role": "observation", "content": "r"}]


def user(**more: Any) -> list[Any]:
    return [{"role": "user", "content": "x", **more}, ANSWER]


MESSAGES: dict[str, Callable[[int], list[Any]]] = {
    "unknown roles": lambda n: [{"role": "human", "content": "x"}, ANSWER] * n,
    "null contents": lambda n: [{"role": "user", "content": None}, ANSWER] * n,
    "missing contents": lambda n: [{"role": "user"}, ANSWER] * n,
    "null metadata": lambda n: user(metadata=None) * n,
    "null tools": lambda n: user(tools=None) * n,
    "empty answers": lambda n: [ASK, {"role": "assistant", "content": ""}] * n + [ANSWER],
    "typed control tokens": lambda n: user(content="<|user|>") * n,
    "control tokens in one text": lambda n: user(content="<|user|>" * n),
    "hidden characters in one text": lambda n: user(content="a\u200b" * n),
    "no messages": lambda n: [5] * n + [ASK, ANSWER],
    "systems": lambda n: [{"role": "system", "content": "s"}] * n + [ASK, ANSWER],
    "answers in a row": lambda n: [ASK] + [ANSWER] * n,
    "observations in a row": lambda n: [ASK] + [{"role": "observation", "content": "r"}] * n,
    "wrong arguments": lambda n: start(tool()) + call("f", '{"a": "x"}') * n,
    "unknown tools": lambda n: start(tool()) + call("g", '{"a": 1}') * n,
    "tools of nobody": lambda n: [ASK] + call("g", '{"a": 1}') * n,
    "arguments in a string": lambda n: start(tool()) + call("f", '"{\\"a\\": 1}"') * n,
    "many tools": lambda n: start(*(tool(f"f{i}") for i in range(n))) + call("f0", '{"a": 1}'),
    "tools of a short form": lambda n: start(*({"name": f"f{i}", "args": {}} for i in range(n))),
    "tools on users": lambda n: user(tools=[tool()]) * n,
    "unread keys": lambda n: [{**ASK, f"k{i}": 1} for i in range(n)] + [ANSWER],
    "loss fields": lambda n: [ASK, {**ANSWER, "loss": True}] * n,
    "think tags": lambda n: [ASK, {"role": "assistant", "content": "<think>x"}] * n,
}  # fmt: skip


@pytest.fixture(scope="module")
def checker() -> Checker:
    plan = resolve({"config": None, "lang": "en", "select": ["ALL"]})
    checker = Checker(plan, open_context(plan))
    check_chunk(Chunk("a.jsonl", [b'{"messages": 5}'], [1], {}, [], 0, None), checker)
    return checker


def steps(messages: list[Any], checker: Checker) -> int:
    """How many functions are called, or generators resumed, to check one row."""
    raw = json.dumps({"messages": messages}).encode()
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


@pytest.mark.parametrize("name", MESSAGES)
def test_steps_grow_with_the_row(name: str, checker: Checker) -> None:
    make = MESSAGES[name]
    steps(make(10), checker)  # what is loaded and remembered once
    assert steps(make(400), checker) <= 4.6 * steps(make(100), checker) + 20_000


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
