"""What a trainer of glmlint makes of rows that the trainer's own package encoded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from glmlint.plan import Plan
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare
from glmlint.trainer.tokenizer import Tokenizer

HERE = Path(__file__).parent / "golden"
UNLIMITED = 1 << 40
MODELS = {
    "glm4": ("glm4", "ChatGLM"),
    "glm45": ("glm4.5", "GLM-4.5"),
    "glm46": ("glm4.5", "GLM-4.6"),
}
"""Tokenizer folder of the vectors -> glmlint's tokenizer and template."""


def read(file: Path) -> Iterator[dict[str, Any]]:
    """Lines end at LF alone."""
    return (json.loads(line) for line in file.read_bytes().split(b"\n") if line)


@cache
def _opened(recipe: str, model: str, options: str, transformers: str, budget: int) -> Context:
    tokenizer, template = MODELS[model]
    return open_context(
        Plan(
            recipe=recipe,
            tokenizer=tokenizer,
            template=template,
            options=json.loads(options),
            transformers=transformers,
            max_length=budget,
        )
    )


def opened(
    recipe: str, model: str, options: dict[str, Any], transformers: str, budget: int | None
) -> Context:
    """A context of the trainer for one of `MODELS`; no budget where that is None."""
    return _opened(recipe, model, json.dumps(options), transformers, budget or UNLIMITED)


def ids_of(text: str, tokenizer: Tokenizer) -> list[int]:
    """A text as an HF tokenizer encodes it: control tokens in it as theirs."""
    found: list[int] = []
    for piece in tokenizer.split(text):
        found += [piece] if isinstance(piece, int) else tokenizer.encode([piece])[0].tolist()
    return found


def outcome(value: Any, context: Context) -> dict[str, Any]:
    """Ids and labels of a row as the trainer hands them on, or what becomes of it instead."""
    row = prepare(json.dumps(value, ensure_ascii=False).encode(), 1, context)
    assert row.defect is None
    try:
        if row.error is not None:
            raise row.error
        if row.dropped is not None:
            raise row.dropped
        assert row.layout is not None
        tokens = sequence(row.layout, context)
        (part,) = context.trainer.cut(tokens, context.plan.max_length, context)
    except TrainerError as error:
        return {"error": error.exception, "message": error.detail}
    except Dropped:
        return {"dropped": True}
    return {"input_ids": part.input_ids.tolist(), "labels": part.labels.tolist()}


def compare(
    file: Path,
    context_of: Callable[[dict[str, Any]], Context],
    differ: Mapping[int, str] = MappingProxyType({}),
    words: Callable[[str], str] = str,
) -> int:
    """Compare every row of a file.

    Args:
        file: vectors.
        context_of: the context for a line of it.
        differ: lines that come out differently, and why.
        words: makes the vectors' sentence of the trainer's own.

    Returns:
        How many rows there were.
    """
    number = 0
    for number, line in enumerate(read(file), 1):
        wanted = {
            key: line[key] for key in ("input_ids", "labels", "error", "dropped") if key in line
        }
        found = outcome(line["row"], context_of(line))
        said = found.pop("message", "")
        if number in differ:
            assert found != wanted, f"{file.name}: line {number} is equal by now"
            continue
        assert found == wanted, f"{file.name}: line {number}"
        if "error" in line:  # the vectors hold the first 160 characters, the sentence its beginning
            assert words(said)[:60] == line["message"][:60], f"{file.name}: line {number}"
    return number
