"""A tool that is not `{"type": "function", "function": {"name", "description", "parameters"}}`.

The official script reads `tool["function"]["parameters"]["properties"]` of every tool: a tool in
another shape ends the run with KeyError, TypeError or AttributeError before the first step. The
short form `{"name", "args"}` of the official README and of the article about it is such a shape.
With `combine: true` nothing is raised, and the template does not print the tool: the model learns
to call what it was never shown.

Evidence: GLM-4 #199, #684; process_message in finetune.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import Declared, Tool, declared, decode_whole, exception_at, foreign
from glmlint.evidence.padded import padded
from glmlint.finding import place
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

WHAT: Final = {
    "not-object": Text("{place} is not an object", "{place} 不是对象"),
    "short": Text(
        "{place} is a short form of a tool, without `type` and `function`",
        "{place} 用了缺少 `type` 和 `function` 的简写形式",
    ),
    "no-function": Text("{place} has no `function`", "{place} 没有 `function`"),
    "function-not-object": Text(
        "`function` of {place} is not an object",
        "{place} 的 `function` 不是对象",
    ),
    "no-type": Text('{place} has no `"type": "function"`', '{place} 没有 `"type": "function"`'),
    "no-name": Text("{place} has no name", "{place} 没有名称"),
    "no-parameters": Text(
        "{place} has no `parameters` object", "{place} 没有 `parameters` 对象"
    ),
    "no-properties": Text(
        "`parameters` of {place} has no `properties` object",
        "{place} 的 `parameters` 没有 `properties` 对象",
    ),
    "one-object": Text("{place} is one object, not a list", "{place} 是单个对象，而不是列表"),
    "not-list": Text("{place} is not a list", "{place} 不是列表"),
}  # fmt: skip
RAISES: Final = Text(
    ": the trainer raises {exception} here and the run ends",
    "：训练框架在此抛出 {exception}，整个训练随之中止",
)
UNSEEN: Final = Text(
    ": the template does not print it, the model does not see the tool",
    "：模板不会输出它，模型看不到这个工具",
)
PRINTED: Final = Text(
    ": this recipe prints it unchanged, but with `combine: false` the official script raises",
    "：当前配方会原样输出，但在 `combine: false` 下官方脚本会报错",
)
NAMELESS: Final = Text(
    ": the model sees a tool that no call can name",
    "：模型看到一个无法用名称调用的工具",
)

rule = Rule(
    name="tool-shape",
    family="tools",
    form="glm",
    title_zh='工具不是 `{"type": "function", "function": {"name", "description", "parameters"}}` 的形式',
    doc_zh="""
    官方脚本会读取每个工具的 `tool["function"]["parameters"]["properties"]`：其他形式的工具会在第一
    步之前以 KeyError、TypeError 或 AttributeError 中止训练。官方 README 及相关文章中的简写
    `{"name", "args"}` 就是这样的形式。在 `combine: true` 下不会报错，但模板不输出这个工具：模型会学
    着调用从未见过的工具。

    依据：GLM-4 #199、#684；finetune.py 中的 process_message。
    """,
    severity="error",
    when=Fact.ODD,
    fix="safe",
    text=Text(WHAT["short"].en + RAISES.en, WHAT["short"].zh + RAISES.zh),
    help=Text(
        'Write {{"type": "function", "function": {{"name": …, "description": …, "parameters": '
        '{{"type": "object", "properties": {{…}}}}}}}}.',
        '请写成 {{"type": "function", "function": {{"name": …, "description": …, "parameters": '
        '{{"type": "object", "properties": {{…}}}}}}}}。',
    ),
    bad=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [{"name": "get_weather", "args": {"city": "name of the city"}}],
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
                    "tools": [{"type": "function", "function": {"name": "查天气"}}],
                },
                {"role": "user", "content": "北京天气怎么样？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {
                            "role": "system",
                            "content": "",
                            "tools": [{"name": "now", "parameters": {"properties": {}}}],
                        },
                        {"role": "user", "content": "What time is it?"},
                        {"role": "assistant", "content": "Noon."},
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
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "get_weather",
                                "description": "查询城市天气",
                                "parameters": {
                                    "type": "object",
                                    "properties": {"city": {"type": "string"}},
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
                {"role": "system", "content": "You have no tools."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if foreign(row):
        return
    for entry in declared(row):
        if entry.message is None:
            continue
        exception = exception_at(row, entry.message)
        if entry.role != "system" and exception is None:
            continue
        value = entry.tools.value
        if entry.tools.in_string or entry.tools.empty:
            continue
        if isinstance(value, list):
            for tool in entry.tools.misshapen:
                if tool.index not in entry.tools.string_entries:
                    yield _problem(entry, tool, exception)
        elif entry.at not in padded(row) and (value is not None or exception is not None):
            yield _whole(entry, value, exception)


def _problem(entry: Declared, tool: Tool, exception: str | None) -> Problem:
    fault = str(tool.fault)
    severity = None
    if exception is not None and fault != "no-name":
        tail = RAISES
    elif fault in ("no-parameters", "no-properties"):
        tail, severity = PRINTED, "warning"
    elif fault == "no-name":
        tail, severity = NAMELESS, "warning"
    else:
        tail = UNSEEN
    at = (*entry.at, tool.index)
    fixed = repaired(tool.value)
    return rule.problem(
        at,
        text=Text(WHAT[fault].en + tail.en, WHAT[fault].zh + tail.zh),
        severity=severity,
        raises=tail is RAISES,
        edits=() if fixed is None else (Edit("replace", at, fixed),),
        place=place(at),
        exception=exception,
    )


def _whole(entry: Declared, value: Any, exception: str | None) -> Problem:
    fault = "one-object" if isinstance(value, dict) else "not-list"
    tail = UNSEEN if exception is None else RAISES
    edits: tuple[Edit, ...] = ()
    if isinstance(value, dict) and entry.tools.tools[0].fault is None:
        edits = (Edit("replace", entry.at, [value]),)
    elif isinstance(value, dict) and (fixed := repaired(value)) is not None:
        edits = (Edit("replace", entry.at, [fixed]),)
    elif value is None:
        edits = (Edit("remove", entry.at),)
    return rule.problem(
        entry.at,
        text=Text(WHAT[fault].en + tail.en, WHAT[fault].zh + tail.zh),
        raises=exception is not None,
        edits=edits,
        place=place(entry.at),
        exception=exception,
    )


PARAMETER_KEYS: Final = ("parameters", "args", "arguments", "input_schema")
"""Where tools in short forms keep their arguments: OpenAI, GLM-4's README, Anthropic."""


def repaired(value: Any) -> dict[str, Any] | None:
    """The same tool in full form; None where the intended form is unclear."""
    if not isinstance(value, dict) or value.get("type") not in (None, "function"):
        return None
    function = value.get("function", {k: part for k, part in value.items() if k != "type"})
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    if not function["name"]:
        return None
    key = next((key for key in PARAMETER_KEYS if key in function), None)
    parameters = _parameters(function.get(key) if key is not None else None)
    if parameters is None:
        return None
    rest = {k: part for k, part in function.items() if k not in (key, "name", "description")}
    described = {"description": function["description"]} if "description" in function else {}
    whole = {"name": function["name"], **described, "parameters": parameters, **rest}
    outside = {k: part for k, part in value.items() if k != "type"} if "function" in value else {}
    return {"type": "function", **outside, "function": whole}


def _parameters(value: Any) -> dict[str, Any] | None:
    """A JSON Schema of an object, out of one, of a list of named arguments, or of nothing."""
    if isinstance(value, str):
        value = decode_whole(value)
        if not isinstance(value, dict):
            return None
    if value is None or value == {}:
        return {"type": "object", "properties": {}}
    if not isinstance(value, dict):
        return None
    if "properties" in value:
        return value if isinstance(value["properties"], dict) else None
    if set(value) <= {"type", "required", "description", "title", "additionalProperties"} and (
        value.get("type") == "object"
    ):
        return {**value, "properties": {}}
    properties = {}
    for name, part in value.items():
        if isinstance(part, dict):
            properties[name] = part
        elif isinstance(part, str):
            properties[name] = {"type": part} if part in TYPES else {"description": part}
        else:
            return None
    return {"type": "object", "properties": properties}


TYPES: Final = ("string", "integer", "number", "boolean", "object", "array")
