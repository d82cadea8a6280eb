"""A tool that the recipe's template does not print, or at which the trainer raises.

The template prints tools of type `function` and knows three built-in ones; it silently skips any
other type (the tokenizer of June 2024 raises NotImplementedError). The built-in tools have no
`function`, which the official script's clean-up reads: they end the run with KeyError unless
`combine: true` is set. And templates of later models read no tools from a message at all.

Evidence: OpenRLHF #1228; GLM-4-0414's template takes tools only as an argument that finetune.py
does not pass (docs/recipes.md, 0.5).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.calls import declared, exception_at, foreign
from glmlint.finding import place
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text, value_of
from glmlint.trainer.template import BUILT_IN

rule = Rule(
    name="tools-not-rendered",
    family="tools",
    form="glm",
    title_zh="配方的模板不会输出的工具，或让训练框架报错的工具",
    doc_zh="""
    模板会输出类型为 `function` 的工具，并认识三个内置工具；其他类型会静默跳过（2024 年 6 月的分词器
    抛出 NotImplementedError）。内置工具没有 `function`，而官方脚本清理数据时要读取它：除非设置了
    `combine: true`，否则会以 KeyError 中止训练。后续模型的模板则根本不从消息里读取工具。

    依据：OpenRLHF #1228；GLM-4-0414 的模板只把工具作为参数接收，而 finetune.py 不传这个参数
    （docs/recipes.md 第 0.5 节）。
    """,
    severity="error",
    when=Fact.LISTS,
    text=Text(
        "{place} has type {kind}, which the template does not print: the model does not see it",
        "{place} 的类型是 {kind}，模板不会输出它：模型看不到这个工具",
    ),
    variants={
        "raises": Text(
            "{place} has type {kind}, which the trainer does not know: it raises {exception} here",
            "{place} 的类型是 {kind}，训练框架不认识：在此抛出 {exception}",
        ),
        "built-in": Text(
            "{place} is the built-in {kind}, which has no `function`: the script needs one in "
            "every tool and raises {exception}",
            "{place} 是内置工具 {kind}，没有 `function`：脚本要求每个工具都有它，在此抛出 "
            "{exception}",
        ),
        "template": Text(
            "{place} is not printed: the template {template} takes no tools from messages, the "
            "model sees none ({rows:row})",
            "{place} 不会输出：模板 {template} 不读取消息里的 tools，模型看不到任何工具（共 "
            "{rows} 行）",
        ),
    },
    help=Text(
        'Use `"type": "function"`, or a recipe and template that print such tools (`glmlint show` '
        "prints what the model sees).",
        '请使用 `"type": "function"`，或选用会输出这类工具的配方和模板（`glmlint show` 可查看模型'
        "看到的内容）。",
    ),
    bad=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "retrieval",
                            "function": {
                                "name": "search",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Who wrote Faust?"},
                {"role": "assistant", "content": "Goethe."},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "", "tools": [{"type": "python"}]},
                {"role": "user", "content": "算一下 2 的 10 次方"},
                {"role": "assistant", "metadata": "python", "content": "print(2 ** 10)"},
                {"role": "observation", "content": "1024"},
                {"role": "assistant", "content": "是 1024。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "search",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Who wrote Faust?"},
                {"role": "assistant", "content": "Goethe."},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "system", "content": "", "tools": [{"type": "python"}]},
                        {"role": "user", "content": "算一下 2 的 10 次方"},
                        {"role": "assistant", "metadata": "python", "content": "print(2 ** 10)"},
                        {"role": "observation", "content": "1024"},
                        {"role": "assistant", "content": "是 1024。"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.error is not None or row.facts & Fact.ODD:
        yield from _odd_types(row)
    if not row.context.template.known and row.context.trainer.template_name is None:
        yield from _silent_template(row)


def _odd_types(row: Row) -> Iterator[Problem]:
    if foreign(row):
        return
    for entry in declared(row):
        if entry.role != "system" or not isinstance(entry.tools.value, list):
            continue
        exception = exception_at(row, entry.message or 0)
        for tool in entry.tools.tools:
            at = (*entry.at, tool.index)
            if tool.fault is not None:
                continue
            if tool.built_in and "function" not in tool.value and exception is not None:
                yield rule.problem(
                    at, text="built-in", raises=True,
                    place=place(at), kind=tool.kind, exception=exception,
                    part=value_of(row, (*at, "type")),
                )  # fmt: skip
            elif tool.kind != "function" and not (tool.built_in and tool.kind in BUILT_IN):
                yield rule.problem(
                    at, text=None if exception is None else "raises", raises=exception is not None,
                    place=place(at), kind=str(tool.kind)[:60], exception=exception,
                    part=value_of(row, (*at, "type")),
                )  # fmt: skip


def _silent_template(row: Row) -> Iterator[Problem]:
    if row.layout is None or foreign(row):
        return
    for entry in declared(row):
        names = [name for name in entry.tools.by_name if entry.tools.by_name[name].function]
        if entry.role != "system" or not names:
            continue
        printed = "".join(
            piece
            for piece, owner in zip(row.layout.pieces, row.layout.owners, strict=True)
            if isinstance(piece, str) and owner in (entry.message, -1)
        )
        if not any(name in printed for name in names):
            yield rule.problem(
                entry.at, text="template", once="template",
                place=place(entry.at), template=row.context.template.name,
            )  # fmt: skip
