"""Where no fact of tools holds, no rule that asks for one would find anything."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from glmlint.evidence.tool_facts import tool_facts
from glmlint.plan import Plan
from glmlint.rules.base import Fact, all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.prepared import prepare
from glmlint.trainer.row import Row

LATE = Fact.LISTS | Fact.CALLING
RULES = {name: one for name, one in all_rules().items() if one.rule.when & LATE and one.check}


@cache
def context_of(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe))


def row_of(messages: list[Any], recipe: str = "glm4", **beside: Any) -> Row:
    line = json.dumps({"messages": messages, **beside}, ensure_ascii=False)
    return prepare(line.encode(), 1, context_of(recipe), path="train.jsonl")


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, **parameters}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


TOOL = st.sampled_from(
    [
        tool("weather", required=["city"]),
        tool("weather"),
        tool("map", additionalProperties=False),
        tool("get it"),
        tool("python"),
        tool("odd", properties={"city": {"type": "str"}}),
        tool("deep", properties={"name": {"type": "string"}, "arguments": {"type": "object"}}),
        {"type": "python"},
    ]
)
NAME = st.sampled_from(["weather", "map", "python", "deep", "unknown", " ", "Weather"])
ARGUMENTS = st.sampled_from(
    ['{"city": "Rome"}', "{}", '{"city": 1}', '{"zip": "1"}', "{'city': 'Rome'}", "", "print(1)",
     '"{\\"city\\": \\"Rome\\"}"', '{"city": "{\\"a\\": 1}"}', '["Rome"]',
     '{"name": "weather", "arguments": {"city": "Rome"}}', 'weather\n{"city": "Rome"}', "It rains."]
)  # fmt: skip
MESSAGE = st.one_of(
    st.builds(lambda tools: {"role": "system", "content": "", "tools": tools}, st.lists(TOOL, max_size=3)),
    st.just({"role": "user", "content": "Weather in Rome?"}),
    st.builds(
        lambda name, text: {"role": "assistant", "metadata": name, "content": text}, NAME, ARGUMENTS
    ),
    st.builds(lambda text: {"role": "assistant", "content": text}, ARGUMENTS),
    st.just({"role": "observation", "content": "22"}),
    st.builds(lambda one: {"role": "user", "content": "Hi", "tools": [one]}, TOOL),
)  # fmt: skip

IN_ORDER = [
    {"role": "system", "content": "", "tools": [tool("weather", required=["city"])]},
    {"role": "user", "content": "Weather in Rome?"},
    {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
    {"role": "observation", "content": "22"},
    {"role": "observation", "content": "sunny"},
    {"role": "assistant", "content": "It is 22 degrees."},
]


@settings(max_examples=300, deadline=None)
@given(
    messages=st.lists(MESSAGE, min_size=1, max_size=7), beside=st.sampled_from(["", "id", "tools"])
)
@example(messages=IN_ORDER, beside="")
@example(messages=IN_ORDER[:3] + IN_ORDER[2:], beside="")
@example(messages=IN_ORDER[:3] + IN_ORDER[5:], beside="id")
@example(messages=IN_ORDER[:3], beside="")
@example(messages=IN_ORDER[:2] + IN_ORDER[3:], beside="")
def test_a_rule_of_tools_finds_nothing_without_its_fact(messages: Any, beside: str) -> None:
    row = row_of(messages, **({beside: "1"} if beside else {}))
    facts = row.facts | tool_facts(row)
    for name, loaded in RULES.items():
        if loaded.rule.when & facts:
            continue
        assert loaded.check is not None
        assert list(loaded.check(row)) == [], name


def test_calls_in_order_need_no_rule_and_others_do() -> None:
    assert tool_facts(row_of(IN_ORDER)) == 0
    assert tool_facts(row_of(IN_ORDER, id="a")) == 0
    assert tool_facts(row_of(IN_ORDER[:3])) == Fact.CALLING
    assert tool_facts(row_of(IN_ORDER, recipe="llamafactory")) == LATE
    twice = [{**IN_ORDER[0], "tools": IN_ORDER[0]["tools"] * 2}, *IN_ORDER[1:]]
    assert tool_facts(row_of(twice)) == Fact.LISTS
