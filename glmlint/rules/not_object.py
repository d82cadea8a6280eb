"""A row that is not an object: a string, a number, null, or a list of something other than messages.

`datasets` builds a table from objects; any other value among them makes the load of the whole file
fail, and a null becomes a row without messages, at which the trainer raises.

Evidence: `datasets` 5.2 raises DatasetGenerationError ("Column() changed from object to string");
LLaMA-Factory #4236.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import kind_of
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="not-object",
    family="structure",
    title_zh="这一行不是对象，而是文本、数字、null，或不由消息组成的列表",
    doc_zh="""
    `datasets` 由对象构建数据表；其中混入其他值会让整个文件加载失败，而 null 会变成没有 messages 的
    一行，训练框架在那里报错。

    依据：`datasets` 5.2 抛出 DatasetGenerationError（"Column() changed from object to string"）；
    LLaMA-Factory #4236。
    """,
    severity="error",
    when=Fact.ODD,
    text=Text(
        "the row is {en}, not an object with messages: the load or the trainer fails here",
        "这一行是{zh}，而不是带有 messages 的对象：加载器或训练框架会在此处报错",
    ),
    help=Text(
        'Write the row as {{"messages": […]}}, or delete it.',
        '写成 {{"messages": […]}} 的形式，或删除这一行。',
    ),
    bad=(5, "你好", None, [[1, 2]]),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        [{"role": "user", "content": "a row of another format: see other-format"}],
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if not isinstance(row.value, dict) and not row.foreign:
        en, zh = kind_of(row.value)
        yield rule.problem(en=en, zh=zh, raises=True)
