"""TRL's YAML, as `trl sft --config FILE` takes it: what it says of ids, labels and data.

Source: trl 1.16.0, `trl/trainer/sft_config.py`, `trl/scripts/utils.py`. Names of keys are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.recipes._data_files import data_files
from glmlint.text import Text
from glmlint.trainer.config import DataFile, TrainerConfig, typed

_OPTIONS: Final = {
    "max_length": int,
    "truncation_mode": str,
    "assistant_only_loss": bool,
    "completion_only_loss": bool,
    "dataset_text_field": str,
    "eos_token": str,
    "packing": bool,
    "packing_strategy": str,
    "padding_free": bool,
}
"""Keys that are options of the recipe under the same name."""

_OTHERS: Final = frozenset(("template", "stage", "finetuning_type", "base_model", "tuner_type"))
"""Keys of other trainers that have the model's key too."""

_CHANGES_IDS: Final = {
    "dataset_kwargs": ("the preparation of the rows may be skipped", "可能跳过数据准备"),
    "test_split_size": (
        "a random part of the rows is kept for validation",
        "会随机留出一部分数据行用于验证",
    ),
}
"""Keys that change which ids or rows are trained and that glmlint ignores -> how."""


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not TRL's.

    Raises:
        ConfigError: a value of another type.
    """
    named = {"dataset_name", "datasets"} & values.keys()
    if "model_name_or_path" not in values or not named or _OTHERS & values.keys():
        return None
    config = TrainerConfig(recipe="trl", model=typed(values, "model_name_or_path", str, file))
    for key, kind in _OPTIONS.items():
        value = typed(values, key, kind, file)
        if value is not None or (key == "max_length" and key in values):
            config.options[key] = value
    config.max_length = config.options.get("max_length")
    config.taken += ["model_name_or_path", *config.options]
    template = typed(values, "chat_template_path", str, file)
    if template is not None and template.endswith((".jinja", ".j2")):
        config.template = template
        config.taken.append("chat_template_path")
    elif template is not None:
        config.warnings.append(
            Text(
                f"{file}: chat_template_path is ignored: name the template with --template",
                f"{file}：未按 chat_template_path 处理：请用 --template 指定模板",
            )
        )
    for key, (en, zh) in _CHANGES_IDS.items():
        if values.get(key):
            config.warnings.append(
                Text(f"{file}: {key} is ignored; with it, {en}", f"{file}：未按 {key} 处理：{zh}")
            )
    folder = Path(file).parent
    sets = typed(values, "datasets", list, file)
    if sets is None:
        sets = [{"path": typed(values, "dataset_name", str, file)}]
    for number, entry in enumerate(sets):
        if not isinstance(entry, dict):
            continue
        found = list(data_files(entry.get("path"), entry.get("data_files"), folder))
        if not found:
            config.warnings.append(
                Text(
                    f"{file}: no local file {entry.get('path')}",
                    f"{file}：本地没有文件 {entry.get('path')}",
                )
            )
        config.data += [DataFile(path, {}, f"datasets[{number}]") for path in found]
    return config
