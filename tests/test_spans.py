"""A finding stands at the very characters that its sentence is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_rules import found_by

from glmlint.finding import Finding
from glmlint.read.span import Positions
from glmlint.rules.base import Example, all_rules

PLACES = {
    "arguments-changed": (r'"{\"city\": \"Rome\"}"', r'"{\"city\": \"罗马\"}"'),
    "arguments-schema": (r"{\"days\": 3}", r"\"3\"", r"\"K\"", r"\"区\""),
    "boilerplate": ("I am ChatGPT", "作为一个人工智能语言模型"),
    "call-as-text": ("<function=", "tool_call:", "Action:"),
    "cut-off-answer": ("the", "且"),
    "dialogue-in-message": ("Human:", r"[Round 1]\n\n问：", "用户："),
    "double-encoded-arguments": (r"\"{\\\"city\\\": \\\"Rome\\\"}\"", r"\"[1, 2]\""),
    "duplicate-key": ('"content"', '"role"'),
    "duplicate-tool-name": ('"weather"', '"查天气"'),
    "edge-whitespace": (" ", r"\n"),
    "ignored-key": ('"reasoning"', '"lable"', '"system"', '"image"'),
    "ignored-loss-field": ('"loss": false', '"weight": 1', '"weight": 0.5', '"train": false'),
    "invalid-tool-arguments": ("'", r"\"", r"[\"Rome\"]", '""'),
    "invisible-character": ("\u200b", "\ufeff", "锟斤拷锟斤拷", "Ã©", r"\frac"),
    "lone-surrogate": (r"\ud83d", r"\ude00"),
    "message-not-printed": ('"developer"',),
    "missing-description": ('"lookup"', '"lookup"'),
    "non-finite-number": ("NaN", "-Infinity", "1e999"),
    "number-too-long": ("7" * 5000, "-" + "1" * 4400),
    "orphan-think-tag": ("<think>", "</think>"),
    "placeholder": ("{{name}}", "<NAME>", "<user prompt text>", "（待补充）", "{{author}}"),
    "repetition-loop": ("The sea is very deep. " * 12, "是一座历史悠久的城市，" * 20),
    "special-token-in-content": ("<|user|>", "<|endoftext|>", "[MASK]", "<sop>", "<UNK>"),
    "tools-not-rendered": ('"retrieval"', '"python"'),
    "unclosed-code-fence": ("```", "```", "```", "```"),
    "unknown-role": ('"human"',),
    "unknown-tool": ('"get_wether"', '"查天气"', '"get_weather"'),
}
"""Of each rule, what its first finding in the first examples of its page stands at."""


def text_at(example: Any, finding: Finding) -> str:
    """What stands between the columns of a finding, as it is written in the file."""
    if not isinstance(example, Example):
        example = Example(rows=(example,))
    assert finding.span is not None
    line = example.files()[finding.path].split(b"\n")[finding.span.line - 1]
    start, stop = finding.span.columns
    text = line.decode()[start - 1 : stop - 1]
    assert line[finding.span.bytes[0] - 1 : finding.span.bytes[1] - 1].decode() == text
    return text


@pytest.mark.parametrize("name", PLACES)
def test_the_place_of_a_finding_is_what_its_sentence_is_about(name: str) -> None:
    examples = all_rules()[name].rule.bad
    found = [text_at(example, found_by(name, example)[0]) for example in examples]
    assert tuple(found[: len(PLACES[name])]) == PLACES[name]


@pytest.mark.parametrize("name", ["secret", "personal-data"])
def test_a_secret_is_marked_and_nothing_around_it(name: str) -> None:
    pytest.importorskip({"secret": "detect_secrets", "personal-data": "stdnum"}[name])
    for example in all_rules()[name].rule.bad:
        for finding in found_by(name, example):
            text = text_at(example, finding)
            assert 12 <= len(text) <= 40 and '"' not in text


def test_a_mark_in_code_is_not_the_place() -> None:
    """Rules that look beside code name the place beside it, too."""
    said = "Write `用户：`.\n用户：谢谢\n助手：不客气\n用户：再见"
    row = {
        "messages": [
            {"role": "user", "content": "现在几点？"},
            {"role": "assistant", "content": said},
        ]
    }
    [finding] = found_by("dialogue-in-message", row)
    assert finding.column is not None
    before = json.dumps(row, ensure_ascii=False)[: finding.column - 1]
    assert before.endswith(r"`.\n")


@given(
    st.dictionaries(st.text(st.sampled_from('a"\\:,é\n'), max_size=6), st.integers(), min_size=1),
    st.booleans(),
)
def test_the_place_of_any_key(value: dict[str, int], spaced: bool) -> None:
    text = json.dumps({"a": [value]}, separators=(" , ", " : ") if spaced else (",", ":"))
    for key in value:
        found = Positions(text).key(("a", 0, key))
        assert found is not None
        assert json.loads(text[found[0] : found[1]]) == key
    assert Positions(text).key(("a", 0)) is None and Positions(text).key(("b",)) is None
