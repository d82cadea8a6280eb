"""A text beside a tool call that the trainer leaves out.

The call replaces what the assistant says before it, and the model never sees the text. Whole
messages that are not printed are reported by `message-not-printed`. The rule compares the row with
what the trainer prints for it.

Evidence: LLaMA-Factory 0.9.5 in OpenAI form: the text beside `tool_calls` (golden vectors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.teaching import reaches, whole_text
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.conversation import Conversation, Speech

_TOOLS: Final = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Weather of a city.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            },
        }
    ]
)


def _row(city: str, said: str = "") -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": city}}}
    return {
        "messages": [
            {"role": "user", "content": city},
            {"role": "assistant", "content": said, "tool_calls": [call]},
            {"role": "tool", "content": "22"},
            {"role": "assistant", "content": "22."},
        ],
        "tools": _TOOLS,
    }


rule = Rule(
    name="text-left-out",
    family="structure",
    title_zh="训练框架不输出工具调用旁边的文本",
    doc_zh="""
    工具调用取代了 assistant 在它之前说的话，模型看不到这段文本。整条消息都不输出的情况由
    `message-not-printed` 报告。本规则把这一行与训练框架为它输出的内容作比较。

    依据：LLaMA-Factory 0.9.5 读取 OpenAI 格式时：`tool_calls` 旁边的文本（golden 向量）。
    """,
    severity="warning",
    when=Fact.CALLING | Fact.ROLES | Fact.KEYS | Fact.ODD | Fact.LABELS,
    text=Text(
        "{trainer} prints the tool call of {where} but not the text beside it ({rows:row}): the "
        "text is not trained",
        "{trainer}只输出 {where} 的工具调用，不输出与它并列的文本（共 {rows} 行）：这段文本不参与"
        "训练",
    ),
    help=Text(
        "Move the text to a message that is printed (`glmlint show` prints what the model sees), "
        "or remove it.",
        "把它移到会输出的消息里（用 `glmlint show` 可查看模型看到的内容），或者删掉。",
    ),
    bad=(
        Example(rows=(_row("Rome", "Let me look."),), plan={"recipe": "llamafactory"}),
        Example(rows=(_row("罗马", "我来查一下。"),), plan={"recipe": "llamafactory"}),
    ),
    good=(
        Example(rows=(_row("Rome", "Let me look."),), plan={"recipe": "swift"}),
        Example(rows=(_row("罗马"),), plan={"recipe": "llamafactory"}),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.foreign or row.layout is None:
        return
    for index, turn in enumerate(talk.turns):
        if turn.calls and turn.text and index in row.printed and _is_left_out(row, turn, talk):
            yield rule.problem(
                row.at(index, "content"), once=f"beside {turn.role}", where=row.where(index)
            )


def _is_left_out(row: Row, turn: Speech, talk: Conversation) -> bool:
    assert turn.text is not None
    if turn.text.rpartition("</think>")[2].strip() in whole_text(row):
        return False
    if turn.text_at is None:
        return True
    shape = (turn.role, bool(talk.tools), *map(str, turn.text_at[::2]))
    return reaches(row, turn.text_at, ("beside a call", *shape)) is False
