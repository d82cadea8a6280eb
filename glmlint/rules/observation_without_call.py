"""An observation without a tool call before it.

The observation token comes after a call. Without one, the model learns that tool results appear
from nowhere, and where the message before is an ordinary answer, that an answer ends with the
observation token instead of the user token: it then waits for a tool that nobody called. Several
observations after one call are fine (the built-in browser returns several).

Evidence: public data converted from other formats has such rows; they can be trained on, so this is
a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.calls import flow
from glmlint.evidence.teaching import taught_after
from glmlint.evidence.turns import speakers
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="observation-without-call",
    family="tools",
    title_zh="observation 之前没有工具调用",
    doc_zh="""
    observation 标记应该跟在调用之后。没有调用时，模型会以为工具结果可以凭空出现；如果前一条消息是普
    通回答，模型还会学着用 observation 标记而不是 user 标记结束回答，然后去等待一个没有人调用的工
    具。一次调用之后有多条 observation 没有问题（内置浏览器会返回多条）。

    依据：从其他格式转换来的公开数据里有这样的行；它们可以训练，所以级别是警告。
    """,
    severity="warning",
    when=Fact.CALLING,
    text=Text(
        "{place} is a tool result without a tool call before it",
        "{place} 是工具结果，但它前面没有工具调用",
    ),
    variants={
        "answer": Text(
            "{place} is a tool result, but {before} is an answer, not a call: the model learns to "
            "end answers as if it had called a tool",
            "{place} 是工具结果，但 {before} 是普通回答而不是调用：模型会学着像调用工具那样结束回"
            "答",
        ),
    },
    help=Text(
        "Add the call before it: the name in `metadata`, the arguments in `content`.",
        "在它前面补上调用：名称放在 `metadata`，参数放在 `content`。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "content": "Let me look."},
                {"role": "observation", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "observation", "content": "22 度"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "observation", "content": "22 度"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Search for GLM-4."},
                {"role": "assistant", "metadata": "simple_browser", "content": 'search("GLM-4")'},
                {"role": "observation", "content": "first page"},
                {"role": "observation", "content": "second page"},
                {"role": "assistant", "content": "Found two pages."},
            ]
        },
    ),
)


OBSERVATION: Final = "<|observation|>"

_OF_OTHER_FORMS: Final = Text(
    "Add the call before it, or delete the result.",
    "在它前面补上调用，或删掉这个结果。",
)


def check(row: Row) -> Iterator[Problem]:
    for index in flow(row).uncalled:
        role = speakers(row)[index - 1] if index else None
        misled = role == "assistant" and taught_after(row, index - 1) == OBSERVATION
        yield rule.problem(
            row.at(index),
            text="answer" if misled else None,
            place=row.where(index),
            before=row.where(index - 1) if index else "",
            help=None if row.conversation is None else _OF_OTHER_FORMS,
        )
