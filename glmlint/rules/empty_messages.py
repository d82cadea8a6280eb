"""A row whose `messages` is an empty list.

Without a message there is nothing to render: the official script makes [gMASK], sop and the end
token of it, without a label, or raises IndexError with `combine: true`.

Evidence: docs/recipes.md; the chat template indexes the first message.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="empty-messages",
    family="structure",
    form="glm",
    title_zh="`messages` 是空列表",
    doc_zh="""
    没有消息就没有可渲染的内容：官方脚本会得到 [gMASK]、sop 和结尾的 token，都没有标签；
    `combine: true` 时抛出 IndexError。

    依据：docs/recipes.md；对话模板会取第一条消息。
    """,
    severity="error",
    when=Fact.ODD,
    fix="unsafe",
    text=Text(
        "messages is empty: the row teaches nothing",
        "messages 为空：这一行学不到任何东西",
    ),
    variants={
        "raises": Text(
            "messages is empty: the trainer raises {exception} at this row",
            "messages 为空：训练框架在这一行抛出 {exception}",
        )
    },
    help=Text(
        "Delete the row (`--unsafe-fixes` does, along with its other keys).",
        "删除这一行（`--unsafe-fixes` 会删除，连同行内的其他字段）。",
    ),
    bad=(
        {"messages": []},
        {"messages": [], "source": "空对话"},
        Example(rows=({"messages": []},), plan={"recipe": "glm4-combine"}),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if not isinstance(row.value, dict) or row.value.get("messages") != [] or row.foreign:
        return
    edits = (Edit("drop-row", ()),)
    if row.error is not None:
        yield rule.problem(
            ("messages",), text="raises", raises=True, edits=edits, exception=row.error.exception
        )
    else:
        yield rule.problem(("messages",), edits=edits)
