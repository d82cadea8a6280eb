"""The `parameters` of a tool are not a valid JSON Schema.

They are printed into the prompt unchanged, so the model sees tools described in a notation of their
own (`"type": "str"`, `"required": true` on an argument), and nothing can tell whether a call is
right: glmlint checks no arguments against such a schema, and servers that force calls into their
schema (guided decoding) refuse the tool. References that point outside the tool lead nowhere for
the model.

The schema is checked against draft 2020-12 unless it names a draft; what drafts 7 and 4 allow is
allowed.

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
    doc_zh="""
    `parameters` 会原样输出到提示词里，模型看到的工具描述就是另一套写法（`"type": "str"`、在参数上写
    `"required": true`），也无法判断调用是否正确：glmlint 不会按这样的 schema 检查参数，强制调用符合
    schema 的服务端（guided decoding）会拒绝这个工具。指向工具之外的引用对模型来说没有意义。

    除非 schema 指明了版本，否则按 draft 2020-12 检查；draft 7 和 4 允许的写法也允许。

    依据：json-schema.org 的元 schema；这样的行可以训练，所以级别是警告。
    """,
    severity="warning",
    when=Fact.LISTS,
    text=Text(
        "{place} is not valid JSON Schema: {got} can't be the value of {name}{hint} (tool {tool}, "
        "{rows:row})",
        "{place} 不是合法的 JSON Schema：{name} 的值不能是 {got}{hint}（工具 {tool}，共 {rows} "
        "行）",
    ),
    variants={
        "ref": Text(
            "{place} refers to {got}, which is outside the tool: the model never sees it (tool "
            "{tool}, {rows:row})",
            "{place} 引用了 {got}，它不在工具定义之内：模型看不到它（工具 {tool}，共 {rows} 行）",
        ),
        "unjudged": Text(
            "{place} is too large or too complex to check: this schema and the calls of {tool} "
            "are not validated ({rows:row})",
            "{place} 过大或过于复杂，未做校验：既没有检查这个 schema，也没有检查对 {tool} 的调用"
            "（共 {rows} 行）",
        ),
        "root": Text(
            "{place} is {got}: arguments must be an object (tool {tool}, {rows:row})",
            "{place} 为 {got}：参数必须是对象（工具 {tool}，共 {rows} 行）",
        ),
    },
    help=Text(
        "JSON Schema types: string, number, integer, boolean, array, object, null; `required` is "
        "a list of names beside `properties`.",
        "JSON Schema 的类型有 string、number、integer、boolean、array、object 和 null；`required` "
        "是与 `properties` 并列的名称列表。",
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
