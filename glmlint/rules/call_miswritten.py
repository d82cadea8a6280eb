"""The trainer writes tool calls in another format than the model's own template.

The rows are correct, and the trainer's format of calls is not: it writes the arguments as Python
prints a dict, or puts the function's name on the line of the text before it. The model learns this
format, and whatever reads its calls (a server's parser, the code that runs the tool) expects the
other one. It happens in every row with such a call, so it is reported once per file.
`unclosed-call` reports calls without their end.

Evidence: ms-swift 4.6.0 with `chatglm4` and `glm4` (`{'city': 'Rome'}`; golden vectors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from glmlint.evidence.teaching import whole_text
from glmlint.evidence.turns import shown
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.conversation import Speech


def _row(city: str, said: str = "") -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": city}}}
    return {
        "messages": [
            {"role": "user", "content": city},
            {"role": "assistant", "content": said, "tool_calls": [call]},
            {"role": "tool", "content": "22"},
            {"role": "assistant", "content": "22."},
        ],
    }


rule = Rule(
    name="call-miswritten",
    family="tools",
    title_zh="训练框架写出的工具调用与模型自己的格式不同",
    doc_zh="""
    数据没有错，错的是训练框架写调用的格式：参数按 Python 打印字典的样子写出，或者函数名接在前
    面文本的同一行。模型会学到这种格式，而读取调用的程序（服务端的解析器、执行工具的代码）要的
    是另一种。凡是有这类调用的行都会如此，所以每个文件只报告一次。缺少结尾的调用由
    `unclosed-call` 报告。

    依据：ms-swift 4.6.0 的 `chatglm4` 和 `glm4`（`{'city': 'Rome'}`；golden 向量）。
    """,
    severity="warning",
    when=Fact.CALLING | Fact.KEYS | Fact.ODD | Fact.ROLES | Fact.FOREIGN | Fact.LABELS,
    text=Text(
        "{trainer} writes the arguments of {where} as a Python dict, not as JSON ({rows:row}): "
        "the model is trained to write {printed}",
        "{trainer}把 {where} 的参数写成 Python 字典而不是 JSON（共 {rows} 行）：模型会学着写出 {printed}",
    ),
    variants={
        "joined": Text(
            "{trainer} writes the function name of {where} right after the text before it ({rows:row}): "
            "the model is trained to write {printed}",
            "{trainer}把 {where} 的函数名直接接在前面的文本之后（共 {rows} 行）：模型会学着写出 {printed}",
        ),
    },
    help=Text(
        "{trainer} writes calls like this with these options: parse this format, or use a trainer that writes "
        "the model's own (see `glmlint show` and `glmlint compare`).",
        "{trainer}在当前选项下就是这样写调用的：按这种格式解析，或改用会写出模型自身格式的训练框架"
        "（用 `glmlint show` 和 `glmlint compare` 查看）。",
    ),
    bad=(
        Example(rows=(_row("罗马"),), plan={"recipe": "swift"}),
        Example(rows=(_row("Rome", "Let me look."),), plan={"recipe": "swift"}),
    ),
    good=(
        Example(rows=(_row("罗马"),), plan={"recipe": "llamafactory"}),
        Example(
            rows=(_row("Rome", "Let me look."),),
            plan={
                "recipe": "swift",
                "tokenizer": "glm4.5",
                "template": "GLM-4.5",
                "options": {"template": "glm4_5"},
            },
        ),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.foreign or row.layout is None:
        return
    told: set[str] = set()
    for index, turn in enumerate(talk.turns):
        if not turn.calls or not row.printed.get(index):
            continue  # what carries no loss is not learned
        for text, printed in _faults(turn, whole_text(row, index)):
            if text not in told:
                told.add(text)
                yield rule.problem(
                    row.at(index),
                    text=text or None,
                    once=text or "python",
                    of_trainer=True,
                    where=row.where(index),
                    printed=shown(printed, 120),
                )


def _faults(turn: Speech, printed: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the calls of a turn as the trainer writes them: variant and text."""
    said = (turn.text or "").strip()
    for call in turn.calls:
        arguments = _object(call.arguments)
        python = repr(arguments)
        if arguments and python in printed and python != json.dumps(arguments, ensure_ascii=False):
            yield "", python
        if said and call.name and (joined := f"{said[-60:]}{call.name}") in printed:
            yield "joined", joined


def _object(arguments: Any) -> dict[str, Any] | None:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return None
    return arguments if isinstance(arguments, dict) else None
