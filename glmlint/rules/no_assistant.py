"""A conversation without an answer.

Only assistant messages are trained. Without one, every label is -100, and with `combine: true` the
trainer raises ValueError, because it looks for the last assistant token.

Evidence: TRL #1225; GLM-4 #438, #441, #544.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import answer_at, speakers
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="no-assistant",
    family="structure",
    title_zh="对话里没有回答",
    doc_zh="""
    只有 assistant 消息参与训练。没有这样的消息，所有标签都是 -100；在 `combine: true` 下官方脚本会
    抛出 ValueError，因为它要查找最后一个 assistant 标记。

    依据：TRL #1225；GLM-4 #438、#441、#544。
    """,
    severity="error",
    when=Fact.ROLES,
    text=Text(
        "no assistant message: there is no answer to learn",
        "没有 assistant 消息：没有可学习的回答",
    ),
    variants={
        "raises": Text(
            "no assistant message: the trainer raises {exception} at this row",
            "没有 assistant 消息：训练框架在这一行抛出 {exception}",
        ),
    },
    help=Text("Add the answer, or delete the row.", "补上回答，或删除这一行。"),
    bad=(
        {"messages": [{"role": "user", "content": "Hi"}]},
        {
            "messages": [
                {"role": "system", "content": "你是客服。"},
                {"role": "user", "content": "你好"},
            ]
        },
        Example(
            rows=({"messages": [{"role": "user", "content": "Hi"}]},),
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
    roles = speakers(row)
    # A role that cannot be read may be the assistant's.
    if not roles or None in roles or "assistant" in roles:
        return
    error = row.error
    if error is not None and error.exception == "ValueError" and error.at is None:
        yield rule.problem(row.turns_at, text="raises", raises=True, exception=error.exception)
    elif answer_at(row) is None:  # else `answer-under-user` says where it is
        # Something is trained all the same where other text carries the loss.
        yield rule.problem(row.turns_at, severity="warning" if row.supervised else "error")
