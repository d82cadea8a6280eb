"""An entry of `messages` that is no object: a bare text, null, a list.

The script asks every message for its role: it raises TypeError at a text or a null, and the run
ends. Where the template alone reads the messages (`combine: true`), the entry vanishes without a
word.

Evidence: LLaMA-Factory #4236; recipes.md, section 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate, kind_of
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="message-not-object",
    family="structure",
    form="glm",
    title_zh="`messages` 里有一项不是对象，而是纯文本、null 或列表",
    severity="error",
    when=Fact.ODD,
    text=Text(
        "messages[{index}] is {en}, not an object with role and content: it is left out in silence",
        "messages[{index}] 是{zh}，不是带 role 和 content 的对象：会被悄悄跳过",
    ),
    variants={
        "raises": Text(
            "messages[{index}] is {en}, not an object with role and content: "
            "the trainer raises {exception}",
            "messages[{index}] 是{zh}，不是带 role 和 content 的对象：训练脚本抛出 {exception}",
        )
    },
    help=Text(
        'Write it as {{"role": …, "content": …}}, or delete it.',
        '写成 {{"role": …, "content": …}}，或删除它。',
    ),
    bad=(
        {"messages": ["Hi", "Hello"]},
        {"messages": [{"role": "user", "content": "你好"}, None]},
        Example(
            rows=({"messages": [{"role": "user", "content": "Hi"}, ["assistant", "Hello"]]},),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    for index, message in enumerate(row.messages):
        if isinstance(message, dict):
            continue
        en, zh = kind_of(message)
        at = ("messages", index)
        if fate(row, index) == "raises":
            yield rule.problem(
                at, text="raises", raises=True, index=index, en=en, zh=zh,
                exception=row.error.exception if row.error else "",
            )  # fmt: skip
        else:
            yield rule.problem(at, severity="warning", index=index, en=en, zh=zh)
