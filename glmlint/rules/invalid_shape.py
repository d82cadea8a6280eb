"""A place of the row that does not match the sample schema, and that no narrower rule reports.

`schemas/sample.schema.json` is what glmlint and its users agree on as a row of GLM-4. Each of its
requirements on rows and messages has its own rule; what is left are odd places inside a list of
tools, such as a description that is a number. Tools are printed into the prompt as text, so an odd
value reaches the model as it is.

Evidence: a property test holds that every row that the schema rejects has a finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.padded import padded
from glmlint.evidence.turns import kind_of
from glmlint.finding import Pointer, place
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="invalid-shape",
    family="structure",
    form="glm",
    title_zh="不符合样本的 schema，且没有更具体的规则会报告的地方",
    doc_zh="""
    `schemas/sample.schema.json` 是 glmlint 与用户之间关于 GLM-4 数据行的约定。它对行和消息的
    每项要求都有专门的规则；剩下的是工具列表内部的异常，例如 description 写成了数字。工具会以
    文本形式写进提示词，所以异常的值会原样到达模型。

    依据：有一个性质测试保证，凡是 schema 拒绝的行都有报告。
    """,
    severity="warning",
    after=("*",),
    when=Fact.ODD,
    text=Text(
        "{place} is {en}, which the format does not allow there",
        "{place} 是{zh}，格式在此处不允许",
    ),
    variants={
        "required": Text(
            "{place} is missing, and the format requires it",
            "缺少 {place}，而格式要求提供",
        ),
        "value": Text(
            "{place} has a value that the format does not allow",
            "格式不允许 {place} 取这个值",
        ),
    },
    help=Text(
        "Compare it with the row's schema: schemas/sample.schema.json.",
        "对照样本的 schema：schemas/sample.schema.json。",
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
                                "name": "weather",
                                "description": 5,
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "content": "Sunny."},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "你是客服。", "tools": {"天气": "查询天气"}},
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "好"},
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
                                "name": "weather",
                                "description": "查询天气",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "罗马天气？"},
                {"role": "assistant", "content": "晴。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": 5},
                {"role": "assistant", "content": "told by content-not-string"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign or not any("tools" in message for _, message in row.good_messages):
        return
    named: set[Pointer] = set()
    above: set[Pointer] = set()
    heard = 0
    for violation in row.violations:
        for told in row.said.places[heard:]:  # by other rules, and by this one just now
            heard += 1
            if (
                "parameters" in told[3:]
            ):  # `tool-schema` reports the first faults of a schema, not all
                told = told[: told.index("parameters") + 1]
            if _in_tools(told):
                named.add(told)
                above.update(_holders(told))
        at = violation.pointer
        # A place counts as reported if one inside it, or one around it, was.
        if not _in_tools(at) or at in above or not named.isdisjoint(_holders(at)):
            continue
        if not padded(row).isdisjoint(_holders(at)):
            continue  # `null-padding` reports them all
        en, zh = kind_of(violation.value)
        kind = {"required": "required", "type": None}.get(violation.keyword, "value")
        yield rule.problem(at, text=kind, place=place(at), en=en, zh=zh)


def _in_tools(at: Pointer) -> bool:
    return len(at) > 2 and at[0] == "messages" and at[2] == "tools"


def _holders(at: Pointer) -> list[Pointer]:
    """The place itself and all places around it."""
    return [at[:depth] for depth in range(len(at) + 1)]
