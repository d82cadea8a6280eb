"""A call of a tool that the row does not declare.

The tools of the row are in the prompt; a call of another name teaches the model to make names up.
Most often the name is misspelt, or the tool was renamed in one place. Calls of the built-in tools
(`python`, `simple_browser`, `cogview`) are never reported. Where a row declares no tools at all, or
an empty list, and yet makes calls, that is reported once per file, as a warning: some projects
deliberately train a fixed set of tools without listing it.

Evidence: none of six comparable validators finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from glmlint.evidence.call_spans import name_span
from glmlint.evidence.calls import Call, calls, declared, taught, tools_by_name, turns
from glmlint.finding import Pointer, place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text
from glmlint.text import nearest
from glmlint.trainer.row import per_row

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "查询天气",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def _row(question: str, name: str, result: str, answer: str, tools: bool = True) -> dict[str, Any]:
    system: dict[str, Any] = {"role": "system", "content": "Answer in one sentence."}
    if tools:
        system["tools"] = [TOOL]
    return {
        "messages": [
            system,
            {"role": "user", "content": question},
            {"role": "assistant", "metadata": name, "content": '{"city": "Rome"}'},
            {"role": "observation", "content": result},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="unknown-tool",
    family="tools",
    title_zh="调用了这一行没有声明的工具",
    doc_zh="""
    这一行的工具写在提示词里；调用其他名称会教模型编造工具名。多数情况下是名称拼写有误，或工具只在一
    处改了名。对内置工具（`python`、`simple_browser`、`cogview`）的调用从不报告。如果这一行完全没有
    声明工具或只有空列表，却有调用，则每个文件只报告一次，级别为警告：有些项目会有意训练一组固定的工
    具而不列出来。

    依据：六个同类校验工具都发现不了。
    """,
    severity="error",
    when=Fact.CALLING,
    text=Text(
        "{place}: the row declares no tool {name!r}; the model learns to make names up (declared: "
        "{known})",
        "{place}：这一行没有声明工具 {name!r}；模型会学着编造工具名（已声明：{known}）",
    ),
    variants={
        "near": Text(
            "{place}: the row declares no tool {name!r}; did you mean {near!r}?",
            "{place}：这一行没有声明工具 {name!r}；是否应为 {near!r}？",
        ),
        "no-list": Text(
            "{place}: {name!r} is called, and the row declares no tools at all ({rows:row})",
            "{place}：调用了 {name!r}，但这一行完全没有声明工具（共 {rows} 行）",
        ),
    },
    help=Text(
        "Declare the tool in the row's `tools`, or correct the name.",
        "在这一行的 `tools` 中声明该工具，或改正名称。",
    ),
    bad=(
        _row("Weather in Rome?", "get_wether", "22 degrees", "It is 22 degrees."),
        _row("罗马天气怎么样？", "查天气", "22 度", "22 度。"),
        _row("罗马天气怎么样？", "get_weather", "22 度", "22 度。", tools=False),
    ),
    good=(
        _row("Weather in Rome?", "get_weather", "22 degrees", "It is 22 degrees."),
        _row("罗马天气怎么样？", "simple_browser", "22 度", "22 度。"),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    hints = 0
    for call in calls(row):
        if call.tool is not None or call.free:
            continue
        known = tools_by_name(row)
        if not known:
            if all(entry.tools.empty for entry in declared(row)) and not any(
                call.name in text for text in _system_texts(row)
            ):
                yield rule.problem(
                    _at(call), text="no-list", once="no-list", severity="warning",
                    place=place(_at(call)), name=call.name[:80],
                    part=partial(name_span, row, call),
                )  # fmt: skip
            continue
        names = _names(row)
        if names is None:
            return  # which names there are is not known
        hints += 1
        near = nearest(call.name[:80], names) if hints <= _MOST_HINTS else None
        yield rule.problem(
            _at(call),
            text="near" if near else None,
            severity="error" if taught(row, call.message) else "warning",
            place=place(_at(call)),
            name=call.name[:80],
            near=near or "",
            known=", ".join(name[:40] for name in names[:8]),
            part=partial(name_span, row, call),
        )


_MOST_HINTS: Final = 100
"""Calls of a row for which a similar name is looked up."""


@per_row
def _names(row: Row) -> tuple[str, ...] | None:
    """Names of tools that may be intended; None where some tool has no name."""
    if any(not tool.name for entry in declared(row) for tool in entry.tools.tools):
        return None
    return tuple(name[:80] for name in islice(tools_by_name(row), 200))


def _at(call: Call) -> Pointer:
    return ("messages", call.message, "metadata") if call.form == "metadata" else call.at


@per_row
def _system_texts(row: Row) -> list[str]:
    return [
        turn.content
        for turn in turns(row)
        if turn.role == "system" and isinstance(turn.content, str)
    ]
