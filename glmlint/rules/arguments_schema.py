"""Arguments of a tool call that don't match the tool's own schema.

The tool is in the prompt of the same row: a call that leaves out a required argument, or gives
text where the schema asks for a number, teaches the model to disregard what it is told about
tools. A name that the schema neither lists nor forbids is a warning. Whole numbers may be written
`1.0`; booleans are not numbers. Simple schemas are checked by hand-written functions, others by
`jsonschema`, with a bound on the work and without fetching anything; patterns that could hang are
not tried.

An error where the call is trained under the recipe, elsewhere a warning.

Evidence: none of six peer validators finds it, and public data has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from glmlint.evidence.arguments import ArgumentFault
from glmlint.evidence.call_spans import argument_span
from glmlint.evidence.calls import Call, calls, encoded_twice, taught
from glmlint.finding import place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "查询天气",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"type": "string", "enum": ["C", "F"]},
            },
            "required": ["city"],
        },
    },
}


SIMPLER: Final = Text(
    "Simplify the schema: nested or long anyOf and oneOf multiply the work.",
    "简化 schema：嵌套的或很长的 anyOf、oneOf 会让计算量成倍增加。",
)


def _row(question: str, arguments: str, result: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "", "tools": [TOOL]},
            {"role": "user", "content": question},
            {"role": "assistant", "metadata": "weather", "content": arguments},
            {"role": "observation", "content": result},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="arguments-schema",
    family="tools",
    title_zh="工具调用的参数不符合该工具自己的 JSON Schema",
    doc_zh="""
    工具就写在同一行的提示词里：如果调用漏掉必填的参数，或在要求数字的地方给出文本，模型就会学
    着无视工具的说明。schema 既没有列出也没有禁止的参数名只作为警告。整数可以写成 `1.0`；布尔
    值不算数字。简单的 schema 由手写的函数校验，其余由 `jsonschema` 校验；计算量有上限，不访问
    网络，可能卡死的正则表达式不会执行。

    调用在所用配方下参与训练时为错误，其他情况为警告。

    依据：试过的六个同类校验工具都没有发现这类问题，而公开数据中确实存在。
    """,
    severity="error",
    when=Fact.CALLING,
    text=Text(
        "{place}: {tool} asks for {name} to match {wanted}, the call has {got}",
        "{place}：{tool} 要求 {name} 满足 {wanted}，调用中为 {got}",
    ),
    variants={
        "required": Text(
            "{place}: {tool} requires {name}, which the call lacks",
            "{place}：{tool} 要求提供 {name}，调用中没有",
        ),
        "type": Text(
            "{place}: {tool} asks for {name} of type {wanted}, the call has {got}",
            "{place}：{tool} 要求 {name} 的类型为 {wanted}，调用中为 {got}",
        ),
        "enum": Text(
            "{place}: {tool} allows only {wanted} for {name}, the call has {got}",
            "{place}：{tool} 的 {name} 只允许 {wanted}，调用中为 {got}",
        ),
        "forbidden": Text(
            "{place}: {tool} forbids unlisted arguments, the call has {name}",
            "{place}：{tool} 不允许未列出的参数，调用中有 {name}",
        ),
        "unchecked": Text(
            "{place}: the arguments were not checked against the schema of {tool}: it takes too much "
            "work ({rows:row})",
            "{place}：按 {tool} 的 schema 校验参数的计算量过大，没有校验（共 {rows} 行）",
        ),
        "unlisted": Text(
            "{place}: {tool} does not list the argument {name} (it has: {wanted})",
            "{place}：{tool} 没有列出参数 {name}（已有：{wanted}）",
        ),
    },
    help=Text(
        "Make the call match the tool's schema, or the schema match its calls.",
        "让调用符合工具的 schema，或让 schema 符合实际调用。",
    ),
    bad=(
        _row("Weather in Rome?", '{"days": 3}', "22 degrees", "It is 22 degrees."),
        _row("北京天气怎么样？", '{"city": "北京", "days": "3"}', "22 度", "22 度。"),
        _row("Weather in Rome?", '{"city": "Rome", "unit": "K"}', "295 K", "It is 295 K."),
        _row("北京天气怎么样？", '{"city": "北京", "区": "海淀"}', "22 度", "22 度。"),
    ),
    good=(
        _row("Weather in Rome?", '{"city": "Rome", "days": 3.0}', "22 degrees", "22 degrees."),
        _row("北京天气怎么样？", '{"city": "北京", "unit": "C"}', "22 度", "22 度。"),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for call in calls(row):
        schema = call.tool.schema if call.tool is not None else None
        if schema is None or not isinstance(call.arguments, dict):
            continue
        if call.free or schema.fits(call.arguments):
            continue
        error = taught(row, call.message)
        elsewhere = encoded_twice(call)
        faults = schema.errors(call.arguments)
        if schema.unchecked:
            yield rule.problem(
                call.at,
                text="unchecked",
                severity="warning",
                help=SIMPLER,
                once="unchecked",
                place=place(call.at),
                tool=call.name[:80],
            )
        for fault in faults:
            if fault.kind == "type" and fault.name in elsewhere:
                continue  # double-encoded-arguments reports it
            yield rule.problem(
                call.at,
                text=None if fault.kind == "other" else fault.kind,
                severity="error" if error and fault.kind != "unlisted" else "warning",
                place=place(call.at),
                tool=call.name[:80],
                name=fault.name[:80] or "the arguments",
                wanted=fault.wanted[:200],
                got=fault.got,
                part=partial(_part, row, call, fault),
            )


def _part(row: Row, call: Call, fault: ArgumentFault) -> tuple[int, int] | None:
    """The argument that the fault is about: its key where it should not be there."""
    if fault.kind in ("forbidden", "unlisted"):
        name = fault.name if fault.kind == "unlisted" else fault.name.split(", ")[0]
        return argument_span(row, call, (*fault.path, name), key=True)
    return argument_span(row, call, fault.path)
