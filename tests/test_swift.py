"""ms-swift: ids, labels, weights and drops equal what its package makes of the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmlint.plan import Plan
from glmlint.recipes.swift import trainer
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.errors import Dropped
from glmlint.trainer.layout import Tokens
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare

OWN = Path(__file__).parent / "golden" / "swift.jsonl"
VOCABULARIES = {"glm4": "glm4", "glm4-prefix": "glm4", "glm45": "glm4.5"}


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line]


@cache
def opened(options: str, tokenizer: str) -> Context:
    given = json.loads(options)
    plan = Plan(
        recipe="swift",
        options=given,
        tokenizer=tokenizer,
        max_length=given.get("max_length", 131_072),
    )
    return open_context(plan)


def context_of(line: dict[str, Any]) -> Context:
    options = {**line["options"], "template": line["template"]}
    options["tokenizer_prefix"] = line["tokenizer"] == "glm4-prefix"
    return opened(json.dumps(options, sort_keys=True), VOCABULARIES[line["tokenizer"]])


def with_nulls(values: list[Any]) -> list[Any]:
    """Values as Arrow keeps them in one column: objects share their keys, numbers their type.

    The package was handed each golden row by way of `Dataset.from_list`, which does this.
    """
    real = [value for value in values if value is not None]
    if real and all(isinstance(value, dict) for value in real):
        keys = list(dict.fromkeys(key for value in real for key in value))
        columns = {key: with_nulls([(value or {}).get(key) for value in values]) for key in keys}
        return [
            None if value is None else {key: columns[key][at] for key in keys}
            for at, value in enumerate(values)
        ]
    if real and all(isinstance(value, list) for value in real):
        items = iter(with_nulls([item for value in real for item in value]))
        return [value and [next(items) for _ in value] for value in values]
    if any(isinstance(value, float) for value in real):
        return [value if isinstance(value, str | None) else float(value) for value in values]
    return values


def as_written(tokens: Tokens) -> dict[str, Any]:
    found = {"input_ids": tokens.input_ids.tolist(), "labels": tokens.labels.tolist()}
    if tokens.weights is not None:
        found["loss_scale"] = tokens.weights.tolist()
    return found


def outcome(line: dict[str, Any]) -> dict[str, Any]:
    """What glmlint makes of the row of a golden line, in the words of the file."""
    context = context_of(line)
    raw = json.dumps(line["row"] if "file" in line else with_nulls([line["row"]])[0]).encode()
    row = prepare(raw, 1, context)
    assert row.error is None
    if row.dropped is not None:
        return {"dropped": True, "message": row.dropped.detail}
    assert row.layout is not None
    try:
        parts = trainer.cut(sequence(row.layout, context), context.plan.max_length, context)
    except Dropped as dropped:
        assert dropped.reason == "too-long"
        return {"dropped": True, "message": "longer than max_length"}
    if len(parts) == 1:
        return as_written(parts[0])
    return {"parts": [as_written(part) for part in parts]}


def wanted(line: dict[str, Any]) -> dict[str, Any]:
    keys = ("input_ids", "labels", "loss_scale", "parts", "dropped", "message")
    found = {key: line[key] for key in keys if key in line}
    for part in (found, *found.get("parts", ())):
        if "loss_scale" in part:
            part["loss_scale"] = np.array(part["loss_scale"], np.float32).tolist()
    return found


def differing(file: Path) -> Iterator[int]:
    """Numbers of the lines whose outcome is another."""
    for number, line in enumerate(read(file), 1):
        right, found = wanted(line), outcome(line)
        if right.get("dropped") and "message" not in right:
            found.pop("message", None)  # the reader's reason is in no file
        if found != right:
            yield number


def test_own_part() -> None:
    assert len(read(OWN)) >= 50
    assert list(differing(OWN)) == []


@pytest.mark.parametrize(("name", "rows"), [("swift", 396), ("swift_more", 79)])
def test_whole_sets(name: str, rows: int, shared: Path) -> None:
    file = shared / "golden" / "trainers" / f"{name}.jsonl"
    assert len(read(file)) == rows
    assert list(differing(file)) == []
