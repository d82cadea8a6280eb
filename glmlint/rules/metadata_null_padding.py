"""One tool call in the file puts the word None into the header of every other message.

`datasets` below 4.7 gives every message every key, so one `metadata` in the file adds `metadata:
null` to all messages without one. transformers up to 5.23, and the tokenizer file of June 2024 in
any version, print that null: `<|user|>None`, `<|assistant|>None`. The answer then begins with a
word that nobody wrote, and it is trained. From 5.24 on transformers leaves out keys that are null,
and from 4.7 on `datasets` does not add them, unless the file has a blank line.

`--fix` writes `"metadata": ""` into the messages without one, where the versions in question print
the null: the ids are then those of the row as it was written. Where nothing is printed nothing is
fixed, and `""` is no fix where other messages have a `metadata` that is not a string.

Evidence: datasets 4.4 and 5.2, transformers 5.23 and 5.24 by running them (docs/recipes.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.report import FileStats
from glmlint.loader import Padding, Shapes
from glmlint.plan import Plan, version
from glmlint.rules.base import Edit, Example, Fact, Pointer, Problem, Row, Rule, Text
from glmlint.trainer.base import get_trainer

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
    form="glm",
    title_zh="文件里只要有一次工具调用，其他消息的消息头就都会出现 None",
    doc_zh="""
    4.7 之前的 `datasets` 会让每条消息拥有所有的键，所以文件中只要有一个 `metadata`，其他没有
    它的消息就都会得到 `metadata: null`。transformers 5.23 及更早版本，以及任何版本下 2024 年
    6 月的分词器文件，都会输出这个 null：`<|user|>None`、`<|assistant|>None`。于是回答以一个谁
    也没写过的词开头，而且参与训练。从 5.24 起 transformers 会略去值为 null 的键；从 4.7 起
    `datasets` 不再补键，除非文件中有空行。

    如果所用版本会输出 null，`--fix` 会给没有 `metadata` 的消息写上 `"metadata": ""`：这样得到
    的 id 与原来书写的行一致。不会输出时不作修改；如果其他消息的 `metadata` 不是字符串，`""`
    也解决不了问题。

    依据：实际运行 datasets 4.4 和 5.2、transformers 5.23 和 5.24 得出（docs/recipes.md）。
    """,
    severity="warning",
    when=Fact.LOADED,
    fix="safe",
    applies=lambda recipe, _: recipe.through_datasets,
    text=Text(
        "other messages have `metadata`, so datasets {datasets} adds `metadata: null` to those without "
        "({rows:row}): their headers get the word None, and answers are trained with it",
        "其他消息有 `metadata`，因此 datasets {datasets} 会给没有它的消息补上 `metadata: null`"
        "（共 {rows} 行）：消息头中会出现单词 None，在回答中还会参与训练",
    ),
    variants={
        "unseen": Text(
            "`metadata` of line {line} makes datasets {datasets} add `metadata: null` to every other "
            "message: their headers get the word None, and answers are trained with it",
            "第 {line} 行的 `metadata` 使 datasets {datasets} 给其他每条消息补上 `metadata: null`："
            "消息头中会出现单词 None，在回答中还会参与训练",
        ),
        "depends": Text(
            "`metadata` of line {line} makes datasets {datasets} add `metadata: null` to every other "
            "message: transformers below {drops} prints the word None in their headers",
            "第 {line} 行的 `metadata` 使 datasets {datasets} 给其他每条消息补上 `metadata: null`："
            "transformers {drops} 之前的版本会在消息头中输出单词 None",
        )
    },
    help=Text(
        'Write "metadata": "" into every message (--fix does where the word is printed); or train with '
        "transformers 5.24 or newer, or with datasets 4.7 or newer and no blank line.",
        '在每条消息中写上 "metadata": ""（会输出 None 时 --fix 会代为写入）；或使用 transformers 5.24 及以上版本，'
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


_SAID: Final = "metadata-null-padding"
"""Under this name `notes` counts the rows that have their own finding."""


def note(row: Row) -> Iterator[str]:
    if _bare(row):
        yield _SAID


def check(row: Row) -> Iterator[Problem]:
    if bare := _bare(row):
        column = row.context.loads[row.path].message_fields["metadata"]
        edits = tuple(Edit("add", (*at, "metadata"), "") for at in bare)
        yield rule.problem(
            bare[0],
            severity="error",
            once="padded",
            edits=edits if column in ("string", "null") else (),
            datasets=row.plan.datasets,
        )


def _bare(row: Row) -> list[Pointer]:
    """The messages that get a null from the loader, where it is printed."""
    load = row.context.loads.get(row.path)
    if load is None or row.layout is None or not prints_null(row.plan):
        return []
    if "metadata" not in load.message_fields:
        return []
    return [("messages", at) for at, message in row.good_messages if "metadata" not in message]


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    shapes = file.shapes.whole
    padded = None if shapes is None else padded_metadata(shapes, plan.datasets)
    if padded is None:
        return
    prints = prints_null(plan)
    if prints and file.notes[_SAID]:
        return
    if not prints and "transformers" in plan.pinned:
        return
    yield rule.problem(
        None,
        text="unseen" if prints else "depends",
        severity="error" if prints else None,
        line=padded.line,
        datasets=plan.datasets,
        drops=DROPS,
    )


def prints_null(plan: Plan) -> bool:
    """Whether a null `metadata` is printed as the word None."""
    # The renderer of June 2024 does not use a transformers template.
    own = get_trainer(plan.recipe).template_name is not None
    return own or version(plan.transformers) < version(DROPS)


def padded_metadata(shapes: Shapes, datasets: str) -> Padding | None:
    """What a version adds to messages without `metadata`; None where it adds nothing."""
    if any(conflict.fails for conflict in shapes.conflicts(datasets)):
        return None
    return next((p for p in shapes.padding(datasets) if p.path == METADATA), None)
