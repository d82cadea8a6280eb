"""Tool calls are opened with `<tool_call>` and never closed.

GLM-4.5 and later end each call with `</tool_call>`, and inference servers look for that tag to find
the call. A trainer that leaves it out trains calls without an end: the stop token follows at once,
and the model may go on with call after call, or its call may not be recognised.

Evidence: LLaMA-Factory 0.9.5 with `template: glm4_moe` or `glm4_7` (golden vectors of
`llamafactory`; issue #10650 of LLaMA-Factory).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.teaching import whole_text
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

OPENS: Final = "<tool_call>"
CLOSES: Final = "</tool_call>"


def _row(question: str, city: str, answer: str) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": "human", "value": question},
            {"from": "function_call", "value": f'{{"name": "weather", "arguments": {{"city": "{city}"}}}}'},
            {"from": "observation", "value": "22"},
            {"from": "gpt", "value": answer},
        ]
    }  # fmt: skip


_IN_ENGLISH: Final = _row("Weather in Rome?", "Rome", "It is 22 degrees.")
_IN_CHINESE: Final = _row("罗马天气怎么样？", "罗马", "罗马现在 22 度。")

rule = Rule(
    name="unclosed-call",
    family="mask",
    title_zh="工具调用以 <tool_call> 开头，却没有用 </tool_call> 结束",
    doc_zh="""
    GLM-4.5 及以后的模型用 `</tool_call>` 结束每次调用，推理服务靠这个标签识别调用。训练框架省略它，
    训练的就是没有结尾的调用：后面直接是停止符，模型可能会一个接一个地调用下去，或者它的调用无法被识
    别。

    依据：LLaMA-Factory 0.9.5 使用 `template: glm4_moe` 或 `glm4_7` 时（`llamafactory` 的 golden 向
    量；LLaMA-Factory 的 issue #10650）。
    """,
    severity="warning",
    when=Fact.CALLING | Fact.ODD,
    text=Text(
        "`<tool_call>` is never closed with `</tool_call>` ({rows:row}; first {where}): the model "
        "does not learn where a call ends",
        "工具调用以 `<tool_call>` 开头，却没有用 `</tool_call>` 结束（共 {rows} 行，首先是 "
        "{where}）：模型学不到调用在哪里结束",
    ),
    help=Text(
        "This is how {trainer} prints calls with this template: `glmlint compare` shows what "
        "others print.",
        "{trainer}在该模板下就是这样输出调用的，用 `glmlint compare` 可查看其他训练框架的输出。",
    ),
    bad=(
        Example(rows=(_IN_ENGLISH,), plan={"recipe": "llamafactory", "options": {"template": "glm4_moe"}, "tokenizer": "glm4.5"}),
        Example(rows=(_IN_CHINESE,), plan={"recipe": "llamafactory", "options": {"template": "glm4_moe"}, "tokenizer": "glm4.5"}),
    ),
    good=(
        Example(rows=(_IN_ENGLISH,), plan={"recipe": "llamafactory"}),
        Example(rows=(_IN_CHINESE,), plan={"recipe": "llamafactory"}),
    ),
)  # fmt: skip


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.layout is None or OPENS not in row.context.tokenizer.control:
        return
    for index, turn in enumerate(talk.turns):
        if turn.calls:
            printed = whole_text(row, index)
            if printed.count(OPENS) > printed.count(CLOSES):
                yield rule.problem(
                    row.at(index), once="unclosed", of_trainer=True, where=row.where(index)
                )
                return
