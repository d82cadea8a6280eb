"""Ids, labels and exceptions equal the golden vectors, by every way that leads to them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from glmlint.plan import Plan
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare

HERE = Path(__file__).parent / "golden"
FILES = (
    "glm4.jsonl",
    "glm4-combine.jsonl",
    "glm4-2024-06.jsonl",
    "nulls.jsonl",
    "old-tojson.jsonl",
    "later-template.jsonl",
)


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line]


@cache
def context(recipe: str, transformers: str, template: str | None) -> Context:
    return open_context(Plan(recipe=recipe, transformers=transformers, template=template))


def outcome(row: dict[str, Any], file: str, *, by_bytes: bool) -> dict[str, Any]:
    """What the recipe makes of the row: through the engine, or through `render` alone."""
    recipe = row.get("recipe", file.removesuffix(".jsonl"))
    template = "GLM-4" if "template" in row else None
    setting = context(recipe, row.get("transformers", "5.23.0"), template)
    limit = None
    if "max_input_length" in row:
        limit = row["max_input_length"] + row["max_output_length"] + 1
    if by_bytes:
        raw = json.dumps({"messages": row["messages"]}, ensure_ascii=False).encode()
        prepared = prepare(raw, 1, setting)
        if prepared.error is not None:
            return {"error": prepared.error.exception}
        assert prepared.layout is not None
        layout = prepared.layout
    else:
        try:
            layout = setting.trainer.lay_out({"messages": row["messages"]}, setting)
        except TrainerError as error:
            return {"error": error.exception}
    tokens = sequence(layout, setting)
    return {
        "input_ids": tokens.input_ids[:limit].tolist(),
        "labels": tokens.labels[:limit].tolist(),
    }


def compare(file: Path) -> int:
    rows = read(file)
    for number, row in enumerate(rows, 1):
        wanted = {key: row[key] for key in ("input_ids", "labels", "error") if key in row}
        for by_bytes in (True, False):
            assert outcome(row, file.name, by_bytes=by_bytes) == wanted, (file.name, number)
    return len(rows)


@pytest.mark.parametrize("name", FILES[3:])
def test_own_part(name: str) -> None:
    assert compare(HERE / name) > 0


def test_whole_set(shared: Path) -> None:
    compared = sum(compare(shared / "glm4" / "golden" / name) for name in FILES)
    assert compared == 936
