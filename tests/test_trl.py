"""Ids, labels, drops and exceptions equal TRL's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trainer_rows import HERE, compare, opened, outcome, read

from glmlint.trainer.base import Context
from glmlint.trainer.errors import Dropped
from glmlint.trainer.layout import Tokens
from glmlint.trainer.mask import sequence
from glmlint.trainer.packing import joined
from glmlint.trainer.prepared import prepare


def context_of(line: dict[str, Any]) -> Context:
    options = line["options"]
    return opened("trl", line["tokenizer"], options, "5.24.0", options.get("max_length", 1024))


@pytest.mark.parametrize(("name", "rows"), [("trl", 300), ("trl_more", 80)])
def test_whole_set(shared: Path, name: str, rows: int) -> None:
    assert compare(shared / "golden" / "trainers" / f"{name}.jsonl", context_of) == rows


def packed(line: dict[str, Any]) -> list[dict[str, Any]]:
    context = context_of(line)
    rows = []
    for value in line["rows"]:
        row = prepare(json.dumps(value, ensure_ascii=False).encode(), 1, context)
        assert row.layout is not None
        rows.append(sequence(row.layout, context))
    found = []
    kept: list[Tokens] = []
    for row in rows:
        try:
            kept += context.trainer.cut(row, context.plan.max_length, context)
        except Dropped:
            continue
    if context.trainer.packs(context.options):
        lengths = [len(row.input_ids) for row in kept]
        for parts in context.trainer.pack(lengths, context.plan.max_length, context):
            found.append(joined([kept[row].part(slice(start, stop)) for row, start, stop in parts]))
    else:
        found = kept
    return [{"input_ids": t.input_ids.tolist(), "labels": t.labels.tolist()} for t in found]


def test_own_part_packed() -> None:
    for number, line in enumerate(read(HERE / "trl_packed.jsonl"), 1):
        assert packed(line) == line["out"], number


def test_whole_set_packed(shared: Path) -> None:
    lines = list(read(shared / "golden" / "trainers" / "trl_packed.jsonl"))
    assert len(lines) == 24
    for number, line in enumerate(lines, 1):
        assert packed(line) == line["out"], number


CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("options", "row", "exception"),
    [
        ({"eos_token": "<eos>"}, {"text": "a"}, "ValueError"),
        ({"eos_token": " the"}, {"text": "a"}, "ValueError"),
        ({"eos_token": ""}, {"text": "a"}, "ValueError"),
        ({}, {"text": None, "tools": "{"}, "AttributeError"),
        ({}, {"prompt": [{"content": "Hi"}], "completion": "x"}, "TypeError"),
        ({}, {"input_ids": None}, "TypeError"),
        ({}, {"messages": CHAT, "images": []}, "ValueError"),
        ({"padding_free": True}, {"messages": CHAT}, "ValueError"),
        ({"packing": True, "max_length": None}, {"messages": CHAT}, "ValueError"),
        ({}, {"conversations": CHAT}, "KeyError"),
        ({}, {"messages": CHAT, "tools": "{"}, "JSONDecodeError"),
        ({}, {"messages": CHAT, "tools": ["f"]}, "ValueError"),
        ({}, {"messages": CHAT, "chat_template_kwargs": None}, "TypeError"),
        ({}, {"messages": CHAT, "chat_template_kwargs": {"tokenize": False}}, "TypeError"),
        ({}, {"messages": CHAT, "chat_template_kwargs": {"chat_template": "{%"}}, "TemplateSyntaxError"),
        ({}, {"prompt": CHAT}, "KeyError"),
        ({}, {"prompt": CHAT, "completion": "x"}, "TypeError"),
        ({}, {"messages": [CHAT[0], "x"]}, "TypeError"),
        ({}, {"text": None}, "AttributeError"),
        ({}, {}, "KeyError"),
        ({}, {"messages": None}, "KeyError"),
    ],
)  # fmt: skip
def test_refusals(options: dict[str, Any], row: dict[str, Any], exception: str) -> None:
    found = outcome(row, opened("trl", "glm45", options, "5.24.0", 1024))
    assert found.get("error") == exception


def test_from_and_value_are_renamed_and_role_names_stay() -> None:
    context = opened("trl", "glm45", {}, "5.24.0", 1024)
    turns = [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]
    assert outcome({"conversations": turns}, context) == outcome({"messages": CHAT}, context)
    other = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    assert len(outcome({"conversations": other}, context)["input_ids"]) == 2, "[gMASK]<sop> alone"


def test_a_row_that_is_tokenized_already_is_taken_as_it_is() -> None:
    context = opened("trl", "glm4", {}, "5.24.0", 3)
    assert outcome({"input_ids": [1, 2, 3, 4], "labels": [-100, 7, 3, 4]}, context) == {
        "input_ids": [1, 2, 3],
        "labels": [-100, 7, 3],
    }
    masked = {"input_ids": [1, 2], "assistant_masks": [0, 1]}
    assert outcome(masked, context)["labels"] == [-100, 2]


def test_any_entry_of_the_vocabulary_ends_a_text() -> None:
    for end in ("Ġthe", "åĮĹäº¬", "a"):  # as the vocabulary spells " the" and the capital of China
        context = opened("trl", "glm4", {"eos_token": end}, "5.24.0", 1024)
        plain = opened("trl", "glm4", {}, "5.24.0", 1024)
        ended = outcome({"text": f"Hi{end}"}, context)
        assert outcome({"text": "Hi"}, context) == ended
        assert outcome({"text": f"Hi{end}"}, plain)["input_ids"][:-1] == ended["input_ids"]


def test_a_mask_is_as_long_as_the_tokens_at_most() -> None:
    context = opened("trl", "glm4", {}, "5.24.0", 8)
    row = {
        "input_ids": [1, 2, 3],
        "prompt": "a",
        "completion": "b",
        "completion_mask": [0, 1, 1, 1],
    }
    assert outcome(row, context)["labels"] == [-100, 2, 3]
    row["assistant_masks"] = [0, 0, 1]
    assert outcome(row, context)["labels"] == [-100, -100, 3]


def test_labels_of_another_length_end_the_first_step() -> None:
    context = opened("trl", "glm4", {}, "5.24.0", 8)
    row = {"input_ids": [1, 2, 3, 4, 5], "labels": [-100, 2, 3]}
    assert outcome(row, context)["error"] == "RuntimeError"
    short = opened("trl", "glm4", {}, "5.24.0", 3)
    assert outcome(row, short) == {"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}
    ends = opened("trl", "glm4", {"truncation_mode": "keep_end"}, "5.24.0", 2)
    assert outcome(row, ends) == {"input_ids": [4, 5], "labels": [2, 3]}
    assert outcome({**row, "labels": [-100] * 7}, context) == {"dropped": True}


def test_without_padding_the_first_token_of_a_row_has_no_label() -> None:
    alone = outcome({"text": "Hi"}, opened("trl", "glm4", {"max_length": None}, "5.24.0", None))
    options = {"max_length": None, "padding_free": True}
    found = outcome({"text": "Hi"}, opened("trl", "glm4", options, "5.24.0", None))
    assert found == {**alone, "labels": [-100, *alone["labels"][1:]]}


def test_the_end_is_kept_where_that_is_asked_for() -> None:
    whole = outcome({"messages": CHAT}, opened("trl", "glm4", {}, "5.24.0", None))["input_ids"]
    cut = opened("trl", "glm4", {"truncation_mode": "keep_end"}, "5.24.0", 3)
    assert outcome({"messages": CHAT}, cut)["input_ids"] == whole[-3:]
