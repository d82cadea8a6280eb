"""A second system message.

GLM-4 is trained and served with one. With two, the later one overrides or contradicts the first in
a way that no prompt in use has; joined files and converted rows are the usual cause.

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
    severity="warning",
    when=Fact.ROLES,
    text=Text(
        "messages[{index}] is system message {number} of {total}: in use the model gets one",
        "messages[{index}] 是第 {number} 条 system 消息（共 {total} 条）：实际使用时只有一条",
    ),
    help=Text("Join them into one at the start.", "合并成一条，放在开头。"),
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
