"""A `<think>` without its `</think>` in an answer, or the other way round.

GLM-4's template prints such tags as text, so that the model learns them as they stand: an open thought
never ends and swallows the answer; a lone `</think>` ends what never began. Tags quoted as code
(`` `<think>` ``) are not looked at.

Evidence: TRL #6361.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from glmlint.rules.base import Fact, Problem, Row, Rule, Text

_TAG = re.compile(r"</?think>")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)

rule = Rule(
    name="orphan-think-tag",
    family="mask",
    title_zh="回答里的 `<think>` 与 `</think>` 不成对",
    severity="warning",
    when=Fact.THINK,
    text=Text(
        "{where} opens <think> and never closes it: the model learns thoughts without an end",
        "{where} 中的 <think> 没有闭合：模型会学到没有结尾的思考",
    ),
    variants={
        "close": Text(
            "{where} closes </think> without opening it: the model learns a lone end of thoughts",
            "{where} 中的 </think> 没有对应的 <think>：模型会学到孤立的思考结束标签",
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
        if "think>" in content and (tag := _orphan(content)) is not None:
            yield rule.problem(
                row.at(index, "content"),
                text="close" if tag == "</think>" else None,
                where=row.where(index, "content"),
            )


def _orphan(text: str) -> str | None:
    """The first tag without its partner."""
    open_tags = 0
    for match in _TAG.finditer(_CODE.sub("", text)):
        if match.group() == "<think>":
            open_tags += 1
        elif open_tags:
            open_tags -= 1
        else:
            return "</think>"
    return "<think>" if open_tags else None
