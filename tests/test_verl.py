"""Ids, labels and exceptions equal verl's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trainer_rows import HERE, compare, opened, outcome

from glmlint.recipes._verl_table import as_table
from glmlint.trainer.base import Context


def context_of(line: dict[str, Any]) -> Context:
    options = line["options"]
    return opened("verl", line["tokenizer"], options, "5.10.4", options.get("max_length", 1024))


def test_own_part() -> None:
    assert compare(HERE / "verl.jsonl", context_of) > 30


def test_whole_set(shared: Path) -> None:
    assert compare(shared / "golden" / "trainers" / "verl.jsonl", context_of) == 182


CHAT: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
]


def found(row: Any, budget: int = 1024, **options: Any) -> dict[str, Any]:
    return outcome(row, opened("verl", "glm45", options, "5.10.4", budget))


@pytest.mark.parametrize(
    ("options", "row", "exception"),
    [
        ({}, {}, "KeyError"),
        ({}, {"messages": None}, "TypeError"),
        ({}, {"messages": 5}, "TypeError"),
        ({}, {"messages": []}, "ValueError"),
        ({}, {"messages": ["Hi"]}, "TypeError"),
        ({}, {"messages": [{"role": "user"}]}, "KeyError"),
        ({}, {"messages": [{"content": "Hi"}]}, "KeyError"),
        ({}, {"messages": CHAT, "tools": None}, "TypeError"),
        ({}, {"messages": CHAT, "tools": "[]"}, "ValueError"),
        ({}, {"messages": CHAT, "enable_thinking": None}, "TypeError"),
        ({}, {"messages": CHAT, "images": ["a.png"]}, "AssertionError"),
        ({"messages_key": "turns"}, {"messages": CHAT}, "KeyError"),
    ],
)
def test_refusals(options: dict[str, Any], row: dict[str, Any], exception: str) -> None:
    assert found(row, **options).get("error") == exception


def test_a_longer_row() -> None:
    """Without padding the start is kept, whatever `truncation` says; with it the side that it names."""
    whole = found({"messages": CHAT})["input_ids"]
    assert found({"messages": CHAT}, 5)["error"] == "ValueError"
    for mode in ("left", "right"):
        assert found({"messages": CHAT}, 5, truncation=mode)["input_ids"] == whole[:5]
    options = {"truncation": "left", "pad_mode": "right"}
    assert found({"messages": CHAT}, 5, **options)["input_ids"] == whole[-5:]


def test_what_a_table_makes_of_a_row() -> None:
    first = {"name": "f", "arguments": {"city": "Paris"}}
    second = {"name": "f", "arguments": {"days": 3}}
    row = {"messages": [{"role": "a", "calls": [first, second]}, {"role": "b", "n": 1.5}, {"n": 2}]}
    city, days = {"city": "Paris", "days": None}, {"city": None, "days": 3}
    assert as_table(row)["messages"] == [
        {
            "role": "a",
            "calls": [{**first, "arguments": city}, {**second, "arguments": days}],
            "n": None,
        },
        {"role": "b", "calls": None, "n": 1.5},
        {"role": None, "calls": None, "n": 2.0},
    ]
    assert list(as_table(row)["messages"][2]) == ["role", "calls", "n"]
    odd = {"a": [{"x": 1}, 5, None], "b": [[1], [], None], "c": [{"x": []}, {"x": [{}]}]}
    assert as_table(odd) == odd
