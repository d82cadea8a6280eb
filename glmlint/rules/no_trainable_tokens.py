"""A row in which the mask leaves nothing to learn.

Every label is -100: the row costs a forward pass and teaches nothing, and in a batch of its own its
loss is nan or 0. The usual causes: no assistant message, or an empty one, which the template leaves
out.

Evidence: unsloth #2095, #2900; TRL #6668.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.calls import calls
from glmlint.evidence.turns import speakers
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="no-trainable-tokens",
    family="mask",
    title_zh="按掩码没有任何内容可学的行",
    doc_zh="""
    所有标签都是 -100：这一行要做一次前向计算，却什么也教不了；单独成为一个批次时，损失为 nan 或 0。
    常见原因：没有 assistant 消息，或该消息内容为空、被模板跳过。

    依据：unsloth #2095、#2900；TRL #6668。
    """,
    severity="error",
    when=Fact.UNTRAINED,
    text=Text(
        "none of {tokens} tokens is supervised: the mask leaves nothing to learn",
        "{tokens} 个 token 全部被掩码屏蔽：没有任何可学习的内容",
    ),
    variants={
        "no-assistant": Text(
            "none of {tokens} tokens is supervised: the row has no assistant message",
            "{tokens} 个 token 都不受监督：这一行没有 assistant 消息",
        ),
        "blank": Text(
            "none of {tokens} tokens is supervised: {where} has no content",
            "{tokens} 个 token 都不受监督：{where} 没有内容",
        ),
        "empty": Text(
            "none of {tokens} tokens is supervised: {where} has no content, "
            "and the template leaves it out",
            "{tokens} 个 token 都不受监督：{where} 没有内容，模板会跳过它",
        ),
        "raises": Text(
            "none of {tokens} tokens is supervised: {trainer} stops with {exception} at such a row",
            "{tokens} 个 token 都不受监督：{trainer}遇到这样的行会因 {exception} 中止",
        ),
    },
    help=Text("Give the row an answer, or delete it.", "补上 assistant 的回答，或删除这一行。"),
    bad=(
        {"messages": [{"role": "user", "content": "你好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": ""},
            ]
        },
        Example(
            rows=({"messages": [{"role": "user", "content": "Hi"}]},),
            plan={"recipe": "glm4-2024-06"},
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
    if row.layout is None or row.supervised:
        return
    exception = row.context.trainer.untrained_raises
    if exception is not None:
        yield rule.problem(row.turns_at, text="raises", tokens=row.tokens, exception=exception)
        return
    if row.foreign and "glm" not in row.context.trainer.reads:
        return  # `other-format` says so once
    said = {index: text for index, role, text in row.texts if role == "assistant"}
    answers = [index for index, role in enumerate(speakers(row)) if role == "assistant"]
    calling = {call.message for call in calls(row)}
    if not answers:
        yield rule.problem(row.turns_at, text="no-assistant", tokens=row.tokens)
    elif not any(said.get(index) or index in calling for index in answers):
        index = answers[-1]
        yield rule.problem(
            row.at(index, "content"),
            text="blank" if index in row.printed else "empty",
            tokens=row.tokens,
            where=row.where(index),
        )
    else:
        yield rule.problem(row.turns_at, tokens=row.tokens)
