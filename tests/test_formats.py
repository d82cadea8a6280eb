"""Naming the format of a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmlint.read.formats import recognise
from glmlint.read.source import InputFile, read_chunks

USER = {"role": "user", "content": "你好"}
ANSWER = {"role": "assistant", "content": "您好"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"messages": [USER, ANSWER]}, "glm"),
        ({"messages": [USER, {"role": "critic", "content": None}]}, "glm"),
        ({"messages": [USER, {**ANSWER, "metadata": "f"}], "tools": TOOLS}, "glm"),
        ({"messages": [USER, ANSWER], "label": False}, "glm"),
        ({"messages": [USER, CALL]}, "openai"),
        ({"messages": [USER, {"role": "tool", "content": "22"}]}, "openai"),
        ({"messages": [{"role": "developer", "content": ""}, USER]}, "openai"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "openai"),
        ({"messages": [USER, ANSWER], "tools": TOOLS}, "glm"),
        ({"messages": [USER, ANSWER], "tools": json.dumps(TOOLS)}, "glm"),
        ({"messages": [USER, CALL], "tools": TOOLS}, "openai"),
        ({"messages": [USER, ANSWER], "functions": TOOLS}, "openai"),
        ({"conversations": [USER, CALL]}, "openai"),
        ([USER, ANSWER], "messages-list"),
        ({"conversations": [{"from": "human", "value": "你好"}]}, "sharegpt"),
        ({"messages": [{"from": "human", "value": "hi"}]}, "sharegpt"),
        ({"conversations": [{"role": "human", "content": "hi"}]}, "sharegpt"),
        ({"conversations": [USER, ANSWER]}, "chatglm3"),
        ({"conversations": [USER, {"role": "tool", "name": "f", "observation": "1"}]}, "chatglm3"),
        ({"paragraph": [{"q": "a", "a": "b"}]}, "chatglm3"),
        ({"conversation": [{"input": "a", "output": "b"}]}, "xtuner"),
        ({"instruction": "译", "input": "", "output": "translate"}, "alpaca"),
        ({"prompt": "a", "query": "b", "response": "c"}, "alpaca"),
        ({"input": ["a"], "output": ["b"]}, "alpaca"),
        ({"prompt": "a", "completion": "b"}, "prompt-response"),
        ({"prompt": [USER], "response": "b"}, "prompt-response"),
        ({"content": "类型#裤", "summary": "牛仔裤"}, "prompt-response"),
        ({"prompt": [USER]}, "prompt-only"),
        ({"conversations": [USER], "chosen": ANSWER, "rejected": ANSWER}, "preference"),
        ({"chosen_messages": [USER, ANSWER], "rejected_messages": [USER]}, "preference"),
        ({"text": "once upon a time"}, "text"),
        ({"messages": []}, None),
        ({"messages": "你好"}, None),
        ({"turns": ["a"]}, None),
        ([], None),
        ([1, 2], None),
        ("messages", None),
        (None, None),
    ],
)  # fmt: skip
def test_a_row_is_named(row: object, name: str | None) -> None:
    assert recognise(row) == name


words = st.sampled_from(
    ["messages", "conversations", "conversation", "role", "from", "content", "value", "text",
     "tool_calls", "system", "user", "observation", "parameters", "paragraph", "instruction",
     "input", "output", "prompt", "query", "chosen", "rejected"]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_value_has_a_name_or_none(value: Any) -> None:
    before = repr(value)
    name = recognise(value)
    assert name is None or name.islower()
    assert repr(value) == before


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("llamafactory/glaive_toolcall_zh_demo.json", {"sharegpt"}),
        ("llamafactory/alpaca_zh_demo.json", {"alpaca"}),
        ("llamafactory/dpo_zh_demo.json", {"preference"}),
        ("llamafactory/v1_sft_demo.jsonl", {"openai"}),
        ("llamafactory/c4_demo.jsonl", {"text"}),
        ("xtuner/openai_sft.jsonl", {"messages-list"}),
        ("xtuner/gsm8k_val_example_data.jsonl", {"prompt-only"}),
        ("chatglm3/cognition_train.json", {"chatglm3"}),
        ("mlx/wwdc25_train.jsonl", {"prompt-response"}),
        ("glm_tools/glaive_en.jsonl", {"glm"}),
        ("fastchat/question.jsonl", {None}),
    ],
)
def test_every_row_of_a_real_file_is_named_alike(
    shared: Path, path: str, names: set[str | None]
) -> None:
    chunks = read_chunks(InputFile(str(shared / "data" / path)))
    assert {recognise(json.loads(line)) for chunk in chunks for line in chunk.lines} == names
