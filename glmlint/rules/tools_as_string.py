"""`tools` is JSON inside a string instead of a list.

Tools become a string by `json.dumps` for a column of a table, and some trainers expect them so. The
official script iterates over the characters of that string and ends with TypeError; with `combine:
true` the template iterates over them too and prints a heading without any tool below it.

Evidence: NeMo Automodel #2324; LLaMA-Factory keeps tools as a string, so such files are common.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.evidence.calls import Declared, declared, decode_whole, exception_at, foreign
from glmlint.finding import place
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="tools-as-string",
    family="tools",
    form="glm",
    title_zh="`tools` 是写在字符串里的 JSON，而不是列表",
    doc_zh="""
    为了放进数据表的一列，工具常用 `json.dumps` 变成字符串，有些训练框架也要求这样。官方脚本会逐个字
    符遍历这个字符串，以 TypeError 中止；在 `combine: true` 下，模板同样会逐个字符遍历，只输出一个下
    面没有任何工具的标题。

    依据：NeMo Automodel #2324；LLaMA-Factory 把工具存为字符串，这样的文件因此带了过来。
    """,
    severity="error",
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "{place} is a string, not a list: the trainer raises {exception} here and the run ends",
        "{place} 是字符串而不是列表：训练框架在此抛出 {exception}，整个训练随之中止",
    ),
    variants={
        "unseen": Text(
            "{place} is a string, not a list: the template prints nothing of it, the model does "
            "not see the tools",
            "{place} 是字符串而不是列表：模板不会输出其内容，模型看不到这些工具",
        ),
    },
    help=Text(
        "Write the tools as a list of objects; `--fix` parses the string.",
        "把工具写成对象列表；`--fix` 会解析这个字符串。",
    ),
    bad=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": '[{"type": "function", "function": {"name": "now", "parameters": '
                    '{"type": "object", "properties": {}}}}]',
                },
                {"role": "user", "content": "What time is it?"},
                {"role": "assistant", "content": "Noon."},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {
                            "role": "system",
                            "content": "你是助手。",
                            "tools": '[{"type": "function", "function": {"name": "now", '
                            '"description": "现在几点", "parameters": {"type": "object", '
                            '"properties": {}}}}]',
                        },
                        {"role": "user", "content": "现在几点？"},
                        {"role": "assistant", "content": "中午。"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "你是助手。",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "now",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "现在几点？"},
                {"role": "assistant", "content": "中午。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": 'What is "[]" in JSON?'},
                {"role": "assistant", "content": "An empty list."},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if foreign(row):
        return
    for entry in declared(row):
        if entry.message is None or entry.tools.empty:  # no tools: `empty-tool-list` reports that
            continue
        exception = exception_at(row, entry.message)
        if entry.role != "system" and exception is None:
            continue
        text = None if exception is not None else "unseen"
        if entry.tools.in_string:
            value = _written(row, entry)
            edits = (Edit("replace", entry.at, value),) if isinstance(value, list) else ()
            yield rule.problem(
                entry.at, text=text, raises=text is None, edits=edits,
                place=place(entry.at), exception=exception,
            )  # fmt: skip
            continue
        for index in entry.tools.string_entries:
            at = (*entry.at, index)
            value = decode_whole(entry.tools.value[index])
            edits = (Edit("replace", at, value),) if isinstance(value, dict) else ()
            yield rule.problem(
                at, text=text, raises=text is None, edits=edits,
                place=place(at), exception=exception,
            )  # fmt: skip


def _written(row: Row, entry: Declared) -> Any:
    """The tools that a message has as JSON text; not a list where parsing would lose something."""
    value = decode_whole(row.messages[entry.message or 0]["tools"])
    return [value] if isinstance(value, dict) else value
