"""An entry of `messages` that is not an object: a string, null, a list.

The script asks every message for its role: for a string or null it raises TypeError, and the run
ends. Where only the template reads the messages (`combine: true`), the entry vanishes without a
message.

Evidence: LLaMA-Factory #4236; docs/recipes.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate, kind_of
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="message-not-object",
    family="structure",
    form="glm",
    title_zh="`messages` 里有一项不是对象，而是字符串、null 或列表",
    doc_zh="""
    脚本会读取每条消息的 role：遇到字符串或 null 会抛出 TypeError，训练随之中止。如果只有模板
    读取消息（`combine: true`），这一项会悄悄消失。

    依据：LLaMA-Factory #4236；docs/recipes.md。
    """,
    severity="error",
    when=Fact.ODD,
    text=Text(
        "messages[{index}] is {en}, not an object with role and content: it is silently left out",
        "messages[{index}] 是{zh}，不是带 role 和 content 的对象：会被悄悄跳过",
    ),
    variants={
        "raises": Text(
            "messages[{index}] is {en}, not an object with role and content: "
            "the trainer raises {exception}",
            "messages[{index}] 是{zh}，不是带 role 和 content 的对象：训练框架抛出 {exception}",
        )
    },
    help=Text(
        'Write it as {{"role": …, "content": …}}, or delete it.',
        '写成 {{"role": …, "content": …}}，或删除它。',
    ),
    bad=(
        {"messages": ["Hi", "Hello"]},
        {"messages": [{"role": "user", "content": "你好"}, None]},
        Example(
            rows=({"messages": [{"role": "user", "content": "Hi"}, ["assistant", "Hello"]]},),
            plan={"recipe": "glm4-combine"},
        ),
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
    if row.foreign:
        return
    for index, message in enumerate(row.messages):
        if isinstance(message, dict):
            continue
        en, zh = kind_of(message)
        at = ("messages", index)
        if fate(row, index) == "raises":
            yield rule.problem(
                at, text="raises", raises=True, index=index, en=en, zh=zh,
                exception=row.error.exception if row.error else "",
            )  # fmt: skip
        else:
            yield rule.problem(at, severity="warning", index=index, en=en, zh=zh)
