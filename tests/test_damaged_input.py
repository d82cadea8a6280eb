"""What is said where a trainer joins messages and gets another input than the template prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.finding import Finding
from glmlint.plan import Plan
from glmlint.read.source import read_bytes
from glmlint.trainer.base import open_context

SYSTEM = {"role": "system", "content": "Be brief."}
ASK: dict[str, Any] = {"role": "user", "content": "Hi"}
SAY: dict[str, Any] = {"role": "assistant", "content": "Hello there."}
THOUGHT = {**SAY, "reasoning_content": "greet"}
RESULT = {"role": "tool", "content": "18"}
CALLS = [
    {"type": "function", "function": {"name": "f", "arguments": {"city": city}}}
    for city in ("Rome", "Paris")
]
CALLING = {"role": "assistant", "content": "", "tool_calls": CALLS}


def told(recipe: str, model: str, *rows: list[dict[str, Any]], **options: Any) -> list[Finding]:
    tokenizer, template = {"4": ("glm4", "ChatGLM"), "4.5": ("glm4.5", "GLM-4.5")}[model]
    plan = Plan(
        recipe=recipe, tokenizer=tokenizer, template=template, options=options, max_length=1024,
        rules={"damaged-input": "error", "trainer-raises": "error"}, lang="en",
    )  # fmt: skip
    context = open_context(plan)
    data = "".join(json.dumps({"messages": row}) + "\n" for row in rows).encode()
    chunks = read_bytes(data, "train.jsonl", 1 << 20, 1 << 20)
    return finish(check_lines(chunks, plan, context), plan, context).findings


@pytest.mark.parametrize(
    ("recipe", "model", "row", "options", "severity", "words"),
    [
        # Role tokens and words are cut off.
        (
            *("slime", "4.5", [SYSTEM, ASK, SAY], {"loss_mask_type": "qwen3"}, "error"),
            ("cuts", "`<|assistant|>`", "Be brief.<|user|>⏎Hi<|assistant|>", "BeHi<think>"),
        ),
        (
            *("slime", "4", [ASK, SAY], {"loss_mask_type": "qwen3"}, "error"),
            ("cuts", "<|user|>⏎Hi<|assistant|>⏎Hello", "<|user|>Hello"),
        ),
        # A prefix before each turn.
        (
            *("verl", "4", [ASK, SAY], {"ignore_input_ids_mismatch": True}, "error"),
            ("puts `<sop>`, `[gMASK]`", "Hi[gMASK]<sop><|assistant|>"),
        ),
        # A role token before each of several results.
        (
            *("slime", "4.5", [ASK, CALLING, RESULT, RESULT, SAY], {}, "error"),
            ("puts `<|observation|>`", "</tool_response><|observation|>"),
        ),
        # Thoughts of earlier answers.
        (
            *("slime", "4.5", [ASK, THOUGHT, ASK, SAY], {}, "warning"),
            ("keeps text", "<think>greet</think>", "<think></think>"),
        ),
        # The run ends.
        (
            *("verl", "4", [ASK, SAY], {}, "error"),
            ("raises AssertionError", "Hi[gMASK]<sop><|assistant|>"),
        ),
    ],
)
def test_side_by_side(
    recipe: str,
    model: str,
    row: list[dict[str, Any]],
    options: dict[str, Any],
    severity: str,
    words: tuple[str, ...],
) -> None:
    (found,) = told(recipe, model, row, row, **options)
    assert (found.rule, found.severity, found.rows) == ("damaged-input", severity, 2)
    assert all(word in found.message for word in words), found.message


@pytest.mark.parametrize(
    ("recipe", "model", "row"),
    [
        ("verl", "4.5", [SYSTEM, ASK, SAY]),
        ("verl", "4.5", [ASK, CALLING, RESULT, THOUGHT]),
        ("slime", "4.5", [SYSTEM, ASK, SAY, ASK, SAY]),
        ("slime", "4", [SYSTEM, ASK, SAY, ASK, SAY]),
        ("trl", "4", [SYSTEM, ASK, SAY]),
    ],
)
def test_nothing_where_both_are_the_same(
    recipe: str, model: str, row: list[dict[str, Any]]
) -> None:
    assert told(recipe, model, row) == []


def test_another_exception_is_not_put_down_to_it() -> None:
    """An argument that is a text ends the run wherever it is rendered."""
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    row = [ASK, {"role": "assistant", "content": "", "tool_calls": [call]}]
    assert [one.rule for one in told("verl", "4.5", row)] == ["trainer-raises"]
    (found,) = told("slime", "4", [ASK, {**SAY, "content": ""}])
    assert found.rule == "trainer-raises" and "mismatched token_ids/loss_mask" in found.message
