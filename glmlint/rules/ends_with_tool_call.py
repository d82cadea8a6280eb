"""A row whose last message is a tool call.

The end token that the trainer appends is where the observation token would be: the model learns to
end its turn after a call with the user token (`<|endoftext|>` in June 2024). Servers stop at
either, so single calls train well enough; a row that goes on to the observation teaches the
model's own token.

Evidence: the appended end is the last answer's stop token (docs/recipes.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.calls import flow
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="ends-with-tool-call",
    family="tools",
    title_zh="最后一条消息是工具调用",
    doc_zh="""
    训练框架末尾追加的 token 占据了 observation 标记的位置：模型学到的是在调用之后以 user 标记
    结束（2024 年 6 月的脚本为 `<|endoftext|>`）。服务端遇到哪一个都会停止，所以单独的调用训练
    起来没有大碍；继续写到 observation 的行，教的才是模型自己的标记。

    依据：末尾追加的 token 就是最后一个回答的停止符（docs/recipes.md）。
    """,
    severity="info",
    when=Fact.CALLING | Fact.ODD,
    text=Text(
        "{place}, the last message, is a tool call: the model learns to end it with the appended end "
        "token, not with the observation token",
        "{place} 是最后一条消息，也是工具调用：模型学到的是以末尾追加的 token 结束，"
        "而不是 observation 标记",
    ),
    help=Text(
        "Add the result and the answer, if you have them.",
        "如果有结果和回答，就补上。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
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
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    last = flow(row).last_call
    if last is not None:
        at = row.at(last)
        yield rule.problem(at, place=place(at))
