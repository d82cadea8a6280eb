"""A tool call, or its result, as plain text in another model's format.

Each model writes calls in its own format: `<tool_call>`, `<function=`, `[TOOL_CALLS]`,
`<|python_tag|>`, the markers of DeepSeek and Claude, ReAct's `Action:` and `Action Input:`. Where
the template of this run does not print that format, it is plain text: the model learns to answer
with it, and no server of this model parses it as a call. Where the same answer holds a result too
(`<tool_response>`, `Observation:`), the model learns to make results up instead of waiting for
them; a closing tag left at the end is learned as well. Reported once per file and marker. Code
blocks are left alone.

Evidence: ScaleSWE #2; trajectories of OpenHands and SWE-agent; ReAct data of 2023; rows that were
rendered with another model's chat template before they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from glmlint.evidence.calls import holds_json, taught
from glmlint.evidence.marks import Mark, answer_marks, part_beside_code, without_code
from glmlint.patterns import Pattern
from glmlint.read.spoken import spoken
from glmlint.rules.base import Edit, Fact, Part, Problem, Row, Rule, Text

rule = Rule(
    name="call-as-text",
    family="tools",
    title_zh="工具调用或其结果是普通文本，用的是其他模型的格式",
    doc_zh="""
    每种模型都有自己的调用格式：`<tool_call>`、`<function=`、`[TOOL_CALLS]`、
    `<|python_tag|>`、DeepSeek 和 Claude 的标记、ReAct 的 `Action:` 和 `Action Input:`。如果当
    前模板不输出这种格式，它就只是普通文本：模型学到的是用这段文字作答，而这个模型的服务端不会
    把它解析为调用。如果同一个回答里还写了结果（`<tool_response>`、`Observation:`），模型会学
    着编造结果，而不是等待结果；留在末尾的闭合标签同样会被学到。每个文件、每种标记只报告一次。
    代码块不检查。

    依据：ScaleSWE #2；OpenHands 和 SWE-agent 的轨迹数据；2023 年的 ReAct 数据；写入之前已经用
    其他模型的对话模板渲染过的行。
    """,
    severity="warning",
    when=Fact.MARKS,
    fix="safe",
    text=Text(
        "{where} has a call as plain text in another model's format, “{mark}” ({rows:row}): "
        "the model learns to answer with it, not to call the tool",
        "{where} 中的调用“{mark}”只是普通文本，用的是其他模型的格式（共 {rows} 行）："
        "模型学到的是用这段文字作答，而不是调用工具",
    ),
    variants={
        "result": Text(
            "{where} has the result of a call inside the answer, “{mark}” ({rows:row}): "
            "the model learns to make results up instead of waiting for them",
            "{where} 在回答里写出了工具的返回结果“{mark}”（共 {rows} 行）："
            "模型会学着编造结果，而不是等待结果",
        ),
        "end": Text(
            "{where} ends with “{mark}”, the end of a call in another model's format ({rows:row}): "
            "the model learns to write it",
            "{where} 以“{mark}”结尾，这是其他模型格式中调用的结束标签（共 {rows} 行）：模型会学着写出它",
        ),
    },
    help=Text(
        "Write calls in this model's format, one per message, and each result as its own message. "
        "If your own program parses this text, ignore this rule.",
        "按本模型的格式写调用，每条消息一个；每个结果单独写成一条消息。如果有自己的程序解析这种文本，可以忽略此规则。",
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
    "Put the name in `metadata`, only the arguments in `content`, one call per message, and the "
    "result in an `observation` message. If your own program parses this text, ignore this rule.",
    "把工具名放进 `metadata`，`content` 里只留参数，每条消息一个调用；结果写成 `observation` 消息。"
    "如果有自己的程序解析这种文本，可以忽略此规则。",
)
_ALONE: Final = Pattern(r"\s*tool_call: *([\w.-]+)\s+arguments:\s*(\{.*\})\s*", re.DOTALL)


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
            part=_part(row, index, found),
        )  # fmt: skip


def _part(row: Row, index: int, found: Mark) -> Part:
    """Where the mark stands; its colon may be another one."""

    def find() -> tuple[int, int] | None:
        text = next(text for place, _, text in row.texts if place == index)
        piece = found.mark.rstrip(":：")
        number = without_code(text).count(piece, 0, found.at)
        mark = part_beside_code(row, index, found.mark, number)
        return mark() or part_beside_code(row, index, piece, number)()

    return find


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
    """(name, arguments as written) of a text that is a call and nothing else."""
    name, arguments = "", ""
    if found := _ALONE.fullmatch(text):
        name, arguments = found[1], found[2]
    elif (said := spoken(text)) is not None and not said.before and len(said.calls) == 1:
        [call] = said.calls
        if call.whole and call.sure and call.id is None:
            name, arguments = call.name, call.arguments or ""
    return (name, arguments) if isinstance(holds_json(arguments), dict) else None
