"""slime's arguments as keys and values: what they say of ids, labels and data.

Source: THUDM/slime, `slime/utils/arguments.py`, August 2026. Names are those of its command line, with
`_` or `-`, with or without the two dashes. slime itself takes them on its command line alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.recipes._data_files import data_files
from glmlint.text import Text
from glmlint.trainer.config import DataFile, TrainerConfig, typed

_SLICE: Final = "@["
"""In front of the range of rows that a path may name."""


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the arguments say; None where they are not those of slime's supervised training.

    Raises:
        ConfigError: a value of another type.
    """
    values = {key.lstrip("-").replace("-", "_"): value for key, value in values.items()}
    rollout = values.get("rollout_function_path")
    supervised = isinstance(rollout, str) and "sft_rollout" in rollout
    if "prompt_data" not in values or not (supervised or values.get("loss_type") == "sft_loss"):
        return None
    config = TrainerConfig(recipe="slime", model=typed(values, "hf_checkpoint", str, file))
    # What is not given has slime's own defaults, not those of its examples.
    config.options = {
        "loss_mask_type": typed(values, "loss_mask_type", str, file) or "qwen",
        "input_key": typed(values, "input_key", str, file) or "input",
        "tool_key": typed(values, "tool_key", str, file),
        "metadata_key": typed(values, "metadata_key", str, file) or "metadata",
    }
    config.taken += ["prompt_data", *(key for key in config.options if key in values)]
    if values.get("apply_chat_template"):
        config.warnings.append(
            Text(
                f"{file}: apply_chat_template is ignored; with it, the rollout gets text "
                "instead of messages",
                f"{file}：未按 apply_chat_template 处理：此时 rollout 得到的是文本而不是消息",
            )
        )
    named = typed(values, "prompt_data", str, file) or ""
    path, range_, _ = named.partition(_SLICE)
    if range_:
        config.warnings.append(
            Text(
                f"{file}: {named} is read whole, though it names a range of rows",
                f"{file}：{named} 指定了行的范围，这里仍读取整个文件",
            )
        )
    found = list(data_files(path, None, Path(file).parent))
    if not found:
        config.warnings.append(
            Text(f"{file}: no local file {path}", f"{file}：本地没有文件 {path}")
        )
    config.data = [DataFile(one, {}, "prompt_data") for one in found]
    return config
