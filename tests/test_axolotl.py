"""Ids, labels, drops and exceptions equal axolotl's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trainer_rows import MODELS, UNLIMITED, compare, opened, outcome

from glmlint.plan import Plan
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.template import load_template
from glmlint.trainer.template_keys import message_keys

MIXED = (
    "`datasets` reads a column of numbers and texts as JSON, so that the text of a JSON object "
    "becomes the object; glmlint lays the row out as it is written"
)


def context_of(line: dict[str, Any]) -> Context:
    options = {**line["options"], **line["dataset"]}
    return opened("axolotl", line["tokenizer"], options, "5.16.1", options["sequence_len"])


@pytest.mark.parametrize(
    ("name", "rows", "differ"), [("axolotl", 300, {}), ("axolotl_more", 80, {44: MIXED})]
)
def test_whole_set(shared: Path, name: str, rows: int, differ: dict[int, str]) -> None:
    file = shared / "golden" / "trainers" / f"{name}.jsonl"
    assert compare(file, context_of, differ) == rows


CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def context(model: str = "glm45", budget: int | None = 2048, **options: Any) -> Context:
    return opened("axolotl", model, options, "5.16.1", budget)


@pytest.mark.parametrize(
    ("options", "row", "exception"),
    [
        ({}, {}, "ValueError"),
        ({}, {"messages": None}, "AttributeError"),
        ({}, {"messages": []}, "IndexError"),
        ({}, {"messages": 5}, "AttributeError"),
        ({}, {"messages": ["x"]}, "AttributeError"),
        ({}, {"messages": "["}, "JSONDecodeError"),
        ({}, {"messages": "{}"}, "AssertionError"),
        ({}, {"messages": "[1]"}, "AssertionError"),
        ({}, {"messages": [{"content": "x"}]}, "KeyError"),
        ({}, {"messages": [{"role": ["x"], "content": "x"}]}, "TypeError"),
        ({}, {"messages": CHAT, "tools": "{"}, "JSONDecodeError"),
        ({}, {"messages": CHAT, "tools": {}}, "ValueError"),
        ({}, {"messages": CHAT, "tools": [{"function": {"parameters": "{"}}]}, "JSONDecodeError"),
        ({"message_field_training_detail": "d"},
         {"messages": [CHAT[0], {"role": "assistant", "content": "x", "d": [{}]}]}, "KeyError"),
        ({"eot_tokens": ["<|user|>\n"]}, {"messages": CHAT}, "ids"),
        ({"eot_tokens": ["arg_value"]}, {"messages": CHAT}, "ValueError"),
        ({"eot_tokens": ["<|endoftext|>", "<|user|>"], "train_on_eot": "all"},
         {"messages": CHAT}, "ids"),
    ],
)  # fmt: skip
def test_refusals(options: dict[str, Any], row: dict[str, Any], exception: str) -> None:
    assert outcome(row, context(**options)).get("error", "ids") == exception


def test_a_system_column_is_a_turn_where_the_row_has_none() -> None:
    column = outcome({"system": "Be brief.", "messages": CHAT}, context())
    turn = outcome({"messages": [{"role": "system", "content": "Be brief."}, *CHAT]}, context())
    assert column == turn
    both = {"system": "x", "messages": [{"role": "system", "content": "Be brief."}, *CHAT]}
    assert outcome(both, context()) == turn
    assert outcome(both, context(drop_system_message=True)) == outcome(
        {"messages": CHAT}, context()
    )


def test_a_system_column_that_is_null_prints_the_word() -> None:
    found = outcome({"system": None, "messages": CHAT}, context())
    none = outcome({"system": "None", "messages": CHAT}, context())
    assert found == none


def test_messages_as_text() -> None:
    written = '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]'
    assert outcome({"messages": written}, context()) == outcome({"messages": CHAT}, context())


def test_parts_of_a_content_with_flags() -> None:
    parts = [{"text": "Let me think.", "train": False}, {"text": " Four.", "weight": 1}]
    row = {"messages": [CHAT[0], {"role": "assistant", "content": parts}]}
    found = outcome(row, context("glm4"))
    whole = {"messages": [CHAT[0], {"role": "assistant", "content": "Let me think. Four."}]}
    assert found["input_ids"] == outcome(whole, context("glm4"))["input_ids"]
    assert [label for label in found["labels"] if label != -100] == found["input_ids"][-2:]


def test_thinking_is_split_off_where_that_is_asked_for() -> None:
    answer = "<think>\nwhy\n</think>\n\nFour."
    row = {"messages": [CHAT[0], {"role": "assistant", "content": answer}]}
    split = outcome(row, context(split_thinking=True))
    thought = {"role": "assistant", "content": "Four.", "reasoning_content": "why"}
    assert split == outcome({"messages": [CHAT[0], thought]}, context())


def test_short_rows_and_rows_without_labels() -> None:
    only = {"messages": [{"role": "nobody", "content": "x"}]}
    assert "input_ids" in outcome(only, context())
    assert outcome(only, context(min_sample_len=3)) == {"dropped": True}
    assert outcome(only, context(sample_packing=True)) == {"dropped": True}
    assert "input_ids" in outcome({"messages": CHAT}, context(sample_packing=True))


def test_keys_that_axolotl_finds_in_a_template(shared: Path) -> None:
    for _, name in MODELS.values():
        assert message_keys(load_template(name, None, "5.16.1").source, "messages") == set()
    for file in sorted((shared / "glm4" / "templates").glob("*.jinja")):
        published = file.read_text(encoding="utf-8")
        own = load_template(str(file), None, "5.16.1").source
        for field in ("messages", "conversations"):
            assert message_keys(own, field) == message_keys(published, field), file.name
    text = (
        "{% for message in messages %}{{ message.role }}{% generation %}{{ message['content'] }}"
        "{% endgeneration %}{% if message.tool_calls is defined %}x{% endif %}{% endfor %}"
    )
    assert message_keys(text, "messages") == {"role", "content", "tool_calls"}
    assert message_keys(text.replace("message.", "m."), "messages") == {"content"}


def test_keys_that_a_template_reads_arrive(tmp_path: Path) -> None:
    text = (
        "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
        "{% for call in message.tool_calls or [] %}{{ call.function.arguments.city }}{% endfor %}"
        "{% endfor %}"
    )
    file = tmp_path / "t.jinja"
    file.write_text(text, encoding="utf-8")
    setting = open_context(
        Plan(recipe="axolotl", tokenizer="glm4.5", template=str(file), max_length=UNLIMITED)
    )
    call = {"function": {"name": "f", "arguments": '{"city": "Paris"}'}}
    row = {"messages": [CHAT[0], {"role": "assistant", "content": "", "tool_calls": [call]}]}
    found = outcome(row, setting)
    paris = setting.tokenizer.encode(["Paris"])[0].tolist()
    assert found["input_ids"][-len(paris) :] == found["labels"][-len(paris) :] == paris
