"""Ids, labels and exceptions equal verl's own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_cli import glmlint
from trainer_rows import compare, opened, outcome

from glmlint.app.cli import cli
from glmlint.loader import as_table
from glmlint.read.source import InputFile
from glmlint.trainer.base import Context
from glmlint.trainer.loaded import learn


def context_of(line: dict[str, Any]) -> Context:
    options = line["options"]
    return opened("verl", line["tokenizer"], options, "5.10.4", options.get("max_length", 1024))


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


VALUES: tuple[Any, ...] = (
    None, 1, 2.5, "x", [], [1], [None], ["a", None], {"a": 1}, {"b": None}, {"a": 2, "c": [1.5]},
    [{"a": 1}, {"d": "y"}], [{}, {"e": [[2]]}], 2**40,
)  # fmt: skip


def some_rows(chance: random.Random) -> list[dict[str, Any]]:
    def value(depth: int) -> Any:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(VALUES)
        if chance.random() < 0.4:
            return [value(depth - 1) for _ in range(chance.randint(0, 3))]
        return {key: value(depth - 1) for key in chance.sample("pqrs", chance.randint(0, 3))}

    return [
        {key: value(2) for key in chance.sample(("m", "n", "o"), chance.randint(1, 3))}
        for _ in range(chance.randint(1, 4))
    ]


def in_order(rows: list[dict[str, Any]]) -> str:
    """The rows; the order of columns says nothing to a trainer, that of keys below them does."""
    return repr([sorted(row.items()) for row in rows])


def test_rows_of_a_file_are_those_of_a_table(tmp_path: Path) -> None:
    """What Arrow gives back of the same rows, wherever it makes a table of them."""
    pyarrow = pytest.importorskip("pyarrow")
    chance = random.Random(7)
    context = opened("verl", "glm45", {}, "5.10.4", 1024)
    file = tmp_path / "rows.jsonl"
    tables = 0
    for _ in range(800):
        rows = some_rows(chance)
        try:
            columns = dict.fromkeys(key for row in rows for key in row)
            full = [{key: row.get(key) for key in columns} for row in rows]
            wanted = pyarrow.Table.from_pylist(full).to_pylist()
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
            continue
        tables += 1
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        learn(InputFile(str(file)), context)
        load = context.loads.pop(str(file), None)
        given = [row if load is None else load.changed(row) or row for row in rows]
        assert in_order(given) == in_order(wanted), rows
        if len(rows) == 1:
            assert repr(as_table(rows[0])) == repr(wanted[0]), rows
    assert tables > 150


CALLS = [
    {"type": "function", "function": {"name": "f", "arguments": arguments}}
    for arguments in ({"city": "Paris"}, {"days": 3})
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        # Keys of the calls of other rows, in rows that have one call each.
        (
            [{"messages": [CHAT[0], {**CHAT[1], "tool_calls": [call]}]} for call in CALLS],
            ("`days`", "2 rows"),
        ),
        # Keys of the tools of other rows.
        (
            [
                {"messages": CHAT, "tools": TOOLS},
                {
                    "messages": CHAT,
                    "tools": [
                        {"type": "function", "function": {"name": "g", "parameters": {"properties": {"x": {}, "y": {"type": "string"}}}}},
                        {"type": "function", "function": {"name": "h", "parameters": {"properties": {"z": {"type": "string"}}}}},
                    ],
                },
            ],
            ("null", "2 rows"),
        ),
        # A column that other rows have.
        ([{"messages": CHAT, "tools": TOOLS}, {"messages": CHAT}], ("`tools`", "TypeError", "1 row")),
        (
            [{"messages": CHAT, "enable_thinking": True}, {"messages": CHAT}],
            ("`enable_thinking`", "TypeError", "1 row"),
        ),
        # Nothing that is printed, or no difference.
        ([{"messages": CHAT, "note": 1}, {"messages": CHAT}], ()),
        ([{"messages": CHAT, "tools": TOOLS}, {"messages": CHAT, "tools": []}], ()),
    ],
)  # fmt: skip
def test_what_a_table_does_is_told(
    rows: list[dict[str, Any]], words: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    flags = ("--recipe", "verl", "--model", "glm-4.5", "--format", "json", "--lang", "en")
    done = CliRunner().invoke(cli, ["check", str(file), *flags], catch_exceptions=False)
    said = [
        one["message"]
        for one in json.loads(done.output)["findings"]
        if one["rule"] in ("parquet-null-padding", "trainer-raises")
    ]
    assert len(said) == bool(words), said
    assert all(word in said[0] for word in words)


def test_a_table_of_too_many_nulls_is_refused(tmp_path: Path) -> None:
    """Each message has a key of its own, and would get those of all others."""
    turns = [{"role": "user", "content": "x", f"k{n}": 1} for n in range(1000)]
    file = tmp_path / "keys.jsonl"
    file.write_text(json.dumps({"messages": turns[:20]}) + "\n" + json.dumps({"messages": turns}))
    done = glmlint("check", str(file), "--recipe", "verl", "--lang", "en")
    assert done.returncode == 2
    told = f"{file}:2: as a table this row would hold more than 1,000,000 values"
    assert told in done.stderr.decode()
