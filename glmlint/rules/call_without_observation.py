"""A tool call in the middle of a row with no observation after it.

After a call the model has to hand over: the token after it is the observation token. Where the
user or the next answer follows at once, another role is in that token's place, and the model
learns to go on by itself after a call, often with a result that it made up. Several calls in a row
before their results are fine.

Evidence: slime #2263; the mask of the official script trains the role token after each call
(docs/recipes.md); the row trains, so this is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.calls import Parallel, flow
from glmlint.evidence.teaching import taught_after
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="call-without-observation",
    family="tools",
    title_zh="对话中间的工具调用后面没有 observation",
    doc_zh="""
    调用之后模型应当交出控制权：紧接着的 token 是 observation 标记。如果后面直接是 user 消息或
    下一个回答，这个位置就换成了别的角色，模型会学着在调用之后自己继续，结果往往是编造的。在给
    出结果之前连续多次调用没有问题。

    依据：slime #2263；官方脚本的掩码会训练每次调用之后的角色标记（docs/recipes.md）；这一行仍
    能训练，所以是警告。
    """,
    severity="warning",
    fix="unsafe",
    when=Fact.CALLING | Fact.ODD,
    text=Text(
        "{where} is a tool call, and no result follows: the model learns to go on without "
        "waiting for one",
        "{where} 是工具调用，但后面没有结果：模型会学着不等结果就继续",
    ),
    variants={
        "parallel": Text(
            "{where} is a tool call, and {after} is the next one: after it the model is taught {token}, "
            "not to wait for the result",
            "{where} 是工具调用，紧接着的 {after} 又是一次调用：模型在它之后学到的是 {token}，而不是等待结果",
        ),
        "fewer": Text(
            "{number:call} in a row from {where} on, but only {results:result}: the model learns "
            "that some calls get no result",
            "从 {where} 起连续有 {number} 次调用，却只有 {results} 个结果：模型会学到有的调用没有结果",
        ),
    },
    help=Text(
        "Add the result after it, as a message of role observation; `--unsafe-fixes` moves results that "
        "follow several calls to their own calls.",
        "在它后面补上结果：一条 role 为 observation 的消息；`--unsafe-fixes` 会把排在多个调用之后的结果移到各自的调用之后。",
    ),
    help_alone=Text(
        "Add the result after it, as its own message.", "在它后面补上结果，单独作为一条消息。"
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
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "罗马和巴黎天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "observation", "content": "22 度"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "巴黎"}'},
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


ASSISTANT: Final = "<|assistant|>"
_EACH_MOVED: Final = Text(
    "Put each result right after its call: call, result, call, result (`--unsafe-fixes` does).",
    "把每个结果放在它的调用之后：调用、结果、调用、结果（`--unsafe-fixes` 会这样做）。",
)
_EACH: Final = Text(
    "Put each result right after its call: call, result, call, result.",
    "把每个结果放在它的调用之后：调用、结果、调用、结果。",
)


def check(row: Row) -> Iterator[Problem]:
    found = flow(row)
    for index in found.unanswered:
        yield rule.problem(row.at(index), where=row.where(index))
    for group in found.parallel:
        first = group.calls[0]
        if group.results and group.answered < group.number:
            yield rule.problem(
                row.at(first), text="fewer", help=_EACH, where=row.where(first),
                number=group.number, results=group.answered,
            )  # fmt: skip
        elif len(group.calls) > 1 and (token := taught_after(row, first)) == ASSISTANT:
            yield rule.problem(
                row.at(first), text="parallel",
                help=_EACH_MOVED if (edits := _one_by_one(row, group)) else _EACH, edits=edits,
                where=row.where(first), after=row.where(group.calls[1]), token=token,
            )  # fmt: skip


def _one_by_one(row: Row, group: Parallel) -> tuple[Edit, ...]:
    """Edits that put each result after its call, for GLM messages that are in one order."""
    places = group.calls + group.results
    if row.conversation is not None or not len(group.calls) == len(group.results) == group.number:
        return ()
    pairs = zip(group.calls, group.results, strict=True)
    return tuple(
        Edit("replace", row.at(place), row.messages[index])
        for place, index in zip(places, (index for pair in pairs for index in pair), strict=True)
        if place != index
    )
