"""A conversation that does not end with an answer.

What follows the last answer carries no loss under most recipes: it costs tokens of the budget and
teaches nothing. Where a tool's result comes last, the answer to it is missing: the model is never
shown what to do with it. (`combine-spill` reports recipes that train what follows.)

Evidence: LLaMA-Factory #9600 (such rows are dropped there).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import answer_at, fate, speakers
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="last-not-assistant",
    family="structure",
    title_zh="对话没有以回答结尾",
    doc_zh="""
    在大多数配方下，最后一个回答之后的内容不计入损失：它占用预算中的 token，却什么也教不了。如
    果最后是工具返回的结果，就缺少对它的回答：模型看不到该如何使用这个结果。（会训练这部分内容
    的配方由 `combine-spill` 报告。）

    依据：LLaMA-Factory #9600（这样的行在那里会被丢弃）。
    """,
    severity="warning",
    when=Fact.ROLES | Fact.LABELS,
    fix="unsafe",
    text=Text(
        "the conversation ends with {role}: what follows the last answer teaches nothing",
        "对话以 {role} 结尾：最后一个回答之后的内容学不到任何东西",
    ),
    variants={
        "trained": Text(
            "the conversation ends with {role}, and this recipe trains it like an answer",
            "对话以 {role} 结尾，而这个配方会把它当作回答来训练",
        ),
        "observation": Text(
            "the conversation ends with a tool result: the answer to it is missing",
            "对话以工具结果结尾：缺少对结果的回答",
        ),
    },
    help=Text(
        "Add the answer, or delete what follows the last one (`--unsafe-fixes` deletes it).",
        "补上回答，或删除最后一个回答之后的内容（`--unsafe-fixes` 会删除）。",
    ),
    help_alone=Text(
        "Add the answer, or delete what follows the last one.",
        "补上回答，或删除最后一个回答之后的内容。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "Thanks"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "observation", "content": "22"},
            ]
        },
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {"messages": [{"role": "user", "content": "told by no-assistant"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign or answer_at(row) is not None:  # `answer-under-user` reports that one
        return
    glm = row.conversation is None
    if not glm and (row.dropped is not None or row.error is not None):
        return
    roles = speakers(row)
    if not roles or roles[-1] in (None, "assistant") or "assistant" not in roles:
        return
    end = len(roles) - 1
    answer = end - roles[::-1].index("assistant")
    tail = range(end, answer, -1)
    text = None
    if roles[-1] == "observation":
        text = "observation"
    elif _is_trained(row, end):
        text = "trained"
    edits: tuple[Edit, ...] = ()
    # A call without its result would be taught with the wrong stop token.
    speaking = {roles[index] for index in tail}
    if glm and speaking <= {"user", "system"} and fate(row, answer) == "trained":
        edits = tuple(Edit("remove", ("messages", index)) for index in tail)
    yield rule.problem(
        row.at(answer + 1),
        text=text,
        severity="error" if row.dropped else None,
        edits=edits,
        role=roles[-1],
    )


def _is_trained(row: Row, index: int) -> bool:
    if row.conversation is not None:
        return row.printed.get(index, False)
    return fate(row, index) == "trained"
