"""Content that is not a string: a number, an object, a list.

The Jinja template prints any value as Python does: a dict of arguments becomes `{'city': 'Rome'}`
with single quotes, which is not valid JSON, and that is what the model learns to write. Empty
values vanish with their message. The script of June 2024 raises TypeError.

Evidence: unsloth #4438; measured with the official script.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.teaching import whole_text
from glmlint.evidence.turns import fate, kind_of
from glmlint.finding import value_at
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="content-not-string",
    family="structure",
    title_zh="`content` 不是字符串，而是数字、对象或列表",
    doc_zh="""
    Jinja 模板会按 Python 的方式打印任何值：参数字典会变成带单引号的 `{'city': 'Rome'}`，这不
    是合法的 JSON，而模型学到的正是这种写法。空值会连同整条消息一起消失。2024 年 6 月的脚本会
    抛出 TypeError。

    依据：unsloth #4438；用官方脚本实测。
    """,
    severity="error",
    when=Fact.ODD,
    text=Text(
        "{place} is {en}, not a string: the prompt has it as Python prints it",
        "{place} 是{zh}而不是字符串：提示词里会出现 Python 打印的形式",
    ),
    variants={
        "raises": Text(
            "{place} is {en}, not a string: the trainer raises {exception}",
            "{place} 是{zh}而不是字符串：训练框架抛出 {exception}",
        ),
        "trained": Text(
            "{place} is {en}, not a string: the model is trained to write it as Python prints it",
            "{place} 是{zh}而不是字符串：模型会学着写出 Python 打印的形式",
        ),
        "left out": Text(
            "{place} is {en}, not a string: the template leaves the whole message out",
            "{place} 是{zh}而不是字符串：模板会跳过整条消息",
        ),
        "nothing": Text(
            "{place} is {en}, not a string: the template leaves the message out, "
            "and the row teaches nothing",
            "{place} 是{zh}而不是字符串：模板会跳过这条消息，这一行学不到任何东西",
        ),
    },
    help=Text(
        "Write a string; for arguments of a call, JSON text: json.dumps(value, ensure_ascii=False).",
        "写成字符串；工具调用的参数写成 JSON 文本：json.dumps(value, ensure_ascii=False)。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": {"city": "Rome"}},
                {"role": "observation", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {"messages": [{"role": "user", "content": "几岁？"}, {"role": "assistant", "content": 5}]},
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": 5},
                        {"role": "assistant", "content": "A number."},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": False}]},
    ),
    good=(
        {"messages": [{"role": "user", "content": "5"}, {"role": "assistant", "content": "数字"}]},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    if row.conversation is not None:
        yield from _in_other_forms(row)
        return
    for index, message in row.good_messages:
        content = message.get("content", "")
        if isinstance(content, str) or content is None:
            continue
        en, zh = kind_of(content)
        number = isinstance(content, int | float) and not isinstance(content, bool)
        text, severity = None, "warning"
        match fate(row, index):
            case "raises":
                text, severity = "raises", "error"
            case "trained":
                text, severity = "trained", "warning" if number else "error"
            case "nothing":
                text, severity = "nothing", "error"
            case "left out":
                text = "left out"
        yield rule.problem(
            ("messages", index, "content"),
            text=text,
            severity=severity,
            raises=text == "raises",
            place=f"messages[{index}].content",
            en=en,
            zh=zh,
            exception=row.error.exception if row.error else "",
        )


def _in_other_forms(row: Row) -> Iterator[Problem]:
    """Lists and objects that come out as Python prints them; many templates accept lists of parts."""
    assert row.conversation is not None
    if row.layout is None:
        return
    for index, turn in enumerate(row.conversation.turns):
        written = value_at(row.value, turn.at) if turn.at else None
        content = written.get("content") if isinstance(written, dict) else None
        if isinstance(content, list | dict) and content and repr(content) in whole_text(row):
            en, zh = kind_of(content)
            yield rule.problem(
                (*turn.at, "content"),
                text="trained" if row.printed.get(index) else None,
                place=row.where(index) + ".content",
                en=en,
                zh=zh,
            )
