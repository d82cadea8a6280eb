"""Every trainer equals its golden file, which is found by its name.

A line of `golden/NAME.jsonl` holds `settings`, as `glmlint.toml` takes them, a `row` (or its `messages` alone), and what the
trainer's own package made of it: `input_ids` and `labels` (and `loss_scale`), `parts` where a row
gives several sequences, `dropped`, or `error` with the exception's name, and the `message`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmlint.app.settings import resolve
from glmlint.trainer.base import Context, all_trainers, open_context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import Layout, Tokens
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare

HERE = Path(__file__).parent / "golden"
FORMS = ("input_ids", "labels", "loss_scale", "parts", "dropped", "error")


@cache
def context_of(settings: str) -> Context:
    return open_context(resolve({"config": None, **json.loads(settings)}))


def told(tokens: Tokens) -> dict[str, Any]:
    found = {"input_ids": tokens.input_ids.tolist(), "labels": tokens.labels.tolist()}
    if tokens.weights is not None:
        found["loss_scale"] = tokens.weights.tolist()
    return found


def of_bytes(row: Any, context: Context) -> Layout:
    """As the engine lays a line of a file out, the fast way where there is one."""
    found = prepare(json.dumps(row, ensure_ascii=False).encode(), 1, context)
    if found.error is not None:
        raise found.error
    if found.dropped is not None:
        raise found.dropped
    assert found.layout is not None
    return found.layout


def of_value(row: Any, context: Context) -> Layout:
    return context.trainer.lay_out(row, context)


def outcome(line: dict[str, Any], way: Any) -> dict[str, Any]:
    """What becomes of a row, in the words of the file."""
    context = context_of(json.dumps(line["settings"], sort_keys=True))
    try:
        row = line["row"] if "row" in line else {"messages": line["messages"]}
        tokens = sequence(way(row, context), context)
        parts = context.trainer.cut(tokens, context.plan.max_length, context)
    except TrainerError as error:
        return {"error": error.exception, "message": error.detail}
    except Dropped as dropped:
        return {"dropped": True, "message": dropped.detail}
    return told(parts[0]) if len(parts) == 1 else {"parts": [told(part) for part in parts]}


def wanted(line: dict[str, Any]) -> dict[str, Any]:
    found = {key: line[key] for key in FORMS if key in line}
    for part in (found, *found.get("parts", ())):
        if "loss_scale" in part:
            part["loss_scale"] = np.array(part["loss_scale"], np.float32).tolist()
    return found


@pytest.mark.parametrize("name", sorted(all_trainers()))
def test_golden(name: str) -> None:
    file = HERE / f"{name}.jsonl"
    assert file.is_file(), f"{name} has no golden file: tests/golden/{name}.jsonl"
    lines = [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
    assert len(lines) >= 3
    for number, line in enumerate(lines, 1):
        assert line["settings"]["recipe"] == name
        for way in (of_bytes, of_value):
            found = outcome(line, way)
            said = found.pop("message", None) or ""
            assert found == wanted(line), f"{file.name}: line {number}, {way.__name__}"
            # The file holds the beginning of the package's sentence.
            assert said[:60] == line.get("message", said)[:60], f"{file.name}: line {number}"
