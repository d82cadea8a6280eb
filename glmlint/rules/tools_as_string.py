"""`tools` is JSON inside a string, in place of a list.

A string is what the tools look like after `json.dumps` for a column of a table, and what some
trainers want. The official script walks over the characters of that string and ends with
TypeError; under `combine: true` the template walks over them too and prints a heading without any
tool below it.

Evidence: NeMo Automodel #2324; LLaMA-Factory keeps tools as a string, so files carry them over.
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
    severity="error",
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "{place} is text, not JSON of its own: the trainer raises {exception} here and the run ends",
        "{place} 是字符串而不是 JSON 本身：训练脚本在此抛出 {exception}，整个训练随之中止",
    ),
    variants={
        "unseen": Text(
            "{place} is text, not JSON of its own: the template prints nothing of it, "
            "the model does not see the tools",
            "{place} 是字符串而不是 JSON 本身：模板不会输出其内容，模型看不到这些工具",
        ),
    },
    help=Text(
        "Write the tools as a list of objects; `--fix` takes them out of the string.",
        "把工具写成对象列表；`--fix` 可以把它们从字符串中取出。",
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
        if entry.message is None or entry.tools.empty:  # no tools: `empty-tool-list` tells that
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
    """The tools that a message has as JSON text; not a list where something would be lost."""
    value = decode_whole(row.messages[entry.message or 0]["tools"])
    return [value] if isinstance(value, dict) else value
