"""A system message that is not the first message.

GLM-4 is trained and served with one system message at the start; in the middle of a conversation it
makes a prompt that the model never sees at inference. The other GLM templates move all system text
to the front, so the meaning of the row depends on the model.

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
    doc_zh="""
    GLM-4 训练和部署时都只在开头用一条 system 消息；放在对话中间的写法，模型在实际使用时不会遇到。其
    他 GLM 模板会把所有 system 文本移到最前面，因此这一行的含义会随模型而变。

    依据：recipes.md 第 0.5 节（GLM-4-0414 先输出 system 消息）。
    """,
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "the system message is messages[{index}], not the first: at inference it is always first",
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
