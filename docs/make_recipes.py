"""Writes docs/recipes/, a page for each trainer, and the table of docs/zh/recipes.md from the trainers' own files: python docs/make_recipes.py."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

from msgspec.structs import fields

from glmlint.plan import NO_BUDGET
from glmlint.trainer.base import Trainer, all_trainers

FOLDER = Path(__file__).resolve().parent / "recipes"
ZH = FOLDER.parent / "zh" / "recipes.md"


def pages() -> dict[str, str]:
    """File name -> text of every page; the same trainers always give the same text."""
    return {
        "README.md": index(),
        **{f"{name}.md": page(trainer) for name, trainer in all_trainers().items()},
    }


def index() -> str:
    """The list of all trainers."""
    lines = [
        "# Recipes",
        "",
        "A recipe reproduces one trainer: how it turns a row into ids and labels. Choose it with "
        "`glmlint check --recipe NAME`; `glmlint compare` shows what several make of the same rows.",
        "",
        "| recipe | trainer | read from | what carries loss |",
        "|---|---|---|---|",
    ]
    for name, trainer in all_trainers().items():
        lines.append(
            f"| [`{name}`]({name}.md) | {trainer.title.en} | {trainer.source}, {trainer.date} "
            f"| {cell(trainer.supervises.en)} |"
        )
    return "\n".join(lines) + "\n"


def page(trainer: Trainer) -> str:
    """One trainer: its facts, its options, and the docstring of its file."""
    module = inspect.getmodule(type(trainer))
    assert module is not None
    module = importlib.import_module(module.__name__)
    first, _, rest = (module.__doc__ or "").strip().partition("\n")
    budget = trainer.default_budget(trainer.Options())
    shown = "none" if budget in (None, NO_BUDGET) else f"{budget:,}"
    parts = [
        f"# {trainer.name}",
        trainer.title.en + " · " + trainer.title.zh,
        first,
        rest.strip(),
        "\n".join(
            [
                "| | |",
                "|---|---|",
                f"| read from | {trainer.source} |",
                f"| date | {trainer.date} |",
                f"| what carries loss | {cell(trainer.supervises.en)} |",
                f"| 监督范围 | {cell(trainer.supervises.zh)} |",
                f"| budget | {trainer.budget_means.en}; default {shown} |",
                f"| forms of rows | {', '.join(sorted(trainer.reads))} |",
            ]
        ),
        *options(trainer),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def options(trainer: Trainer) -> list[str]:
    """The table of `--set KEY=VALUE`."""
    if not fields(trainer.Options):
        return []
    lines = ["## Options", "", "Set with `--set KEY=VALUE`, or taken from `--trainer-config`.", ""]
    lines += ["| option | default |", "|---|---|"]
    defaults = trainer.Options()
    for one in fields(trainer.Options):
        value: Any = getattr(defaults, one.name)
        try:
            told = json.dumps(value, ensure_ascii=False)
        except TypeError:
            told = str(value)
        lines.append(f"| `{one.encode_name}` | `{told}` |")
    return ["\n".join(lines)]


def page_zh() -> str:
    """The Chinese page with its table of all trainers."""
    rows = ["| 配方 | 训练框架 | 监督范围 | 预算 |", "|---|---|---|---|"]
    for name, trainer in all_trainers().items():
        budget = trainer.default_budget(trainer.Options())
        shown = "无默认值" if budget in (None, NO_BUDGET) else f"默认 {budget:,}"
        rows.append(
            f"| [`{name}`](../recipes/{name}.md) | {trainer.title.zh} | {cell(trainer.supervises.zh)} "
            f"| {trainer.budget_means.zh}，{shown} |"
        )
    start, stop = "<!-- recipes -->\n", "<!-- end of recipes -->"
    before, _, rest = ZH.read_text(encoding="utf-8").partition(start)
    return before + start + "\n".join(rows) + "\n" + stop + rest.partition(stop)[2]


def cell(text: str) -> str:
    """A text in a table: control tokens are code."""
    return text.replace("<|", "`<|").replace("|>", "|>`").replace("|", "\\|")


def main() -> None:
    """Write the pages, and delete those of trainers that no longer exist."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for file in FOLDER.glob("*.md"):
        if file.name not in wanted:
            file.unlink()
    ZH.write_text(page_zh(), encoding="utf-8")


if __name__ == "__main__":
    main()
