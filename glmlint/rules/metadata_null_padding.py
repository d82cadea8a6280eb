"""One tool call in the file puts the word None into the header of every other message.

Below 4.7 `datasets` gives every message every key, so one `metadata` in the file makes
`metadata: null` of all messages without one. transformers up to 5.23, and the tokenizer file of June
2024 in any version, print that null: `<|user|>None`, `<|assistant|>None`. The answer then begins with a
word that nobody wrote, and it is trained. From 5.24 on transformers leaves out keys that are null, and
from 4.7 on `datasets` does not add them, unless the file has a blank line.

Evidence: datasets 4.4 and 5.2, transformers 5.23 and 5.24 by running them (docs/recipes.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.loader import Padding, Shapes
from glmlint.plan import Plan, version
from glmlint.recipes.base import get_recipe
from glmlint.report import FileStats
from glmlint.rules.base import Example, Problem, Rule, Text

METADATA: Final = ("messages", 0, "metadata")

DROPS: Final = "5.24.0"
"""From it on transformers leaves out what is null in a message."""

_PLAIN: Final = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
}
_CALL: Final = {
    "messages": [
        {"role": "user", "content": "北京天气？"},
        {"role": "assistant", "content": '{"city": "北京"}', "metadata": "get_weather"},
    ]
}
_OLD: Final = {"datasets": "4.6.1", "transformers": "5.23.0"}

rule = Rule(
    name="metadata-null-padding",
    family="loader",
    title_zh="文件里只要有一次工具调用，其他消息的头部就都会出现 None",
    severity="warning",
    applies=lambda recipe, _: recipe.through_datasets,
    text=Text(
        "`metadata` of line {line} makes datasets {datasets} add `metadata: null` to every other "
        "message: the word None is printed in their headers, and trained in those of answers",
        "第 {line} 行的 `metadata` 使 datasets {datasets} 给其他每条消息补上 `metadata: null`："
        "消息头中会出现单词 None，回答的消息头还会参与训练",
    ),
    variants={
        "depends": Text(
            "`metadata` of line {line} makes datasets {datasets} add `metadata: null` to every other "
            "message: transformers below {drops} prints the word None in their headers",
            "第 {line} 行的 `metadata` 使 datasets {datasets} 给其他每条消息补上 `metadata: null`："
            "transformers {drops} 之前的版本会在消息头中输出单词 None",
        )
    },
    help=Text(
        'Write "metadata": "" into every message; or train with transformers 5.24 or newer, or with '
        "datasets 4.7 or newer and no blank line in the file.",
        '在每条消息中写上 "metadata": ""；或使用 transformers 5.24 及以上版本，'
        "或使用 datasets 4.7 及以上版本且文件中没有空行。",
    ),
    bad=(
        Example(rows=(_CALL, _PLAIN), plan=_OLD),
        Example(rows=(_CALL,), plan={"datasets": "4.6.1"}),
        Example(rows=(_PLAIN, _CALL), plan={"datasets": "4.6.1", "recipe": "glm4-2024-06"}),
    ),
    good=(
        Example(rows=(_CALL, _PLAIN)),
        Example(rows=(_PLAIN, _PLAIN), plan=_OLD),
        Example(
            rows=({"messages": [{"role": "user", "content": "你好", "metadata": ""}]},), plan=_OLD
        ),
    ),
)  # fmt: skip


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    shapes = file.shapes.whole
    padded = None if shapes is None else padded_metadata(shapes, plan.datasets)
    if padded is None:
        return
    prints = prints_null(plan)
    if not prints and "transformers" in plan.pinned:
        return
    yield rule.problem(
        None,
        text=None if prints else "depends",
        severity="error" if prints else None,
        line=padded.line,
        datasets=plan.datasets,
        drops=DROPS,
    )


def prints_null(plan: Plan) -> bool:
    """Whether a null `metadata` is printed as the word None."""
    # The renderer of June 2024 is no template of transformers.
    own = get_recipe(plan.recipe).template_name is not None
    return own or version(plan.transformers) < version(DROPS)


def padded_metadata(shapes: Shapes, datasets: str) -> Padding | None:
    """What a version adds to messages without `metadata`; None where it adds nothing."""
    if any(conflict.fails for conflict in shapes.conflicts(datasets)):
        return None
    return next((p for p in shapes.padding(datasets) if p.path == METADATA), None)
