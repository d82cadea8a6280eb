"""A `<think>` without its `</think>` in an answer, or the reverse.

GLM-4's template prints such tags as text, so the model learns them as they are: an open thought
never ends and swallows the answer; a stray `</think>` ends what never began. Tags quoted as code
(`` `<think>` ``) are ignored.

Evidence: TRL #6361.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from glmlint.patterns import Pattern
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, stretch_of

_TAG = Pattern(r"</?think>")
_CODE = Pattern(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)

rule = Rule(
    name="orphan-think-tag",
    family="mask",
    title_zh="回答里的 `<think>` 与 `</think>` 不成对",
    doc_zh="""
    GLM-4 的模板把这些标签当作文本输出，模型会原样学到：没有闭合的思考永远不会结束，还会吞掉回答；孤
    立的 `</think>` 则结束了一段从未开始的思考。作为代码引用的标签（`` `<think>` ``）不检查。

    依据：TRL #6361。
    """,
    severity="warning",
    when=Fact.THINK,
    text=Text(
        "{where} opens <think> and never closes it: the model learns reasoning without an end",
        "{where} 中的 <think> 没有闭合：模型会学到没有结尾的思考",
    ),
    variants={
        "close": Text(
            "{where} has a </think> without a <think>: the model learns a stray end tag",
            "{where} 中的 </think> 没有对应的 <think>：模型会学着输出孤立的结束标签",
        ),
    },
    help=Text("Write both tags, or neither.", "补全这一对标签，或全部去掉。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "<think>Two and two make four. 4"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "一加一等于几？"},
                {"role": "assistant", "content": "一加一等于二。</think>二"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "一加一等于几？"},
                {"role": "assistant", "content": "<think>一加一。</think>二"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "How do I mark a thought? With <think>?"},
                {"role": "assistant", "content": "Write `<think>` before it."},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for index, role, content in row.texts:
        if role != "assistant":
            continue
        if "think>" in content and (found := _orphan(content)) is not None:
            tag, at = found
            yield rule.problem(
                row.at(index, "content"),
                text="close" if tag == "</think>" else None,
                where=row.where(index, "content"),
                part=stretch_of(row, index, at, at + len(tag)),
            )


def _orphan(text: str) -> tuple[str, int] | None:
    """The first tag without its partner, and where it stands."""
    opened: list[int] = []
    for match in _TAG.finditer(_CODE.sub(lambda code: " " * len(code[0]), text)):
        if match.group() == "<think>":
            opened.append(match.start())
        elif opened:
            opened.pop()
        else:
            return "</think>", match.start()
    return ("<think>", opened[0]) if opened else None
