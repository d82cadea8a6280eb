"""Reasoning that the template does not print.

`reasoning_content` is a key of newer chat formats; GLM-4's template knows role, metadata, content and
tools alone, so that the thoughts vanish without a word and only the answers are trained. A `<think>`
block inside the content is printed as text by GLM-4's template; templates of reasoning models cut it
out of earlier turns.

Evidence: fw-ai/cookbook #386.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.teaching import printed_text
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="reasoning-dropped",
    family="mask",
    title_zh="模板不会输出的思考内容",
    severity="warning",
    when=Fact.KEYS | Fact.THINK,
    text=Text(
        "`reasoning_content` is in no template of this recipe: the reasoning "
        "is not trained ({rows:row})",
        "此配方的模板不输出 `reasoning_content`：有 {rows} 行的推理内容没有参与训练",
    ),
    variants={
        "think": Text(
            "the template leaves out <think> blocks: the reasoning is not trained ({rows:row})",
            "模板会去掉 <think> 块：有 {rows} 行的推理内容没有参与训练",
        ),
    },
    help=Text(
        "Put the reasoning into `content` if it is to be learned, or take it out.",
        "如需学习推理过程，把它写进 `content`；否则删掉。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "reasoning_content": "Two and two.", "content": "4"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "一加一等于几？"},
                        {"role": "assistant", "reasoning_content": "一加一。", "content": "二"},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "<think>Two and two.</think>4"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "一加一等于几？"},
                {"role": "assistant", "reasoning_content": "", "content": "二"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.layout is None:
        return
    known = row.context.trainer.template_name is not None or row.context.template.known
    printed = "" if known else printed_text(row)
    thoughts = 0
    told = False
    for index, message in row.good_messages:
        if message.get("role") != "assistant":
            continue
        reasoning = message.get("reasoning_content")
        if isinstance(reasoning, str) and reasoning.strip() and reasoning.strip() not in printed:
            if not told:
                yield rule.problem(
                    ("messages", index, "reasoning_content"), once="reasoning_content"
                )
            told = True
        content = message.get("content")
        thoughts += content.count("<think>") if isinstance(content, str) else 0
    if not known and thoughts > printed.count("<think>"):
        yield rule.problem(row.turns_at, text="think", once="think")
