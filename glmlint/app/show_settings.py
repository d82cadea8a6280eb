"""`glmlint check --show-settings`: every setting, its value, and where that came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final, NamedTuple

from glmlint.app.limits import declared
from glmlint.app.settings import Gathered, gather, resolve
from glmlint.engine.check import matches
from glmlint.output import put
from glmlint.plan import NO_BUDGET, FileChoice, Plan
from glmlint.read.schema import load_schema
from glmlint.text import Text, is_folder
from glmlint.visible import json_text

_UNSET: Final = Text("not set", "未设置")
_RULES: Final = Text(
    "{n:rule} on; `glmlint rules` lists them", "启用 {n} 条规则；`glmlint rules` 会列出"
)
_FLAG: Final = Text("flag --{key}", "命令行参数 --{key}")
_DEFAULT: Final = Text("default", "默认")
_TRAINER: Final = Text("{file} (trainer-config)", "{file}（trainer-config）")
_HEADS: Final = (Text("Setting", "设置"), Text("Value", "值"), Text("From", "来源"))


class ShownSetting(NamedTuple):
    """One line of the answer."""

    key: str
    value: str | None
    """As TOML has it; None where it is not set."""
    origin: str


def show_settings(
    flags: Mapping[str, Any], paths: Sequence[str], out: IO[str], width: int, color: bool | None
) -> None:
    """Print the settings of a run.

    Args:
        flags: as `resolve` takes them.
        paths: what would be checked; blocks of `[[per-file]]` are shown where they match one.
        out: the stream.
        width: cells of a line.
        color: whether a table is coloured; None: TOML lines, for pipes.

    Raises:
        SettingsError: as `resolve`.
    """
    plan = resolve(flags, paths)
    gathered = gather(flags, paths)
    shown = _shown(plan, gathered)
    blocks = _blocks(gathered, plan, paths)
    rules = _RULES.say(plan.lang, n=len(_rules_of(plan, paths)))
    if color is not None:
        _table(shown, plan.lang, out, width, color)
    else:
        for one in shown:
            value = f"# {one.key} =" if one.value is None else f"{one.key} = {one.value}"
            put(out, f"{value}  # {one.origin}")
    for block in blocks:
        put(out, "")
        put(out, "[[per-file]]")
        for key, value in block.items():
            put(out, f"{key} = {toml(value)}")
    put(out, "")
    put(out, f"# {rules}")


def _shown(plan: Plan, gathered: Gathered) -> list[ShownSetting]:
    names = [name for name in load_schema("config")["properties"] if name != "per-file"]
    names += [one.name for one in declared() if one.name not in names]
    values = _values(plan, gathered)
    found = []
    for name in names:
        value = values.get(name)
        origin = _origin(name, plan, gathered)
        if value is None or (name == "eval" and not value):
            found.append(ShownSetting(name, None, _UNSET.say(plan.lang)))
        else:
            found.append(ShownSetting(name, toml(value), origin))
    return found


def _values(plan: Plan, gathered: Gathered) -> dict[str, Any]:
    """The value of each setting that has one."""
    set_by = gathered.settings
    lists = ("select", "extend-select", "ignore", "exclude", "extend-exclude")
    values = {
        **{one.name: one.default for one in declared()},
        "fail-on": plan.fail_on,
        "respect-gitignore": plan.choice.gitignore,
        "force-exclude": plan.choice.force,
        "exclude": [pattern for _, pattern in FileChoice.exclude],
        "output-format": plan.output_format,
        "column-unit": plan.column_unit,
        "engine": plan.engine,
        "cache": plan.cache,
        "lang": "auto",
        "max-findings": plan.max_findings,
        **set_by,
        **{name: _listed(set_by[name]) for name in lists if name in set_by},
        "recipe": plan.recipe,
        "model": plan.model or set_by.get("model"),
        "set": plan.options or None,
        "tokenizer": plan.tokenizer,
        "template": plan.template,
        "pin": {"transformers": plan.transformers, "datasets": plan.datasets},
        "max-length": None if plan.max_length == NO_BUDGET else plan.max_length,
        "max-input-length": plan.max_input_length,
        "max-output-length": plan.max_output_length,
        "eval": list(plan.eval_files),
    }
    if "severity" in set_by and not isinstance(set_by["severity"], dict):
        values["severity"] = dict(entry.split("=", 1) for entry in set_by["severity"])
    return values


def _listed(value: Sequence[str]) -> list[str]:
    return [one for entry in value for one in map(str.strip, entry.split(",")) if one]


def _origin(name: str, plan: Plan, gathered: Gathered) -> str:
    halves = ("max-input-length", "max-output-length")
    origin = gathered.origins.get(name)
    if origin is None and name == "max-length":
        set_half = next((half for half in halves if half in gathered.origins), None)
        if set_half is not None:
            return " + ".join(halves) + " + 1"
    if origin is None and name in ("tokenizer", "set"):
        origin = plan.origins.get(name)
    if origin is None or origin == "default":
        return _DEFAULT.say(plan.lang)
    if origin == "flag":
        return _FLAG.say(plan.lang, key=name)
    if origin == gathered.own.name:
        return _TRAINER.say(plan.lang, file=origin)
    table = "tool.glmlint." if origin.endswith("pyproject.toml") else ""
    file = gathered.folder / os.path.basename(origin)  # noqa: PTH119
    return f"{os.path.relpath(file)}: {table}{name}"


def _blocks(gathered: Gathered, plan: Plan, paths: Sequence[str]) -> list[dict[str, Any]]:
    """The blocks of the settings file that hold for the paths; all where a path is a folder."""
    blocks: list[dict[str, Any]] = gathered.config.get("per-file", [])
    names = [plan.choice.stdin_name or one if one == "-" else one for one in paths]
    if not names or any(map(is_folder, names)):
        return blocks
    root = plan.per_file_root
    return [one for one in blocks if any(matches(name, one["files"], root) for name in names)]


def _rules_of(plan: Plan, paths: Sequence[str]) -> dict[str, str]:
    """The rules of the first path."""
    rules = plan.rules
    for block in plan.per_file:
        name = plan.choice.stdin_name if paths and paths[0] == "-" else paths[0] if paths else None
        if name and matches(name, block.files, plan.per_file_root):
            rules = block.rules
    return rules


def _table(shown: list[ShownSetting], lang: str, out: IO[str], width: int, color: bool) -> None:
    from rich.text import Text as Styled

    from glmlint.reporters.tables import console_for, plain_table

    table = plain_table()
    for head in _HEADS:
        table.add_column(head.say(lang), overflow="fold")
    for one in shown:
        is_default = one.origin == _DEFAULT.say(lang)
        style = "dim" if one.value is None else "" if is_default else "bold"
        cells = (one.key, one.value or "", one.origin)
        table.add_row(*(Styled(cell, style=style) for cell in cells))
    with console_for(out, width, color) as console:
        console.print(table)


def toml(value: Any) -> str:
    """A value as TOML has it, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)} = {toml(one)}" for key, one in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json_text(value)
    return str(value)


def _key(name: str) -> str:
    return (
        name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else toml(name)
    )
