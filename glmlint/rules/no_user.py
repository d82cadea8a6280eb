"""A conversation without a user message.

The answers are trained without a question before them. That is how a base language model learns,
not a chat model; most often the question was lost in preprocessing.

Evidence: TRL #1225.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import speakers
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="no-user",
    family="structure",
    title_zh="对话里没有 user 消息",
    doc_zh="""
    回答在没有问题的情况下参与训练。这是预训练语言模型的学法，不是对话模型的；多数情况下是问题在预处
    理中丢失了。

    依据：TRL #1225。
    """,
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "no user message: the answers are trained without a question",
        "没有 user 消息：回答在没有问题的情况下参与训练",
    ),
    help=Text("Add the question, or delete the row.", "补上问题，或删除这一行。"),
    bad=(
        {"messages": [{"role": "assistant", "content": "Hello, how can I help?"}]},
        {
            "messages": [
                {"role": "system", "content": "你是客服。"},
                {"role": "assistant", "content": "您好！"},
            ]
        },
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
    if row.foreign or row.dropped is not None or row.format == "text":
        return  # plain text has no speakers
    roles = speakers(row)
    # A role that cannot be read may be the user's.
    if roles and None not in roles and "user" not in roles:
        yield rule.problem(row.turns_at)
