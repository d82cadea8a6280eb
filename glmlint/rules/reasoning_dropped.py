"""Reasoning that the template does not print.

`reasoning_content` is a key of newer chat formats; GLM-4's template reads only role, metadata,
content and tools, so the reasoning silently disappears and only the answers are trained. A
`<think>` block inside the content is printed as text by GLM-4's template; templates of reasoning
models cut it out of earlier turns.

Evidence: fw-ai/cookbook #386.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.printing import prints_thoughts
from glmlint.evidence.teaching import printed_text, whole_text
from glmlint.patterns import Pattern
from glmlint.read.formats import TURN_KEYS
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.forms.base import REASONING_KEYS

rule = Rule(
    name="reasoning-dropped",
    family="mask",
    title_zh="模板不会输出的思考内容",
    doc_zh="""
    `reasoning_content` 是较新的对话格式使用的键；GLM-4 的模板只读取 role、metadata、content 和
    tools，所以思考内容会静默消失，只有回答参与训练。写在 content 里的 `<think>` 块会被 GLM-4 的模板
    当作文本输出；推理模型的模板则会从前面的轮次中去掉它。

    依据：fw-ai/cookbook #386。
    """,
    severity="warning",
    when=Fact.KEYS | Fact.THINK | Fact.LABELS,
    text=Text(
        "this recipe's templates do not print `reasoning_content`: the reasoning is not trained "
        "({rows:row})",
        "此配方的模板不输出 `reasoning_content`：思考内容不参与训练（共 {rows} 行）",
    ),
    variants={
        "think": Text(
            "the template leaves out <think> blocks: the reasoning is not trained ({rows:row})",
            "模板会去掉 <think> 块：思考内容不参与训练（共 {rows} 行）",
        ),
        "unread": Text(
            "{trainer} does not print `{key}` with this template: the reasoning is not trained "
            "({rows:row})",
            "在当前模板下，{trainer}不会输出 `{key}`：思考内容不参与训练（共 {rows} 行）",
        ),
        "earlier": Text(
            "the template prints only reasoning after the last question: earlier reasoning is not "
            "trained ({rows:row})",
            "该模板只输出最后一个问题之后的思考内容：更早的思考内容不参与训练（共 {rows} 行）",
        ),
        "without": Text(
            "the template prints only reasoning after the last question: earlier answers are "
            "trained without theirs ({rows:row})",
            "该模板只输出最后一个问题之后的思考内容：更早的回答按没有思考内容训练（共 {rows} 行）",
        ),
    },
    help=Text(
        "To train the reasoning, write it into `content`; otherwise remove it.",
        "如需学习思考过程，把它写进 `content`；否则删掉。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "reasoning_content": "Two and two.", "content": "4"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "一加一等于几？"},
                        {"role": "assistant", "reasoning_content": "一加一。", "content": "二"},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "<think>Two and two.</think>4"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "一加一等于几？"},
                {"role": "assistant", "reasoning_content": "", "content": "二"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.layout is None:
        return
    if "glm" not in row.context.trainer.reads:
        yield from _in_other_forms(row)
        return
    known = row.context.trainer.template_name is not None or row.context.template.known
    if known and row.beside is not None:
        return  # its messages have no other key
    printed = "" if known else printed_text(row)
    thoughts = 0
    told = False
    for index, message in row.good_messages:
        if message.get("role") != "assistant":
            continue
        reasoning = message.get("reasoning_content")
        if isinstance(reasoning, str) and reasoning.strip() and reasoning.strip() not in printed:
            if not told:
                yield rule.problem(
                    ("messages", index, "reasoning_content"), once="reasoning_content"
                )
            told = True
        content = message.get("content")
        thoughts += content.count("<think>") if isinstance(content, str) else 0
    if not known and thoughts > printed.count("<think>"):
        yield rule.problem(row.turns_at, text="think", once="think")


def _in_other_forms(row: Row) -> Iterator[Problem]:
    """Reasoning under a key of its own that is never laid out, and earlier reasoning in any form."""
    if row.foreign or not isinstance(row.value, dict):
        return
    thoughts = [
        ((key, index, name), thought.strip())
        for key in TURN_KEYS
        for index, turn in enumerate(_listed(row.value.get(key)))
        if isinstance(turn, dict)
        for name in REASONING_KEYS
        if isinstance(thought := turn.get(name), str) and thought.strip()
    ]
    printed = whole_text(row)
    if (
        not thoughts
        or any(thought in printed for _, thought in thoughts)
        or prints_thoughts(str(thoughts[0][0][-1]), row.context)
    ):
        yield from _earlier(row, printed)
        return
    at = thoughts[0][0]
    yield rule.problem(at, text="unread", once="unread", key=at[-1], help=_INTO_TEXT)


def _earlier(row: Row, printed: str) -> Iterator[Problem]:
    """Reasoning of answers before the last question, which the template leaves out by design."""
    turns = [] if row.conversation is None else row.conversation.turns
    asked = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=0)
    for index, turn in enumerate(turns[:asked]):
        if turn.role != "assistant":
            continue
        written = _TAGGED.search(turn.text or "") if turn.reasoning is None else None
        thought = written[1] if written else turn.reasoning or ""
        if thought.strip() and thought.strip() not in printed:
            kept = "clear_thinking" in row.context.template.source
            yield rule.problem(
                turn.reasoning_at or turn.text_at or turn.at,
                text="without" if row.printed.get(index) else "earlier", severity="info",
                once="earlier", of_trainer=True, help=_CLEAR if kept else _ROWS,
            )  # fmt: skip
            return


_TAGGED: Final = Pattern(r"<think>(.*?)</think>", re.DOTALL)

_ROWS: Final = Text(
    "To train it, make each such answer a row of its own, with all messages before it.",
    "如需训练，请把每个这样的回答连同其前文单独写成一行，回答放在最后。",
)
_CLEAR: Final = Text(
    "Set clear_thinking to false in the template's arguments, or make each such answer a row of "
    "its own, with all messages before it.",
    "在模板参数中把 clear_thinking 设为 false；或把每个这样的回答连同其前文单独写成一行。",
)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_INTO_TEXT: Final = Text(
    "To train the reasoning, write it into the text of the answer; otherwise remove it.",
    "如需学习思考过程，把它写进回答的文本；否则删掉。",
)
