"""Earlier answers of a conversation carry no loss under this recipe.

With `combine: true`, which the official YAML files ship, a conversation of ten turns teaches its last
answer alone; nine answers, and every tool call before the last message, are context. Told once a file.

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
    severity="warning",
    when=Fact.HISTORY,
    applies=lambda recipe, _: not recipe.trains_history,
    text=Text(
        "only the last answer is trained ({rows:row} with more); the earlier answers and tool calls, "
        "{count} in this row, carry no loss under {recipe}",
        "有 {rows} 行只训练最后一个回答；在 {recipe} 下，之前的回答和工具调用（本行 {count} 个）不计入损失",
    ),
    help=Text(
        "Make one row of each answer, with what was said before it.",
        "把每个回答连同之前的对话拆成单独的一行。",
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
        # The row itself as the place: to look up a message's column costs more than the rest.
        yield rule.problem(
            once="history",
            help=row.context.cure("history"),
            count=count,
            recipe=row.context.trainer.name,
        )
