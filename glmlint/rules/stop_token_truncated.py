"""The budget cuts inside an answer: it is taught without its end.

The trainer adds no end token to a cut answer. The model learns the first half and never that the
answer stops; with many such rows it rambles on, or learns to break off at that length.

Evidence: ChatGLM3 #980; LLaMA-Factory, which adds the end, teaches a cut answer as finished.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.cut import cuts_an_answer
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="stop-token-truncated",
    family="budget",
    title_zh="预算在回答中间截断：模型学不到它的结尾",
    severity="warning",
    when=Fact.CUT,
    text=Text(
        "the budget of {kept} ends inside the answer {where}: its first part is taught, "
        "its end and its stop token are not",
        "预算 {kept} 在回答 {where} 的中间用完：只学到前一部分，学不到结尾和停止标记",
    ),
    variants={
        "finished": Text(
            "the budget of {kept} cuts the answer {where}, and {trainer} teaches the stop behind "
            "what is left: the model learns that the answer ends there",
            "预算 {kept} 截断了回答 {where}，而{trainer}在剩下的部分之后照样训练停止标记："
            "模型会学到回答就在那里结束",
        ),
    },
    help=Text(
        "A budget of {tokens} keeps the whole row; or split or shorten the answer.",
        "预算达到 {tokens} 即可保留整行；或拆分、缩短这个回答。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello, how are you today?"},
                    ]
                },
            ),
            plan={"max_length": 9},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！很高兴见到你，今天想聊点什么？"},
                    ]
                },
            ),
            plan={"max_length": 12, "recipe": "glm4-combine"},
        ),
    ),
    good=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                        {"role": "user", "content": "Tell me a story about a fox."},
                        {"role": "assistant", "content": "Once upon a time"},
                    ]
                },
            ),
            plan={"max_length": 12},
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    found = cuts_an_answer(row)
    if found is not None:
        yield rule.problem(
            row.at(found.turn),
            text="finished" if found.finished else None,
            kept=row.plan.max_length,
            tokens=row.tokens,
            where=row.where(found.turn),
        )
