"""What the rules of structure say, where, and how gravely, under each of GLM-4's recipes."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import Checker, check_chunk, check_lines
from glmlint.engine.finish import finish
from glmlint.evidence.json_fault import diagnose
from glmlint.finding import Finding
from glmlint.plan import Plan
from glmlint.read.schema import violations
from glmlint.read.source import Chunk
from glmlint.rules.base import Edit, Example, all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.row import Row

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
STRUCTURE = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family == "structure"
}
ALL = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family != "score"
}


@cache
def _base(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe))


def context_of(recipe: str, rules: dict[str, str], **settings: Any) -> Context:
    base = _base(recipe)
    return Context(Plan(recipe=recipe, rules=rules, **settings), base.tokenizer, base.template)


def line_of(row: Any) -> bytes:
    return row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()


def check(
    *rows: Any, recipe: str = "glm4", rules: dict[str, str] = STRUCTURE, **settings: Any
) -> list[Finding]:
    """The findings on these rows of one file."""
    context = context_of(recipe, rules, **settings)
    lines = [line_of(row) for row in rows]
    chunk = Chunk("train.jsonl", lines, range(1, len(lines) + 1), {}, [], 0, None)
    plan = context.plan
    return finish(check_lines([chunk], plan, context), plan, context).findings


def said(*rows: Any, recipe: str = "glm4") -> set[tuple[str, str, str | None]]:
    """Rule, severity and place of each finding."""
    return {(f.rule, f.severity, f.pointer) for f in check(*rows, recipe=recipe)}


def chat(*turns: Any, **more: Any) -> dict[str, Any]:
    """A row of (role, content) turns."""
    messages = [
        {"role": turn[0], "content": turn[1]} if isinstance(turn, tuple) else turn for turn in turns
    ]
    return {"messages": messages, **more}


# --- broken JSON in plain words -------------------------------------------------------------------

FAULTS = [
    ('{"a": 1,}', "trailing-comma", 7),
    ('{"a": [1, 2,]}', "trailing-comma", 11),
    ("{'a': 1}", "single-quote", 1),
    ("{\"a\": 'b'}", "single-quote", 6),
    ('{"a": None}', "word", 6),
    ('{"a": True}', "word", 6),
    ('{"a": undefined}', "word", 6),
    ('{"a": hello}', "unquoted-text", 6),
    ("{a: 1}", "unquoted-key", 1),
    ('{"a": 1, b: 2}', "unquoted-key", 9),
    ('{"a"：1}', "full-width", 4),
    ("{“a”: 1}", "full-width", 1),
    ('{"a": 1', "unclosed", 7),
    ('{"a": [1, {"b": 2', "unclosed", 17),
    ('{"a": "text', "unterminated", 6),
    ('{"a": "te\txt"}', "control-character", 9),
    ('{"a": "\\q"}', "escape", 7),
    ('{"a": "\\u12"}', "escape", 7),
    ('{"a": "say "hi" now"}', "stray-quote", 11),
    ('{"a": "x""y"}', "stray-quote", 8),
    ('{"a": 1 "b": 2}', "no-comma", 8),
    ('{"a" "b"}', "no-colon", 5),
    ('{"a": [{"b": 1]}', "missing-closer", 14),
    ('{"a": [1}', "missing-closer", 8),
    ('{"a": 1}}', "extra-closer", 8),
    ('{"a": 1},', "comma-after", 8),
    ('{"a": 1} # note', "comment", 9),
    ('{"a": 1 // note\n}', "comment", 8),
    ("# note", "comment", 0),
    ("<<<<<<< HEAD", "conflict", 0),
    ("=======", "conflict", 0),
    ("Once upon a time", "prose", 0),
    ("2024 was good", "prose", 0),
    ('  "prompt": "x",', "rest", 2),
    ("},", "rest", 0),
    ("]", "rest", 0),
    ("\ufeff{}", "mark", 0),
    ('{"a": 01}', "number", 7),
    ('{"a": .5}', "number", 6),
    ('{"a": }', "no-value", 6),
    ('{"a": 1,, "b": 2}', "double-comma", 8),
    ('{"a": "x\ny"}', "raw-newline", 8),
    ("None", "word", 0),
]


@pytest.mark.parametrize(("text", "kind", "at"), FAULTS)
def test_the_fault_of_a_text_is_named_at_its_place(text: str, kind: str, at: int) -> None:
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads(text)
    fault = diagnose(text, error.value.pos, error.value.msg)
    assert (fault.kind, fault.at) == (kind, at)


def test_what_would_close_the_row_is_named() -> None:
    [finding] = check(b'{"messages": [{"role": "user", "content": "Hi"')
    assert "}]} is missing" in finding.message
    assert finding.column == 47


def test_a_place_in_a_row_of_several_lines_is_told_by_line_and_column() -> None:
    [finding] = check(b'{\n  "a": 1,\n  "b": None\n}')
    assert finding.message.startswith("invalid JSON at 3:8: None is not valid JSON: write null")
    assert (finding.line, finding.column) == (1, 1)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}[]\",:'\\ \t\n#/“：aN1.-e\ufeff", max_size=40))
def test_any_text_that_is_no_json_has_a_sentence(text: str) -> None:
    raw = text.encode()
    findings = check(raw, rules={"invalid-json": "error"}, lang="zh")
    try:
        json.loads(text)
        broken = False
    except ValueError:
        broken = True
    # Several values on one line are rows of their own; some of them may be whole.
    assert all(f.rule == "invalid-json" and f.column >= 1 for f in findings)
    assert broken or not findings


# --- places and severities ------------------------------------------------------------------------


def test_a_clean_row_has_no_finding_under_any_recipe() -> None:
    row = chat(("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), id=1, source="x")
    for recipe in RECIPES:
        assert check(row, recipe=recipe) == []


def test_an_unknown_role_is_judged_by_what_the_recipe_makes_of_it() -> None:
    row = chat(("user", "Hi"), ("narrator", "A long pause."), ("assistant", "Hello"))
    place = "/messages/1/role"
    assert said(row) == {("unknown-role", "error", place)}
    assert said(row, recipe="glm4-combine") == {("unknown-role", "warning", place)}
    assert said(row, recipe="glm4-2024-06") == {("unknown-role", "error", place)}
    [finding] = check(row, recipe="glm4-2024-06")
    assert "the trainer raises AssertionError" in finding.message


def test_an_unknown_role_without_content_is_left_out_even_in_june() -> None:
    row = chat(("user", "Hi"), ("narrator", ""), ("assistant", "Hello"))
    assert ("unknown-role", "warning", "/messages/1/role") in said(row, recipe="glm4-2024-06")


def test_a_missing_role_raises_but_for_combine() -> None:
    row = chat({"content": "Hi"}, ("assistant", "Hello"))
    assert said(row) == {("missing-role", "error", "/messages/0")}
    assert said(row, recipe="glm4-combine") == {("missing-role", "warning", "/messages/0")}


def test_missing_content_raises_in_june_and_vanishes_later() -> None:
    row = chat({"role": "user"}, ("assistant", "Hello"))
    assert said(row) == {("missing-content", "warning", "/messages/0")}
    assert said(row, recipe="glm4-2024-06") == {("missing-content", "error", "/messages/0")}


def test_an_answer_that_vanishes_leaves_nothing_to_learn() -> None:
    for content, rule in ((None, "null-content"), ("", "empty-content"), ([], "other-format")):
        row = chat(("user", "Hi"), ("assistant", content))
        for recipe in RECIPES:
            assert {(r, s) for r, s, _ in said(row, recipe=recipe)} == {(rule, "error")}, recipe


def test_empty_content_of_a_system_message_is_in_order_beside_tools() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}]
    turns = (("user", "Hi"), ("assistant", "Hello"))
    with_tools = chat({"role": "system", "content": "", "tools": tools}, *turns)
    assert check(with_tools) == []
    assert said(chat(("system", ""), *turns)) == {("empty-content", "info", "/messages/0/content")}


def test_content_of_another_kind_is_an_error_where_the_model_learns_to_write_it() -> None:
    call = {"role": "assistant", "metadata": "f", "content": {"city": "Rome"}}
    turns = (("observation", "22"), ("assistant", "22 degrees."))
    assert ("content-not-string", "error", "/messages/1/content") in said(
        chat(("user", "Weather?"), call, *turns)
    )
    assert said(chat(("user", 5), ("assistant", "Five."))) == {
        ("content-not-string", "warning", "/messages/0/content")
    }


def test_metadata_that_is_null_harms_older_versions_only() -> None:
    row = chat(
        {"role": "user", "content": "Hi", "metadata": None},
        {"role": "assistant", "content": "Hello", "metadata": None},
        ("user", "Bye"),
        ("assistant", "Bye"),
    )
    places = ("/messages/0/metadata", "/messages/1/metadata")
    assert said(row) == {("metadata-not-string", "warning", place) for place in places}
    assert said(row, recipe="glm4-2024-06") == {
        ("metadata-not-string", "warning", places[0]),
        ("metadata-not-string", "error", places[1]),
    }


def test_turns_out_of_order_are_told_at_the_first_place() -> None:
    assert said(chat(("user", "a"), ("user", "b"), ("user", "c"), ("assistant", "d"))) == {
        ("role-order", "warning", "/messages/1")
    }
    assert said(chat(("assistant", "a"), ("user", "b"), ("assistant", "c"))) == {
        ("first-not-user", "warning", "/messages/0")
    }
    assert said(chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("user", "d"))) == {
        ("answer-under-user", "warning", "/messages/3/role")
    }


def test_assistants_in_a_row_are_fine_where_tools_are() -> None:
    row = chat(
        ("user", "Weather?"),
        ("assistant", "I look."),
        {"role": "assistant", "metadata": "f", "content": "{}"},
        ("observation", "22"),
        ("assistant", "22."),
        ("assistant", "Anything else?"),
    )
    assert check(row) == []


def test_no_answer_at_all_is_told_once() -> None:
    for recipe in RECIPES:
        assert said(chat(("user", "Hi")), recipe=recipe) == {("no-assistant", "error", "/messages")}


def test_a_late_system_message_is_told_once() -> None:
    first = ("user", "Hi"), ("assistant", "Hello")
    assert said(chat(*first, ("system", "s"), *first)) == {
        ("system-not-first", "warning", "/messages/2")
    }
    assert said(chat(("system", "s"), ("system", "t"), *first)) == {
        ("repeated-system", "warning", "/messages/1")
    }


@pytest.mark.parametrize(
    ("row", "recipe", "rule"),
    [
        (5, "glm4", "not-object"),
        ({"id": 7}, "glm4", "missing-messages"),
        ({"messages": "Hi"}, "glm4", "missing-messages"),
        ({"messages": []}, "glm4-combine", "empty-messages"),
        (chat("Hi", ("assistant", "b")), "glm4", "message-not-object"),
        (chat({"content": "Hi"}, ("assistant", "b")), "glm4", "missing-role"),
        (chat(("nobody", "a"), ("assistant", "b")), "glm4-2024-06", "unknown-role"),
        (chat({"role": "user"}, ("assistant", "b")), "glm4-2024-06", "missing-content"),
        (chat(("user", 5), ("assistant", "b")), "glm4-2024-06", "content-not-string"),
        (chat(("user", "a"), ("assistant", None)), "glm4-combine", "null-content"),
        (chat(("user", "a"), ("assistant", "")), "glm4-combine", "empty-content"),
        (chat(("user", "a")), "glm4-combine", "no-assistant"),
        ({"prompt": "a", "response": "b"}, "glm4", "other-format"),
    ],
)
def test_a_rule_that_names_the_exception_speaks_for_trainer_raises(
    row: Any, recipe: str, rule: str
) -> None:
    rules = {**STRUCTURE, "trainer-raises": "error"}
    errors = [f for f in check(row, recipe=recipe, rules=rules) if f.severity == "error"]
    assert [f.rule for f in errors] == [rule]


# --- told once a file -----------------------------------------------------------------------------


def test_a_foreign_file_gives_one_finding_with_the_command_to_run() -> None:
    row = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]}
    [finding] = check(*[row] * 50)
    assert (finding.rule, finding.severity, finding.line) == ("other-format", "error", 1)
    assert "(50 rows)" in finding.message
    assert finding.help.startswith("Name your trainer if it reads this form (`--recipe axolotl`, ")
    assert finding.help.endswith("run: glmlint convert train.jsonl --to glm4 -o train.glm4.jsonl")


def test_openai_rows_with_a_sign_of_glm_are_no_foreign_ones() -> None:
    call = {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f"}}]}
    turns = (("user", "Hi"), call, ("observation", "1"), ("assistant", "One."))
    assert "other-format" not in {f.rule for f in check(chat(*turns))}
    turns = (("user", "Hi"), call, ("tool", "1"), ("assistant", "One."))
    assert {f.rule for f in check(chat(*turns))} == {"other-format"}


def test_an_unread_key_is_told_once_with_the_name_that_was_meant() -> None:
    answer = {"role": "assistant", "content": "Hello", "reasoning": "why"}
    rows = [chat(("user", "Hi"), answer, lable="x") for _ in range(4)]
    findings = {f.pointer: f for f in check(*rows)}
    assert set(findings) == {"/lable", "/messages/1/reasoning"}
    assert findings["/lable"].help == "Did you mean label?"
    assert findings["/messages/1/reasoning"].help == "Did you mean reasoning_content?"
    assert all(f.rows == 4 for f in findings.values())


def test_keys_that_are_bookkeeping_or_have_rules_of_their_own_are_no_unread_keys() -> None:
    answer = {"role": "assistant", "content": "Hello", "loss": True, "weight": 1, "id": "a"}
    assert check(chat(("user", "Hi"), answer, id=1, source="s", label="l", tags=[])) == []


def test_gbk_rows_are_told_once_for_each_encoding() -> None:
    row = json.dumps(chat(("user", "你好，请介绍一下北京的天气")), ensure_ascii=False)
    [finding] = check(*[row.encode("gbk")] * 9)
    assert (finding.rule, finding.rows) == ("not-utf8", 9)


def test_the_second_of_two_keys_is_pointed_at() -> None:
    raw = b'{"a": {"x": 1}, "b": {"x": "\\"x\\": 2", "y": 1, "x": 3}}'
    [finding] = [f for f in check(raw) if f.rule == "duplicate-key"]
    assert finding.column == raw.index(b'"x": 3') + 1


# --- properties -----------------------------------------------------------------------------------

words = st.sampled_from(
    ["", " ", "Hi", "你好", "<|user|>", "{}", '{"a": 1}', "<think>", "f\n{}", "{x}", "%s"]
)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | words
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(words | st.sampled_from(["type", "name", "role"]), inner, max_size=3)
    ),
    max_leaves=6,
)
roles = st.sampled_from(
    ["system", "user", "assistant", "observation", "tool", "gpt", "User", "nobody"]
)
functions = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("f") | values,
        "description": st.just("d") | values,
        "parameters": st.just({"type": "object", "properties": {}})
        | st.fixed_dictionaries({}, optional={"properties": values, "required": values})
        | values,
    },
)
tools = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["function", "python", "other"]) | values,
        "function": functions | values,
    },
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant"]) | roles | values,
        "content": words | values,
        "metadata": words | values,
        "tools": st.lists(tools | values, max_size=2) | values,
        "tool_calls": values,
        "loss": values,
        "note": values,
    },
)
samples = st.fixed_dictionaries(
    {}, optional={"messages": st.lists(messages | values, max_size=4), "id": scalars}
)
rows = (
    st.builds(lambda turns: {"messages": turns}, st.lists(messages, min_size=1, max_size=4))
    | samples
    | st.dictionaries(
        st.sampled_from(
            ["messages", "massages", "conversations", "instruction", "output", "prompt", "text"]
        ),
        values | st.lists(messages, max_size=2),
        max_size=3,
    )
    | values
)


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=120, deadline=None)
@given(batch=st.lists(rows, max_size=4))
def test_any_row_is_checked_without_an_exception(recipe: str, batch: list[Any]) -> None:
    findings = check(*batch, recipe=recipe, lang="zh")
    assert all(finding.rule in STRUCTURE for finding in findings)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("rules", [STRUCTURE, ALL], ids=["structure", "ALL"])
@settings(max_examples=80, deadline=None)
@given(row=rows)
def test_a_row_that_the_schema_refuses_has_a_finding(
    recipe: str, rules: dict[str, str], row: Any
) -> None:
    findings = check(row, recipe=recipe, rules=rules)
    if violations(row):
        assert any(finding.severity != "info" for finding in findings)


# --- fixes ----------------------------------------------------------------------------------------


class Watched(Checker):
    """A checker that keeps the row it is handed."""

    seen: Row | None = None

    def check_row(self, row: Row, *rest: Any) -> bool:
        self.seen = row
        return super().check_row(row, *rest)


def edits_of(rule: str, row: Any, recipe: str = "glm4", **settings: Any) -> list[Edit]:
    context = context_of(recipe, {rule: "error"}, **settings)
    checker = Watched(context.plan, context)
    check_chunk(Chunk("train.jsonl", [line_of(row)], [1], {}, [], 0, None), checker)
    found = all_rules()[rule].check
    assert found is not None
    if checker.seen is None:  # no rule runs on a row without any of its facts
        return []
    return [edit for problem in found(checker.seen) for edit in problem.edits]


def applied(row: Any, edits: list[Edit]) -> Any:
    """The row after the edits, in their order; None for one that is dropped."""
    row = copy.deepcopy(row)
    for edit in edits:
        if edit.op == "drop-row":
            return None
        *parents, last = edit.pointer
        owner = row
        for part in parents:
            owner = owner[part]
        if edit.op == "remove":
            del owner[last]
        else:
            owner[last] = edit.value
    return row


FIXABLE = [
    (name, example)
    for name, loaded in all_rules().items()
    if loaded.rule.family == "structure" and loaded.rule.fix
    for example in loaded.rule.bad
]


@pytest.mark.parametrize(("name", "example"), FIXABLE)
def test_a_fix_leaves_nothing_to_fix(name: str, example: Any) -> None:
    plan = example.plan if isinstance(example, Example) else {}
    rows = example.rows if isinstance(example, Example) else (example,)
    recipe = plan.get("recipe", "glm4")
    for row in rows:
        edits = edits_of(name, row, recipe)
        if not edits or edits[0].op == "rewrite":
            continue
        if isinstance(row, bytes):
            row = json.loads(row)
        fixed = applied(row, edits)
        assert fixed != row
        if fixed is not None:
            assert edits_of(name, fixed, recipe) == []


def test_aliases_of_roles_are_written_as_glm_has_them() -> None:
    row = chat(("human", "a"), ("gpt", "b"), ("Observation", "c"), ("bot", "d"))
    fixed = applied(row, edits_of("unknown-role", row))
    assert [m["role"] for m in fixed["messages"]] == [
        "user",
        "assistant",
        "observation",
        "assistant",
    ]
    assert edits_of("unknown-role", chat(("nobody", "a"), ("assistant", "b"))) == []


def test_a_tail_without_an_answer_is_cut_down_to_the_last_one() -> None:
    row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", ""), ("user", "d"))
    row["messages"][3]["role"] = "system"
    edits = edits_of("last-not-assistant", row)
    assert [edit.pointer for edit in edits] == [("messages", n) for n in (4, 3, 2)]
    assert applied(row, edits) == chat(("user", "a"), ("assistant", "b"))


def test_a_tool_result_at_the_end_is_not_cut_off() -> None:
    call = {"role": "assistant", "metadata": "f", "content": "{}"}
    row = chat(("user", "a"), call, ("observation", "c"))
    assert edits_of("last-not-assistant", row) == []


def test_half_characters_are_replaced_in_every_text() -> None:
    raw = b'{"messages": [{"role": "user", "content": "a\\ud83d"}], "n": ["\\ude00b", "c"]}'
    fixed = applied(json.loads(raw), edits_of("lone-surrogate", raw))
    assert fixed == {"messages": [{"role": "user", "content": "a\ufffd"}], "n": ["\ufffdb", "c"]}


def test_columns_that_hold_no_text_to_train_on_are_an_info() -> None:
    row = chat(("user", "Hi"), ("assistant", "Hello"), pattern="text_only", reward=1.0)
    row |= {"reasoning": "A greeting.", "images": ["a.jpg"], "lable": "good"}
    found = {f.pointer: f.severity for f in check(row) if f.rule == "ignored-key"}
    assert found == {
        "/pattern": "info",
        "/reward": "info",
        "/reasoning": "warning",
        "/images": "warning",
        "/lable": "warning",
    }
    row["messages"][1]["pattern"] = "in a message"
    assert ("ignored-key", "warning", "/messages/1/pattern") in said(row)


def test_the_first_line_has_no_row_above_it() -> None:
    first, later = check(b"Your data:", b"and more")
    assert first.message.startswith("invalid JSON at 1:1: plain text, 'Your data:';")
    assert "the rest of the row above" in later.message


def test_a_schema_whose_first_faults_are_told_is_not_told_again() -> None:
    faults = {f"p{number}": {"type": "str"} for number in range(6)}
    tool = {"name": "f", "parameters": {"type": "dict", "properties": faults}}
    system = {"role": "system", "content": "", "tools": [{"type": "function", "function": tool}]}
    rules = {"tool-schema": "warning", "invalid-shape": "warning"}
    found = check(chat(system, ("user", "Hi"), ("assistant", "Hello")), rules=rules)
    assert {f.rule for f in found} == {"tool-schema"}
