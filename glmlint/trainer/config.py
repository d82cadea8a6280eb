"""A trainer's own settings file: read safely, and what a trainer takes from it.

Which keys mean what is for each trainer to say (`Trainer.from_config`); nothing in the file is
executed, and nothing but the file itself is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from glmlint.text import Text, Told, system_fault

LIMIT: Final = 1 << 20
"""Bytes of the largest file that is read."""

_NODES: Final = 100_000
"""Values that a file may stand for, aliases written out."""


class ConfigError(Told):
    """A trainer's settings file that can't be used; the message is one sentence for the user."""


class DataFile(Struct):
    """One file that the trainer would read."""

    path: str
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the trainer that hold for this file alone, such as its columns."""
    name: str = ""
    """What the settings call it."""


class TrainerConfig(Struct):
    """What a trainer's settings say of the things that decide ids and labels."""

    recipe: str
    options: dict[str, Any] = field(default_factory=dict)
    max_length: int | None = None
    max_input_length: int | None = None
    max_output_length: int | None = None
    data: list[DataFile] = field(default_factory=list)
    eval: list[DataFile] = field(default_factory=list)
    model: str | None = None
    """A model's folder or name, as the settings have it."""
    template: str | None = None
    """A file with the chat template that the trainer takes instead of the model's."""
    taken: list[str] = field(default_factory=list)
    """Keys that were used."""
    warnings: list[Text] = field(default_factory=list)
    """Sentences about what the settings say and glmlint can't follow."""


def read_config(path: str) -> dict[str, Any]:
    """The keys and values of a YAML or JSON file.

    Raises:
        ConfigError: no such file, not valid, too large, or not an object.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise _fault(path, system_fault(error)) from None
    if len(data) > LIMIT:
        raise _fault(path, Text("larger than 1 MiB", "超过 1 MiB"))
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text) if path.endswith(".json") else _yaml(text)
        size = _size(value, {})
    except (ValueError, RecursionError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise _fault(path, Text(why, why)) from None
    if size > _NODES:
        raise _fault(path, Text("too many values", "值过多"))
    if not isinstance(value, dict):
        raise _fault(path, Text("it is not a mapping of keys to values", "内容不是键值对"))
    return {str(key): item for key, item in value.items()}


def _yaml(text: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not valid YAML"
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise ValueError(f"{where}{problem}") from None


def _size(value: Any, known: dict[int, int | None]) -> int:
    """How many values there are with aliases written out. Raises ValueError where one holds itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) in known:
        size = known[id(value)]
        if size is None:
            raise ValueError("a value that holds itself")
        return size
    known[id(value)] = None
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    size = 1 + sum(_size(item, known) for item in inner)
    known[id(value)] = size
    return size


def _fault(path: str, why: Text) -> ConfigError:
    return ConfigError(
        Text("--trainer-config {path}: {why}", "--trainer-config {path}：{why}"),
        path=path,
        why=why,
    )


def typed(values: Mapping[str, Any], key: str, kind: type | tuple[type, ...], file: str) -> Any:
    """The value of a key; None where it is absent or null.

    Raises:
        ConfigError: a value of another type.
    """
    value = values.get(key)
    if value is None:
        return None
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(one.__name__ for one in kinds)
        raise wrong(file, key, Text(f"{names} expected", f"应为 {names}"))
    return value


def wrong(file: str, key: str, why: Text) -> ConfigError:
    """A key whose value can't be used."""
    return ConfigError(
        Text("{file}: {key}: {why}", "{file}：{key}：{why}"), file=file, key=key, why=why
    )


def found_file(name: str, folders: list[Path]) -> Path | None:
    """The first of the folders' files of that name that exists."""
    for folder in folders:
        try:
            if (folder / name).exists():
                return folder / name
        except (OSError, ValueError):
            continue
    return None
