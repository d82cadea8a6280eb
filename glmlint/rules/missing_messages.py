"""A row without `messages`, or whose `messages` is not a list.

The official script reads only `messages`: without it the trainer raises KeyError, and the run ends
before the first step. Often the key is misspelled. Rows in another trainer's format are reported
once per file by `other-format`.

Evidence: LLaMA-Factory #4236; GLM-4's process_batch reads `batch["messages"]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from glmlint.evidence.turns import kind_of, shown
from glmlint.read.formats import recognise
from glmlint.rules.base import Fact, Problem, Row, Rule, Text
from glmlint.text import nearest

rule = Rule(
    name="missing-messages",
    family="structure",
    form="glm",
    title_zh="一行缺少 `messages`，或 `messages` 不是列表",
    doc_zh="""
    官方脚本只读取 `messages`：没有它，训练框架会抛出 KeyError，训练在第一步之前就会中止。往往
    只是键名拼写有误。采用其他训练框架格式的行，由 `other-format` 在每个文件中报告一次。

    依据：LLaMA-Factory #4236；GLM-4 的 process_batch 读取 `batch["messages"]`。
    """,
    severity="error",
    when=Fact.ODD,
    text=Text(
        "the row has no messages: the trainer raises {exception}",
        "这一行没有 messages：训练框架抛出 {exception}",
    ),
    variants={
        "near": Text(
            "the row has {key} instead of messages: the trainer raises {exception}",
            "这一行没有 messages，只有 {key}：训练框架抛出 {exception}",
        ),
        "keyed": Text(
            "the row has no messages, but {number} similar objects under keys such as {key}: a file keyed "
            "by id is one row, and the trainer raises {exception}",
            "这一行没有 messages，而是 {number} 个同类对象，键如 {key}：以 id 为键的文件只算一行，"
            "训练框架抛出 {exception}",
        ),
        "held": Text(
            "the row has no messages, but a list of {number} rows under {key}: datasets makes one row of "
            "the whole object, and the trainer raises {exception}",
            "这一行没有 messages，而是在 {key} 下有 {number} 条数据：datasets 把整个对象当成一行，"
            "训练框架抛出 {exception}",
        ),
        "not-list": Text(
            "messages is {en}, not a list: the trainer raises {exception}",
            "messages 是{zh}而不是列表：训练框架抛出 {exception}",
        ),
    },
    help=Text(
        'Put the conversation under "messages", a list of {{"role", "content"}}.',
        '把对话放在 "messages" 里：由 {{"role", "content"}} 组成的列表。',
    ),
    bad=(
        {
            "math/1": {"problem": "1+1?", "solution": "2"},
            "math/2": {"problem": "二加三等于几？", "solution": "五"},
        },
        {"version": "1.0", "data": [{"messages": [{"role": "user", "content": "你好"}]}]},
        {"massages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]},
        {"对话": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {"id": 7},
        {"messages": None},
        {"messages": "user: Hi"},
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "id": 7,
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ],
        },
        {"instruction": "told by other-format", "output": "not here"},
    ),
)


_KEYED_HELP: Final = Text(
    "Write every value on its own line, for instance with: jq -c '.[]' FILE.json > FILE.jsonl",
    "把每个值单独写成一行，例如：jq -c '.[]' FILE.json > FILE.jsonl",
)


_HELD_HELP: Final = Text(
    "Write every element of the list on its own line, for instance with: "
    "jq -c '.[\"{name}\"][]' FILE.json > FILE.jsonl",
    "把列表里的每个元素单独写成一行，例如：jq -c '.[\"{name}\"][]' FILE.json > FILE.jsonl",
)


def check(row: Row) -> Iterator[Problem]:
    value = row.value
    if not isinstance(value, dict) or row.foreign:
        return
    exception = row.error.exception if row.error else "KeyError"
    if "messages" not in value:
        key = near_key(value)
        if key is None and (first := _keyed(value)) is not None:
            yield rule.problem(
                text="keyed",
                help=_KEYED_HELP,
                number=len(value),
                key=f'"{shown(first)}"',
                exception=exception,
                raises=True,
            )
        elif key is None and (held := _held(value)) is not None:
            yield rule.problem(
                (held,),
                text="held",
                help=_HELD_HELP,
                number=len(value[held]),
                key=f'"{shown(held)}"',
                name=shown(held),
                exception=exception,
                raises=True,
            )
        elif key is None:
            yield rule.problem(exception=exception, raises=True)
        else:
            yield rule.problem(
                (key,), text="near", key=f'"{shown(key)}"', exception=exception, raises=True
            )
    elif not isinstance(value["messages"], list):
        en, zh = kind_of(value["messages"])
        yield rule.problem(
            ("messages",), text="not-list", en=en, zh=zh, exception=exception, raises=True
        )


def _keyed(value: dict[str, Any]) -> str | None:
    """The first key of an object that is a whole file: its values are rows with similar keys."""
    rows = list(value.values())
    if len(rows) < 2 or not all(isinstance(row, dict) and row for row in rows):
        return None
    shared = set(rows[0]).intersection(*rows)
    return next(iter(value)) if len(shared) > 1 or "messages" in shared else None


def _held(value: dict[str, Any]) -> str | None:
    """The key that holds a whole file's rows: a list of objects of a known form."""
    for key, item in value.items():
        if not isinstance(item, list) or not item or not isinstance(item[0], dict):
            continue
        if "messages" in item[0] or recognise(item[0]) not in (None, "text"):
            return key
    return None


def near_key(value: dict[str, Any]) -> str | None:
    """The key that is meant as `messages`: nearly spelled like it, or with turns in it."""
    close = {key.strip().lower(): key for key in islice(value, 100) if len(key) < 100}
    found = nearest("messages", close)
    if found:
        return close[found]
    for key, item in value.items():
        turns = isinstance(item, list) and item and isinstance(item[0], dict)
        if turns and "role" in item[0]:
            return key
    return None
