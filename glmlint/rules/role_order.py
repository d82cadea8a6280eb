"""Turns out of order: two questions in a row, two answers in a row, a tool result without an answer.

Two user messages in a row mean that an answer is missing; with two answers in a row the model
learns to go on after its own end: the token trained after the first is `<|assistant|>`, not a stop.
With tools, an assistant may speak several times in a row. Results without a call are reported by
`observation-without-call`.

Evidence: LLaMA-Factory #9600 (such rows are dropped there).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.turns import answer_at, speakers
from glmlint.rules.base import Fact, Problem, Row, Rule, Text
from glmlint.trainer.row import per_row

rule = Rule(
    name="role-order",
    family="structure",
    form="glm",
    title_zh="轮次顺序不对：连续两个问题、连续两个回答，或工具结果之后没有回答",
    doc_zh="""
    连续两条 user 消息说明缺少回答；连续两个回答会让模型学着在自己结束之后继续说：第一个回答之后训练
    的 token 是 `<|assistant|>`，而不是停止符。使用工具时，assistant 可以连续发言。没有调用的工具结
    果由 `observation-without-call` 报告。

    依据：LLaMA-Factory #9600（那里会丢弃这样的行）。
    """,
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "messages[{index}] is the second user message in a row: the answer between them is missing",
        "messages[{index}] 是连续的第二条 user 消息：中间缺少回答",
    ),
    variants={
        "assistant": Text(
            "messages[{index}] is the second assistant message in a row: the model learns to go "
            "on instead of stopping after the first",
            "messages[{index}] 是连续的第二条 assistant 消息：模型在第一条之后学到的是继续说，而不"
            "是停止",
        ),
        "observation": Text(
            "messages[{index}] is a user message right after a tool result: the answer to the "
            "result is missing",
            "messages[{index}] 是紧跟在工具结果之后的 user 消息：缺少对结果的回答",
        ),
    },
    help=Text(
        "Merge the two messages, or add the missing one between them.",
        "把两条消息合并，或补上中间缺少的那条。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "user", "content": "Are you there?"},
                {"role": "assistant", "content": "Yes."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
                {"role": "assistant", "content": "有什么可以帮你？"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "observation", "content": "22"},
                {"role": "user", "content": "怎么样？"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "content": "Let me look."},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {"messages": [{"role": "user", "content": "Hi"}]},
    ),
)

_OUT_OF_ORDER: Final = {
    ("user", "user"): None,
    ("assistant", "assistant"): "assistant",
    ("observation", "user"): "observation",
}
"""Two consecutive roles -> the sentence about them."""


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    roles = speakers(row)
    before: str | None = None
    for index, role in enumerate(roles):
        if role == "system":
            continue
        pair = (before or "", role or "")
        before = role
        if pair == ("user", "user") and index == answer_at(row):
            continue  # `answer-under-user` speaks of it
        if pair not in _OUT_OF_ORDER or (pair == ("assistant", "assistant") and _tools(row)):
            continue
        yield rule.problem(
            ("messages", index),
            text=_OUT_OF_ORDER[pair],
            severity="error" if row.dropped else None,
            index=index,
        )
        return


@per_row
def _tools(row: Row) -> bool:
    """Whether the row uses tools."""
    return bool(row.facts & (Fact.TOOLS | Fact.CALLS)) and (
        "observation" in speakers(row)
        or any(message.get("metadata") or "tools" in message for _, message in row.good_messages)
    )
