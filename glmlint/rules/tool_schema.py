"""The `parameters` of a tool are no valid JSON Schema.

They are printed into the prompt as they stand, so the model learns tools described in a language of
their own (`"type": "str"`, `"required": true` on an argument), and nothing can tell whether a call
is right: glmlint checks no arguments against such a schema, and servers that force calls into their
schema (guided decoding) refuse the tool. References out of the tool lead nowhere for the model.

The schema is checked against draft 2020-12 unless it names a draft; what 7 or 4 allow is allowed.

Evidence: the metaschemas of json-schema.org; the row trains, so this is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.calls import declared
from glmlint.evidence.padded import padded
from glmlint.finding import place
from glmlint.rules.arguments_schema import SIMPLER
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="tool-schema",
    family="tools",
    title_zh="工具的 `parameters` 不是合法的 JSON Schema",
    severity="warning",
    when=Fact.TOOLS,
    text=Text(
        "{place} is no JSON Schema: {got} can't be the value of {name}{hint} "
        "(tool {tool}, {rows:row})",
        "{place} 不是合法的 JSON Schema：{name} 的值不能是 {got}{hint}（工具 {tool}，共 {rows} 行）",
    ),
    variants={
        "ref": Text(
            "{place} refers to {got}, which is not inside the tool: the model never sees it "
            "(tool {tool}, {rows:row})",
            "{place} 引用了 {got}，它不在工具定义之内：模型看不到它（工具 {tool}，共 {rows} 行）",
        ),
        "unjudged": Text(
            "{place} is too large or too intricate to be checked: neither this schema nor the calls "
            "of {tool} are validated ({rows:row})",
            "{place} 过大或过于复杂，未做校验：既没有检查这个 schema，也没有检查对 {tool} 的调用（共 {rows} 行）",
        ),
        "root": Text(
            "{place} is {got}: arguments are an object (tool {tool}, {rows:row})",
            "{place} 为 {got}：参数必须是对象（工具 {tool}，共 {rows} 行）",
        ),
    },
    help=Text(
        "JSON Schema has the types string, number, integer, boolean, array, object and null; "
        "`required` is a list of names beside `properties`.",
        "JSON Schema 的类型有 string、number、integer、boolean、array、object 和 null；"
        "`required` 是与 `properties` 并列的名称列表。",
    ),
    bad=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "get_weather",
                                "parameters": {
                                    "type": "object",
                                    "properties": {"city": {"type": "str", "required": True}},
                                },
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "content": "It is sunny."},
            ]
        },
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "查天气",
                                "parameters": {
                                    "type": "object",
                                    "properties": {"城市": "要查询的城市"},
                                },
                            },
                        }
                    ],
                },
                {"role": "user", "content": "北京天气怎么样？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "book",
                                "parameters": {
                                    "type": "object",
                                    "properties": {"trip": {"$ref": "#/$defs/Trip"}},
                                },
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Book a trip."},
                {"role": "assistant", "content": "Where to?"},
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
                                "name": "get_weather",
                                "parameters": {
                                    "type": "object",
                                    "properties": {
                                        "city": {"type": "string", "description": "城市"},
                                        "days": {"type": ["integer", "null"], "minimum": 1},
                                    },
                                    "required": ["city"],
                                },
                            },
                        }
                    ],
                },
                {"role": "user", "content": "北京天气怎么样？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "book",
                                "parameters": {
                                    "type": "object",
                                    "properties": {"trip": {"$ref": "#/$defs/Trip"}},
                                    "$defs": {"Trip": {"type": "object", "properties": {}}},
                                },
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Book a trip."},
                {"role": "assistant", "content": "Where to?"},
            ]
        },
    ),
)

MEANT: Final = {
    "str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number",
    "double": "number", "bool": "boolean", "dict": "object", "map": "object", "list": "array",
    "tuple": "array", "none": "null",
}  # fmt: skip
"""What Python and others call a type -> what JSON Schema calls it."""


def check(row: Row) -> Iterator[Problem]:
    for entry in declared(row):
        for tool in entry.tools.with_unjudged_schema if entry.message is not None else ():
            at = entry.place(tool, *tool.function_at, "parameters")
            yield rule.problem(
                at, text="unjudged", help=SIMPLER, once="unjudged", place=place(at), tool=tool.name
            )
        if not entry.tools.with_bad_schema or entry.message is None:
            continue
        for tool in entry.tools.with_bad_schema:
            assert tool.schema is not None
            for fault in tool.schema.faults[:5]:
                at = entry.place(tool, *tool.function_at, "parameters", *fault.path)
                if at in padded(row):
                    continue
                word = fault.got.strip('"').lower()
                meant = MEANT.get(word) or (word if word in MEANT.values() else None)
                hint = f" → {meant}" if meant and fault.name == "type" else ""
                yield rule.problem(
                    at,
                    text=fault.kind if fault.kind in rule.variants else None,
                    once=f"{tool.name} {fault.path} {fault.got}",
                    place=place(at), got=fault.got, name=fault.name, hint=hint, tool=tool.name,
                )  # fmt: skip
