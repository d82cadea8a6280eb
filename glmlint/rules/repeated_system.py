"""A second system message.

GLM-4 is trained and served with one. A second one overrides or contradicts the first, in a prompt
that the model never sees at inference; the usual cause is joined files or converted rows.

Evidence: recipes.md, section 0.4: each system message gets a role token of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import speakers
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="repeated-system",
    family="structure",
    form="glm",
    title_zh="出现了第二条 system 消息",
    doc_zh="""
    GLM-4 训练和部署时都只用一条。第二条会覆盖第一条或与之矛盾，而实际使用时不会有这样的提示词；常见
    原因是合并了文件或转换了格式。

    依据：recipes.md 第 0.4 节：每条 system 消息都有自己的角色标记。
    """,
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "messages[{index}] is system message {number} of {total}: at inference there is only one",
        "messages[{index}] 是第 {number} 条 system 消息（共 {total} 条）：实际使用时只有一条",
    ),
    help=Text("Merge them into one, at the start.", "合并成一条，放在开头。"),
    bad=(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "你是客服。"},
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
    places = [index for index, role in enumerate(speakers(row)) if role == "system"]
    if len(places) > 1:
        yield rule.problem(("messages", places[1]), index=places[1], number=2, total=len(places))
