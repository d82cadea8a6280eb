"""axolotl's YAML: what it says of ids, labels and data.

Source: axolotl 0.19.0, `axolotl/utils/schemas/`. Names of keys are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.recipes._data_files import data_files
from glmlint.text import Text, is_file
from glmlint.trainer.config import DataFile, TrainerConfig, typed, wrong

_OPTIONS: Final = {
    "sequence_len": int,
    "excess_length_strategy": str,
    "min_sample_len": int,
    "sample_packing": bool,
    "train_on_inputs": bool,
    "eot_tokens": list,
    "chat_template_kwargs": dict,
}
"""Keys that are options of the recipe under the same name."""

_OF_SETS: Final = {
    "roles_to_train": list,
    "train_on_eos": str,
    "train_on_eot": str,
    "field_messages": str,
    "message_property_mappings": dict,
    "message_field_training": str,
    "message_field_training_detail": str,
    "field_thinking": str,
    "template_thinking_key": str,
    "roles": dict,
    "split_thinking": bool,
    "drop_system_message": bool,
}
"""The same, of an entry of `datasets`."""

_CHANGES_IDS: Final = {
    "tokens": ("tokens are added to the vocabulary", "会向词表添加 token"),
    "added_tokens_overrides": ("tokens of the vocabulary are renamed", "会重命名词表中的 token"),
    "dataset_exact_deduplication": ("equal rows are left out", "会去掉重复的数据行"),
    "pretraining_dataset": ("rows are streamed for pre-training", "按预训练方式流式读取"),
}
"""Keys that change which ids or rows are trained and that glmlint ignores -> how."""


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not axolotl's.

    Raises:
        ConfigError: a value of another type.
    """
    sets = values.get("datasets")
    if "base_model" not in values or not isinstance(sets, list):
        return None
    config = TrainerConfig(recipe="axolotl", model=typed(values, "base_model", str, file))
    config.taken.append("base_model")
    _take(_OPTIONS, values, config.options, file)
    config.taken += config.options
    special = typed(values, "special_tokens", dict, file) or {}
    if isinstance(special.get("eos_token"), str):
        config.options["eos_token"] = special["eos_token"]
        config.taken.append("special_tokens")
    config.max_length = config.options.get("sequence_len")
    for key, (en, zh) in _CHANGES_IDS.items():
        if values.get(key):
            _warn(
                config, f"{file}: {key} is ignored; with it, {en}", f"{file}：未按 {key} 处理：{zh}"
            )
    if values.get("val_set_size"):
        _warn(
            config,
            f"{file}: val_set_size is ignored; with it, a random part of the rows is kept "
            "for validation",
            f"{file}：未按 val_set_size 处理：会随机留出一部分数据行用于验证",
        )
    _template(values, file, config)
    for key, files in (("datasets", config.data), ("test_datasets", config.eval)):
        for number, entry in enumerate(typed(values, key, list, file) or ()):
            _read_set(entry, f"{key}[{number}]", values, file, config, files)
    return config


def _take(
    kinds: Mapping[str, type], values: Mapping[str, Any], into: dict[str, Any], file: str
) -> None:
    for key, kind in kinds.items():
        value = typed(values, key, kind, file)
        if value is not None:
            into[key] = value


def _warn(config: TrainerConfig, en: str, zh: str) -> None:
    config.warnings.append(Text(en, zh))


def _template(values: Mapping[str, Any], file: str, config: TrainerConfig) -> None:
    """The chat template that the settings name, where it is a file."""
    named = values.get("chat_template")
    jinja = values.get("chat_template_jinja")
    path = Path(jinja) if isinstance(jinja, str) and "\n" not in jinja and jinja else None
    if path is not None and named in (None, "jinja"):
        found = next((one for one in (path, Path(file).parent / path) if is_file(one)), None)
        if found is not None:
            config.template = str(found)
            config.taken.append("chat_template_jinja")
            return
    if named in (None, "tokenizer_default") and not jinja:
        return
    _warn(
        config,
        f"{file}: chat_template is ignored: name the template with --template",
        f"{file}：未按 chat_template 处理：请用 --template 指定模板",
    )


def _read_set(
    entry: Any,
    name: str,
    values: Mapping[str, Any],
    file: str,
    config: TrainerConfig,
    files: list[DataFile],
) -> None:
    if not isinstance(entry, dict):
        raise wrong(file, name, Text("keys and values expected", "应为键值对"))
    kind = entry.get("type")
    if kind != "chat_template":
        _warn(
            config,
            f"{file}: {name}: type {kind} is not known here: only chat_template is",
            f"{file}：{name}：此处不支持 type: {kind}，只支持 chat_template",
        )
        return
    options: dict[str, Any] = {}
    _take(_OF_SETS, entry, options, file)
    options["message_property_mappings"] = _mapping(entry, options, name, file)
    for key in ("chat_template", "chat_template_jinja"):
        if entry.get(key) not in (None, "tokenizer_default", values.get(key)):
            _warn(
                config,
                f"{file}: {name}.{key} is ignored: name the template with --template",
                f"{file}：未按 {name}.{key} 处理：请用 --template 指定模板",
            )
    found = list(data_files(entry.get("path"), entry.get("data_files"), Path(file).parent))
    if not found:
        _warn(
            config,
            f"{file}: {name}: no local file {entry.get('path')}",
            f"{file}：{name}：本地没有文件 {entry.get('path')}",
        )
    files += [DataFile(path, options, name) for path in found]


def _mapping(
    entry: Mapping[str, Any], options: Mapping[str, Any], name: str, file: str
) -> dict[str, str]:
    """`message_property_mappings` as axolotl's own checks leave it: role and content are always in it,
    so that its default, which has the thought too, never counts."""
    mapping = dict(options.get("message_property_mappings") or {})
    for key in ("role", "content"):
        old = entry.get(f"message_field_{key}")
        if old is not None and mapping.get(key, old) != old:
            raise wrong(
                file,
                f"{name}.message_field_{key}",
                Text(
                    "message_property_mappings names another field: axolotl raises ValueError",
                    "message_property_mappings 指定了另一个字段：axolotl 会抛出 ValueError",
                ),
            )
        mapping.setdefault(key, old or key)
    return mapping
