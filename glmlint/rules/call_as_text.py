"""A tool call, or its result, as plain text in another model's form.

Each model writes calls in its own form: `<tool_call>`, `<function=`, `[TOOL_CALLS]`, `<|python_tag|>`,
DeepSeek's and Claude's marks, ReAct's `Action:` and `Action Input:`. Where the run's own template does
not print that form, it is plain text: the model learns to answer with it, and no server of this model
takes it for a call. Where a result stands in the same answer (`<tool_response>`, `Observation:`), the
model learns to make results up instead of waiting for them; a closing tag that was left at the end is
learned as well. Told once a file and mark. Code blocks are left alone.

Evidence: ScaleSWE #2; trajectories of OpenHands and SWE-agent; ReAct data of 2023; rows that were laid
out with another model's chat template before they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from glmlint.evidence.calls import holds_json, taught
from glmlint.evidence.marks import answer_marks
from glmlint.read.spoken import spoken
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="call-as-text",
    family="tools",
    title_zh="按其他模型的写法，用普通文本书写工具调用或其结果",
    severity="warning",
    when=Fact.MARKS,
    fix="safe",
    text=Text(
        "{where} writes a call as plain text, “{mark}”, which is another model's form ({rows:row}): "
        "the model learns to answer with that text, not to call the tool",
        "{where} 用普通文本书写调用“{mark}”，这是其他模型的写法（共 {rows} 行）："
        "模型学到的是把这段文字当作回答，而不是调用工具",
    ),
    variants={
        "result": Text(
            "{where} holds the result of a call inside the answer, “{mark}” ({rows:row}): "
            "the model learns to make results up instead of waiting for them",
            "{where} 在回答里写出了工具的返回结果“{mark}”（共 {rows} 行）："
            "模型会学着编造结果，而不是等待结果",
        ),
        "end": Text(
            "{where} ends with “{mark}”, the end of a call in another model's form ({rows:row}): "
            "the model learns to write it",
            "{where} 以“{mark}”结尾，这是其他模型写法中调用的结束标记（共 {rows} 行）："
            "模型会学着写出它",
        ),
    },
    help=Text(
        "Write calls in the form of this model, one a message, and each result as a message of its "
        "own. Where a program of yours reads this text, on purpose, ignore this rule.",
        "按本模型的形式书写调用，每条消息一个；结果单独写成一条消息。"
        "如果您的程序就是要解析这种文本，可以忽略此规则。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "List the files."},
                {
                    "role": "assistant",
                    "content": "<function=bash>\n<parameter=command>ls</parameter>\n</function>",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "content": 'tool_call: weather\narguments: {"city": "罗马"}'},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "assistant",
                    "content": "Thought: I look it up.\nAction: weather\nAction Input: Rome\n"
                    "Observation: 22 degrees\nFinal Answer: It is 22 degrees.",
                },
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
                {"role": "user", "content": "Qwen 的工具调用写在什么标记里？"},
                {"role": "assistant", "content": "写在 <tool_call> 和 </tool_call> 之间。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "How does Qwen write a call?"},
                {
                    "role": "assistant",
                    "content": 'So:\n```\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n```',
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "What did the meeting decide?"},
                {"role": "assistant", "content": "Action: sign the form.\nObservation: it is late."},
            ]
        },
    ),
)  # fmt: skip

_GLM: Final = Text(
    "Put the name into `metadata` and only the arguments into `content`, one call a message, and "
    "the result into an `observation` message. Where a program of yours reads this text, on purpose, "
    "ignore this rule.",
    "把工具名放进 `metadata`，`content` 里只留参数，每条消息一个调用；结果写成 `observation` 消息。"
    "如果您的程序就是要解析这种文本，可以忽略此规则。",
)
_ALONE: Final = re.compile(r"\s*tool_call: *([\w.-]+)\s+arguments:\s*(\{.*\})\s*", re.DOTALL)


def check(row: Row) -> Iterator[Problem]:
    for index, found in answer_marks(row):
        if not taught(row, index):
            continue
        kind = None if found.kind == "call" else found.kind
        yield rule.problem(
            row.at(index, "content"), text=kind, once=f"{found.kind}:{found.mark}",
            where=row.where(index), mark=found.mark,
            help=_GLM if row.conversation is None else None,
            edits=_as_call(row, index) if found.kind == "call" else (),
        )  # fmt: skip


def _as_call(row: Row, index: int) -> tuple[Edit, ...]:
    """Edits for a GLM message that is one call with its arguments as JSON, and nothing else."""
    if row.conversation is not None:
        return ()
    metadata = (
        row.messages[index].get("metadata")
        if row.sample is None
        else row.sample.messages[index].metadata
    )
    call = _call(next(text for place, _, text in row.texts if place == index))
    if call is None or metadata not in (None, UNSET, ""):
        return ()
    return (
        Edit("add", row.at(index, "metadata"), call[0]),
        Edit("replace", row.at(index, "content"), call[1]),
    )


def _call(text: str) -> tuple[str, str] | None:
    """(name, arguments as they are written) of a text that is a call and nothing else."""
    name, arguments = "", ""
    if found := _ALONE.fullmatch(text):
        name, arguments = found[1], found[2]
    elif (said := spoken(text)) is not None and not said.before and len(said.calls) == 1:
        [call] = said.calls
        if call.whole and call.sure and call.id is None:
            name, arguments = call.name, call.arguments or ""
    return (name, arguments) if isinstance(holds_json(arguments), dict) else None
