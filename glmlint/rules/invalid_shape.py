"""A place of the row that breaks the sample schema, and that no narrower rule speaks of.

`schemas/sample.schema.json` is what glmlint and its users agree on as a row of GLM-4. Each of its
demands on rows and messages has a rule of its own; what is left are odd places inside a list of
tools, such as a description that is a number. The text of the tools is printed into the prompt, and
so an odd value reaches the model as it stands.

Evidence: a property test holds that every row that the schema refuses has a finding.
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
    title_zh="不符合样本格式，且没有更具体的规则说明的地方",
    severity="warning",
    after=("*",),
    when=Fact.ODD,
    text=Text(
        "{place} is {en}, which the format does not allow there",
        "{place} 是{zh}，格式在此处不允许",
    ),
    variants={
        "required": Text(
            "{place} is missing, and the format demands it",
            "缺少 {place}，而格式要求它存在",
        ),
        "value": Text(
            "{place} has a value that the format does not allow",
            "{place} 的值不是格式所允许的",
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
            ):  # `tool-schema` tells the first faults of a schema, not all
                told = told[: told.index("parameters") + 1]
            if _in_tools(told):
                named.add(told)
                above.update(_holders(told))
        at = violation.pointer
        # Told is what lies in a place that was told, and what holds one.
        if not _in_tools(at) or at in above or not named.isdisjoint(_holders(at)):
            continue
        if not padded(row).isdisjoint(_holders(at)):
            continue  # `null-padding` speaks of them all
        en, zh = kind_of(violation.value)
        kind = {"required": "required", "type": None}.get(violation.keyword, "value")
        yield rule.problem(at, text=kind, place=place(at), en=en, zh=zh)


def _in_tools(at: Pointer) -> bool:
    return len(at) > 2 and at[0] == "messages" and at[2] == "tools"


def _holders(at: Pointer) -> list[Pointer]:
    """The place itself and all that hold it."""
    return [at[:depth] for depth in range(len(at) + 1)]
