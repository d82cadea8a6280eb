"""There and back between formats: texts, thoughts, calls, arguments and ids survive, or the loss is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.converters.base import Notes, Refused, formats
from glmlint.converters.dialogue import CLOSES, OPENS
from glmlint.converters.run import convert_line, writers
from glmlint.plan import Plan
from glmlint.trainer.base import open_context
from glmlint.trainer.prepared import prepare

MARKS = (
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<think>\n", "\n</think>\n\n"),
    *(
        "\n</tool_response>\n<tool_response>\n",
        '{"name": "f", "arguments": {}}',
        "你好\n",
        " \\u003c",
    ),
)
texts = st.text(max_size=8) | st.sampled_from(MARKS)
words = st.lists(texts, min_size=1, max_size=3).map("".join).filter(bool)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(texts, values, max_size=2)
arguments = objects.map(json.dumps) | objects.map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
)
names = st.sampled_from(["f", "get_weather", "查询"])
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}
switches = st.just({}) | st.just({"loss": False}) | st.just({"weight": 0})


@st.composite
def openai_rows(draw: st.DrawFn, most: int = 3) -> dict[str, Any]:
    """Rows of good shape as `convert` writes them: no turn without its answer, no call without result."""
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(words)})
    number = 0
    for _ in range(draw(st.integers(1, 2))):
        messages.append({"role": "user", "content": draw(words)})
        for _ in range(draw(st.integers(0, 2))):
            ids = [f"id-{number + n}" for n in range(draw(st.integers(1, most)))]
            number += len(ids)
            message = {"role": "assistant", "content": draw(st.none() | words)}
            if draw(st.booleans()):
                message["reasoning_content"] = draw(words)
            message |= draw(switches)
            message["tool_calls"] = [
                {
                    "id": id_,
                    "type": "function",
                    "function": {"name": draw(names), "arguments": draw(arguments)},
                }
                for id_ in ids
            ]
            messages.append(message)
            for id_ in draw(st.permutations(ids)):
                messages.append({"role": "tool", "tool_call_id": id_, "content": draw(words)})
        message = {"role": "assistant", "content": draw(words)}
        if draw(st.booleans()):
            message["reasoning_content"] = draw(words)
        messages.append(message | draw(switches))
    row: dict[str, Any] = {"id": 7, "messages": messages, "source": {"x": [1]}}
    return row if draw(st.booleans()) else row | {"tools": [TOOL]}


def converted(row: Any, target: str, source: str) -> tuple[Any, set[str]]:
    raw = json.dumps(row, ensure_ascii=False).encode()
    line, losses, _ = convert_line(raw, writers()[target], formats()[source])
    return json.loads(line), {loss.kind.name for loss in losses}


def said(row: Any, source: str) -> dict[str, list[Any]]:
    """What a row says: texts and thoughts by speaker in order, calls, results in the calls' order."""
    found: dict[str, list[Any]] = {"words": [], "calls": [], "results": [], "tools": []}
    dialogue = formats()[source].read(row, Notes())
    found["tools"] = dialogue.tools
    order: list[str] = []
    for turn in dialogue.turns:
        calls = [(call.name, json.loads(call.arguments)) for call in turn.calls]
        found["calls"] += calls
        order += [call.id or "" for call in turn.calls]
        if turn.role == "observation":
            place = order.index(turn.answers) if turn.answers in order else -1
            found["results"].append((place, turn.text))
            continue
        for kind, text in (("thought", turn.reasoning), (turn.role, turn.text)):
            if text:
                found["words"].append((kind, text))
    found["results"] = [text for _, text in sorted(found["results"], key=lambda one: one[0])]
    return found


@settings(max_examples=60, deadline=None)
@given(openai_rows())
def test_openai_to_openai_is_the_same_row(row: dict[str, Any]) -> None:
    there, losses = converted(row, "openai", "openai")
    assert (there, losses - {"call-in-text"}) == (row, set())


@settings(max_examples=60, deadline=None)
@given(openai_rows())
def test_openai_to_glm_4_5_and_back_changes_no_value(row: dict[str, Any]) -> None:
    there, losses = converted(row, "glm4.5", "openai")
    assert not losses - {"call-in-text"}
    for message in there["messages"]:
        assert message["content"] is not None
        assert all(
            isinstance(call["function"]["arguments"], dict)
            for call in message.get("tool_calls", [])
        )
    back, losses = converted(there, "openai", "glm4.5")
    assert said(back, "openai") == said(row, "openai")
    assert not losses - {"call-in-text"}
    for one, other in zip(row["messages"], back["messages"], strict=True):
        assert one.get("reasoning_content") == other.get("reasoning_content")
        assert [call["id"] for call in one.get("tool_calls", [])] == (
            [call["id"] for call in other.get("tool_calls", [])]
        )


@settings(max_examples=60, deadline=None)
@given(openai_rows(), st.sampled_from(["sharegpt", "swift"]))
def test_openai_there_and_back_says_the_same(row: dict[str, Any], name: str) -> None:
    there, losses = converted(row, name, "openai")
    back, more = converted(there, "openai", name)
    losses |= more
    if not losses & {"results-unmatched", "thought-in-text", "text-with-call", "call-in-text"}:
        assert said(back, "openai") == said(row, "openai")
        return
    # What is named moves words from one place to another; none of them is gone.
    assert said(back, "openai")["calls"] == said(row, "openai")["calls"]
    assert spelled(back) == spelled(row)


def spelled(row: Any) -> str:
    """Thoughts and texts, one behind the other."""
    texts = []
    for turn in formats()["openai"].read(row, Notes()).turns:
        if turn.reasoning is not None:
            texts.append(f"{OPENS}{turn.reasoning}{CLOSES}")
        if turn.role != "observation":
            texts.append(turn.text or "")
    return "".join(texts)


@settings(max_examples=60, deadline=None)
@given(openai_rows(most=1))
def test_what_glm_4_has_no_place_for_is_named(row: dict[str, Any]) -> None:
    there, losses = converted(row, "glm4", "openai")
    back, more = converted(there, "openai", "glm4")
    before, after = said(row, "openai"), said(back, "openai")
    thoughts = [text for kind, text in before["words"] if kind == "thought"]
    before["words"] = [one for one in before["words"] if one[0] != "thought"]
    assert after == before
    assert ("reasoning" in losses) == bool(thoughts)
    assert not more - {"null-content", "call-in-text"}


@settings(max_examples=60, deadline=None)
@given(openai_rows())
def test_sharegpt_to_glm_and_back_says_the_same(row: dict[str, Any]) -> None:
    first, _ = converted(row, "sharegpt", "openai")
    there, losses = converted(first, "glm4", "sharegpt")
    back, more = converted(there, "sharegpt", "glm4")
    before, after = said(first, "sharegpt"), said(back, "sharegpt")
    assert after["calls"] == before["calls"]
    if not losses & {"text-before-call", "results-unmatched"}:
        assert after == before
    assert not more - {"turn-order", "call-in-text"}


CALLED = {
    "messages": [
        {"role": "user", "content": "查天气"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": {"x": "北京"}},
                },
                {
                    "id": "b",
                    "type": "function",
                    "function": {"name": "f", "arguments": {"y": None, "q": [1]}},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "25"},
        {"role": "tool", "tool_call_id": "a", "content": "22"},
        {"role": "assistant", "content": "22 度"},
    ],
    "tools": [TOOL],
}


def trained(row: Any, template: str) -> str:
    """What LLaMA-Factory makes of a ShareGPT row in a file of its own, as text."""
    plan = Plan(recipe="llamafactory", options={"template": template, "formatting": "sharegpt"})
    context = open_context(plan)
    found = prepare(json.dumps(row, ensure_ascii=False).encode(), 1, context)
    assert found.layout is not None
    return b"".join(
        map(context.tokenizer.token_bytes, found.all_tokens.input_ids.tolist())
    ).decode()


def test_object_arguments_come_to_llamafactory_as_they_were_meant() -> None:
    row, losses = converted(CALLED, "sharegpt", "openai")
    assert losses == {"calls-together"}
    text = trained(row, "glm4_moe")
    assert "<arg_key>x</arg_key>\n<arg_value>北京</arg_value>" in text
    assert "<arg_key>y</arg_key>\n<arg_value>null</arg_value>\n<arg_key>q</arg_key>" in text
    assert text.split("<|user|>")[1].count("<arg_key>") == 3
    assert text.index("22\n</tool_response>\n<tool_response>\n25") > text.index("<arg_key>q")


def test_glm_4_5_gets_results_in_the_order_of_their_calls() -> None:
    row, losses = converted(CALLED, "glm4.5", "openai")
    assert [message["content"] for message in row["messages"]] == [
        "查天气",
        "",
        "22",
        "25",
        "22 度",
    ]
    assert row["messages"][1]["tool_calls"] == CALLED["messages"][1]["tool_calls"]  # type: ignore[index]
    assert not losses


def test_alpaca_takes_questions_and_answers_and_nothing_else() -> None:
    turns = [{"role": role, "content": role[0]} for role in ("user", "assistant")]
    row = {"messages": [{"role": "system", "content": "s"}, *turns, *turns]}
    there, losses = converted(row, "alpaca", "openai")
    assert there == {
        "instruction": "u", "input": "", "output": "a", "system": "s", "history": [["u", "a"]],
    }  # fmt: skip
    assert converted(there, "openai", "alpaca") == (row, set()) and not losses
    with pytest.raises(Refused) as error:
        converted(CALLED, "alpaca", "openai")
    assert error.value.kind.name == "no-place"
