"""A message whose `content` is null.

In the Jinja template a null content is falsy: the whole message disappears from the prompt, with
its role token, and the turns around it run together. The June 2024 tokenizer skips it too. An
assistant message without text teaches nothing; a user message without text makes the model answer a
question that it never saw.

Evidence: LLaMA-Factory #4249, unsloth #4438.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate, says_nothing
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="null-content",
    family="structure",
    form="glm",
    title_zh="消息的 `content` 为 null",
    doc_zh="""
    在 Jinja 模板里，null 为假值：整条消息连同角色标记都会从提示词中消失，前后两轮直接相连。2024 年
    6 月的分词器同样会跳过它。没有文本的 assistant 消息什么也教不了；没有文本的 user 消息则让模型去
    回答一个它没有看到的问题。

    依据：LLaMA-Factory #4249、unsloth #4438。
    """,
    severity="warning",
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "{place} is null: the template leaves the whole message out",
        "{place} 为 null：模板会跳过整条消息",
    ),
    variants={
        "raises": Text(
            "{place} is null: the trainer raises {exception} at this row",
            "{place} 为 null：训练框架在这一行抛出 {exception}",
        ),
        "nothing": Text(
            "{place} is null: the template leaves the message out, and the row has nothing to "
            "learn",
            "{place} 为 null：模板会跳过这条消息，这一行没有任何可训练的内容",
        ),
        "printed": Text(
            "{place} is null: the message is still printed",
            "{place} 为 null：这条消息仍会输出",
        ),
    },
    help=Text("Give it text, or drop the message.", "补上文本，或删除这条消息。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": None},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": None}]},
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": None},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "null"},
                {"role": "assistant", "content": "None"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    for index, message in row.good_messages:
        if message.get("content", "") is not None:
            continue
        at = ("messages", index, "content")
        where = f"messages[{index}].content"
        # A system message with null content is printed as one with empty content.
        silent = message.get("role") == "system" and says_nothing(message, "tools")
        edits = (Edit("replace", at, ""),) if silent else ()
        match fate(row, index):
            case "raises":
                yield rule.problem(
                    at, text="raises", severity="error", raises=True, edits=edits, place=where,
                    exception=row.error.exception if row.error else "",
                )  # fmt: skip
            case "nothing":
                yield rule.problem(at, text="nothing", severity="error", place=where)
            case "printed" | "trained":
                yield rule.problem(at, text="printed", edits=edits, place=where)
            case _:
                yield rule.problem(at, edits=edits, place=where)
