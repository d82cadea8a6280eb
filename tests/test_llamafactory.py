"""LLaMA-Factory: its package's own ids, labels, drops and exceptions, by every way that leads there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st

from glmlint.app.settings import SettingsError, resolve
from glmlint.engine.encode import encode_rows
from glmlint.engine.show import look
from glmlint.plan import Plan
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.forms import openai, sharegpt
from glmlint.trainer.layout import END, PREFIX, SYSTEM, TOOLS, Layout, Tokens
from glmlint.trainer.mask import _count, _count_units, sequence
from glmlint.trainer.packing import joined
from glmlint.trainer.prepared import prepare

HERE = Path(__file__).parent / "golden"
VOCABULARY = {"glm4": "glm4", "glm45": "glm4.5"}

INFO: dict[str, dict[str, Any]] = {
    "sharegpt": {
        "columns": {"messages": "conversations", "tools": "tools", "system": "system"},
    },
    "openai": {
        "columns": {"messages": "messages", "tools": "tools"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "observation_tag": "tool",
            "function_tag": "function",
            "system_tag": "system",
        },
    },
    "alpaca": {
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        },
    },
}
"""The entries of `dataset_info.json` with which the golden rows were made."""


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line]


@cache
def opened(tokenizer: str, options: str) -> Context:
    given = json.loads(options)
    return open_context(
        Plan(
            recipe="llamafactory",
            tokenizer=VOCABULARY[tokenizer],
            options=given,
            max_length=given.get("cutoff_len", 2048),
            datasets="5.2.0",
        )
    )


def context_of(case: dict[str, Any], **more: Any) -> Context:
    options = {**more, **case["options"]}
    if "template" in case:
        options["template"] = case["template"]
    return opened(case["tokenizer"], json.dumps(options, sort_keys=True))


def line_of(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def by_bytes(row: Any, context: Context) -> Layout:
    """The layout as the engine gets it. Raises what the trainer makes of the row otherwise."""
    found = prepare(line_of(row), 1, context)
    if found.error is not None:
        raise found.error
    if found.dropped is not None:
        raise found.dropped
    assert found.layout is not None
    return found.layout


def by_value(row: Any, context: Context) -> Layout:
    return context.trainer.lay_out(row, context)


def cut(layout: Layout, context: Context) -> Tokens:
    (found,) = context.trainer.cut(sequence(layout, context), context.plan.max_length, context)
    return found


def as_golden(tokens: Tokens) -> dict[str, Any]:
    return {"input_ids": tokens.input_ids.tolist(), "labels": tokens.labels.tolist()}


def outcome(row: Any, context: Context, way: Any) -> dict[str, Any]:
    try:
        return as_golden(cut(way(row, context), context))
    except TrainerError as error:
        return {"error": error.exception}
    except Dropped:
        return {"dropped": True}


def compare(cases: list[dict[str, Any]]) -> int:
    for number, case in enumerate(cases, 1):
        wanted = {k: case[k] for k in ("input_ids", "labels", "error", "dropped") if k in case}
        context = context_of(case, **({"formatting": case["format"]} | INFO[case["format"]]))
        for way in (by_bytes, by_value):
            assert outcome(case["row"], context, way) == wanted, (number, way.__name__)
        # The form of each row is seen from the row where nobody names it.
        assert outcome(case["row"], context_of(case), by_bytes) == wanted, number
    return len(cases)


def test_own_part() -> None:
    assert compare(read(HERE / "llamafactory.jsonl")) > 50


def test_whole_set(shared: Path) -> None:
    assert compare(read(shared / "golden" / "trainers" / "llamafactory.jsonl")) == 400


def test_odd_rows_columns_and_tags() -> None:
    """Made with the package's own converter, template and processor."""
    cases = read(HERE / "llamafactory_odd.jsonl")
    for number, case in enumerate(cases, 1):
        wanted = {k: case[k] for k in ("input_ids", "labels", "error", "dropped") if k in case}
        for way in (by_bytes, by_value):
            assert outcome(case["row"], context_of(case), way) == wanted, (number, way.__name__)
    assert len(cases) > 50


def carried(cases: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cases with the options that were in force when they were made.

    The package writes `default_system` and `tool_format` into its one template object of a name,
    and the shared vectors of files were all made in one process: a line keeps what an earlier
    line of its template set.
    """
    kept: dict[str, dict[str, Any]] = {}
    for case in cases:
        state = kept.setdefault(case["template"], {})
        for key in ("default_system", "tool_format"):
            if case["options"].get(key) is not None:
                state[key] = case["options"][key]
        yield case | {"options": case["options"] | state}


def file_outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What a file's rows become, packed where the options say so."""
    context = context_of(case, **({"formatting": case["format"]} | INFO[case["format"]]))
    trainer, budget = context.trainer, context.plan.max_length
    rows: list[Tokens | None] = []
    for row in case["rows"]:
        try:
            rows.append(cut(trainer.lay_out(row, context), context))
        except Dropped:
            rows.append(None)
        except TrainerError as error:
            return {"error": error.exception}
    if not trainer.packs(context.options):
        return {"out": [as_golden(row) for row in rows if row is not None]}
    lengths = [None if row is None else len(row.input_ids) for row in rows]
    out = []
    for parts in trainer.pack(lengths, budget, context):
        chosen = [(rows[part.row], part) for part in parts]
        tokens = joined(
            [row.part(slice(part.start, part.stop)) for row, part in chosen if row is not None]
        )
        out.append(as_golden(trainer.filled(tokens, budget, context)))
    return {"out": out}


def test_files_as_datasets_hands_them_over() -> None:
    """`rows` is what datasets 4.0.0 makes of the file; some are packed."""
    cases = read(HERE / "llamafactory_loaded.jsonl")
    for number, case in enumerate(cases, 1):
        assert file_outcome(case) == {k: case[k] for k in ("out", "error") if k in case}, number
    assert sum(opened_packs(case) for case in cases) >= 5


def opened_packs(case: dict[str, Any]) -> bool:
    return bool(case["options"].get("packing") or case["options"].get("neat_packing"))


def golden_rows() -> Iterator[tuple[Any, Context]]:
    """All golden rows with their contexts; the large set where it is."""
    large = SHARED / "golden" / "trainers" / "llamafactory.jsonl"
    for case in read(large if large.is_file() else HERE / "llamafactory.jsonl"):
        yield case["row"], context_of(case, formatting=case["format"], **INFO[case["format"]])
        yield case["row"], context_of(case)
    for case in read(HERE / "llamafactory_odd.jsonl"):
        yield case["row"], context_of(case)


def fate(row: Any, context: Context, way: Any) -> Any:
    """A row's tokens with owners and units, or its exception with its place."""
    try:
        tokens = sequence(way(row, context), context)
    except (TrainerError, Dropped) as fault:
        name = fault.reason if isinstance(fault, Dropped) else fault.exception
        return name, fault.detail, fault.at
    arrays = (tokens.input_ids, tokens.labels, tokens.owners, tokens.units)
    return [None if array is None else array.tolist() for array in arrays]


def test_the_fast_way_gives_the_same() -> None:
    fast = 0
    for row, context in golden_rows():
        fast += prepare(line_of(row), 1, context).typed is not None
        assert fate(row, context, by_bytes) == fate(row, context, by_value), row
    assert fast > 60


def test_counts_of_all_budgets_are_those_of_the_cut() -> None:
    alike: dict[int, tuple[Context, list[Layout]]] = {}
    for row, context in golden_rows():
        try:
            alike.setdefault(id(context), (context, []))[1].append(by_value(row, context))
        except (TrainerError, Dropped):
            continue
    rows = 0
    for context, layouts in alike.values():
        if not layouts or context.plan.max_length < 3:
            continue
        one, other = _count(layouts, context), _count_units(layouts, context)
        for name in ("tokens", "supervised", "kept", "kept_supervised", "sequences", "grid"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), (name, context.plan)
        rows += len(layouts)
    assert rows > 50


def test_turns_own_the_tokens_of_their_text() -> None:
    """An owner in the layout is the index of a turn of the conversation, where it is written."""
    looked = 0
    for row, context in golden_rows():
        try:
            tokens = sequence(by_value(row, context), context)
        except (TrainerError, Dropped):
            continue
        conversation = context.trainer.conversation(row, context)
        assert conversation is not None
        texts: dict[int, bytes] = {}
        for token, owner in zip(tokens.input_ids.tolist(), tokens.owners.tolist(), strict=True):
            texts[owner] = texts.get(owner, b"") + context.tokenizer.token_bytes(token)
        owners = {*range(len(conversation.turns)), PREFIX, SYSTEM, TOOLS, END}
        assert texts.keys() <= owners, row
        for index, turn in enumerate(conversation.turns):
            thought = turn.role == "assistant" and "<think>" in (turn.text or "")
            late = turn.role == "observation" and index not in texts  # left out without a word
            if turn.text is None or thought or late or "{{idx}}" in turn.text or turn.calls:
                continue
            written = value_at(row, turn.at)
            if isinstance(written, dict) and "function" in str(
                written.get("from", written.get("role"))
            ):
                continue  # JSON of a call that has no name: written otherwise
            if turn.text_at is not None:
                assert value_at(row, turn.text_at) == turn.text
            assert turn.text.encode() in texts[index], (row, index)
            looked += 1
    assert looked > 200


def value_at(row: Any, pointer: Any) -> Any:
    for step in pointer:
        row = row[step]
    return row


def test_conversation_of_each_form() -> None:
    context = opened("glm4", "{}")
    call = {"name": "f", "arguments": {"a": 1}}
    rows: list[tuple[Any, list[tuple[str, str | None, Any]]]] = [
        (
            {
                "conversations": [
                    {"from": "human", "value": "q"},
                    {"from": "function_call", "value": json.dumps(call)},
                    {"from": "observation", "value": "r"},
                    {"from": "gpt", "value": "a"},
                ],
                "system": "s",
            },
            [
                ("system", "s", ("system",)),
                ("user", "q", ("conversations", 0)),
                ("assistant", None, ("conversations", 1)),
                ("observation", "r", ("conversations", 2)),
                ("assistant", "a", ("conversations", 3)),
            ],
        ),
        (
            {
                "messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": None, "tool_calls": [{"function": call}]},
                    {"role": "tool", "content": "r"},
                    {"role": "assistant", "content": "a"},
                ],
            },
            [
                ("system", "s", ("messages", 0)),
                ("user", "q", ("messages", 1)),
                ("assistant", None, ("messages", 2)),
                ("observation", "r", ("messages", 3)),
                ("assistant", "a", ("messages", 4)),
            ],
        ),
        (
            {"instruction": "q", "input": "more", "output": "a", "history": [["h", "i"]]},
            [
                ("user", "h", ("history", 0, 0)),
                ("assistant", "i", ("history", 0, 1)),
                ("user", "q\nmore", ("instruction",)),
                ("assistant", "a", ("output",)),
            ],
        ),
    ]
    for row, wanted in rows:
        found = context.trainer.conversation(row, context)
        assert found is not None
        assert [(turn.role, turn.text, turn.at) for turn in found.turns] == wanted
        calls = [(c.name, c.arguments) for turn in found.turns for c in turn.calls]
        assert calls in ([("f", {"a": 1})], [])


@pytest.mark.parametrize(
    ("row", "reason", "at"),
    [
        (
            {"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "q"}]},
            "invalid-role-tag",
            ("conversations", 0),
        ),
        ({"conversations": [{"from": "human", "value": "q"}]}, "invalid-message-count", None),
        ({"conversations": []}, "no-messages", None),
        ({"instruction": "q", "output": None}, "no-answer", ("output",)),
        (
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "a"},
                    {"role": "assistant", "content": "b"},
                ]
            },
            "invalid-role-tag",
            ("messages", 2),
        ),
    ],
)
def test_why_a_row_is_left_out(row: Any, reason: str, at: Any) -> None:
    found = prepare(line_of(row), 1, opened("glm4", "{}"))
    assert found.dropped is not None
    assert found.dropped.reason == reason
    assert at is None or found.dropped.at == at


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("train_on_prompt=true",), "train_on_prompt"),
        (("template=glm4v",), "glmz1"),
        (("template={qwen}",), "glm4_moe"),
        (("tool_format=qwen",), "tool_format"),
        (("tool_format=nothing",), "ValueError"),
        (("cutoff_len=0",), "at least 1"),
        (("cutoff_len=1", "packing=true"), "at least 2"),
    ],
)
def test_options_that_are_refused(options: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError) as fault:
        resolve({"recipe": "llamafactory", "set": options})
    assert words in fault.value.say("en")
    assert fault.value.say("zh") != fault.value.say("en")


def test_show_and_encode_know_the_turns(tmp_path: Path) -> None:
    for case in read(HERE / "llamafactory.jsonl"):
        if "input_ids" not in case:
            continue
        file = tmp_path / "train.jsonl"
        file.write_bytes(line_of(case["row"]) + b"\n")
        context = context_of(case)
        (sample,) = look(str(file), 1, context.plan, context)
        (row,) = encode_rows([str(file)], context.plan, context=context)
        assert row.input_ids.tolist() == case["input_ids"]
        assert row.labels.tolist() == case["labels"]
        conversation = context.trainer.conversation(case["row"], context)
        assert conversation is not None
        roles = [turn.role for turn in conversation.turns]
        assert [count.role for count in sample.messages[1:]] == roles
        assert sum(count.tokens for count in sample.messages) == len(sample.tokens)
        assert all(span.role == roles[span.message] for span in row.spans)


def test_a_long_text_of_marks_takes_no_longer_than_its_length() -> None:
    """Searches for calls and thoughts don't begin anew at each mark."""
    for mark in ("<tool_call>", "<think>\n"):
        row = {
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "function_call", "value": mark * 100_000},
            ]
        }
        context = opened("glm4", '{"enable_thinking": false, "template": "glmz1"}')
        found = prepare(line_of(row), 1, context)
        assert found.error is not None
        assert found.error.exception == "RuntimeError"
        assert context.trainer.conversation(row, context) is not None


TEXTS = st.sampled_from(
    ("", "a", "\n", "<think>\nx\n</think>\n\n", "</think>", "{{idx}}", "<|user|>", "[gMA", "SK]", "世界",
     '{"name": "f", "arguments": {}}', '{"name": "f", "arguments": "x"}', "[]", "{", '{"a": "\\ud800"}',
     '[{"name": "f", "arguments": {"a": "\\ud800"}}]', "<tool_call>{}</tool_call>")
)  # fmt: skip
ODD = st.one_of(TEXTS, st.none(), st.integers(), st.just([]), st.just({}), st.just(["x"]))
TURNS = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.sampled_from(
            ("human", "gpt", "observation", "function_call", "system", "user", "assistant", "tool")
        ) for key in ("from", "role")},
        **dict.fromkeys(("value", "content"), ODD),
        "tool_calls": st.one_of(
            ODD, st.just([{"function": {"name": "f", "arguments": {"a": 1}}}]), st.just([{}])
        ),
    },
)  # fmt: skip
ROWS = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.one_of(ODD, st.lists(st.one_of(TURNS, ODD), max_size=5))
           for key in ("conversations", "messages")},
        **dict.fromkeys(("instruction", "input", "output", "system", "tools"), ODD),
        "history": st.one_of(ODD, st.lists(st.lists(ODD, max_size=3), max_size=2)),
    },
)  # fmt: skip
OPTIONS = st.fixed_dictionaries(
    {"template": st.sampled_from(("glm4", "glm4_7"))},
    optional={
        "formatting": st.sampled_from(("sharegpt", "openai", "alpaca")),
        "mask_history": st.booleans(),
        "enable_thinking": st.sampled_from((True, False, None)),
    },
)


@given(ROWS, OPTIONS)
def test_any_row_has_one_fate(row: Any, options: dict[str, Any]) -> None:
    """Both ways agree, tokens can be counted, and nothing but the trainer's own faults comes out."""
    context = opened("glm4", json.dumps(options, sort_keys=True))
    assert fate(row, context, by_bytes) == fate(row, context, by_value)
    conversation = context.trainer.conversation(row, context)
    assert conversation is not None
    for form in (sharegpt.FORM, openai.FORM):
        form.read(row, form.names)
    for turn in conversation.turns:
        if turn.text_at is not None:
            assert isinstance(value_at(row, turn.text_at), str)
