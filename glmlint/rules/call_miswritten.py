"""The trainer writes tool calls otherwise than the model's own template.

The rows are right, and the trainer's template of calls is not: it writes the arguments as Python prints an
object, or puts the function's name on the line of the text before it. The model learns this form, and what
reads its calls (a server's parser, the code that runs the tool) looks for the other one. It is so in every
row with such a call, so it is told once a file. `unclosed-call` tells calls without their end.

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
    title_zh="训练框架写出的工具调用与模型自己的形式不同",
    severity="warning",
    when=Fact.CALLS | Fact.KEYS | Fact.ODD | Fact.ROLES | Fact.FOREIGN | Fact.LABELS,
    text=Text(
        "{trainer} writes the arguments of {where} as Python prints an object, not as JSON ({rows:row} "
        "so): the model is trained to write {printed}",
        "{trainer}按 Python 的打印形式而不是 JSON 写出 {where} 的参数（共 {rows} 行如此）："
        "模型被训练写出 {printed}",
    ),
    variants={
        "joined": Text(
            "{trainer} writes the function's name of {where} right behind the text before it "
            "({rows:row} so): the model is trained to write {printed}",
            "{trainer}把 {where} 的函数名直接接在前面的文本之后（共 {rows} 行如此）：模型被训练写出 {printed}",
        ),
    },
    help=Text(
        "That is how {trainer} writes calls with these options: let what reads the calls expect this form, "
        "or use a trainer that writes the model's own (`glmlint show` and `glmlint compare` print it).",
        "{trainer}在当前选项下就是这样写工具调用的：请让解析调用的程序按这种形式读取，或改用会写出模型自身形式的训练"
        "框架（用 `glmlint show` 和 `glmlint compare` 查看）。",
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
    """What is wrong with the calls of a turn as they are laid out: the sentence, and the text."""
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
