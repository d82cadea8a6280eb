"""A text of the row that the trainer leaves out, though it reads the form.

A template may have no place for a text: with tools in the row the prompt of the tools takes the place of
the system prompt; a tool call takes the place of what the assistant says before it. Nothing tells of it, and
the model never sees the text. What is told is what the trainer lays out for this very row.

Evidence: ms-swift 4.6.0 with `chatglm4` (the system prompt of rows with tools), LLaMA-Factory 0.9.5 with
`glm4` in OpenAI form (the text beside `tool_calls`); golden vectors of both.
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


def _row(city: str, system: str = "", said: str = "") -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": city}}}
    return {
        "messages": [
            *([{"role": "system", "content": system}] if system else []),
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
    title_zh="训练框架能读取该格式，却不输出其中的一段文本",
    severity="warning",
    when=Fact.TOOLS | Fact.CALLS | Fact.ROLES | Fact.KEYS | Fact.ODD | Fact.LABELS,
    text=Text(
        "{trainer} leaves out the text of {where}, of role {role!r} ({rows:row} so): the model never "
        "sees it",
        "{trainer}不会输出 {where}（角色 {role!r}）的文本（共 {rows} 行如此）：模型看不到它",
    ),
    variants={
        "system": Text(
            "{trainer} leaves out the system prompt {where} where the row has tools ({rows:row} so): "
            "the model never sees it",
            "行中有工具时，{trainer}不会输出系统提示 {where}（共 {rows} 行如此）：模型看不到它",
        ),
        "beside": Text(
            "{trainer} prints the tool call of {where} and leaves out the text beside it ({rows:row} "
            "so): the text is not trained",
            "{trainer}只输出 {where} 的工具调用，不输出与它并列的文本（共 {rows} 行如此）：这段文本不会参与训练",
        ),
    },
    help=Text(
        "Write it into a message that is printed (`glmlint show` prints what the model sees), or take it "
        "out.",
        "把它写进会输出的消息（用 `glmlint show` 可查看模型看到的内容），或者删掉。",
    ),
    bad=(
        Example(rows=(_row("Rome", system="Be brief."),), plan={"recipe": "swift"}),
        Example(rows=(_row("罗马", said="我来查一下。"),), plan={"recipe": "llamafactory"}),
    ),
    good=(
        Example(rows=(_row("Rome", system="Be brief."),), plan={"recipe": "llamafactory"}),
        Example(rows=(_row("罗马"),), plan={"recipe": "llamafactory"}),
    ),
)

_FIRST_QUESTION: Final = Text(
    "Write it at the beginning of the first question, which is printed.",
    "把它写到第一个问题的开头，那里会输出。",
)
_ROLES: Final = ("system", "user", "assistant", "observation")


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.foreign or row.layout is None:
        return
    for index, turn in enumerate(talk.turns):
        if turn.role not in _ROLES or not turn.text or not turn.text.strip():
            continue
        if (index in row.printed and not turn.calls) or not _is_left_out(row, index, turn, talk):
            continue
        text, help_ = None, None
        if turn.calls and index in row.printed:
            text = "beside"
        elif turn.role == "system" and talk.tools:
            text, help_ = "system", _FIRST_QUESTION
        yield rule.problem(
            row.at(index, "content"),
            text=text,
            help=help_,
            once=f"{text} {turn.role}",
            where=row.where(index),
            role=turn.role,
        )


def _is_left_out(row: Row, index: int, turn: Speech, talk: Conversation) -> bool:
    assert turn.text is not None
    if turn.text.rpartition("</think>")[2].strip() in whole_text(row):
        return False
    if turn.text_at is None:
        return True
    shape = (
        turn.role,
        bool(turn.calls),
        bool(talk.tools),
        index == 0,
        *map(str, turn.text_at[::2]),
    )
    return reaches(row, turn.text_at, ("text", *shape)) is False
