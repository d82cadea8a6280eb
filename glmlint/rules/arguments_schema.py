"""Arguments of a tool call that break the tool's own schema.

The tool stands in the prompt of the same row: a call that leaves out what the tool requires, or
gives a text where it asks for a number, teaches the model to disregard what it is told about tools.
A name that the schema neither lists nor forbids is a warning. Whole numbers may be written `1.0`;
booleans are no numbers. Schemas are checked by hand-written functions where they are plain, else by
`jsonschema`, with a bound on the work and without fetching anything; patterns that could hang are
not tried.

An error where the call is trained under the recipe; elsewhere a warning.

Evidence: none of six peer validators finds it, and public data has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import calls, encoded_twice, taught
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
    "Simplify the schema: alternatives of alternatives and long lists of them multiply.",
    "请简化 schema：嵌套的或很长的 anyOf、oneOf 会让计算量成倍增加。",
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
    severity="error",
    when=Fact.TOOLS,
    text=Text(
        "{place}: {tool} asks for {name} to fit {wanted}, the call has {got}",
        "{place}：{tool} 要求 {name} 满足 {wanted}，调用中为 {got}",
    ),
    variants={
        "required": Text(
            "{place}: {tool} requires {name}, which the call does not have",
            "{place}：{tool} 要求必须提供 {name}，调用中没有",
        ),
        "type": Text(
            "{place}: {tool} asks for {name} of type {wanted}, the call has {got}",
            "{place}：{tool} 要求 {name} 的类型为 {wanted}，调用中为 {got}",
        ),
        "enum": Text(
            "{place}: {tool} allows for {name} only {wanted}, the call has {got}",
            "{place}：{tool} 的 {name} 只允许 {wanted}，调用中为 {got}",
        ),
        "forbidden": Text(
            "{place}: {tool} forbids arguments that it does not list, the call has {name}",
            "{place}：{tool} 不允许未列出的参数，调用中有 {name}",
        ),
        "unchecked": Text(
            "{place}: to check the arguments against the schema of {tool} takes too much work, and "
            "it was not done ({rows:row})",
            "{place}：按 {tool} 的 schema 校验参数的计算量过大，未做校验（共 {rows} 行）",
        ),
        "unlisted": Text(
            "{place}: {tool} does not list the argument {name} (it has: {wanted})",
            "{place}：{tool} 没有列出参数 {name}（已有：{wanted}）",
        ),
    },
    help=Text(
        "Make the call fit the tool's schema, or the schema fit its calls.",
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
                continue  # double-encoded-arguments speaks of it
            yield rule.problem(
                call.at,
                text=None if fault.kind == "other" else fault.kind,
                severity="error" if error and fault.kind != "unlisted" else "warning",
                place=place(call.at),
                tool=call.name[:80],
                name=fault.name[:80] or "the arguments",
                wanted=fault.wanted[:200],
                got=fault.got,
            )
