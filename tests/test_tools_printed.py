"""A deep tool list grows by its indents when it is printed: it is stopped before it fills the memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmlint.app.settings import resolve
from glmlint.engine.check import Checker, check_chunk
from glmlint.read.source import Chunk
from glmlint.text import RunStopped
from glmlint.trainer import printed
from glmlint.trainer.base import open_context
from glmlint.trainer.printed import require_printable


def deep(levels: int) -> Any:
    inside: Any = {"type": "string"}
    for _ in range(levels // 2):
        inside = {"type": "object", "properties": {"a": inside}}
    return inside


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": "d", "parameters": deep(460)},
    }


@pytest.mark.parametrize(
    "recipe", ["glm4", "glm4-combine", "glm4-2024-06", "glm4v", "llamafactory", "swift"]
)
def test_many_deep_tools_end_the_run_with_one_sentence(recipe: str) -> None:
    tools = [tool(f"t{i}") for i in range(300)]
    user, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    row: Any = {"messages": [{"role": "system", "content": "", "tools": tools}, user, answer]}
    if recipe in ("llamafactory", "swift"):
        row = {"messages": [user, answer], "tools": json.dumps(tools)}
        if recipe == "llamafactory":
            turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
            row = {"conversations": turns, "tools": json.dumps(tools)}
    raw = json.dumps(row).encode()
    assert len(raw) < 4_000_000
    plan = resolve({"config": None, "lang": "en", "recipe": recipe})
    with pytest.raises(RunStopped) as stopped:
        check_chunk(
            Chunk("a.jsonl", [raw], [7], {}, [], 0, None), Checker(plan, open_context(plan))
        )
    assert stopped.value.say() == (
        "a.jsonl:7: printed with indents, as the trainer prints it, "
        "the tool list takes more than 67,108,864 characters"
    )


values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)  # fmt: skip


@given(st.lists(values, max_size=4))
def test_what_is_longer_is_never_let_through(tools: Any) -> None:
    size = len(json.dumps(tools, indent=4, ensure_ascii=False))
    before, printed.MOST = printed.MOST, size // 2 - 20
    try:
        if size > 100:
            with pytest.raises(RunStopped):
                require_printable(tools)
    finally:
        printed.MOST = before
