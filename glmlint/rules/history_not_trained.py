"""Earlier answers of a conversation carry no loss under this recipe.

With `combine: true`, the setting of the official YAML files, a conversation of ten turns teaches
only its last answer; nine answers, and every tool call before the last message, are context.
Reported once per file.

Evidence: GLM-4 #803, LLaMA-Factory #3615.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.teaching import trained_messages, written_role
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="history-not-trained",
    family="mask",
    title_zh="在所用配方下，对话中较早的回答不计入损失",
    doc_zh="""
    官方 YAML 文件设置的是 `combine: true`：十轮的对话只教最后一个回答，前面九个回答以及最后一
    条消息之前的所有工具调用都只是上下文。每个文件只报告一次。

    依据：GLM-4 #803、LLaMA-Factory #3615。
    """,
    severity="warning",
    when=Fact.HISTORY,
    applies=lambda recipe, _: not recipe.trains_history,
    text=Text(
        "only the last answer is trained ({rows:row} with more); under {recipe}, earlier answers and tool "
        "calls ({count} in this row) carry no loss",
        "有 {rows} 行只训练最后一个回答；在 {recipe} 下，之前的回答和工具调用（本行 {count} 个）不计入损失",
    ),
    help=Text(
        "Make one row of each answer, with the messages before it.",
        "把每个回答连同之前的消息拆成单独的一行。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！"},
                        {"role": "user", "content": "再见"},
                        {"role": "assistant", "content": "再见！"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Weather in Rome?"},
                        {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                        {"role": "observation", "content": "22 degrees"},
                        {"role": "assistant", "content": "It is 22 degrees."},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
                {"role": "user", "content": "再见"},
                {"role": "assistant", "content": "再见！"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.layout is None or not row.supervised:
        return
    printed = {owner for owner in row.layout.owners if owner >= 0}
    printed.difference_update(trained_messages(row))
    count = sum(written_role(row, index) == "assistant" for index in printed)
    if count:
        # The row itself is the place: looking up a message's column costs more than the rest.
        yield rule.problem(
            once="history",
            help=row.context.cure("history"),
            count=count,
            recipe=row.context.trainer.name,
        )
