"""Ids, labels and exceptions equal unsloth's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainer_rows import UNLIMITED, compare, ids_of, opened, outcome

from glmlint.plan import Plan
from glmlint.recipes.unsloth import Labels
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.markers import Labeller, Marker, find_markers, marker
from glmlint.trainer.tokenizer import load_tokenizer


def context_of(line: dict[str, Any]) -> Context:
    options = line["options"]
    return opened("unsloth", line["tokenizer"], options, "5.17.0", options.get("max_length", 2048))


@pytest.mark.parametrize(("name", "rows"), [("unsloth", 300), ("unsloth_more", 80)])
def test_whole_set(shared: Path, name: str, rows: int) -> None:
    assert compare(shared / "golden" / "trainers" / f"{name}.jsonl", context_of) == rows


CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("options", "row", "exception"),
    [
        ({"response_part": "x"}, {"messages": CHAT}, "ValueError"),
        ({"instruction_part": "", "response_part": "x"}, {"messages": CHAT}, "ValueError"),
        ({}, {"messages": None}, "TypeError"),
        ({}, {"text": None}, "ValueError"),
        ({}, {"text": 5}, "ValueError"),
        ({}, {"messages": []}, "ValueError"),
        ({}, {"messages": 5}, "TypeError"),
        ({}, {"messages": CHAT, "tools": ["f"]}, "ValueError"),
        ({}, {}, "KeyError"),
        ({}, {"conversations": [{"from": "human", "value": 5}]}, "RuntimeError"),
        ({}, {"conversations": [{"from": "human", "value": "x", "weight": "1"}]}, "AssertionError"),
        ({}, {"conversations": [{"from": "observation", "value": "Hi"}]}, "TypeError"),
    ],
)
def test_refusals(options: dict[str, Any], row: dict[str, Any], exception: str) -> None:
    found = outcome(row, opened("unsloth", "glm45", options, "5.17.0", 2048))
    assert found.get("error") == exception


def test_one_marker_alone_is_refused_before_anything_is_read() -> None:
    trainer = opened("unsloth", "glm4", {}, "5.17.0", None).trainer
    refusal = trainer.refusal(trainer.Options(response_part="x"))
    assert refusal is not None and "neither" in refusal.say("en")
    assert trainer.refusal(trainer.Options()) is None


def test_conversations_and_texts() -> None:
    context = opened("unsloth", "glm45", {}, "5.17.0", 2048)
    wanted = outcome({"messages": CHAT}, context)
    for keys in (("from", "value"), ("role", "content"), ("who", "what")):
        turns = [{keys[0]: "Human", keys[1]: "Hi"}, {keys[0]: "gpt", keys[1]: "Hello"}]
        assert outcome({"conversations": turns}, context) == wanted
    text = context.template.render(CHAT)
    assert outcome({"text": text}, context) == wanted


def test_a_cut_row_is_labelled_as_it_is_cut() -> None:
    whole = outcome({"messages": [*CHAT, *CHAT]}, opened("unsloth", "glm4", {}, "5.17.0", None))
    end = whole["input_ids"].index(whole["input_ids"][2], 3)  # the second <|user|>
    cut = outcome({"messages": [*CHAT, *CHAT]}, opened("unsloth", "glm4", {}, "5.17.0", end + 1))
    assert whole["labels"][end] == -100
    assert cut["labels"][end] == cut["input_ids"][end], "what stands last is an answer's"


@pytest.mark.parametrize("model", ["glm4", "glm45"])
def test_markers_of_glms_templates(model: str) -> None:
    context = opened("unsloth", model, {}, "5.17.0", None)

    def render(turns: list[dict[str, Any]], waiting: bool) -> str:
        return context.template.render(turns, add_generation_prompt=waiting)

    tokenizer = context.tokenizer
    found = find_markers(render, lambda text: ids_of(text, tokenizer), tokenizer.control_text)
    assert found == ("<|user|>\n", "<|assistant|>\n")


def test_a_template_in_which_no_marker_is_found(tmp_path: Path) -> None:
    file = tmp_path / "t.jinja"
    file.write_text("{% for m in messages %}{{ m.role }}{% endfor %}", encoding="utf-8")
    plan = Plan(recipe="unsloth", tokenizer="glm4", template=str(file), max_length=UNLIMITED)
    found = outcome({"messages": CHAT}, open_context(plan))
    assert found["error"] == "ValueError" and "auto-detect" in found["message"]


def test_a_marker_whose_end_merges_with_what_follows() -> None:
    tokenizer = load_tokenizer("glm4")

    def parts(text: str) -> Marker:
        return marker(text, lambda one: ids_of(one, tokenizer), tokenizer.control_text, True)

    assistant = tokenizer.control["<|assistant|>"]
    assert parts("<|assistant|>>") == Marker([assistant], [], ids_of(">", tokenizer))
    assert parts("<|assistant|>\n") == Marker([assistant, *ids_of("\n", tokenizer)], [], [])
    assert parts("").core == []


def test_spans() -> None:
    plain = Labeller(Marker([7], [], [1]), Marker([8], [], [1]), (), 9)
    assert plain.spans([7, 1, 5, 8, 1, 5, 5, 7, 1, 5, 8, 5]) == [(5, 7), (11, 12)]
    assert plain.spans([8, 5, 9, 5, 8]) == [(1, 3)], "the end token is the answer's"
    assert plain.spans([8, 5, 8, 5]) == [(1, 2), (3, 4)]
    assert plain.spans([8]) == plain.spans([8, 1]) == plain.spans([]) == []
    opened = Labeller(Marker([3, 7], [], []), Marker([3, 8], [], []), (3,), None)
    assert opened.spans([3, 8, 5, 3, 6, 5, 3, 8, 5]) == [(2, 3), (8, 9)]
    typed = Labeller(Marker([3, 7], [], []), Marker([3, 8], [], []), (), None)
    assert typed.spans([3, 8, 5, 3, 6, 5, 3, 8, 5]) == [(2, 6), (8, 9)]


def test_labels_of_the_last_answer_and_of_masked_tokens() -> None:
    labeller = Labeller(Marker([7], [], []), Marker([8], [], []), (), None)
    ids = np.array([7, 8, 5, 6, 7, 8, 5, 6], np.int32)
    assert Labels(labeller, True, [])(ids).tolist() == [-100] * 6 + [5, 6]
    assert Labels(labeller, False, [[5, 6], [4]])(ids).tolist() == [-100] * 8
