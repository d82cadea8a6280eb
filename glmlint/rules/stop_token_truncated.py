"""The budget cuts inside an answer: its end is not trained.

The trainer adds no end token to a cut answer. The model learns the first part, but never that the
answer stops; with many such rows it rambles on, or learns to break off at that length.

Evidence: ChatGLM3 #980; LLaMA-Factory adds the end token, and so trains a cut answer as a finished
one.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.cut import cut_part, cuts_an_answer
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="stop-token-truncated",
    family="budget",
    title_zh="预算在回答中间截断：回答的结尾不参与训练",
    doc_zh="""
    训练框架不会给被截断的回答补结束符。模型学到了前一部分，却学不到回答会停止；这样的行多了，模型会
    说个没完，或学会在那个长度突然中断。

    依据：ChatGLM3 #980；LLaMA-Factory 会补上结束符，因而把截断的回答当作完整的回答训练。
    """,
    severity="warning",
    when=Fact.CUT,
    text=Text(
        "the budget of {kept} ends inside the answer {where}: its beginning is trained, its end "
        "and stop token are not",
        "预算 {kept} 在回答 {where} 的中间用完：只训练前一部分，不训练结尾和停止符",
    ),
    variants={
        "finished": Text(
            "the budget of {kept} cuts the answer {where}, and {trainer} trains a stop token "
            "after the cut: the model learns to end there",
            "预算 {kept} 截断了回答 {where}，而{trainer}仍在截断处训练停止符：模型会学到回答就在那"
            "里结束",
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
            part=lambda: cut_part(row, found.turn),
            where=row.where(found.turn),
        )
