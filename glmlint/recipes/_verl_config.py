"""verl's YAML: what it says of ids, labels and data.

Source: verl 0.9.1, `verl/trainer/config/sft_trainer_engine.yaml`, `verl/trainer/sft_trainer.py`.
Names of keys are its own; they stand under `data`, or with dots as on its command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.recipes._data_files import data_files
from glmlint.text import Text
from glmlint.trainer.config import DataFile, TrainerConfig, typed

_OPTIONS: Final[dict[str, type | tuple[type, ...]]] = {
    "max_length": int,
    "truncation": str,
    "pad_mode": str,
    "messages_key": str,
    "tools_key": str,
    "enable_thinking_key": str,
    "enable_thinking_default": (bool, str, int),
    "image_key": str,
    "video_key": str,
    "apply_chat_template_kwargs": dict,
    "ignore_input_ids_mismatch": bool,
}
"""Keys that are options of the recipe under the same name."""

_OF_RL: Final = ("prompt_key", "max_prompt_length", "max_response_length")
"""Keys of `data` in the settings of its other trainers."""


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not those of verl's supervised training.

    Raises:
        ConfigError: a value of another type.
    """
    data = _section(values, "data")
    if "train_files" not in data or any(key in data for key in _OF_RL):
        return None
    config = TrainerConfig(recipe="verl", model=_model(values))
    for key, kind in _OPTIONS.items():
        value = typed(data, key, kind, file)
        if value is not None:
            config.options[key] = value
    config.max_length = config.options.get("max_length")
    config.taken += [f"data.{key}" for key in config.options]
    custom = data.get("custom_cls")
    if isinstance(custom, dict) and custom.get("path"):
        _warn(config, file, "data.custom_cls", "rows are read by other code", "由其他代码读取数据")
    samples = data.get("train_max_samples")
    if isinstance(samples, int) and samples > 0:
        _warn(
            config, file, "data.train_max_samples",
            f"only {samples} of the rows are trained", f"只训练其中 {samples} 行",
        )  # fmt: skip
    for key, files in (("train_files", config.data), ("val_files", config.eval)):
        named = data.get(key)
        for one in named if isinstance(named, list) else [named] if named is not None else []:
            found = list(data_files(_home(one), None, Path(file).parent))
            if not found:
                config.warnings.append(
                    Text(f"{file}: no local file {one}", f"{file}：本地没有文件 {one}")
                )
            files += [DataFile(path, {}, f"data.{key}") for path in found]
    return config


def _section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The keys under a name, or those that begin with it and a dot."""
    held = values.get(name)
    dotted = {
        key.removeprefix(f"{name}."): value
        for key, value in values.items()
        if key.startswith(f"{name}.")
    }
    return {**(held if isinstance(held, dict) else {}), **dotted}


def _model(values: Mapping[str, Any]) -> str | None:
    path = _section(values, "model").get("path")
    return path if isinstance(path, str) else None


def _home(name: Any) -> Any:
    """`~` is the user's folder."""
    if not isinstance(name, str) or not name.startswith("~"):
        return name
    try:
        return str(Path(name).expanduser())
    except RuntimeError:  # nobody knows whose
        return name


def _warn(config: TrainerConfig, file: str, key: str, en: str, zh: str) -> None:
    config.warnings.append(
        Text(f"{file}: {key} is ignored; with it, {en}", f"{file}：未按 {key} 处理：{zh}")
    )
