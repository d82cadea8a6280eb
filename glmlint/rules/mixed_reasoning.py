"""Some answers of one conversation have a thought, some do not.

Each answer is trained as it is. A model that sees both in one conversation learns to choose
between them without anything to go by. It may be intended (thoughts only in the last turn, as
templates of reasoning models print them), so it is an info, reported once per file. Tool calls are
not counted.

Evidence: unsloth #3601.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="mixed-reasoning",
    family="mask",
    title_zh="同一段对话里，有的回答带思考内容，有的不带",
    doc_zh="""
    每个回答都按原样训练。模型在同一段对话里看到两种写法，就会学着在没有依据的情况下二选一。这
    可能是有意的（思考内容只在最后一轮，推理模型的模板就是这样输出的），所以只是提示，每个文件
    报告一次。工具调用不计算在内。

    依据：unsloth #3601。
    """,
    severity="info",
    when=Fact.THINK,
    text=Text(
        "some answers have a <think> block and some do not "
        "(here {count} of {answers} do; {rows:row})",
        "有 {rows} 行的部分回答带有 <think> 块，部分没有（本行 {answers} 个回答中有 {count} 个带有）",
    ),
    help=Text(
        "Give every answer a thought, or none, unless the model should learn both.",
        "让每个回答都带思考内容，或都不带，除非正是希望模型两种都学。",
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
