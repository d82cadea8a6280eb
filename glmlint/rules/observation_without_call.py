"""An observation before which no tool call stands.

The observation token comes after a call; without one the model learns that results of tools fall
from the sky, and where the message before is an ordinary answer, that an answer ends with the
observation token in place of the user token: it then waits for a tool that nobody called. Several
observations after one call are fine (the built-in browser returns several).

Evidence: public data converted from other formats has it; the row trains, so this is a warning.
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
    severity="warning",
    when=Fact.CALLS,
    text=Text(
        "{place} is a tool result, and no tool call stands before it",
        "{place} 是工具结果，但它前面没有工具调用",
    ),
    variants={
        "answer": Text(
            "{place} is a tool result, and {before} is no call but an answer: the model learns to "
            "end such answers as if it had called a tool",
            "{place} 是工具结果，但 {before} 是普通回答而不是调用："
            "模型会学着像调用工具那样结束回答",
        ),
    },
    help=Text(
        "Put the call before it: the name in `metadata`, the arguments in `content`.",
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
    "Put the call before it, or take the result out.", "在它前面补上调用，或删掉这个结果。"
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
