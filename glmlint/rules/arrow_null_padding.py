"""Keys of one tool appear as null in the prompts of all other tools.

`datasets` below 4.7 gives all objects at one path the same keys: one tool with an `enum` puts
`"enum": null` into the properties of the same name of all other tools and `"required": null` into
their parameters, and the keys come in the order in which the file shows them first. The official
script removes only what is null directly under `properties`; with `combine: true` it removes
nothing. The model is trained on tool lists that it will never see again. From 4.7 on, objects with
different keys come back as written, unless the file has a blank line. Ids and counts are those of
the padded rows; in a file of more than 320 KiB the order of keys that first appear beyond them
varies from run to run of the trainer (below 4.7), and the order of the file is assumed.

Evidence: ms-swift #6467 #10110; datasets 4.4 and 5.2 by running them (docs/loader.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.report import FileStats
from glmlint.loader import Padding, Shapes
from glmlint.plan import Plan, version
from glmlint.rules.base import Example, Problem, Rule, Text
from glmlint.trainer.base import Trainer, get_trainer
from glmlint.trainer.loaded import OLDEST_JSON

FUNCTION: Final = ("messages", 0, "tools", 0, "function")
"""What a template prints of a tool."""

BLANK_HELP: Final = Text(
    "Remove the blank lines: glmlint check --fix --extend-select blank-line.",
    "删除空行：glmlint check --fix --extend-select blank-line。",
)

PROPERTIES: Final = (*FUNCTION, "parameters", "properties")


def _row(name: str, question: str, answer: str, **more: Any) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"} | more},
        "required": ["city"],
    }
    function = {"name": name, "description": name, "parameters": parameters}
    return {
        "messages": [
            {
                "role": "system",
                "content": "",
                "tools": [{"type": "function", "function": function}],
            },
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


EXAMPLE: Final = (
    _row("get_weather", "Hi", "Hello"),
    _row("查询天气", "你好", "你好！", enum=["北京", "上海"]),
)
_ANY, _SOME = EXAMPLE

rule = Rule(
    name="arrow-null-padding",
    family="loader",
    title_zh="一个工具的键会以 null 出现在其他所有工具的提示词里",
    doc_zh="""
    4.7 之前的 `datasets` 会让同一路径上的所有对象拥有相同的键：只要有一个工具写了 `enum`，其
    他所有工具的同名属性里就会多出 `"enum": null`，其 parameters 里会多出 `"required": null`，
    键的顺序也变成它们在文件中首次出现的顺序。官方脚本只去掉直接位于 `properties` 下的 null；
    `combine: true` 时什么都不去掉。模型训练时看到的工具列表，以后再也不会遇到。从 4.7 起，键
    不同的对象会按原样读回，除非文件中有空行。id 和计数取自补了 null 之后的行；文件超过 320
    KiB 时，在此之后才首次出现的键，其顺序每次训练都可能不同（4.7 之前），这里按文件中的顺序计
    算。

    依据：ms-swift #6467 #10110；实际运行 datasets 4.4 和 5.2 得出（docs/loader.md）。
    """,
    severity="error",
    applies=lambda recipe, _: recipe.through_datasets,
    text=Text(
        "datasets {datasets} adds keys as null to tools that lack them ({keys:key}, such as `{where}`: in "
        "line {line}, not in line {absent}): prompts are trained with nulls",
        "datasets {datasets} 会给缺少某些键的工具补上 null（共 {keys} 个键，如 `{where}`："
        "第 {line} 行有，第 {absent} 行没有）：训练时提示词里带有 null",
    ),
    variants={
        "blank": Text(
            "because line {blank} is blank, datasets {datasets} adds keys as null to tools that lack them "
            "({keys:key}, such as `{where}`: in line {line}, not in line {absent}): prompts are trained "
            "with nulls",
            "由于第 {blank} 行是空行，datasets {datasets} 会给缺少某些键的工具补上 null（共 {keys} 个键，"
            "如 `{where}`：第 {line} 行有，第 {absent} 行没有）：训练时提示词里带有 null",
        ),
    },
    help=Text(
        "Train with datasets 4.7 or newer and pin it here; or read the rows with json.loads in place of "
        "load_dataset and leave --pin datasets out.",
        "训练时使用 datasets 4.7 或更新版本，并在这里用 --pin 指定；或在脚本中用 json.loads 代替 load_dataset "
        "读取各行，并去掉 --pin datasets。",
    ),
    bad=(
        Example(rows=(_ANY, _SOME), plan={"datasets": "4.6.1"}),
        Example(rows=(_SOME, b"", _ANY)),
        Example(rows=(_SOME, _ANY), plan={"datasets": "4.4.1", "recipe": "glm4-combine"}),
    ),
    good=(
        Example(rows=(_ANY, _SOME)),
        Example(rows=(_SOME, _SOME), plan={"datasets": "4.6.1"}),
        Example(rows=(_ANY, _ANY), plan={"datasets": "4.6.1"}),
    ),
)  # fmt: skip


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    shapes = file.shapes.whole
    if shapes is None:
        return
    padded = printed(shapes, plan.datasets, get_trainer(plan.recipe))
    if padded:
        blank = file.first_blank if version(plan.datasets) >= version(OLDEST_JSON) else None
        yield rule.problem(
            None,
            text=None if blank is None else "blank",
            help=None if blank is None else BLANK_HELP,
            blank=blank,
            keys=len(padded),
            where=padded[0].where,
            line=padded[0].line,
            absent=padded[0].absent,
            datasets=plan.datasets,
        )


def printed(shapes: Shapes, datasets: str, recipe: Trainer) -> list[Padding]:
    """The keys that a version adds to tools and that the recipe prints as null."""
    if any(conflict.fails for conflict in shapes.conflicts(datasets)):
        return []  # nothing is loaded at all
    inside = len(FUNCTION)
    return [
        padding
        for padding in shapes.padding(datasets)
        if padding.path[:inside] == FUNCTION
        and len(padding.path) > inside
        and not (recipe.cleans_properties and padding.path[:-1] == PROPERTIES)
    ]
