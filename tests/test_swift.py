"""ms-swift: ids, labels, weights and drops equal what its package makes of the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmlint.plan import Plan
from glmlint.recipes.swift import SwiftOptions, trainer
from glmlint.trainer.base import Context, all_trainers, open_context
from glmlint.trainer.config import ConfigError, read_config
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import END, NONE, PREFIX, SYSTEM, TOOLS, Tokens
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare

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

    The package was handed the shared rows by way of `Dataset.from_list`, which does this; those
    with `as_written` in a column that keeps objects as they are, as `datasets` 4.8 reads a file.
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
    raw = json.dumps(line["row"] if "as_written" in line else with_nulls([line["row"]])[0]).encode()
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


@pytest.mark.parametrize(("name", "rows"), [("swift", 396), ("swift_more", 79)])
def test_whole_sets(name: str, rows: int, shared: Path) -> None:
    file = shared / "golden" / "trainers" / f"{name}.jsonl"
    assert len(read(file)) == rows
    assert list(differing(file)) == []


ALL_ROWS = ("swift", "swift_more")


def printed(line: dict[str, Any]) -> tuple[list[Any], dict[int, str]] | None:
    """The turns of a row, and by owner what the layout prints for it; None for a dropped row."""
    context = context_of(line)
    try:
        layout = trainer.lay_out(line["row"], context)
    except Dropped:
        return None
    tokens = sequence(layout, context)
    turns = trainer.conversation(line["row"], context).turns
    texts = {
        owner: b"".join(
            context.tokenizer.token_bytes(int(token))
            for token in tokens.input_ids[tokens.owners == owner]
        ).decode("utf-8", "replace")
        for owner in set(tokens.owners.tolist())
    }
    return turns, texts


def written(row: dict[str, Any], pointer: Any) -> Any:
    """What stands at a pointer of a row."""
    value: Any = row
    for step in pointer:
        value = value[step]
    return value


def check_owners(line: dict[str, Any]) -> bool:
    """Every token belongs to a turn that says it, and turns say what stands at their place."""
    found = printed(line)
    if found is None:
        return False
    turns, texts = found
    assert set(texts) <= {PREFIX, END, SYSTEM, TOOLS, *range(len(turns))}
    for index, turn in enumerate(turns):
        if turn.text_at is not None:
            assert written(line["row"], turn.text_at) == turn.text
        for call in turn.calls:
            assert written(line["row"], call.at)
            assert call.name in texts[index]
        thinks = turn.role == "assistant" and "</think>" in (turn.text or "")
        if turn.role != "system" and turn.text and not thinks and "{{" not in turn.text:
            assert turn.text.strip() in texts[index]
    return True


@pytest.mark.parametrize("name", ALL_ROWS)
def test_tokens_belong_to_the_turns_that_say_them(name: str, shared: Path) -> None:
    lines = read(shared / "golden" / "trainers" / f"{name}.jsonl")
    assert sum(map(check_owners, lines)) > len(lines) / 2


def plain(**options: Any) -> Context:
    tokenizer = "glm4" if options.get("template", "chatglm4") in ("chatglm4", "glm4") else "glm4.5"
    return opened(json.dumps(options), tokenizer)


def marked(row: dict[str, Any], **options: Any) -> str:
    """What a row becomes, what is trained in brackets."""
    context = plain(**options)
    tokens = sequence(trainer.lay_out(row, context), context)
    text = b""
    trained = False
    for token, label in zip(tokens.input_ids.tolist(), tokens.labels.tolist(), strict=True):
        if (label != NONE) != trained:
            text += ("】" if trained else "【").encode()
            trained = not trained
        text += context.tokenizer.token_bytes(token)
    return text.decode() + "】" * trained


def talk(*messages: tuple[str, Any], **columns: Any) -> dict[str, Any]:
    return {"messages": [{"role": r, "content": c} for r, c in messages], **columns}


CALL = json.dumps({"name": "f", "arguments": {"a": True}})
TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}


def test_a_call_under_the_template_of_each_time() -> None:
    row = talk(("user", "Q"), ("tool_call", CALL), ("tool", "R"), ("assistant", "B"))
    assert marked(row) == (
        "[gMASK]<sop><|user|>\nQ<|assistant|>【f\n{'a': True}<|observation|>】\nR"
        "<|assistant|>\n【B<|user|>】"
    )
    assert marked(row, template="glm4_5") == (
        "[gMASK]<sop><|user|>\nQ<|assistant|>\n<think></think>【<tool_call>f\n"
        "<arg_key>a</arg_key>\n<arg_value>true</arg_value>\n</tool_call><|observation|>】\n"
        "<tool_response>\nR\n</tool_response><|assistant|>\n<think></think>\n【B<|user|>】"
    )
    assert marked(row, template="glm5_3", loss_scale="last_round") == (
        "[gMASK]<sop><|system|>Reasoning Effort: Max<|user|>Q<|assistant|><think></think>"
        "<tool_call>f<arg_key>a</arg_key><arg_value>true</arg_value></tool_call><|observation|>"
        "<tool_response>R</tool_response><|assistant|><think></think>【B<|user|>】"
    )


def test_the_system_text_of_a_row_with_tools_is_thrown_away_before_glm_4_5() -> None:
    row = talk(("system", "Be brief."), ("user", "Q"), ("assistant", "A"), tools=[TOOL])
    assert "Be brief." not in marked(row)
    assert "</tool_call><|system|>\nBe brief.<|user|>" in marked(row, template="glm4_5")


def test_losses_of_single_messages() -> None:
    row = talk(("user", "Q"), ("assistant", "A"), ("user", "P"), ("assistant", "B"))
    row["messages"][3]["loss"] = False
    assert marked(row).endswith("【A<|user|>】\nP<|assistant|>\nB【<|user|>】")
    row["messages"][1]["loss"] = False
    assert marked(row, loss_scale="last_round").count("【") == 1
    row["messages"][1]["loss"] = True
    assert "【A<|user|>】" in marked(row, loss_scale="last_round")


def test_weights_stand_beside_labels_where_they_are_more_than_0_and_1() -> None:
    row = talk(("user", "Q"), ("tool_call", CALL), ("tool", "R"), ("assistant", "B"))
    context = plain(template="glm4_5", loss_scale="hermes")
    tokens = sequence(trainer.lay_out(row, context), context)
    assert tokens.weights is not None
    assert set(tokens.weights.tolist()) == {0.0, 1.0, 2.0}
    assert ((tokens.weights > 0) == (tokens.labels != NONE)).all()
    context = plain(template="glm4_5")
    assert sequence(trainer.lay_out(row, context), context).weights is None


def cuts(strategy: str, budget: int) -> list[Tokens]:
    row = talk(("user", "one two three"), ("assistant", "four five six"))
    context = plain(truncation_strategy=strategy)
    whole = sequence(trainer.lay_out(row, context), context)
    return trainer.cut(whole, budget, context)


def test_the_four_cuts() -> None:
    whole = cuts("delete", 100)[0].input_ids.tolist()
    assert cuts("right", 6)[0].input_ids.tolist() == whole[:6]
    left = cuts("left", 6)[0]
    assert left.input_ids.tolist() == whole[-6:]
    assert left.labels[0] == NONE
    parts = cuts("split", 6)
    assert [token for part in parts for token in part.input_ids.tolist()] == whole
    assert all(part.labels[0] == NONE for part in parts)
    with pytest.raises(Dropped) as why:
        cuts("delete", 6)
    assert why.value.reason == "too-long"


DROPPED = {
    "bad-call": talk(("user", "Q"), ("tool_call", f"[{CALL}]"), ("tool", "R")),
    "unknown-role": talk(("user", "Q"), ("robot", "A")),
    "null-content": talk(("user", "Q"), ("assistant", None)),
    "no-content": {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant"}]},
    "no-messages": {"messages": []},
    "bad-turns": talk(("user", "Q"), ("system", "S"), ("assistant", "A")),
    "bad-tools": talk(("user", "Q"), ("assistant", "A"), tools=["no tool"]),
    "bad-message": talk(("user", 5), ("assistant", "A")),
    "bad-settings": talk(("user", "Q"), ("assistant", "A"), chat_template_kwargs="x"),
    "rejected-response": talk(("user", "Q"), ("assistant", "A"), rejected_response="A"),
}


@pytest.mark.parametrize("reason", DROPPED)
def test_reasons_for_which_a_row_is_left_out(reason: str) -> None:
    with pytest.raises(Dropped) as why:
        trainer.lay_out(DROPPED[reason], plain())
    assert why.value.reason == reason
    if reason in ("bad-call", "unknown-role", "null-content", "no-content", "bad-turns"):
        assert why.value.at == ("messages", 1)


def test_a_strict_run_ends_where_a_row_would_be_left_out() -> None:
    with pytest.raises(TrainerError) as error:
        trainer.lay_out(DROPPED["bad-call"], plain(strict=True))
    assert error.value.exception == "TypeError"
    with pytest.raises(Dropped):
        trainer.lay_out(DROPPED["no-messages"], plain(strict=True))  # filtered, not refused


ONE = "[gMASK]<sop><|user|>\nQ<|assistant|>\n【A<|user|>】"


@pytest.mark.parametrize(
    ("row", "options"),
    [
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}, {}),
        ({"conversation": [{"human": "Q", "bot": "A"}]}, {}),
        ({"instruction": "Q", "input": "", "output": "A"}, {}),
        ({"Question": "Q", "answer": ["A", "B"]}, {}),
        ({"query": "Q", "response": "A", "history": []}, {}),
        ({"ask": "Q", "say": "A"}, {"columns": {"ask": "query", "say": "response"}}),
        ({"conversations": "[{'human': 'Q', 'gpt': 'A'}]"}, {}),
        ({"messages": "[{'role': 'user', 'content': 'Q'}, {'role': 'bot', 'content': 'A'}]"}, {}),
    ],
)
def test_forms_that_say_the_same(row: dict[str, Any], options: dict[str, Any]) -> None:
    assert marked(row, **options) == ONE
    turns = trainer.conversation(row, plain(**options)).turns
    assert [(turn.role, turn.text) for turn in turns] == [("user", "Q"), ("assistant", "A")]
    for turn in turns:
        assert turn.at[0] in row
        assert turn.text_at is None or written(row, turn.text_at) == turn.text


def test_two_columns_for_one_thing_are_both_left_alone() -> None:
    row = {"query": "Q", "prompt": "P", "response": "A"}
    assert marked(row) == ONE
    assert trainer.conversation(row, plain()).unread == ("prompt",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss_scale": "default+none"}, "no loss scale of ms-swift: 'none'"),
        ({"system": "prompt.txt"}, "give the text"),
        ({"template": "qwen"}, "Invalid enum value"),
        ({"packing": True}, "unknown field"),
    ],
)
def test_options_that_ms_swift_has_not(options: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(options, SwiftOptions)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "user", "f", CALL]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("role", "content", "from", "value", "messages", "tools", "tool_calls"),
                    *("function", "name", "arguments", "type", "text", "query", "history"),
                    *("instruction", "input", "system", "human", "bot", "loss", "loss_scale"),
                    *("chat_template_kwargs", "token_ids"),
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool_call", "tool", "gpt", "observation"])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": ROLES,
            "content": VALUES
            | st.sampled_from(
                ["x", CALL, {"token_ids": [5, 151336]}, {"token_ids": [7], "loss_scale": [2]}]
            ),
        }
    )
    | st.fixed_dictionaries(
        {"role": ROLES, "value": st.lists(st.integers(-1, 200_000), max_size=3)}
    )
    | st.dictionaries(st.sampled_from(["role", "from", "content", "loss"]), VALUES, max_size=3),
    max_size=5,
)


@given(
    st.fixed_dictionaries({"messages": MESSAGES}, optional={"tools": VALUES, "system": VALUES})
    | st.dictionaries(st.sampled_from(["messages", "query", "input", "output"]), VALUES),
    st.sampled_from(["chatglm4", "glm4_5", "glm5_3"]),
    st.sampled_from(["default", "all+hermes", "last_round+agentflan"]),
)
def test_any_row_is_laid_out_or_left_out(row: dict[str, Any], template: str, scale: str) -> None:
    context = plain(template=template, loss_scale=scale)
    conversation = trainer.conversation(row, context)
    try:
        layout = trainer.lay_out(row, context)
    except Dropped as why:
        assert why.reason and " at 0x" not in why.detail
        return
    except TrainerError as error:  # token ids that no model has
        assert error.exception == "IndexError"
        return
    tokens = sequence(layout, context)
    assert set(tokens.owners.tolist()) <= {-4, -3, -2, -1, *range(len(conversation.turns))}
    assert tokens.labels[0] == NONE


def configured(folder: Path, **settings: Any) -> Any:
    file = folder / "sft.json"
    file.write_text(json.dumps({"model": "zai-org/GLM-4.5-Air", **settings}))
    return trainer.from_config(read_config(str(file)), str(file), None)


def test_its_own_settings_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    (tmp_path / "system.txt").write_text("Be brief.")
    config = configured(
        tmp_path,
        dataset=["a.jsonl#500", "AI-ModelScope/alpaca"],
        val_dataset="a.jsonl",
        max_length=4096,
        loss_scale="last_round",
        columns='{"ask": "query"}',
        system="system.txt",
        learning_rate=1e-4,
        enable_thinking=None,
        split_dataset_ratio=0.01,
        ENV={"reasoning_effort": "high"},
    )
    assert config.recipe == "swift" and config.model == "zai-org/GLM-4.5-Air"
    assert config.options == {
        "max_length": 4096,
        "loss_scale": "last_round",
        "columns": {"ask": "query"},
        "system": "Be brief.",
        "reasoning_effort": "high",
    }
    assert config.max_length == 4096
    assert [each.path for each in (*config.data, *config.eval)] == [str(tmp_path / "a.jsonl")] * 2
    assert [warning.en.split(": ", 1)[1] for warning in config.warnings] == [
        "split_dataset_ratio is ignored; with it, a random part of the rows is kept for validation",
        "dataset: a.jsonl#500: all rows are checked, not 500 random ones",
        "dataset: no file AI-ModelScope/alpaca; data sets of a hub are not read",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": [], "columns": "no JSON"},
        {"dataset": [], "columns": {"a": 1}},
        {"dataset": [], "max_length": "long"},
        {"dataset": [5]},
        {"dataset": [], "system": "absent.txt"},
        {"dataset": [], "rlhf_type": "dpo"},
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        configured(tmp_path, **settings)


def test_settings_of_others_are_not_taken(tmp_path: Path) -> None:
    assert configured(tmp_path, template="glm4") is None
    others = {"model_name_or_path": "x", "dataset": "a", "template": "glm4", "stage": "sft"}
    assert trainer.from_config(others, "x.yaml", None) is None
    own = {"model": "x", "dataset": ["a"], "template": "glm4"}
    assert all_trainers()["llamafactory"].from_config(own, "x.yaml", None) is None


def test_models_bring_template_and_vocabulary() -> None:
    assert trainer.model_options("glm-4.6") == {"template": "glm4_5"}
    assert trainer.model_options("glm-4.1v") == {}
    assert trainer.default_tokenizer(SwiftOptions(template="glm4_5")) == "glm4.5"
    assert trainer.default_tokenizer(SwiftOptions(template="glm5_2")) is None
