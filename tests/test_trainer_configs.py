"""The settings of TRL and axolotl: what is taken of them, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from glmlint.app.settings import SettingsError, resolve

ROW = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}\n'


def settings(folder: Path, values: dict[str, Any]) -> str:
    (folder / "train.jsonl").write_text(ROW)
    (folder / "val.jsonl").write_text(ROW)
    (folder / "t.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(values))
    return str(file)


AXOLOTL: dict[str, Any] = {
    "base_model": "zai-org/GLM-4.5-Air",
    "sequence_len": 4096,
    "excess_length_strategy": "truncate",
    "sample_packing": True,
    "eot_tokens": ["<|user|>"],
    "special_tokens": {"eos_token": "<|user|>"},
    "datasets": [
        {
            "path": "train.jsonl",
            "type": "chat_template",
            "field_messages": "messages",
            "roles_to_train": ["assistant"],
            "train_on_eos": "all",
        },
        {"path": "json", "data_files": ["val.jsonl"], "type": "chat_template"},
    ],
    "test_datasets": [{"path": "val.jsonl", "type": "chat_template"}],
}


def test_axolotl(tmp_path: Path) -> None:
    plan = resolve({"trainer-config": settings(tmp_path, AXOLOTL)})
    assert (plan.recipe, plan.model, plan.tokenizer, plan.max_length) == (
        *("axolotl", "glm-4.5", "glm4.5"),
        4096,
    )
    assert plan.template == "GLM-4.5"
    assert plan.options["eot_tokens"] == ["<|user|>"] and plan.options["eos_token"] == "<|user|>"
    assert [Path(path).name for path in plan.data] == ["train.jsonl", "val.jsonl"]
    assert [Path(path).name for path in plan.eval_files] == ["val.jsonl"]
    own = plan.file_options[str((tmp_path / "train.jsonl").resolve())]
    assert own["train_on_eos"] == "all"
    assert own["message_property_mappings"] == {"role": "role", "content": "content"}
    assert not plan.notes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chat_template": "chatml"}, "chat_template"),
        ({"chat_template_jinja": "{{ x }}\n"}, "chat_template"),
        ({"tokens": ["<x>"]}, "tokens"),
        ({"val_set_size": 0.1}, "val_set_size"),
        ({"datasets": [{"path": "train.jsonl", "type": "alpaca"}]}, "alpaca"),
        ({"datasets": [{"path": "owner/name", "type": "chat_template"}]}, "owner/name"),
        (
            {"datasets": [{"path": "train.jsonl", "type": "chat_template", "chat_template": "x"}]},
            "datasets[0].chat_template",
        ),
    ],
)
def test_what_is_not_followed_of_axolotl_is_said(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    plan = resolve({"trainer-config": settings(tmp_path, {**AXOLOTL, **change})})
    assert any(said in note.en and said in note.zh for note in plan.notes)


def test_a_template_of_axolotls_settings(tmp_path: Path) -> None:
    change = {"chat_template": "jinja", "chat_template_jinja": "t.jinja"}
    plan = resolve({"trainer-config": settings(tmp_path, {**AXOLOTL, **change})})
    assert plan.template is not None and Path(plan.template).name == "t.jinja"
    assert not plan.notes


@pytest.mark.parametrize(
    "change",
    [
        {"sequence_len": "long"},
        {"datasets": ["train.jsonl"]},
        {"excess_length_strategy": "cut"},
        {
            "datasets": [
                {
                    "path": "train.jsonl",
                    "type": "chat_template",
                    "message_field_role": "from",
                    "message_property_mappings": {"role": "who"},
                }
            ]
        },
    ],
)
def test_values_of_axolotls_settings_that_cant_be(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        resolve({"trainer-config": settings(tmp_path, {**AXOLOTL, **change})})


TRL: dict[str, Any] = {
    "model_name_or_path": "zai-org/GLM-4.5",
    "datasets": [{"path": "json", "data_files": "train.jsonl"}],
    "max_length": 2048,
    "assistant_only_loss": True,
    "packing": False,
    "learning_rate": 1e-5,
}


def test_trl(tmp_path: Path) -> None:
    plan = resolve({"trainer-config": settings(tmp_path, TRL)})
    assert (plan.recipe, plan.model, plan.template, plan.max_length) == (
        *("trl", "glm-4.5", "GLM-4.5"),
        2048,
    )
    assert plan.options["assistant_only_loss"] is True
    assert [Path(path).name for path in plan.data] == ["train.jsonl"]
    assert not plan.notes


def test_no_limit_of_trl_is_no_limit(tmp_path: Path) -> None:
    plan = resolve({"trainer-config": settings(tmp_path, {**TRL, "max_length": None})})
    assert plan.options["max_length"] is None and plan.max_length > 1 << 30


def test_a_data_set_by_name_and_a_template(tmp_path: Path) -> None:
    values = {key: value for key, value in TRL.items() if key != "datasets"}
    template = str(tmp_path / "t.jinja")
    values |= {"dataset_name": str(tmp_path), "chat_template_path": template}
    plan = resolve({"trainer-config": settings(tmp_path, values)})
    assert [Path(path).name for path in plan.data] == ["train.jsonl", "val.jsonl"]
    assert plan.template == template


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chat_template_path": "owner/model"}, "chat_template_path"),
        ({"dataset_kwargs": {"skip_prepare_dataset": True}}, "dataset_kwargs"),
        ({"datasets": [{"path": "trl-lib/Capybara"}]}, "trl-lib/Capybara"),
    ],
)
def test_what_is_not_followed_of_trl_is_said(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    plan = resolve({"trainer-config": settings(tmp_path, {**TRL, **change})})
    assert any(said in note.en and said in note.zh for note in plan.notes)


def test_settings_of_other_trainers_are_not_theirs(tmp_path: Path) -> None:
    other = {**TRL, "stage": "sft", "template": "glm4", "dataset": "x", "finetuning_type": "lora"}
    with pytest.raises(SettingsError):  # LLaMA-Factory's: there is no dataset_info.json
        resolve({"trainer-config": settings(tmp_path, other)})


VERL: dict[str, Any] = {
    "data": {
        "train_files": "train.jsonl",
        "val_files": ["val.jsonl"],
        "max_length": 4096,
        "truncation": "right",
        "enable_thinking_default": "none",
        "apply_chat_template_kwargs": {"clear_thinking": False},
        "ignore_input_ids_mismatch": True,
        "train_batch_size": 256,
    },
    "model": {"path": "zai-org/GLM-4.5-Air"},
}


@pytest.mark.parametrize("dotted", [False, True])
def test_verl(tmp_path: Path, dotted: bool) -> None:
    values = VERL
    if dotted:
        values = {f"{top}.{key}": one for top, of in VERL.items() for key, one in of.items()}
    plan = resolve({"trainer-config": settings(tmp_path, values)})
    assert (plan.recipe, plan.model, plan.template, plan.max_length) == (
        *("verl", "glm-4.5", "GLM-4.5"),
        4096,
    )
    assert plan.options["enable_thinking_default"] == "none", "which is a text, and so true"
    assert plan.options["apply_chat_template_kwargs"] == {"clear_thinking": False}
    assert [Path(path).name for path in plan.data] == ["train.jsonl"]
    assert [Path(path).name for path in plan.eval_files] == ["val.jsonl"]
    assert not plan.notes


SLIME: dict[str, Any] = {
    "rollout-function-path": "slime.rollout.sft_rollout.generate_rollout",
    "prompt-data": "train.jsonl",
    "input-key": "messages",
    "loss-mask-type": "qwen3",
    "hf-checkpoint": "zai-org/GLM-4.6",
}


@pytest.mark.parametrize("form", ["{}", "--{}"])
def test_slime(tmp_path: Path, form: str) -> None:
    values = {form.format(key): value for key, value in SLIME.items()}
    plan = resolve({"trainer-config": settings(tmp_path, values)})
    assert (plan.recipe, plan.model, plan.template) == ("slime", "glm-4.6", "GLM-4.6")
    assert plan.options["loss_mask_type"] == "qwen3" and plan.options["tool_key"] is None
    assert [Path(path).name for path in plan.data] == ["train.jsonl"]
    assert not plan.notes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({**VERL, "data": {**VERL["data"], "train_max_samples": 5}}, "train_max_samples"),
        ({**VERL, "data": {**VERL["data"], "custom_cls": {"path": "a.py"}}}, "custom_cls"),
        ({**VERL, "data": {"train_files": "~nobody/x.parquet"}}, "~nobody/x.parquet"),
        ({**SLIME, "prompt-data": "train.jsonl@[0:10]"}, "train.jsonl@[0:10]"),
        ({**SLIME, "prompt-data": "absent.jsonl"}, "absent.jsonl"),
        ({**SLIME, "apply-chat-template": True}, "apply_chat_template"),
    ],
)
def test_what_is_not_followed_of_verl_and_slime_is_said(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    plan = resolve({"trainer-config": settings(tmp_path, values)})
    assert any(said in note.en and said in note.zh for note in plan.notes)


@pytest.mark.parametrize(
    "values",
    [
        {**VERL, "data": {**VERL["data"], "max_length": "long"}},
        {**VERL, "data": {**VERL["data"], "truncation": "middle"}},
        {**SLIME, "loss-mask-type": "gemma"},
        {"data": {"train_files": "a.parquet", "prompt_key": "prompt"}},
    ],
)
def test_values_of_verls_and_slimes_settings_that_cant_be(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError):
        resolve({"trainer-config": settings(tmp_path, values)})
