"""The trainer trains answers, but not the tool calls among them.

unsloth looks for the marker of an answer with its line break, but GLM-4-9B's template prints a
function's name right after `<|assistant|>`: no call of the file is trained, while every answer is.
The model then learns to answer as if it had the result, instead of calling the tool.

Evidence: unsloth_zoo 2026.10.9 over GLM-4-9B's template (golden vectors of `unsloth`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

_IN_ENGLISH: Final = {
    "messages": [
        {"role": "user", "content": "Weather in Rome?"},
        {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
        {"role": "observation", "content": "22 degrees"},
        {"role": "assistant", "content": "It is 22 degrees."},
    ]
}
_IN_CHINESE: Final = {
    "messages": [
        {"role": "user", "content": "罗马天气怎么样？"},
        {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
        {"role": "observation", "content": "22 度"},
        {"role": "assistant", "content": "罗马现在 22 度。"},
    ]
}

rule = Rule(
    name="untrained-call",
    family="mask",
    title_zh="回答参与训练，工具调用却不参与",
    doc_zh="""
    unsloth 查找带换行的回答标记，而 GLM-4-9B 的模板在 `<|assistant|>` 之后直接输出函数名：文件里没
    有一次调用参与训练，而所有回答都参与。模型学到的就是仿佛已经有了结果一样直接回答，而不是去调用工
    具。

    依据：unsloth_zoo 2026.10.9 使用 GLM-4-9B 的模板时（`unsloth` 的 golden 向量）。
    """,
    severity="warning",
    when=Fact.LABELS,
    text=Text(
        "tool calls are not trained, though answers are ({rows:row}): {where} carries no loss",
        "回答参与训练，工具调用却不参与（共 {rows} 行）：{where} 不计入损失",
    ),
    help=Text(
        "This is how {trainer} labels rows with these options: `glmlint compare` shows what "
        "others train.",
        "{trainer}在当前选项下就是这样打标签的，用 `glmlint compare` 可查看其他训练框架训练哪些内"
        "容。",
    ),
    bad=(
        Example(rows=(_IN_ENGLISH,), plan={"recipe": "unsloth"}),
        Example(rows=(_IN_CHINESE,), plan={"recipe": "unsloth"}),
    ),
    good=(_IN_ENGLISH, _IN_CHINESE, Example(rows=(_IN_CHINESE,), plan={"recipe": "trl"})),
)


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.foreign:
        return
    printed = row.printed
    answers = [turn.role == "assistant" for turn in talk.turns]
    if not any(spoke and printed.get(index) for index, spoke in enumerate(answers)):
        return
    for index, turn in enumerate(talk.turns):
        if turn.calls and printed.get(index) is False and turn.loss in (None, True):
            yield rule.problem(
                row.at(index),
                once="calls",
                of_trainer=True,
                where=row.where(index),
                help=row.context.cure("calls"),
            )
            return
