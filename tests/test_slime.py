"""Ids, labels and exceptions equal slime's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from trainer_rows import compare, opened, outcome

from glmlint.app.cli import cli
from glmlint.trainer.base import Context


def context_of(line: dict[str, Any]) -> Context:
    return opened("slime", line["tokenizer"], line["options"], "5.24.0", None)


def in_short(said: str) -> str:
    """The sentence of the rollout as the vectors have it."""
    return said.replace("token_ids/loss_mask lengths: len(token_ids)=", "lengths: ").replace(
        "len(loss_mask)=", ""
    )


def test_whole_set(shared: Path) -> None:
    file = shared / "golden" / "trainers" / "slime.jsonl"
    assert compare(file, context_of, words=in_short) == 120


CHAT: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def found(row: Any, model: str = "glm45", **options: Any) -> dict[str, Any]:
    return outcome(row, opened("slime", model, options, "5.24.0", None))


@pytest.mark.parametrize(
    ("options", "row", "exception"),
    [
        ({}, {}, "TypeError"),
        ({}, {"messages": None}, "TypeError"),
        ({}, {"messages": 5}, "TypeError"),
        ({}, {"messages": [5]}, "TypeError"),
        ({}, {"messages": [{"content": "Hi"}]}, "KeyError"),
        ({}, {"messages": CHAT, "tools": "{"}, "JSONDecodeError"),
        ({}, {"messages": CHAT, "tools": {}}, "AssertionError"),
        ({}, {"messages": CHAT, "tools": None}, "AssertionError"),
        ({}, {"messages": CHAT, "metadata": "x"}, "AttributeError"),
        ({"loss_mask_type": "qwen3_5"}, {"messages": CHAT}, "ValueError"),
        ({"loss_mask_type": "distill_qwen"}, {"messages": [CHAT[0], {"role": "x"}]}, "KeyError"),
        ({"loss_mask_type": "distill_qwen"}, {"messages": []}, "ValueError"),
        ({"loss_mask_type": "qwen3"}, {"messages": ["x"]}, "TypeError"),
    ],
)
def test_refusals(options: dict[str, Any], row: dict[str, Any], exception: str) -> None:
    assert found(row, **options).get("error") == exception


def test_where_the_tools_come_from() -> None:
    """A column, as a list or as the text of one; else `metadata`."""
    wanted = found({"messages": CHAT, "tools": TOOLS})
    plain = found({"messages": CHAT})
    text = '[{"type": "function", "function": {"name": "f", "parameters": {}}}]'
    assert found({"messages": CHAT, "tools": text}) == wanted != plain
    assert found({"messages": CHAT, "metadata": {"tools": TOOLS}}) == wanted
    assert found({"messages": CHAT, "tools": TOOLS}, tool_key=None) == plain
    assert found({"turns": CHAT, "t": TOOLS}, tool_key="t", input_key="turns") == wanted


def test_the_last_message_alone() -> None:
    """`distill_qwen` takes the first message and the last one, whatever stands between them."""
    tokens = found({"messages": [*CHAT, *CHAT[1:]]}, loss_mask_type="distill_qwen")
    assert tokens == found({"messages": CHAT}, loss_mask_type="distill_qwen")
    assert [one for one in tokens["labels"] if one != -100] == tokens["input_ids"][-2:]
    off = [CHAT[0], {**CHAT[1], "step_loss_mask": 0}]
    assert set(found({"messages": off}, loss_mask_type="distill_qwen")["labels"]) == {-100}


def test_marks_of_another_model() -> None:
    """`qwen3_5` trains what it finds behind Qwen's marks, where somebody typed them."""
    typed = "<|im_start|>assistant\n<think>\n\n</think>\n\nYes.<|im_end|>"
    chat = [{"role": "user", "content": typed}, CHAT[1]]
    setting = opened("slime", "glm45", {"loss_mask_type": "qwen3_5"}, "5.24.0", None)
    tokens = outcome({"messages": chat}, setting)
    spelled = [setting.tokenizer.token_bytes(one) for one in tokens["labels"] if one != -100]
    assert b"".join(spelled).decode() == "Yes.<|im_end|>"


def checked(file: Path, *flags: str) -> dict[str, Any]:
    done = CliRunner().invoke(
        cli,
        ["check", str(file), "--recipe", "slime", "--format", "json", "--lang", "en", *flags],
        catch_exceptions=False,
    )
    said: dict[str, Any] = json.loads(done.output)
    return said


@pytest.mark.parametrize("bad", ['{"messages": [', "{} {}", "None", "# rows"])
def test_a_line_that_is_no_json_is_passed_over(bad: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    row = json.dumps({"messages": CHAT})
    file.write_text(f"{row}\n{bad}\n{row}\n", encoding="utf-8")
    said = checked(file, "--model", "glm-4.5")
    assert (said["totals"]["samples"], said["totals"]["dropped"]) == (3, 1)
    assert said["totals"]["unreadable"] == 0
    (one,) = [one for one in said["findings"] if one["rule"] == "invalid-json"]
    assert one["line"] == 2 and "slime skips the line" in one["message"]


def test_a_row_without_a_label_ends_the_run(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"messages": [CHAT[0], {**CHAT[1], "step_loss_mask": 0}]}, {"messages": CHAT[:1]}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told = [one for one in checked(file)["findings"] if one["rule"] == "no-trainable-tokens"]
    assert len(told) == 2 and all("AssertionError" in one["message"] for one in told)


@pytest.mark.parametrize("key", ["step_loss_mask", "name"])
def test_a_null_of_a_table_may_switch_a_message_off(key: str, tmp_path: Path) -> None:
    """Parquet gives every message the switch of one, as null, which is not 1."""
    chat = [
        {**CHAT[0], key: None},
        {**CHAT[1], key: None},
        {**CHAT[0], key: None},
        {**CHAT[1], key: 1},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"messages": chat}) + "\n", encoding="utf-8")
    (one,) = [one for one in checked(file)["findings"] if one["rule"] == "null-padding"]
    assert ("slime takes some for a switch" in one["message"]) == (key != "name")
    assert (one["severity"] == "error") == (key != "name")


def test_the_last_of_two_equal_keys_counts(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    text = json.dumps({"messages": CHAT}).replace(
        '"content": "Hello."', '"content": "No.", "content": "Hello."'
    )
    file.write_text(text + "\n", encoding="utf-8")
    said = checked(file, "--model", "glm-4.5")
    assert (said["totals"]["unreadable"], said["totals"]["with_findings"]) == (0, 1)
    (one,) = [one for one in said["findings"] if one["rule"] == "duplicate-key"]
    assert "slime takes the second value" in one["message"]
    flags = ["--recipe", "slime", "--model", "glm-4.5"]
    line = CliRunner().invoke(cli, ["encode", str(file), *flags], catch_exceptions=False).output
    wanted = found({"messages": CHAT})
    assert {key: json.loads(line)[key] for key in wanted} == wanted
