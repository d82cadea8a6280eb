"""A tool call in the middle of a row that no observation follows.

After a call the model has to hand over: the token after it is the observation token. Where the user
or the next answer follows at once, that token's place holds another role, and the model learns to go
on by itself after a call, often with a result that it made up. Calls in a row before their results
are fine.

Evidence: the mask of the official script trains the role token after each call (docs/recipes.md,
section 1); the row trains, so this is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.calls import flow
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="call-without-observation",
    family="tools",
    title_zh="对话中间的工具调用后面没有 observation",
    severity="warning",
    when=Fact.CALLS | Fact.TOOLS | Fact.ODD,
    text=Text(
        "{place} is a tool call, and no observation follows: the model learns to go on without "
        "waiting for the result",
        "{place} 是工具调用，但后面没有 observation：模型会学着不等结果就继续",
    ),
    help=Text(
        "Put the result after it, as a message of role observation.",
        "在它后面补上结果：一条 role 为 observation 的消息。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "user", "content": "怎么样？"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "罗马和巴黎天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "巴黎"}'},
                {"role": "observation", "content": "22 度"},
                {"role": "observation", "content": "18 度"},
                {"role": "assistant", "content": "罗马 22 度，巴黎 18 度。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for index in flow(row).unanswered:
        at = row.at(index)
        yield rule.problem(at, place=place(at))
