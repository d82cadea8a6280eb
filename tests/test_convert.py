"""Converting rows and files: what comes out, what is told, what stands on disk."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import LIMIT, started, until

from glmlint.converters.base import Refused, formats
from glmlint.converters.columns import mapped
from glmlint.converters.command import convert
from glmlint.converters.run import (
    ConvertOutcome,
    convert_line,
    convert_rows,
    convert_value,
    writers,
)
from glmlint.read.sample import decode_sample
from glmlint.read.source import InputFile, read_chunks

GLM = writers()["glm4"]
FUNCTION = {
    "name": "get_weather",
    "description": "查询天气",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TOOL = {"type": "function", "function": FUNCTION}
GLM_ROW = {
    "messages": [
        {"role": "system", "content": "", "tools": [TOOL]},
        {"role": "user", "content": "北京今天的天气如何？"},
        {"role": "assistant", "metadata": "get_weather", "content": '{"city": "北京"}'},
        {"role": "observation", "content": "22"},
        {"role": "assistant", "content": "22 度。"},
    ]
}


def to_glm(row: Any, **options: Any) -> tuple[Any, list[str]]:
    """The GLM row's messages, and the kinds of what was lost."""
    out, losses, _ = convert_value(row, GLM, **options)
    assert decode_sample(json.dumps(out).encode())
    return out["messages"], [loss.kind.name for loss in losses]


def refusal(row: Any, **options: Any) -> str:
    with pytest.raises(Refused) as error:
        convert_value(row, GLM, **options)
    return error.value.kind.name


def call(name: str, arguments: Any, id_: str | None = None) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


# --- ShareGPT ------------------------------------------------------------------------------------


def test_sharegpt_with_a_tool_becomes_the_glm_row() -> None:
    row = {
        "conversations": [
            {"from": "human", "value": "北京今天的天气如何？"},
            {
                "from": "function_call",
                "value": '{"name": "get_weather", "arguments": {"city": "北京"}}',
            },
            {"from": "observation", "value": "22"},
            {"from": "gpt", "value": "22 度。"},
        ],
        "tools": json.dumps([FUNCTION]),
    }
    assert to_glm(row) == (GLM_ROW["messages"], [])


def test_arguments_keep_the_bytes_that_they_were_written_with() -> None:
    value = '{"name":"f","arguments":{"x" : 1.0, "y":"\\u4f60"}}'
    row = {"conversations": [{"from": "function_call", "value": value}]}
    messages, _ = to_glm(row)
    assert messages[0]["content"] == '{"x" : 1.0, "y":"\\u4f60"}'


@pytest.mark.parametrize(("system", "told"), [("s", []), ("other", ["system-column"])])
def test_a_system_turn_wins_over_the_system_column(system: str, told: list[str]) -> None:
    turns = [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}]
    row = {"system": system, "conversations": [*turns, {"from": "gpt", "value": "a"}]}
    messages, losses = to_glm(row)
    assert [message["content"] for message in messages] == ["s", "q", "a"]
    assert losses == told


def test_the_system_column_opens_the_conversation_and_carries_the_tools() -> None:
    turns = [{"role": "human", "content": "q"}, {"role": "gpt", "content": "a"}]
    messages, _ = to_glm({"conversations": turns, "system": "s", "tools": [FUNCTION]})
    assert messages[0] == {"role": "system", "content": "s", "tools": [TOOL]}


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        ({"from": "function_call", "value": "get_weather(北京)"}, "call-unreadable"),
        ({"from": "function_call", "value": "{}"}, "call-unreadable"),
        ({"from": "function_call", "value": "[]"}, "call-unreadable"),
        ({"from": "Customer", "value": "hi"}, "unknown-role"),
        ("gpt: hi", "message-not-object"),
    ],
)
def test_a_turn_that_would_be_trained_wrongly_refuses_its_row(turn: Any, kind: str) -> None:
    assert refusal({"conversations": [{"from": "gpt", "value": "a"}, turn]}) == kind


@pytest.mark.parametrize("tools", ["not JSON", "[1]", '[{"args": {}}]', 7, [[]]])
def test_tools_that_cannot_be_read_refuse_the_row(tools: Any) -> None:
    assert refusal({"conversations": [{"from": "gpt", "value": "a"}], "tools": tools}) == (
        "tools-unreadable"
    )


@pytest.mark.parametrize("tools", ["", "[]", [], None])
def test_an_empty_tool_list_makes_no_system_message(tools: Any) -> None:
    messages, _ = to_glm({"conversations": [{"from": "gpt", "value": "a"}], "tools": tools})
    assert messages == [{"role": "assistant", "content": "a"}]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_published_conversion_of_glaive_comes_out_byte_for_byte(
    shared: Path, language: str
) -> None:
    source = shared / f"data/llamafactory/glaive_toolcall_{language}_demo.json"
    outcome = ConvertOutcome()
    rows = list(convert_rows(read_chunks(InputFile(str(source))), outcome, GLM))
    published = (shared / f"data/glm_tools/glaive_{language}.jsonl").read_bytes()
    assert b"".join(row + b"\n" for row in rows) == published
    assert (outcome.converted, outcome.losses) == (300, {})


# --- OpenAI --------------------------------------------------------------------------------------


def test_openai_with_a_tool_becomes_the_glm_row() -> None:
    calls = [call("get_weather", '{"city": "北京"}', "call_1")]
    row = {
        "messages": [
            {"role": "user", "content": "北京今天的天气如何？"},
            {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None},
            {"role": "tool", "tool_call_id": "call_1", "name": "get_weather", "content": "22"},
            {"role": "assistant", "content": "22 度。"},
        ],
        "tools": [TOOL],
        "parallel_tool_calls": False,
    }
    messages, losses = to_glm(row)
    assert (messages, losses) == (GLM_ROW["messages"], [])


def test_parallel_calls_are_written_one_by_one_each_with_its_result() -> None:
    row = {
        "messages": [
            {"role": "assistant", "content": "两个城市", "tool_calls": [
                call("w", '{"city":"北京"}', "a"), call("w", {"city": "上海"}, "b")]},
            {"role": "tool", "tool_call_id": "b", "content": "25"},
            {"role": "tool", "tool_call_id": "a", "content": "22"},
        ]
    }  # fmt: skip
    messages, losses = to_glm(row)
    assert [message["content"] for message in messages] == (
        ["两个城市", '{"city":"北京"}', "22", '{"city": "上海"}', "25"]
    )
    assert losses == ["parallel-calls"]


@pytest.mark.parametrize(
    ("ids", "results", "order", "told"),
    [
        ([None, None], [None, None], "cr cr", "results-by-order"),
        (["a", "b"], [None, None], "cr cr", "results-by-order"),
        (["a", "b"], ["a"], "cr c", None),
        (["a", "a"], ["a", "a"], "ccrr", "results-unmatched"),
        (["a", "b"], ["x", "y"], "ccrr", "results-unmatched"),
        ([None, None], [None], "ccr", "results-unmatched"),
        (["a", "b"], [], "cc", None),
    ],
)
def test_results_of_parallel_calls(
    ids: list[Any], results: list[Any], order: str, told: str | None
) -> None:
    calls = [call("f", "{}", id_) for id_ in ids]
    tools = [{"role": "tool", "tool_call_id": id_, "content": "r"} for id_ in results]
    messages, losses = to_glm({"messages": [{"role": "assistant", "tool_calls": calls}, *tools]})
    spoken = ["c" if message["role"] == "assistant" else "r" for message in messages]
    assert "".join(spoken) == order.replace(" ", "")
    assert losses == ["parallel-calls", *([told] if told else [])]


def test_legacy_function_calls() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "function_call": {"name": "f", "arguments": ' {"a":1}'}},
            {"role": "function", "name": "f", "content": "r"},
        ],
        "functions": [FUNCTION],
    }
    messages, losses = to_glm(row)
    assert messages[0]["tools"] == [TOOL]
    assert messages[2] == {"role": "assistant", "metadata": "f", "content": ' {"a":1}'}
    assert (messages[3]["role"], losses) == ("observation", [])


def test_content_parts_keep_the_text_and_tell_of_the_rest() -> None:
    row = [
        {"role": "developer", "content": "s"},
        {"role": "user", "content": [
            {"type": "text", "text": "这是"}, {"type": "image_url", "image_url": {"url": "x"}},
            {"type": "text", "text": "什么？"}]},
        {"role": "assistant", "reasoning_content": "想", "content": [
            {"type": "text", "value": "猫"}, {"type": "hologram"}]},
    ]  # fmt: skip
    messages, losses = to_glm(row)
    assert [message["content"] for message in messages] == ["s", "这是\n什么？", "猫"]
    assert messages[0]["role"] == "system"
    assert losses == ["media", "parts-joined", "reasoning", "part"]


def test_what_was_guessed_in_a_message_is_told() -> None:
    row = {
        "messages": [
            {"role": "user", "content": {"q": "价格"}, "name": "Ann"},
            {"role": "assistant", "tool_calls": [call("f", None)]},
            {"role": "tool", "content": [{"price": 1}]},
            {"role": "assistant", "content": None, "weight": 0},
        ]
    }
    messages, losses = to_glm(row)
    assert [message["content"] for message in messages] == (
        ['{"q": "价格"}', "{}", '[{"price": 1}]', ""]
    )
    assert messages[3]["weight"] == 0
    assert losses == (
        ["message-key", "content-not-text", "empty-arguments", "content-not-text", "null-content"]
    )


def test_a_tool_without_parameters_gets_an_empty_schema() -> None:
    tools = [{"type": "function", "function": {"name": "now"}}, {"type": "python"}]
    messages, losses = to_glm({"messages": [{"role": "assistant", "content": "a"}], "tools": tools})
    function = {"name": "now", "parameters": {"type": "object", "properties": {}}}
    assert messages[0]["tools"] == [{"type": "function", "function": function}, {"type": "python"}]
    assert losses == ["parameters-added"]


# --- flat rows -----------------------------------------------------------------------------------


def turns(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["role"][0], message["content"]) for message in messages]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "译", "input": "猫", "output": "cat"}, [("u", "译\n猫"), ("a", "cat")]),
        ({"instruction": "你好", "input": "", "output": "好"}, [("u", "你好"), ("a", "好")]),
        ({"instruction": "c", "input": None, "output": "d", "system": "s", "history": [["a", "b"]]},
         [("s", "s"), ("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"prompt": "p", "query": "q", "response": "r"}, [("u", "p\nq"), ("a", "r")]),
        ({"input": ["a", "c"], "output": ["b", "d"]},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"prompt": "c", "response": "d", "history": [["a", "b"]]},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"question": "q", "answer": "a"}, [("u", "q"), ("a", "a")]),
        ({"content": "类型#裤", "summary": "牛仔裤"}, [("u", "类型#裤"), ("a", "牛仔裤")]),
        ({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
          "completion": [{"role": "assistant", "content": "a"}]},
         [("s", "s"), ("u", "q"), ("a", "a")]),
        ({"conversation": [{"system": "s", "input": "a", "output": "b"},
                           {"input": "c", "output": "d"}]},
         [("s", "s"), ("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"conversation": [{"human": "a", "assistant": "b"}, {"human": "c", "assistant": "d"}]},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"conversations": [{"query": "a", "response": "b", "system": "s"}]},
         [("s", "s"), ("u", "a"), ("a", "b")]),
        ({"messages": [{"system": "s"}, {"user": "a"}, {"assistant": "b"}]},
         [("s", "s"), ("u", "a"), ("a", "b")]),
        ([{"human": "a", "assistant": "b"}], [("u", "a"), ("a", "b")]),
        ({"instruction": "c", "output": "d", "history": [{"query": "a", "response": "b"}]},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"prompt": "c", "response": "d", "history": [{"role": "user", "content": "a"},
                                                      {"role": "assistant", "content": "b"}]},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"query": "c", "response": "d", "history": '[["a", "b"]]'},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"query": "c", "response": "d", "history": [{"human": "a", "assistant": "b"}]},
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"instruction": None, "output": None, "question": "q", "answer": "a", "history": None},
         [("u", "q"), ("a", "a")]),
        ({"messages": None, "conversations": [{"role": None, "from": "human", "value": "q"},
                                              {"role": None, "from": "gpt", "value": "a"}]},
         [("u", "q"), ("a", "a")]),
        ({"paragraph": [{"role": "system", "q": "s", "a": ""}, {"role": "user", "q": "a", "a": "b"},
                        {"role": "observation", "q": "r", "a": "c"}]},
         [("s", "s"), ("u", "a"), ("a", "b"), ("o", "r"), ("a", "c")]),
    ],
)  # fmt: skip
def test_flat_rows(row: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    messages, losses = to_glm(row)
    assert (turns(messages), losses) == (expected, [])


def test_chatglm3_tool_entries_are_a_call_and_its_result() -> None:
    row = {
        "tools": [FUNCTION],
        "conversations": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "我来查"},
            {"role": "tool", "name": "get_weather", "parameters": {"city": "北京"},
             "observation": {"t": 22}},
            {"role": "assistant", "content": "a"},
        ],
    }  # fmt: skip
    messages, _ = to_glm(row)
    assert messages[0] == {"role": "system", "content": "", "tools": [TOOL]}
    assert messages[3:5] == [
        {"role": "assistant", "metadata": "get_weather", "content": '{"city": "北京"}'},
        {"role": "observation", "content": '{"t": 22}'},
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": "好", "rejected": "坏", "prompt": "q"},
        {"chosen": {"from": "gpt", "value": "好"}, "rejected": {"from": "gpt", "value": "坏"},
         "conversations": [{"from": "human", "value": "q"}]},
        {"chosen_messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "好"}],
         "rejected_messages": [{"role": "user", "content": "q"}]},
    ],
)  # fmt: skip
def test_a_preference_row_needs_the_users_word(row: dict[str, Any]) -> None:
    assert refusal(row) == "preference"
    messages, losses = to_glm(row, take="chosen")
    assert (turns(messages), losses) == ([("u", "q"), ("a", "好")], ["rejected"])


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"text": "once"}, "text"),
        ({"prompt": [{"role": "user", "content": "q"}]}, "no-answer"),
        ({"conversations": [{"from": "human", "value": "q"}]}, "no-answer"),
        ({"instruction": "q", "output": None}, "no-answer"),
        ({"instruction": "", "output": "a"}, "no-question"),
        ({"turns": []}, "unknown-format"),
        (3, "unknown-format"),
        ({"prompt": "q", "response": "a", "history": "before"}, "history-unreadable"),
        ({"prompt": "q", "response": "a", "history": {"query": "b"}}, "history-unreadable"),
        ({"prompt": "q", "response": "a", "history": [["b"]]}, "history-unreadable"),
        ({"prompt": "q", "response": "a", "history": [["b", None]]}, "no-answer"),
        ({"conversation": [{"human": "q", "assistant": None}]}, "no-answer"),
        ({"conversation": [{"human": "q"}]}, "no-answer"),
    ],
)
def test_rows_without_a_conversation_are_refused(row: Any, kind: str) -> None:
    assert refusal(row) == kind


@pytest.mark.parametrize("arguments", [None, "", " ", "null", " null\n", {}, "{}"])
@pytest.mark.parametrize("form", ["openai", "sharegpt", "swift"])
def test_a_call_of_nothing_gets_an_empty_object(arguments: Any, form: str) -> None:
    spoken = json.dumps({"name": "now", "arguments": arguments})
    middle: list[dict[str, Any]] = {
        "openai": [{"role": "assistant", "content": None, "tool_calls": [call("now", arguments)]}],
        "sharegpt": [{"role": "function_call", "content": spoken}],
        "swift": [{"role": "tool_call", "content": spoken}],
    }[form]
    messages, losses = to_glm(
        {"messages": [{"role": "user", "content": "q"}, *middle, {"role": "tool", "content": "1"},
                      {"role": "assistant", "content": "a"}]}
    )  # fmt: skip
    assert messages[1] == {"role": "assistant", "metadata": "now", "content": "{}"}
    assert losses == ([] if arguments in ({}, "{}") else ["empty-arguments"])


def test_what_a_call_has_beside_its_arguments_is_told() -> None:
    content = '{"name": "f", "arguments": {}, "thought": "why"}'
    turns_ = [{"role": "user", "content": "q"}, {"role": "tool_call", "content": content}]
    _, losses = to_glm({"messages": [*turns_, {"role": "tool_response", "content": "1"}]})
    assert losses == ["call-key"]


# --- columns of any names -------------------------------------------------------------------------


def mapped_row(row: Any, *columns: str) -> tuple[list[tuple[str, str]], list[str]]:
    messages, losses = to_glm(row, source=mapped(columns))
    return turns(messages), losses


def test_columns_of_other_names_are_mapped() -> None:
    row = {"q": "c", "a": "d", "sys": "s", "before": [["a", "b"]], "id": 7}
    columns = ("q=user", "a=assistant", "sys=system", "before=history")
    expected = [("s", "s"), ("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]
    assert mapped_row(row, *columns) == (expected, [])
    out, _, was = convert_value(row, GLM, mapped(columns))
    assert (list(out), was.name) == (["messages", "id"], "mapped")


@pytest.mark.parametrize(
    ("row", "columns", "expected"),
    [
        ({"a=b": "q", "c": "a"}, ("a=b=user", "c=assistant"), [("u", "q"), ("a", "a")]),
        ({"q": ["a", "c"], "r": ["b", "d"]}, ("q=user", "r=assistant"),
         [("u", "a"), ("a", "b"), ("u", "c"), ("a", "d")]),
        ({"q": "q", "r": "a", "system": "s"}, ("q=user", "r=assistant"),
         [("s", "s"), ("u", "q"), ("a", "a")]),
        ({"问": "q", "答": "a"}, ("问=user", "答=assistant"), [("u", "q"), ("a", "a")]),
        ({"dialog": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
         ("dialog=messages",), [("u", "q"), ("a", "a")]),
        ({"dialog": '[{"human": "q", "assistant": "a"}]', "s": "s"}, ("dialog=messages", "s=system"),
         [("s", "s"), ("u", "q"), ("a", "a")]),
    ],
)  # fmt: skip
def test_mapped_rows(
    row: dict[str, Any], columns: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    assert mapped_row(row, *columns) == (expected, [])


def test_mapped_tools_stand_on_the_system_message() -> None:
    row = {"q": "q", "a": "a", "functions_json": json.dumps([FUNCTION])}
    source = mapped(("q=user", "a=assistant", "functions_json=tools"))
    assert to_glm(row, source=source)[0][0] == {"role": "system", "content": "", "tools": [TOOL]}


@pytest.mark.parametrize(
    ("row", "columns", "kind"),
    [
        ({"q": "q"}, ("q=user", "a=assistant"), "no-column"),
        ([1], ("q=user", "a=assistant"), "no-column"),
        ({"q": None, "a": "a"}, ("q=user", "a=assistant"), "no-question"),
        ({"q": "q", "a": 7}, ("q=user", "a=assistant"), "no-answer"),
        ({"d": "hello"}, ("d=messages",), "no-messages"),
        ({"d": [{"from": "x", "value": "q"}]}, ("d=messages",), "unknown-role"),
        ({"q": "q", "a": "a", "t": "x"}, ("q=user", "a=assistant", "t=tools"), "tools-unreadable"),
    ],
)  # fmt: skip
def test_mapped_rows_that_are_refused(row: Any, columns: tuple[str, ...], kind: str) -> None:
    assert refusal(row, source=mapped(columns)) == kind


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--map", "q=usr"), "did you mean user?"),
        (("--map", "q=zzz"), "known are user, assistant, system, tools, history, messages"),
        (("--map", "q"), "write COLUMN=TARGET"),
        (("--map", "=user"), "write COLUMN=TARGET"),
        (("--map", "q=user"), "name the columns of the question and of the answer"),
        (("--map", "q=user", "--map", "r=user"), "user has been mapped already"),
        (("--map", "q=user", "--map", "q=assistant"), "q has been mapped already"),
        (("--map", "d=messages", "--map", "q=user"), "nothing can be mapped to user beside it"),
        (("--map", "q=user", "--map", "a=assistant", "--from", "alpaca"), "leave out --from"),
        (("--map", "q\n::error::=usr"), "did you mean user?"),
    ],
)
def test_a_wrong_map_is_one_line(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA)
    result = run(tmp_path / "a.jsonl", "--to", "glm4", *flags)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("glmlint: --map") and words in line


# --- rows kept -----------------------------------------------------------------------------------


def test_other_keys_of_the_row_stay_where_they_were() -> None:
    row = {"id": 7, "conversations": [{"from": "gpt", "value": "a"}], "source": {"x": [1]}}
    out, _, _ = convert_value(row, GLM)
    assert list(out.items()) == [
        ("id", 7), ("messages", [{"role": "assistant", "content": "a"}]), ("source", {"x": [1]}),
    ]  # fmt: skip


def test_a_glm_row_in_order_keeps_its_bytes() -> None:
    raw = b'{ "id":1.50, "messages":[{"role":"user","content":"\\u4f60"}] }'
    assert convert_line(raw, GLM)[0] == raw


def test_a_glm_row_out_of_order_is_put_right() -> None:
    tools = json.dumps([FUNCTION])
    row = {
        "messages": [
            {"role": "User", "content": "q", "tools": tools},
            {"role": "bot", "content": "a"},
        ]
    }
    messages, _ = to_glm(row)
    assert messages == [
        {"role": "system", "content": "", "tools": [TOOL]},
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"messages": [{"role": "assistant", "content": "a"}], "label": False}, "label-false"),
        ({"messages": [{"role": "assistant", "content": "a"}], "images": ["x.png"]}, "media"),
        ({"prompt": "<|im_start|>user\nq", "response": "a"}, "foreign-marks"),
        (
            {"conversations": [{"from": "gpt", "value": '<tool_call>\n{"name": "f"}'}]},
            "call-in-text",
        ),
    ],
)
def test_what_a_person_should_know_is_told(row: dict[str, Any], kind: str) -> None:
    assert to_glm(row)[1] == [kind]


# --- from GLM, and back --------------------------------------------------------------------------


def test_glm_to_openai() -> None:
    row, losses, _ = convert_value(GLM_ROW, writers()["openai"])
    assert row == {
        "messages": [
            {"role": "user", "content": "北京今天的天气如何？"},
            {"role": "assistant", "content": None,
             "tool_calls": [call("get_weather", '{"city": "北京"}', "call_0")]},
            {"role": "tool", "tool_call_id": "call_0", "content": "22"},
            {"role": "assistant", "content": "22 度。"},
        ],
        "tools": [TOOL],
    }  # fmt: skip
    assert losses == []


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ({"role": "user", "content": "q", "metadata": "m"}, ["metadata"]),
        ({"role": "user", "content": "q", "image": "x.png"}, ["message-key"]),
        ({"role": "system", "content": "late", "tools": [TOOL]}, ["tools-elsewhere"]),
        (
            {"role": "assistant", "content": "print(1)", "metadata": "python"},
            ["arguments-not-object"],
        ),
        ({"role": "observation", "content": "r"}, ["result-without-call"]),
    ],
)
def test_what_openai_cannot_say_is_told(message: dict[str, Any], kinds: list[str]) -> None:
    row = {"messages": [{"role": "user", "content": "q"}, message]}
    _, losses, _ = convert_value(row, writers()["openai"])
    assert [loss.kind.name for loss in losses] == kinds


def test_sharegpt_rows_that_llamafactory_drops_are_told() -> None:
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "user", "content": "q"}]}
    _, losses, _ = convert_value(row, writers()["sharegpt"])
    assert [loss.kind.name for loss in losses] == ["turn-order"]


texts = st.text(max_size=12) | st.sampled_from(
    ["你好\n", "<|user|>", ' "\\', "<tool_call>", "\u2028"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
objects = st.dictionaries(texts, json_values, max_size=3)
names = st.text(min_size=1, max_size=8)
argument_texts = (
    objects.map(json.dumps)
    | objects.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1))
    | texts.filter(str.strip)
    | json_values.map(json.dumps)
).filter(lambda text: text.strip() != "null")
functions = st.fixed_dictionaries(
    {"name": names, "parameters": st.fixed_dictionaries({"properties": objects})},
    optional={"description": texts, "strict": st.booleans(), "type": texts},
)
glm_tools = st.builds(lambda function: {"type": "function", "function": function}, functions)
plain = st.builds(
    lambda role, content, extra: {"role": role, "content": content, **extra},
    st.sampled_from(["user", "assistant", "observation", "system"]),
    texts,
    st.just({}) | st.just({"loss": False}) | st.just({"weight": 0}),
)
called = st.builds(
    lambda name, content: {"role": "assistant", "metadata": name, "content": content},
    names,
    argument_texts,
)
systems = st.builds(
    lambda content, tools: {"role": "system", "content": content, **({"tools": tools} if tools else {})},
    texts,
    st.lists(glm_tools, max_size=2, unique_by=repr),
)  # fmt: skip
glm_rows = st.builds(
    lambda system, middle, last, extra: {"messages": [*system, *middle, last], **extra},
    st.lists(systems, max_size=1),
    st.lists(plain | called, max_size=6),
    called | st.just({"role": "assistant", "content": "好"}),
    st.dictionaries(st.sampled_from(["id", "source", "label", "meta"]), json_values, max_size=2),
)


@settings(max_examples=120, deadline=None)
@given(glm_rows, st.sampled_from(["openai", "sharegpt"]))
def test_glm_there_and_back_is_the_same_row(row: dict[str, Any], name: str) -> None:
    raw = json.dumps(row, ensure_ascii=False).encode()
    there, _, _ = convert_line(raw, writers()[name])
    source = None if name == "sharegpt" else formats()[name]
    back, _, _ = convert_line(there, GLM, source)
    in_turn, _, _ = convert_line(raw, GLM)  # each of several calls with its result behind it
    assert json.loads(back) == json.loads(in_turn)


# --- any input -----------------------------------------------------------------------------------

keys = st.sampled_from(
    ["messages", "conversations", "conversation", "role", "from", "content", "value", "text",
     "type", "tool_calls", "function", "name", "function_call", "arguments", "parameters",
     "properties", "tools", "functions", "system", "observation", "metadata", "id", "tool_call_id",
     "paragraph", "q", "a", "instruction", "input", "output", "history", "prompt", "query",
     "response", "chosen", "rejected", "completion", "question", "answer", "summary", "label",
     "images", "reasoning_content", "loss"]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(
    ["user", "assistant", "system", "tool", "human", "gpt", "function_call", "observation", "text",
     "tool_call", "reasoning", "function", '{"name": "f", "arguments": "{"}', '[{"name": "f"}]',
     "[" * 2000, '{"name": "f", "arguments": NaN}', '{"name": "f", "arguments": "\\ud800"}', "\ud800"]
)  # fmt: skip
wild = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=15,
)
CALLS = [call("f", "{}", "a"), call("g", {"x": 1}, "b")]
SEEDS: list[Any] = [
    GLM_ROW,
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "image"}]},
            {"role": "assistant", "content": "t", "tool_calls": CALLS, "reasoning_content": "r"},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": [{"x": 1}]},
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "2"},
            {"role": "assistant", "content": [{"type": "tool_call", "value": '{"name": "f"}'}]},
        ],
        "tools": [TOOL],
        "functions": [FUNCTION],
    },
    {
        "conversations": [
            {"from": "system", "value": "s"},
            {"from": "human", "value": "q"},
            {"from": "function_call", "value": '[{"name": "f", "arguments": {"a": 1}}]'},
            {"from": "observation", "value": "r"},
            {"from": "gpt", "value": "a"},
        ],
        "tools": json.dumps([FUNCTION]),
        "system": "s",
        "images": ["x"],
    },
    {
        "conversations": [
            {"role": "tool", "name": "f", "parameters": {"x": 1}, "observation": "r"},
            {"role": "assistant", "content": "a"},
        ],
        "tools": [FUNCTION],
    },
    {"paragraph": [{"role": "user", "q": "q", "a": "a"}]},
    {"conversation": [{"system": "s", "input": "q", "output": "a"}]},
    {"instruction": "i", "input": "q", "output": "a", "system": "s", "history": [["q", "a"]]},
    {"prompt": [{"role": "user", "content": "q"}], "response": "a", "history": [["q", "a"]]},
    {
        "conversations": [{"from": "human", "value": "q"}],
        "chosen": {"from": "gpt", "value": "a"},
        "rejected": {"from": "gpt", "value": "b"},
    },
    [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A good row of some format with one value in it replaced by anything, or a key added."""
    row = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    node = row
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        at = draw(st.sampled_from(places) if places else st.none())
        inner = None if at is None else node[at]
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
            node = inner
            continue
        if isinstance(node, dict) and draw(st.booleans()):
            at = draw(keys)
        if at is not None:
            node[at] = draw(wild)
        return row


@settings(max_examples=150, deadline=None)
@given(
    damaged() | wild,
    st.sampled_from([None, *sorted(formats())]),
    st.sampled_from(sorted(writers())),
)
def test_any_row_is_converted_or_refused(value: Any, source: str | None, target: str) -> None:
    raw = json.dumps(value).encode()
    try:
        line, losses, _ = convert_line(
            raw, writers()[target], formats()[source] if source else None, "chosen"
        )
    except Refused as error:
        assert error.kind.en and error.kind.zh
        return
    assert b"\n" not in line and isinstance(json.loads(line), dict)
    assert all(loss.kind.en and loss.kind.zh for loss in losses)
    if target == "glm4":
        assert decode_sample(line).messages


OLD = b'{"old": true}\n'
ALPACA = b'{"instruction": "q", "input": "", "output": "a"}\n'
AS_GLM = (
    b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n'
)


@settings(max_examples=100, deadline=None)
@given(st.binary() | st.text().map(lambda text: json.dumps({"messages": text})[:-3].encode()))
@example(AS_GLM)  # hypothesis draws the bytes that this file holds, too
def test_any_bytes_are_a_row_or_refused(raw: bytes) -> None:
    try:
        line, _, _ = convert_line(raw, GLM)
    except Refused:
        return
    assert isinstance(json.loads(raw), dict) and decode_sample(line).messages


@pytest.mark.parametrize(
    "raw",
    [
        b'{"messages": [{"role": "user", "content": "\\ud83d"}]}',
        b'{"messages": [{"role": "user", "content": "a"}], "x": NaN}',
        b'{"messages": [{"role": "user", "content": "a"}], "x": 1, "x": 2}',
        b'{"messages": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"conversations": [{"from": "gpt", "value": "a"}], "x": ' + b"9" * 5000 + b"}",
        b'{"conversations": [{"from": "gpt", "value": "a"}], "x": 1e999}',
    ],
)
def test_values_that_no_loader_or_file_can_hold_refuse_their_row(raw: bytes) -> None:
    with pytest.raises(Refused):
        convert_line(raw, GLM)


# --- files ---------------------------------------------------------------------------------------


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(convert, [*map(str, arguments), "--lang", "en"], input=stdin)


def test_a_file_is_converted_to_standard_output(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA * 2)
    result = run(tmp_path / "a.jsonl", "--to", "glm4")
    assert (result.exit_code, result.stdout_bytes) == (0, AS_GLM * 2)
    assert "2 of 2 rows converted to glm4 (alpaca 2)" in result.stderr


def test_standard_input_is_read() -> None:
    assert run("-", "--to", "glm4", stdin=ALPACA).stdout_bytes == AS_GLM


def test_refused_rows_are_told_by_line_and_the_others_written(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA + b'{"text": "x"}\n\n{"messages": \n' + ALPACA)
    result = run(tmp_path / "a.jsonl", "--to", "glm4", "-o", tmp_path / "b.jsonl")
    assert result.exit_code == 1
    assert (tmp_path / "b.jsonl").read_bytes() == AS_GLM * 2
    assert "a.jsonl:2:10: not converted: plain text has no roles" in result.stderr
    assert "a.jsonl:4:14: not converted: invalid-json: " in result.stderr


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        (b'{"messages": [],}', "1:16", "invalid-json: invalid JSON at 1:16: a comma before the closing }"),
        (b'{"messages": [{"role": "user", "role": "a"}]}', "1:32", 'key "role" occurs twice'),
        (b'{"messages": [{"role": "user", "content": "\\ud83d"}]}', "1:44", "half of a character"),
        (b'{"messages": "\xff"}', "1:15", "not-utf8: "),
        (b'{"messages": [{"role": "user", "content": NaN}]}', "1:43", "non-finite-number: "),
        (b"7", "1:1", "not-object: the row is a number"),
        (b'{"messages": [{"role": "us\\u001b[31m\\ner", "content": "x"}]}', "1:24", r"us\x1b[31m\ner"),
        (b'{"a\\nb": "x"}', "1:1", "the format of the row is not recognised"),
    ],
)  # fmt: skip
def test_a_row_is_refused_in_the_words_of_check_on_one_line(
    tmp_path: Path, raw: bytes, place: str, words: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(raw + b"\n" + ALPACA)
    result = run(tmp_path / "a.jsonl", "--to", "glm4")
    assert (result.exit_code, result.stdout_bytes) == (1, AS_GLM)
    first, last = result.stderr.splitlines()
    assert first.isprintable() and last.endswith("1 of 2 rows converted to glm4 (alpaca 1)")
    assert f"a.jsonl:{place}: not converted: " in first and words in first


def test_rows_that_stand_on_one_line_are_converted_each(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA.strip() + b" " + ALPACA.strip() + b"\n" + ALPACA)
    result = run(tmp_path / "a.jsonl", "--to", "glm4")
    assert (result.exit_code, result.stdout_bytes) == (0, AS_GLM * 3)


def test_losses_are_counted_and_fail_only_a_strict_run(tmp_path: Path) -> None:
    turn = {"role": "assistant", "content": "a", "reasoning_content": "…"}
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": [turn, turn]}) + "\n")
    result = run(tmp_path / "a.jsonl", "--to", "glm4")
    assert result.exit_code == 0
    assert "a.jsonl:1: reasoning: " in result.stderr and "(2 times in 1 rows)" in result.stderr
    assert run(tmp_path / "a.jsonl", "--to", "glm4", "--strict").exit_code == 1


def test_the_report_as_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "x"}\n' + ALPACA)
    report = json.loads(run(tmp_path / "a.jsonl", "--to", "glm4", "--format", "json").stderr)
    assert (report["rows"], report["converted"], report["exit_code"]) == (2, 1, 1)
    [refusal] = report["refusals"]
    assert refusal.pop("what").startswith("plain text has no roles")
    assert refusal == {"line": 1, "column": 10, "kind": "text", "pointer": "/text", "detail": ""}


def test_the_sentences_exist_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "x"}\n' + ALPACA)
    arguments = [str(tmp_path / "a.jsonl"), "--to", "glm4", "--lang", "zh"]
    assert "纯文本没有角色" in CliRunner().invoke(convert, arguments).stderr


@pytest.mark.parametrize(("name", "unpack"), [("b.json", bytes), ("b.json.gz", gzip.decompress)])
def test_a_json_name_means_one_array(tmp_path: Path, name: str, unpack: Any) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA * 2)
    assert run(tmp_path / "a.jsonl", "--to", "glm4", "-o", tmp_path / name).exit_code == 0
    written = unpack((tmp_path / name).read_bytes())
    assert json.loads(written) == [json.loads(AS_GLM)] * 2


def test_the_mode_of_a_target_is_kept_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA)
    (tmp_path / "b.jsonl").write_bytes(OLD)
    (tmp_path / "b.jsonl").chmod(0o640)
    (tmp_path / "link.jsonl").symlink_to("b.jsonl")
    assert run(tmp_path / "a.jsonl", "--to", "glm4", "-o", tmp_path / "link.jsonl").exit_code == 0
    assert (tmp_path / "b.jsonl").read_bytes() == AS_GLM
    assert (tmp_path / "b.jsonl").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link.jsonl").is_symlink()


def test_the_input_is_not_replaced_unless_told_to(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ALPACA)
    (tmp_path / "same.jsonl").symlink_to("a.jsonl")
    result = run(tmp_path / "a.jsonl", "--to", "glm4", "-o", tmp_path / "same.jsonl")
    assert (result.exit_code, (tmp_path / "a.jsonl").read_bytes()) == (2, ALPACA)
    assert (
        run(tmp_path / "a.jsonl", "--to", "glm4", "-o", tmp_path / "a.jsonl", "--force").exit_code
        == 0
    )
    assert (tmp_path / "a.jsonl").read_bytes() == AS_GLM


def test_a_target_is_left_alone_when_no_row_could_be_converted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid x\n")
    (tmp_path / "b.jsonl").write_bytes(OLD)
    result = run(tmp_path / "a.jsonl", "--to", "glm4", "-o", tmp_path / "b.jsonl")
    assert (result.exit_code, (tmp_path / "b.jsonl").read_bytes()) == (1, OLD)
    assert "lfs-pointer" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.jsonl", "--to", "glm4"),
        ("a.jsonl", "--to", "xtuner"),
        ("a.jsonl", "--to", "glm4", "-o", "no/folder/b.jsonl"),
        ("a.jsonl", "--to", "glm4", "-o", "."),
        ("a.jsonl", "--to", "glm4", "-o", "b.parquet"),
        ("cut.jsonl.gz", "--to", "glm4", "-o", "b.jsonl"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(ALPACA)
    Path("b.jsonl").write_bytes(OLD)
    Path("cut.jsonl.gz").write_bytes(gzip.compress(ALPACA * 100)[:-20])
    result = run(*arguments)
    assert (result.exit_code, Path("b.jsonl").read_bytes()) == (2, OLD)
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(("Error: ", "glmlint: ")) and "Traceback" not in result.stderr
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals are a matter of POSIX")
def test_an_interrupted_run_leaves_no_trace(tmp_path: Path) -> None:
    target = tmp_path / "b.jsonl"
    target.write_bytes(OLD)
    main = "from glmlint.converters.command import convert; convert()"
    command = ("-c", main, "-", "--to", "glm4", "-o", str(target))
    with started(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert until(lambda: list(tmp_path.glob(".*.tmp")), process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=LIMIT)
    assert (process.returncode, target.read_bytes()) == (130, OLD)
    assert told == b"glmlint: interrupted: nothing was replaced\n"
    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]


LONG = "long " * 2000
LONG_ALPACA = json.dumps({"instruction": LONG, "output": "a"}).encode() + b"\n"
LONG_AS_GLM = AS_GLM.replace(b'"q"', json.dumps(LONG).encode())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is a matter of POSIX")
@pytest.mark.parametrize("seconds", [None, 0.0, 0.005, 0.02, 0.05])
def test_killed_at_any_moment_the_target_is_the_old_or_the_new(
    tmp_path: Path, seconds: float | None
) -> None:
    rows = 2000  # 20 MB: more than one chunk, so that some are written before the end is read
    target = tmp_path / "b.jsonl"
    target.write_bytes(OLD)
    main = "from glmlint.converters.command import convert; convert()"
    command = ("-c", main, "-", "--to", "glm4", "-o", str(target))
    with started(*command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(LONG_ALPACA * rows)
        process.stdin.flush()
        assert until(lambda: any(p.stat().st_size for p in tmp_path.glob(".*.tmp")), process)
        if seconds is not None:  # the end of the input is read: it is killed as it finishes
            process.stdin.close()
            time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
    written = target.read_bytes()
    assert written == OLD or (written == LONG_AS_GLM * rows and seconds is not None)
