"""Some answers of one conversation think aloud, some do not.

Each answer is taught as it stands. A model that sees both in one conversation learns to choose
between them without a sign to go by. It may be meant so (thoughts in the last turn alone, as templates
of reasoning models print them): an info, told once a file. Tool calls are not counted.

Evidence: unsloth #3601.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="mixed-reasoning",
    family="mask",
    title_zh="同一段对话里，有的回答带思考过程，有的不带",
    severity="info",
    when=Fact.THINK,
    text=Text(
        "some answers have <think> blocks and some have none "
        "(here {count} of {answers} have; rows: {rows})",
        "有 {rows} 行的部分回答带有 <think> 块，部分没有（本行 {answers} 个回答中有 {count} 个带有）",
    ),
    help=Text(
        "Give every answer its thoughts, or none, unless that is what the model should learn.",
        "让每个回答都带思考，或都不带，除非这正是希望模型学到的。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "<think>Two and two.</think>4"},
                {"role": "user", "content": "3 + 3?"},
                {"role": "assistant", "content": "6"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "一加一等于几？"},
                {"role": "assistant", "content": "二"},
                {"role": "user", "content": "二加二呢？"},
                {"role": "assistant", "content": "<think>二加二。</think>四"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "一加一等于几？"},
                {"role": "assistant", "content": "<think>一加一。</think>二"},
                {"role": "user", "content": "二加二呢？"},
                {"role": "assistant", "content": "<think>二加二。</think>四"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22 degrees"},
                {"role": "assistant", "content": "<think>Mild.</think>22 degrees."},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    thinks = [
        "<think>" in content or "</think>" in content
        for _, message in row.good_messages
        if message.get("role") == "assistant"
        and not message.get("metadata")
        and isinstance(content := message.get("content"), str)
        and content
    ]
    if any(thinks) and not all(thinks):
        yield rule.problem(("messages",), once="mixed", count=sum(thinks), answers=len(thinks))
