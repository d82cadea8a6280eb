"""Rows of any shape: trainers that render by a chat template give a layout, or name an exception."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from trainer_rows import opened

from glmlint.trainer.base import Context
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import count_rows, prepare

TEXTS = st.sampled_from(["", "hi", "<|user|>", "</think>", "\ufffe", "a\n", "[{}]", "\x00", "𝕏"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.fixed_dictionaries(
    {}, optional={"function": VALUES, "name": VALUES, "arguments": VALUES, "id": VALUES}
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant", "tool", "observation"]) | VALUES,
        "content": TEXTS | VALUES,
        "tool_calls": st.lists(CALLS | VALUES, max_size=2) | VALUES,
        "reasoning_content": VALUES,
        "metadata": VALUES,
        "tools": VALUES,
        "from": VALUES,
        "value": VALUES,
        "train": VALUES,
        "detail": VALUES,
    },
)
LISTS = st.lists(MESSAGES | VALUES, max_size=4) | VALUES
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "messages": LISTS,
        "conversations": LISTS,
        "prompt": LISTS,
        "completion": LISTS,
        "text": VALUES,
        "tools": VALUES,
        "system": VALUES,
        "chat_template_kwargs": VALUES,
    },
)
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("trl", {}),
    ("trl", {"assistant_only_loss": True}),
    ("trl", {"packing": True, "packing_strategy": "bfd_split"}),
    ("axolotl", {"message_field_training": "train", "message_field_training_detail": "detail"}),
    ("axolotl", {"split_thinking": True, "drop_system_message": True}),
    ("unsloth", {}),
    ("template", {}),
    ("template", {"labels": "prefixes", "train_stop": True, "append": "<|user|>"}),
]


@pytest.mark.parametrize("model", ["glm4", "glm45"])
@pytest.mark.parametrize(("recipe", "options"), SETTINGS)
@given(row=ROWS)
@example(row={"messages": [{"role": "user", "content": "\x00"}], "tools": "null"})
@example(row={"messages": [{}], "chat_template_kwargs": {"messages": []}})
@example(row={"messages": None, "text": ""})
@example(row={"messages": True})
@example(row={"messages": [{"role": "user", "content": "hi"}], "system": 5})
@example(row={"messages": '[{"role": "user", "content": "hi"}]'})
def test_any_row(recipe: str, options: dict[str, Any], model: str, row: dict[str, Any]) -> None:
    context: Context = opened(recipe, model, options, "5.24.0", 64)
    found = prepare(msgspec.json.encode(row), 1, context)
    if found.layout is not None:
        tokens = sequence(found.layout, context)
        assert len(tokens.input_ids) == len(tokens.labels) == len(tokens.owners)
        assert ((tokens.labels == -100) | (tokens.labels == tokens.input_ids)).all()
        count_rows([found], context)
    else:
        assert found.error is not None or found.dropped is not None or found.defect is not None
    conversation = context.trainer.conversation(row, context)
    assert conversation is not None
    for owner in found.printed:
        assert owner < len(conversation.turns), conversation.turns
    if found.format is not None:
        assert context.trainer.reads_row(found.format, row, context) in (True, False)
