"""The official script's YAML (`lora.yaml`, `sft.yaml`): what it says of ids, labels and data.

Source: THUDM/GLM-4 finetune/configs and finetune.py, commit dfe4601 (2025-04-16).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.text import Text
from glmlint.trainer.config import DataFile, TrainerConfig, found_file, typed, wrong

_MARKS: Final = ("data_config", "max_input_length", "max_output_length", "combine", "freezeV")


def from_config(values: Mapping[str, Any], file: str, folder: str | None) -> TrainerConfig | None:
    """What the settings say; None where they are not the official script's.

    Args:
        values: the file's keys.
        file: its path.
        folder: the script's `data_dir`, which stands on its command line; None where it is not given.

    Raises:
        ConfigError: a value of another type.
    """
    if sum(key in values for key in _MARKS) < 2 or "data_config" not in values:
        return None
    combine = typed(values, "combine", bool, file)
    config = TrainerConfig(
        recipe="glm4" if combine is None else "glm4-combine" if combine else "glm4",
        max_input_length=typed(values, "max_input_length", int, file),
        max_output_length=typed(values, "max_output_length", int, file),
    )
    for key in ("combine", "max_input_length", "max_output_length"):
        if key in values:
            config.taken.append(key)
        else:
            config.warnings.append(
                Text(
                    f"{key} is missing: the official script at its last commit raises TypeError",
                    f"缺少 {key}：最新版官方脚本会抛出 TypeError",
                )
            )
    data = typed(values, "data_config", dict, file) or {}
    here = Path(file).parent
    folders = (
        [Path(folder)]
        if folder is not None
        else [Path(), Path("data"), here, here / "data", here.parent, here.parent / "data"]
    )
    for key, files in (("train_file", config.data), ("val_file", config.eval)):
        name = typed(data, key, str, file)
        if name is None:
            continue
        found = found_file(name, folders)
        if found is None and key == "train_file":
            raise wrong(
                file,
                f"data_config.{key}",
                Text(
                    f"no file {name}; the official script takes its data folder from the command "
                    "line: give that folder as PATH",
                    f"找不到文件 {name}；官方脚本从命令行获取数据文件夹：请把该文件夹作为 PATH 给出",
                ),
            )
        if found is None:
            config.warnings.append(
                Text(
                    f"{file}: data_config.{key}: no file {name}",
                    f"{file}：data_config.{key}：找不到文件 {name}",
                )
            )
        else:
            config.taken.append(f"data_config.{key}")
            files.append(DataFile(str(found), name=key))
    return config
