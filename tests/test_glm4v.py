"""The vision script: what carries loss, where the image stands, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from glmlint.app.cli import cli

USER, ASSISTANT = 151336, 151337
IMAGE = [151338 + 1, 151329, 151340]


def talk(*messages: tuple[str, Any], **first: Any) -> dict[str, Any]:
    found = [{"role": role, "content": content} for role, content in messages]
    return {"messages": [{**found[0], **first}, *found[1:]]}


def invoke(path: Path, rows: list[Any], *arguments: str) -> str:
    file = path / "train.jsonl"
    file.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    command, *flags = arguments
    ran = CliRunner().invoke(
        cli, [command, str(file), "--recipe", "glm4v", *flags], catch_exceptions=False
    )
    assert ran.exit_code in (0, 1), ran.output
    return ran.output


def findings(path: Path, rows: list[Any], *flags: str) -> list[dict[str, Any]]:
    report = json.loads(invoke(path, rows, "check", "--format", "json", *flags))
    return list(report["findings"])


def test_headers_are_trained_and_stops_are_not(tmp_path: Path) -> None:
    row = talk(("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Bye"))
    encoded = json.loads(invoke(tmp_path, [row], "encode"))
    pairs = list(zip(encoded["input_ids"], encoded["labels"], strict=True))
    assert [label for token, label in pairs if token == ASSISTANT] == [ASSISTANT] * 2
    assert {label for token, label in pairs if token == USER} == {-100}
    assert encoded["input_ids"][4:7] == IMAGE  # a row without an image has one all the same
    told = findings(tmp_path, [row])
    by_rule = {one["rule"] for one in told}
    assert "stop-token-untrained" in by_rule
    assert "non-assistant-supervised" not in by_rule  # the role token is the answer's own


def test_the_budget_has_not_one_more(tmp_path: Path) -> None:
    row = talk(("user", "Hi"), ("assistant", "a b c d e f g h i j"))
    for flags, length in (
        (("--max-input-length", "6", "--max-output-length", "4"), 10),
        (("--max-length", "9"), 9),
    ):
        assert len(json.loads(invoke(tmp_path, [row], "encode", *flags))["input_ids"]) == length
    report = json.loads(invoke(tmp_path, [row], "check", "--format", "json"))
    assert report["budget"]["max_length"] == 1024


ANSWER = ("assistant", "A cat.")


@pytest.mark.parametrize(
    ("row", "severity", "words"),
    [
        (talk(("user", "Hi"), ANSWER), "info", "black"),
        (talk(("user", "Hi"), ANSWER, image="a.jpg"), "info", "about 1,600"),
        (talk(("system", "S"), ("user", "Hi"), ANSWER, image="a.jpg"), "warning", "system"),
        (talk(("user", "Hi"), ANSWER, image=["a.jpg", "b.jpg"]), "error", "AttributeError"),
        (talk(("user", "Hi"), ANSWER, image={"path": "a.jpg"}), "error", "an object"),
        (talk(("user", "Hi"), ANSWER, image=7), "error", "a number"),
        (talk(("user", "Hi"), ANSWER, image=True), "error", "true"),
    ],
)
def test_what_is_said_of_an_image(row: Any, severity: str, words: str, tmp_path: Path) -> None:
    told = [one for one in findings(tmp_path, [row]) if one["rule"] == "image-place"]
    assert (severity, True) in {(one["severity"], words in one["message"]) for one in told}


def test_an_image_on_a_later_message_ends_the_run(tmp_path: Path) -> None:
    row = talk(("user", "Hi"), ANSWER, ("user", "And this?"), ANSWER, image="a.jpg")
    for value in ("b.jpg", ["b.jpg"], {"path": "b.jpg"}):
        row["messages"][2]["image"] = value
        assert json.loads(invoke(tmp_path, [row], "encode"))["error"] == "TypeError"
        (told,) = (one for one in findings(tmp_path, [row]) if one["severity"] == "error")
        assert (told["rule"], told["pointer"]) == ("image-place", "/messages/2/image")
    for value in (None, "", []):
        row["messages"][2]["image"] = value
        assert "input_ids" in json.loads(invoke(tmp_path, [row], "encode"))


def test_an_image_is_a_content_of_its_own(tmp_path: Path) -> None:
    rows = [talk(("user", text), ANSWER, image="a.jpg") for text in ("", None)]
    del rows[1]["messages"][0]["content"]
    rules = {one["rule"] for one in findings(tmp_path, rows)}
    assert not rules & {"empty-content", "missing-content", "ignored-key"}


def test_other_keys_with_images_are_told(tmp_path: Path) -> None:
    rows = [
        talk(("user", "What is it?"), ANSWER, images=["a.jpg"]),
        {**talk(("user", "Where?"), ANSWER), "image": "a.jpg"},
    ]
    told = [one for one in findings(tmp_path, rows) if one["rule"] == "ignored-key"]
    assert len(told) == 2
    for one in told:
        assert "text alone" not in one["message"] and "first message" in one["help"]
