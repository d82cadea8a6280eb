"""ms-swift's own settings (the YAML or JSON that `swift sft` takes, or a run's args.json).

Source: ms-swift 4.6.0, swift/arguments and swift/cli/main.py. Names of keys are theirs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from glmlint.text import Text, is_file
from glmlint.trainer.config import DataFile, TrainerConfig, typed, wrong

_OPTIONS: Final[dict[str, type | tuple[type, ...]]] = {
    "template": str,
    "agent_template": str,
    "system": str,
    "max_length": int,
    "loss_scale": str,
    "is_binary_loss_scale": bool,
    "truncation_strategy": str,
    "response_prefix": str,
    "enable_thinking": bool,
    "preserve_thinking": bool,
    "add_non_thinking_prefix": bool,
    "disable_ignore_empty_think": bool,
    "columns": (dict, str),
    "disable_auto_column_mapping": bool,
    "strict": bool,
}
"""Keys that are options of the trainer under the same name."""

_NOT_FOLLOWED: Final[dict[str, tuple[Any, Text]]] = {
    "use_chat_template": (True, Text("rows are written without a template", "数据行不套用模板")),
    "template_backend": ("swift", Text("another renderer writes the rows", "由另一个渲染器生成")),
    "task_type": ("causal_lm", Text("another task is trained", "训练的是另一种任务")),
    "new_special_tokens": ([], Text("tokens are added to the vocabulary", "会向词表添加 token")),
    "external_plugins": ([], Text("code of your own may change rows", "自定义代码可能改变数据行")),
    "custom_register_path": (
        [],
        Text("code of your own may change rows", "自定义代码可能改变数据行"),
    ),
    "custom_dataset_info": (
        [],
        Text("rows may be read in another way", "其中可能规定了数据行的读取方式"),
    ),
    "cached_dataset": (
        [],
        Text("rows that were tokenized before are used", "会使用此前分词好的数据"),
    ),
    "split_dataset_ratio": (
        0,
        Text("a random part of the rows is kept for validation", "会随机留出一部分数据行用于验证"),
    ),
    "streaming": (
        False,
        Text(
            "rows are read one by one, without the types of the whole file",
            "逐行读取，不统一整个文件的类型",
        ),
    ),
}
"""Keys that change which ids or rows are trained and that glmlint ignores: their default, and how."""


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not ms-swift's.

    Raises:
        ConfigError: a value of another type.
    """
    if "model" not in values or not {"dataset", "swift_version"} & values.keys():
        return None
    if values.get("rlhf_type") is not None:
        raise wrong(
            file,
            "rlhf_type",
            Text(
                "not supervised fine-tuning: glmlint supports only `swift sft`",
                "不是有监督微调：glmlint 只支持 swift sft",
            ),
        )
    config = TrainerConfig(recipe="swift")
    for key, kind in _OPTIONS.items():
        value = typed(values, key, kind, file)
        if value is None or value == {}:
            continue
        config.options[key] = _columns(value, file) if key == "columns" else value
        config.taken.append(key)
    _read_environment(values, file, config)
    _read_system(file, config)
    config.max_length = config.options.get("max_length")
    config.model = typed(values, "model", str, file)
    config.taken.append("model")
    for key, (default, how) in _NOT_FOLLOWED.items():
        if values.get(key) not in (None, default):
            config.warnings.append(
                Text(
                    f"{file}: {key} is ignored; with it, {how.en}",
                    f"{file}：未按 {key} 处理：{how.zh}",
                )
            )
    if config.options.get("truncation_strategy") == "split":
        config.warnings.append(
            Text(
                f"{file}: truncation_strategy: ms-swift splits rows only in pre-training, and "
                "raises ValueError here",
                f"{file}：truncation_strategy：ms-swift 只在预训练中切分数据行，此处会抛出 ValueError",
            )
        )
    for key, files in (("dataset", config.data), ("val_dataset", config.eval)):
        found = [_file(name, file, key, config) for name in _names(values, key, file)]
        files += [each for each in found if each is not None]
        if files:
            config.taken.append(key)
    return config


def _columns(value: Any, file: str) -> dict[str, str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    try:
        return msgspec.convert(value, dict[str, str])
    except msgspec.ValidationError:
        why = Text("an object of column names expected", "应为列名到列名的对象")
        raise wrong(file, "columns", why) from None


def _read_environment(values: Mapping[str, Any], file: str, config: TrainerConfig) -> None:
    environment = typed(values, "ENV", dict, file) or {}
    effort = environment.get("reasoning_effort")
    if effort is not None:
        config.options["reasoning_effort"] = str(effort)
        config.taken.append("ENV.reasoning_effort")


def _read_system(file: str, config: TrainerConfig) -> None:
    """The system text that stands in a file of its own."""
    name = config.options.get("system", "")
    if not name.endswith(".txt"):
        return
    for folder in (Path(), Path(file).parent):
        try:
            with (folder / name).open("rb") as source:
                data = source.read((1 << 20) + 1)
            text = data.decode()
        except (OSError, ValueError):
            continue
        if len(data) <= 1 << 20 and "\\n" not in text:  # as an option, that is a line feed
            config.options["system"] = text
            return
    raise wrong(file, "system", Text(f"{name} can't be read", f"无法读取 {name}"))


def _names(values: Mapping[str, Any], key: str, file: str) -> list[str]:
    found = typed(values, key, (str, list), file)
    names = [found] if isinstance(found, str) else found or []
    if not all(isinstance(name, str) for name in names):
        raise wrong(file, key, Text("names of data sets expected", "应为数据集名称"))
    return names


def _file(name: str, file: str, key: str, config: TrainerConfig) -> DataFile | None:
    """The file that a name of a data set means; None where it is none here."""
    path, _, sample = name.rpartition("#") if "#" in name else (name, "", "")
    for start in (Path(), Path(file).parent):
        for tried in (name, path):
            found = os.path.normpath(start / tried)
            if tried and is_file(found):
                if tried == path and sample:
                    config.warnings.append(
                        Text(
                            f"{file}: {key}: {name}: all rows are checked, not {sample} "
                            "random ones",
                            f"{file}：{key}：{name}：检查全部数据行，而不是随机抽取的 {sample} 行",
                        )
                    )
                return DataFile(found, name=name)
    config.warnings.append(
        Text(
            f"{file}: {key}: no file {name}; data sets of a hub are not read",
            f"{file}：{key}：找不到文件 {name}；不读取 hub 上的数据集",
        )
    )
    return None
