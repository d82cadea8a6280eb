"""The recipe for any chat template: labels by each of its rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trainer_rows import UNLIMITED, opened, outcome

from glmlint.plan import Plan
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare

CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}],
    },
    {"role": "tool", "content": "18"},
    {"role": "assistant", "content": "Mild.", "reasoning_content": "18 is mild"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def context(model: str = "glm45", template: str | None = None, **options: Any) -> Context:
    if template is None:
        return opened("template", model, options, "5.24.0", options.get("max_length"))
    return open_context(
        Plan(
            recipe="template",
            tokenizer="glm4.5",
            template=template,
            options=options,
            max_length=UNLIMITED,
        )
    )


def marked(row: dict[str, Any], setting: Context) -> str:
    """The text of a row, what carries loss in 【】."""
    import msgspec

    found = prepare(msgspec.json.encode(row), 1, setting)
    assert found.layout is not None, found.error
    tokens = sequence(found.layout, setting)
    text, inside = b"", False
    for token, label in zip(tokens.input_ids.tolist(), tokens.labels.tolist(), strict=True):
        if (label != -100) != inside:
            inside = not inside
            text += "【".encode() if inside else "】".encode()
        text += setting.tokenizer.token_bytes(token)
    return (text + ("】".encode() if inside else b"")).decode()


HEAD = "[gMASK]<sop><|system|>\nBe brief.<|user|>\nHi<|assistant|>"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {},
            HEAD
            + "【\n<think></think>\nHello.】<|user|>\nWeather?<|assistant|>【\n<think></think>\n"
            "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>】<|observation|>"
            "\n<tool_response>\n18\n</tool_response><|assistant|>【\n<think>18 is mild</think>\nMild.】",
        ),
        (
            {"labels": "last", "append": "<|user|>"},
            HEAD + "\n<think></think>\nHello.<|user|>\nWeather?<|assistant|>\n<think></think>\n"
            "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call><|observation|>"
            "\n<tool_response>\n18\n</tool_response><|assistant|>【\n<think>18 is mild</think>\nMild."
            "<|user|>】",
        ),
        (
            {"train_stop": True},
            HEAD
            + "【\n<think></think>\nHello.<|user|>】\nWeather?<|assistant|>【\n<think></think>\n"
            "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call><|observation|>】"
            "\n<tool_response>\n18\n</tool_response><|assistant|>【\n<think>18 is mild</think>\nMild.】",
        ),
        (
            {"labels": "prefixes"},
            HEAD
            + "【\n<think></think>\nHello.】<|user|>\nWeather?<|assistant|>【\n<think></think>\n"
            "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>】<|observation|>"
            "\n<tool_response>\n18\n</tool_response><|assistant|>【\n<think>18 is mild</think>\nMild.】",
        ),
    ],
)
def test_labels(options: dict[str, Any], text: str) -> None:
    assert marked({"messages": CHAT}, context(**options)) == text


def test_everything_is_what_trl_trains() -> None:
    row = {"messages": CHAT, "tools": TOOLS}
    trl = opened("trl", "glm45", {}, "5.24.0", 1024)
    assert outcome(row, context(labels="all")) == outcome(row, trl)


def test_generation_is_what_trl_trains_with_its_own_template(shared: Path) -> None:
    file = str(shared / "glm4" / "templates" / "GLM-4.5.trl-training.jinja")
    trl = opened("trl", "glm45", {"assistant_only_loss": True}, "5.24.0", 1024)
    row = {"messages": CHAT, "tools": TOOLS}
    assert outcome(row, context(template=file, labels="generation")) == outcome(row, trl)


def test_generation_needs_marks() -> None:
    found = outcome({"messages": CHAT}, context(labels="generation"))
    assert found == {"error": "ValueError", "message": "the template has no {% generation %}"}


def test_a_thought_that_later_turns_lose_ends_what_prefixes_have_in_common() -> None:
    thinking = [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A", "reasoning_content": "why"},
        {"role": "user", "content": "P"},
        {"role": "assistant", "content": "B"},
    ]
    found = marked({"messages": thinking}, context(labels="prefixes"))
    assert found.startswith("[gMASK]<sop><|user|>\nQ<|assistant|>【\n<think>】</think>")
    assert found.endswith("<|assistant|>【\n<think></think>\nB】")


def test_other_keys_and_variables() -> None:
    row = {"chat": CHAT[1:3], "functions": TOOLS}
    setting = context(
        messages="chat", tools="functions", chat_template_kwargs={"enable_thinking": False}
    )
    text = marked(row, setting)
    assert "# Tools" in text and "Hi/nothink<|assistant|>" in text


@pytest.mark.parametrize(
    ("options", "row", "exception"),
    [
        ({}, {}, "KeyError"),
        ({}, {"messages": []}, "ValueError"),
        ({}, {"messages": "x"}, "TypeError"),
        ({}, {"messages": [5]}, "TypeError"),
        ({}, {"messages": CHAT, "tools": "x"}, "ValueError"),
        ({"append": "<|no|>"}, {"messages": CHAT}, "ValueError"),
    ],
)
def test_odd_rows(options: dict[str, Any], row: dict[str, Any], exception: str) -> None:
    assert outcome(row, context(**options)).get("error") == exception


def test_cuts() -> None:
    whole = outcome({"messages": CHAT}, context())["input_ids"]
    first = outcome({"messages": CHAT}, context(max_length=5))
    last = outcome({"messages": CHAT}, context(max_length=5, truncation="keep_end"))
    assert first["input_ids"] == whole[:5] and last["input_ids"] == whole[-5:]
    assert outcome({"messages": CHAT}, context(max_length=5, truncation="drop")) == {
        "dropped": True
    }


def test_an_answer_that_stands_first() -> None:
    found = marked({"messages": CHAT[2:4]}, context(labels="prefixes"))
    assert found.startswith("【[gMASK]<sop><|assistant|>\n<think></think>\nHello.】")


def test_where_a_template_raises() -> None:
    import msgspec

    call = {"function": {"name": "f", "arguments": "{}"}}
    broken = [*CHAT[1:3], {"role": "assistant", "content": "", "tool_calls": [call]}]
    for recipe in ("template", "trl", "unsloth"):
        setting = opened(recipe, "glm45", {}, "5.24.0", None)
        row = prepare(msgspec.json.encode({"messages": broken}), 1, setting)
        assert row.error is not None and row.error.at == ("messages", 2), recipe
    pair = {"prompt": CHAT[1:2], "completion": broken[2:]}
    row = prepare(msgspec.json.encode(pair), 1, opened("trl", "glm45", {}, "5.24.0", None))
    assert row.error is not None and row.error.at == ("completion", 0)


def test_turns_are_what_the_layout_counts() -> None:
    import msgspec

    rows: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("template", {}, {"messages": CHAT}),
        ("trl", {}, {"messages": CHAT}),
        ("trl", {}, {"prompt": CHAT[:2], "completion": CHAT[2:3]}),
        ("trl", {}, {"prompt": "Hi", "completion": "Hello."}),
        ("trl", {}, {"text": "Hi"}),
        ("unsloth", {}, {"conversations": [{"from": "human", "value": "Hi"}]}),
        ("axolotl", {}, {"messages": CHAT}),
        ("axolotl", {}, {"system": "Be brief.", "messages": CHAT[1:]}),
        ("axolotl", {"drop_system_message": True}, {"messages": CHAT}),
    ]
    for recipe, options, value in rows:
        setting = opened(recipe, "glm45", options, "5.24.0", None)
        row = prepare(msgspec.json.encode(value), 1, setting)
        assert row.layout is not None
        conversation = setting.trainer.conversation(value, setting)
        assert conversation is not None
        printed = "".join(piece for piece in row.layout.pieces if isinstance(piece, str))
        for index in row.printed:
            if index >= 0 and (said := conversation.turns[index].text):
                owned = "".join(
                    piece
                    for piece, owner in zip(row.layout.pieces, row.layout.owners, strict=True)
                    if owner == index and isinstance(piece, str)
                )
                assert said.strip() in owned, (recipe, value, index, printed)
        for turn in conversation.turns:
            place: Any = value
            for step in turn.text_at or turn.at:
                place = place[step]
            assert turn.text_at is None or place == turn.text
