"""Settings of other trainers come from anywhere: whatever they hold, one safe sentence and exit 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_gate import HOSTILE, assert_done_safely, folder, glmlint_here

__all__ = ["folder"]

ROW = {
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
}
RECIPES = ("llamafactory", "axolotl", "trl", "swift", "glm4")


def aliases(first: str, wrap: str, levels: int) -> str:
    """Ten of the level before in each level."""
    lines = [f"a0: &a0 {first}"]
    for level in range(1, levels):
        ten = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} {wrap.replace('TEN', ten)}")
    return "\n".join(lines) + "\n"


REFUSED = {
    "aliases of aliases": aliases("[x, x]", "[TEN]", 12),
    "a value that holds itself": "a: &a [*a]\n",
    "an object that holds itself": "a: &a {b: *a}\n",
    "a tag of Python": "a: !!python/object/apply:os.system ['touch pwned']\n",
    "a tag of nobody": "a: !secret x\n",
    "200,000 brackets": "a: " + "[" * 200_000,
    "300,000 braces": '{"a":' * 300_000,
    "3,000 levels": "\n".join(" " * level + "a:" for level in range(1400)),
    "two megabytes": "a: " + "x" * (2 << 20),
    "a list": "- a\n- b\n",
    "nothing": "",
    "a number": "5\n",
    "a null byte": "a: \x00\n",
    "no UTF-8": "a: \udcff\n",
    "tabs": "a:\n\t- b\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "an escape sequence": f"a: {HOSTILE}: [\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_hold_no_settings(name: str, folder: Path) -> None:
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    file = folder / "c.yaml"
    file.write_bytes(REFUSED[name].encode("utf-8", "surrogateescape"))
    for recipe in RECIPES:
        done = glmlint_here("check", "a.jsonl", "--recipe", recipe, "--trainer-config", "c.yaml")
        assert_done_safely(done, name, recipe)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), (recipe, done)
        if recipe != "glm4":
            assert "c.yaml" in done.err, done.err
    assert sorted(path.name for path in folder.iterdir()) == ["a.jsonl", "c.yaml"]


def test_merged_aliases_end(folder: Path) -> None:
    (folder / "c.yaml").write_text(aliases("{k: v}", "{<<: [TEN]}", 6))
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    for recipe in RECIPES:
        done = glmlint_here("check", "a.jsonl", "--recipe", recipe, "--trainer-config", "c.yaml")
        assert_done_safely(done, recipe)
        assert done.code in (0, 1, 2)


LLAMAFACTORY = {
    "stage": "sft",
    "model_name_or_path": "THUDM/GLM-4-9B-0414",
    "template": "glm4",
    "dataset": "mine",
    "dataset_dir": ".",
    "cutoff_len": 2048,
}
AXOLOTL = {
    "base_model": "THUDM/GLM-4-9B-0414",
    "sequence_len": 2048,
    "datasets": [{"path": "a.jsonl", "type": "chat_template"}],
}
ODD: tuple[Any, ...] = (
    None, 5, -1, 1e300, True, "", HOSTILE, "x" * 5000, [], [None], [[]], {}, {"a": {"b": []}}, {HOSTILE: HOSTILE},
)  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "values"), [("llamafactory", LLAMAFACTORY), ("axolotl", AXOLOTL)]
)
def test_a_value_of_any_type_under_each_key(
    recipe: str, values: dict[str, Any], folder: Path
) -> None:
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    (folder / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "a.jsonl"}}))
    for key in values:
        for value in ODD:
            (folder / "c.yaml").write_text(json.dumps({**values, key: value}))
            done = glmlint_here("check", "--recipe", recipe, "--trainer-config", "c.yaml")
            assert_done_safely(done, key, value)
            assert done.code != 2 or done.err.count("\n") == 1 or done.out, (key, value, done)


INFOS: tuple[Any, ...] = (
    None, [], "x", {}, {"other": {"file_name": "a.jsonl"}}, {"mine": None}, {"mine": []}, {"mine": {}},
    {"mine": {"file_name": "gone.jsonl"}}, {"mine": {"file_name": HOSTILE}}, {"mine": {"file_name": 5}},
    {"mine": {"file_name": ["a.jsonl"]}}, {"mine": {"file_name": "."}}, {"mine": {"file_name": "\0"}},
    {"mine": {"file_name": "a.jsonl", "formatting": HOSTILE}},
    {"mine": {"file_name": "a.jsonl", "formatting": "sharegpt", "columns": 5}},
    {"mine": {"file_name": "a.jsonl", "formatting": "sharegpt", "columns": {"messages": 5}}},
    {"mine": {"file_name": "a.jsonl", "formatting": "sharegpt", "columns": {"messages": HOSTILE}}},
    {"mine": {"file_name": "a.jsonl", "formatting": "sharegpt", "columns": {HOSTILE: "messages"}}},
    {"mine": {"file_name": "a.jsonl", "formatting": "sharegpt", "tags": {"role_tag": [1]}}},
    {"mine": {"file_name": "a.jsonl", "formatting": "sharegpt", "tags": HOSTILE}},
    {"mine": {"hf_hub_url": HOSTILE}}, {"mine": {"script_url": HOSTILE}}, {"mine": {"file_name": "a.jsonl", "split": HOSTILE, "num_samples": "x", "subset": HOSTILE}},
)  # fmt: skip


def test_lists_of_data_that_are_broken(folder: Path) -> None:
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    (folder / "c.yaml").write_text(json.dumps(LLAMAFACTORY))
    broken = [json.dumps(info) for info in INFOS]
    broken += ["", "{", "[" * 100_000, '{"mine": {"file_name": "a.jsonl"', "\ud800"]
    for text in broken:
        (folder / "dataset_info.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        done = glmlint_here("check", "--recipe", "llamafactory", "--trainer-config", "c.yaml")
        assert_done_safely(done, text[:80])
        assert done.code in (0, 1, 2)
        if done.code == 2 and not done.out:
            assert done.err.count("\n") == 1, (text[:80], done.err)


@pytest.mark.parametrize("name", ["dataset_info.json"])
def test_a_list_of_data_that_is_missing(name: str, folder: Path) -> None:
    (folder / "c.yaml").write_text(json.dumps(LLAMAFACTORY))
    done = glmlint_here("check", "--recipe", "llamafactory", "--trainer-config", "c.yaml")
    assert_done_safely(done, name)
    assert done.code == 2 and done.err.count("\n") == 1 and name in done.err, done


def test_settings_of_another_trainer_are_told(folder: Path) -> None:
    """No key of them decides what is trained: nothing may be taken from such a file in silence."""
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    for recipe, values in (("axolotl", LLAMAFACTORY), ("llamafactory", AXOLOTL), ("trl", AXOLOTL)):
        (folder / "c.yaml").write_text(json.dumps(values))
        done = glmlint_here("check", "a.jsonl", "--recipe", recipe, "--trainer-config", "c.yaml")
        assert_done_safely(done, recipe)
        assert done.code == 2 and done.err.count("\n") == 1 and "c.yaml" in done.err, done
