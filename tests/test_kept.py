"""A safe repair throws nothing away that somebody wrote, whatever is wrong with a row."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from glmlint.fix.files import commit, drafted
from glmlint.plan import Plan
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context, open_context

ALL = {n: r.rule.severity for n, r in all_rules().items() if r.rule.family != "score"}
RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")

# What a safe repair may change, and nothing else:
# - JSON inside a string becomes JSON of its own (tools, arguments), or the other way round;
# - roles by other names become GLM's; ids by which results name their calls go, and the name of the
#   function on a result, where a call of the row has it;
# - `null` where it says the same as no key; an empty system message;
# - characters that nobody sees, and the codes of terminal colours;
# - the spelling of a number (1.50 -> 1.5) in an object that is written anew.


@cache
def opened(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe, rules=ALL))


def repaired(folder: Path, data: bytes, recipe: str = "glm4") -> bytes:
    file = folder / "a.jsonl"
    file.write_bytes(data)
    context = opened(recipe)
    context = Context(context.plan, context.tokenizer, context.template)
    with drafted([str(file)], context.plan, context) as fixes:
        commit(fixes, context.plan)
    return file.read_bytes()


WORD = re.compile(r"w\d+")


class Words:
    """Words that stand nowhere else in a row."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> str:
        self.number += 1
        return f"w{self.number}"


def a_text(draw: Any, word: Words) -> Any:
    one = word()
    return draw(
        st.sampled_from(
            [one, f" {one}\n", f"{one}\u200b", f"\x1b[31m{one}\x1b[0m", f"<think>{word()}</think>{one}",
             f"{one}\x0c{word()}", f"<|user|>{one}", f"{one}\U000e0061"]
        )
    )  # fmt: skip


def an_object(draw: Any, word: Words) -> str:
    """Arguments as JSON text, some with a key that stands twice."""
    return draw(
        st.sampled_from(
            [f'{{"{word()}": "{word()}"}}', f'{{"a": "{word()}", "a": "{word()}"}}', "{}", "null",
             f'{{"{word()}": [1.50, "{word()}", null]}}', f'{{"a": {{"{word()}": "{word()}"}}}}',
             f'["{word()}"]', f'"{word()}"', f'{{"a": 1e400, "b": "{word()}"}}']
        )
    )  # fmt: skip


def a_call(draw: Any, word: Words) -> str:
    """A call as JSON text, some with more than a name and arguments."""
    key = draw(st.sampled_from(["arguments", "parameters", "args"]))
    inner = an_object(draw, word)
    if draw(st.booleans()):
        inner = json.dumps(inner)
    more = draw(
        st.sampled_from(["", f', "thought": "{word()}"', f', "{key}": "{word()}"', ', "index": 0'])
    )
    call = f'{{"name": "{word()}", "{key}": {inner}{more}}}'
    if draw(st.integers(0, 4)) == 0:
        call = f"[{call}, {a_call(draw, word)}]"
    return draw(
        st.sampled_from(
            [call, call, f"<tool_call>{call}</tool_call>", f"<think>{word()}</think>\n{call}",
             f"tool_call: {word()}\narguments: {an_object(draw, word)}", f"{word()}\n{inner}",
             json.dumps(an_object(draw, word))]
        )
    )  # fmt: skip


def a_tool(draw: Any, word: Words) -> Any:
    parameters = draw(
        st.sampled_from(
            [{"type": "object", "properties": {word(): {"type": "string", "description": word()}}},
             {word(): {"type": "string"}}, {word(): word()}, None, {}, f'{{"{word()}": {{}}}}',
             {"type": "object", "properties": {"a": {"default": None, "enum": [None, word()]}}},
             {"type": "object", "required": [word()]}, [word()]]
        )
    )  # fmt: skip
    function: dict[str, Any] = {"name": word(), "description": word()}
    function[draw(st.sampled_from(["parameters", "args", "arguments", "input_schema"]))] = (
        parameters
    )
    if draw(st.booleans()):
        function["args"] = {word(): "string"}
    shape = draw(st.integers(0, 5))
    if shape == 0:
        return function
    if shape == 1:
        return {"type": word(), **function}
    if shape == 2:
        return json.dumps({"type": "function", "function": function})
    if shape == 3:
        return f'{{"type": "function", "function": {{"name": "{word()}", "name": "{word()}"}}}}'
    if shape == 4:
        return {
            "type": draw(st.sampled_from(["function", word()])),
            "function": function,
            "x": word(),
        }
    return {"function": function, "note": word()}


def tools_of(draw: Any, word: Words) -> Any:
    tools = [a_tool(draw, word) for _ in range(draw(st.integers(0, 2)))]
    return draw(
        st.sampled_from(
            [tools, tools, json.dumps(tools), tools[0] if tools else word(), None, word(), "",
             f'[{{"name": "{word()}", "name": "{word()}"}}]']
        )
    )  # fmt: skip


ROLES = ("system", "user", "assistant", "observation", "human", "gpt", "tool", "function", "User",
         "tool_call", "function_call", "tool_response", "critic", None)  # fmt: skip


def a_message(draw: Any, word: Words) -> Any:
    message: dict[str, Any] = {"role": draw(st.sampled_from(ROLES))}
    kind = draw(st.integers(0, 9))
    if kind <= 3:
        message["content"] = a_text(draw, word)
    elif kind <= 6:
        message["content"] = a_call(draw, word)
    elif kind == 7:
        message["content"] = draw(
            st.sampled_from([None, "", " \n", [word()], {"a": word()}, [{"type": "text", "text": word()}]])
        )  # fmt: skip
    elif kind == 8:
        message[draw(st.sampled_from(["value", "text", "contents"]))] = word()
    more = {
        "metadata": draw(st.sampled_from([None, "", word(), {"a": word()}, [word()]])),
        "tools": tools_of(draw, word) if draw(st.booleans()) else None,
        "name": word(),
        "tool_call_id": draw(st.sampled_from(["id1", None])),
        "reasoning_content": word(),
        "note": word(),
        "tool_calls": [
            {"id": "id1", "type": "function", "function": {"name": word(), "arguments": an_object(draw, word)}},
            *([{"id": "id2", "function": {"name": word(), "arguments": {word(): word()}}}] if draw(st.booleans()) else []),
        ],
        "function_call": {"name": word(), "arguments": an_object(draw, word), **({"why": word()} if draw(st.booleans()) else {})},
    }  # fmt: skip
    for key in draw(st.sets(st.sampled_from(sorted(more)), max_size=3)):
        message[key] = more[key]
    return draw(st.sampled_from([message] * 9 + [word()]))


@st.composite
def rows(draw: Any) -> dict[str, Any]:
    word = Words()
    row: dict[str, Any] = {
        "messages": [a_message(draw, word) for _ in range(draw(st.integers(0, 5)))]
    }
    if draw(st.integers(0, 3)) == 0:
        row["tools"] = tools_of(draw, word)
    if draw(st.integers(0, 3)) == 0:
        row["note"] = word()
    return row


def call(content: str, role: str = "assistant", **more: Any) -> dict[str, Any]:
    said = {"role": role, "content": content, **more}
    end = [{"role": "observation", "content": "w90"}, {"role": "assistant", "content": "w91"}]
    return {"messages": [{"role": "user", "content": "w92"}, said, *end]}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@example(call('{"name": "w1", "arguments": {"a": "w2"}, "thought": "w3"}'), "glm4")
@example(call('{"name": "w1", "arguments": {"a": "w2", "a": "w3"}}'), "glm4")
@example(call('{"name": "w1", "arguments": {"a": "w2"}}', metadata={"b": "w3"}), "glm4")
@example(call('{"name": "w1", "arguments": {"a": "w2"}}', "function", metadata="w3"), "glm4")
@example(
    call("", tool_calls=[{"function": {"name": "w1", "arguments": "{}"}, "why": "w2"}]), "glm4"
)
@example(
    {
        "messages": [
            {"role": "system", "content": "", "note": "w1"},
            {"role": "user", "content": "w2"},
        ]
    },
    "glm4",
)
@example({"messages": [{"role": "system", "content": None, "text": "w1"}]}, "glm4")
@given(rows(), st.sampled_from(RECIPES))
def test_every_text_is_still_there(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any], recipe: str
) -> None:
    before = json.dumps(row, ensure_ascii=False)
    after = repaired(tmp_path_factory.mktemp("kept"), before.encode() + b"\n", recipe).decode()
    assert set(WORD.findall(before)) <= set(WORD.findall(after)), json.loads(after)


def test_a_name_on_a_result_goes_only_where_its_call_has_it(tmp_path: Path) -> None:
    made = {"function": {"name": "f", "arguments": "{}"}}
    result = {"role": "tool", "content": "22", "name": "f", "tool_call_id": "1"}
    messages = [
        {"role": "user", "content": "q", "metadata": ""},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        result,
        {"role": "assistant", "content": "a"},
    ]
    after = json.loads(repaired(tmp_path, json.dumps({"messages": messages}).encode()))
    assert after["messages"][2] == {"role": "observation", "content": "22"}
    result["name"] = "g"
    after = json.loads(repaired(tmp_path, json.dumps({"messages": messages}).encode()))
    assert after["messages"][2] == {"role": "observation", "content": "22", "name": "g"}


@pytest.mark.parametrize("name", [n for n, r in all_rules().items() if r.rule.fix == "unsafe"])
def test_an_unsafe_repair_is_announced_in_words(name: str) -> None:
    rule = all_rules()[name].rule
    assert "--unsafe-fixes" in rule.help.en and "--unsafe-fixes" in rule.help.zh
