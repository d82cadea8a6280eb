"""A system message that is not the first one.

GLM-4 is trained and served with one system message at the start; in the middle of a conversation it
is a prompt of a form that the model never gets in use. The other GLM templates move all system
text to the front, so that the row changes its meaning with the model.

Evidence: recipes.md, section 0.5 (GLM-4-0414 prints system messages first).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import speakers
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="system-not-first",
    family="structure",
    form="glm",
    title_zh="system 消息不是第一条",
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "the system message stands at messages[{index}], not first: "
        "in use the model gets it at the start",
        "system 消息位于 messages[{index}] 而不是开头：实际使用时它总在开头",
    ),
    help=Text("Move it to the start.", "把它移到开头。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "system", "content": "Be brief."},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
                {"role": "system", "content": "请用英文回答。"},
                {"role": "user", "content": "再见"},
                {"role": "assistant", "content": "Bye"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "system", "content": "请简短回答。"},
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
    if "system" in roles and (index := roles.index("system")) > 0:
        yield rule.problem(("messages", index), index=index)
