"""The first message after the system message is not a user message.

A conversation that begins with an answer trains that answer without a question. Some trainers drop
such rows; the model's own service never sees a prompt of this kind.

Evidence: LLaMA-Factory #9600 (rows with turns out of order are dropped there).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import speakers
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="first-not-user",
    family="structure",
    form="glm",
    title_zh="system 之后的第一条消息不是 user 消息",
    doc_zh="""
    对话以回答开头，训练的就是没有问题的回答。有的训练框架会丢弃这样的行；实际的模型服务从不会
    遇到这种提示词。

    依据：LLaMA-Factory #9600（轮次顺序不对的行在那里会被丢弃）。
    """,
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "the conversation begins with {role}, not with user: its first text answers no question",
        "对话以 {role} 开头而不是 user：开头的文本没有对应的问题",
    ),
    help=Text(
        "Begin with a user message (a system message may come before it).",
        "让对话以 user 消息开头（前面可以有 system 消息）。",
    ),
    bad=(
        {
            "messages": [
                {"role": "assistant", "content": "Hello, how can I help?"},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "你是客服。"},
                {"role": "assistant", "content": "您好，请问有什么可以帮您？"},
                {"role": "user", "content": "查一下订单"},
                {"role": "assistant", "content": "好的。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "system", "content": "你是客服。"},
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "好"},
            ]
        },
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
    roles = speakers(row)
    for index, role in enumerate(roles):
        if role == "system":
            continue
        if role in ("assistant", "observation") and "user" in roles[index:]:
            yield rule.problem(
                ("messages", index), severity="error" if row.dropped else None, role=role
            )
        return
