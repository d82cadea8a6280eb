"""`metadata` that is no text.

It stands in the header, right after the role token: `<|assistant|>get_weather`. The template prints
any value there as Python does, so that a null becomes the word None (transformers 5.24 and later
drop it), an object its `{'a': 1}`. In front of an answer that is trained as the name of a function.

Evidence: recipes.md, sections 0.1 and 0.2 (`datasets` below 4.7 writes such nulls into every
message as soon as one has metadata).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.padded import padded
from glmlint.evidence.turns import fate, kind_of
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="metadata-not-string",
    family="structure",
    form="glm",
    title_zh="`metadata` 不是文本",
    severity="warning",
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "{place} is {en}, not a text: it is printed after the role token as Python prints it",
        "{place} 是{zh}而不是文本：会按 Python 的样子输出在角色标记之后",
    ),
    variants={
        "trained": Text(
            "{place} is {en}, not a text: it is printed as the name of a function, and trained so",
            "{place} 是{zh}而不是文本：会被当作函数名输出，并且参与训练",
        ),
        "dropped": Text(
            "{place} is null: transformers from 5.24 on drops it, older ones print the word None",
            "{place} 为 null：transformers 5.24 起会去掉它，旧版本会输出单词 None",
        ),
        "unseen": Text(
            "{place} is {en}, not a text; the message is not printed",
            "{place} 是{zh}而不是文本；这条消息没有输出",
        ),
    },
    help=Text(
        "Delete the key; only a tool call has metadata, the function's name.",
        "删除这个键；只有工具调用才有 metadata，即函数名。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "好", "metadata": None},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Hi", "metadata": {"time": "10:00"}},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "好", "metadata": {}},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "罗马天气？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "observation", "content": "22"},
                {"role": "assistant", "metadata": "", "content": "22 度。"},
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
    if row.foreign:
        return
    context = row.context
    drops_null = context.trainer.template_name is None and context.template.drops_nulls
    for index, message in row.good_messages:
        metadata = message.get("metadata", "")
        at = ("messages", index, "metadata")
        if isinstance(metadata, str) or at in padded(row):
            continue
        en, zh = kind_of(metadata)
        text: str | None = None
        severity = "warning"
        if metadata is None and drops_null:
            text = "dropped"
        elif not message.get("content"):
            text = "unseen"
        elif message.get("role") == "assistant" and fate(row, index) == "trained":
            text, severity = "trained", "error"
        yield rule.problem(
            at,
            text=text,
            severity=severity,
            edits=(Edit("remove", at),) if metadata is None else (),
            place=f"messages[{index}].metadata",
            en=en,
            zh=zh,
        )
