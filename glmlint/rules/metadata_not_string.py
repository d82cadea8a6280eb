"""`metadata` that is not a string.

It is in the header, right after the role token: `<|assistant|>get_weather`. The template prints
any value there as Python does, so null becomes the word None (transformers 5.24 and later drop
it), and an object `{'a': 1}`. In an answer that is trained as the name of a function.

Evidence: measured with the official script (`datasets` below 4.7 writes such nulls into every
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
    title_zh="`metadata` 不是字符串",
    doc_zh="""
    它位于消息头，紧跟角色标记：`<|assistant|>get_weather`。模板会按 Python 的方式打印这里的任
    何值，所以 null 会变成单词 None（transformers 5.24 及以上版本会去掉它），对象会变成
    `{'a': 1}`。写在回答里，它会被当作函数名参与训练。

    依据：用官方脚本实测（只要有一条消息带 metadata，4.7 之前的 `datasets` 就会给每条消息补上
    这样的 null）。
    """,
    severity="warning",
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "{place} is {en}, not a string: it is printed after the role token as Python prints it",
        "{place} 是{zh}而不是字符串：会按 Python 打印的形式出现在角色标记之后",
    ),
    variants={
        "trained": Text(
            "{place} is {en}, not a string: it is printed and trained as a function name",
            "{place} 是{zh}而不是字符串：会被当作函数名输出，并且参与训练",
        ),
        "dropped": Text(
            "{place} is null: transformers 5.24 and later drop it, older ones print the word None",
            "{place} 为 null：transformers 从 5.24 起会去掉它，旧版本会输出单词 None",
        ),
        "unseen": Text(
            "{place} is {en}, not a string; the message is not printed",
            "{place} 是{zh}而不是字符串；这条消息不会输出",
        ),
    },
    help=Text(
        "Delete the key; only a tool call has metadata: the function's name.",
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
