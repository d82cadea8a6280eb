"""What the rules of tools say, where, and how gravely, under each of GLM-4's recipes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.evidence.arguments import ArgumentSchema, pattern_cost
from glmlint.evidence.calls import ToolSet, calls, declared
from glmlint.finding import Finding, Pointer
from glmlint.plan import Plan
from glmlint.read.source import Chunk
from glmlint.rules.base import Edit, Example, Problem, all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.prepared import prepare
from glmlint.trainer.row import Row

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
TOOLS = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family == "tools"
}
GRAVE = {name: severity for name, severity in TOOLS.items() if severity != "info"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "查询天气", "parameters": CITY},
}


@cache
def _base(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe))


def context_of(recipe: str, **rules: str) -> Context:
    base = _base(recipe)
    return Context(Plan(recipe=recipe, rules=rules or GRAVE), base.tokenizer, base.template)


def line_of(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")


def chunk_of(rows: Iterable[Any]) -> Chunk:
    lines = [line_of(row) for row in rows]
    return Chunk("train.jsonl", lines, range(1, len(lines) + 1), {}, [], 0, None)


def check(*rows: Any, recipe: str = "glm4", **rules: str) -> list[Finding]:
    context = context_of(recipe, **rules)
    plan = context.plan
    return finish(check_lines([chunk_of(rows)], plan, context), plan, context).findings


def said(*rows: Any, recipe: str = "glm4") -> set[tuple[str, str, str | None]]:
    """Rule, severity and place of each finding."""
    return {(f.rule, f.severity, f.pointer) for f in check(*rows, recipe=recipe)}


def row_of(value: Any, recipe: str = "glm4") -> Row:
    return prepare(line_of(value), 1, context_of(recipe), path="train.jsonl")


def user(text: str = "Weather in Rome?") -> dict[str, Any]:
    return {"role": "user", "content": text}


def system(*tools: Any, **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": "", "tools": list(tools), **more}


def answer(text: str = "22 degrees.") -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def call(arguments: Any, name: str = "weather") -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"role": "assistant", "metadata": name, "content": text}


RESULT = {"role": "observation", "content": "22"}


def talk(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def one_call(arguments: Any, tool: Any = WEATHER, name: str = "weather") -> dict[str, Any]:
    return talk(system(tool), user(), call(arguments, name), RESULT, answer())


def tool_with(parameters: Any, name: str = "weather") -> dict[str, Any]:
    function = {"name": name, "description": "查询天气", "parameters": parameters}
    return {"type": "function", "function": function}


# --- what is a call -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "form", "arguments"),
    [
        (call({"city": "Rome"}), "metadata", {"city": "Rome"}),
        (answer('weather\n{"city": "Rome"}'), "first-line", {"city": "Rome"}),
        (answer('weather \r\n{"city": "Rome"}'), "first-line", {"city": "Rome"}),
        (answer('{"name": "weather", "arguments": {}}'), "name-arguments", {}),
        (answer('{"name": "weather", "parameters": {}}'), "name-arguments", {}),
        (answer('[{"name": "weather", "arguments": {}}]'), "name-arguments-list", {}),
    ],
)
def test_each_form_of_a_call_is_read(message: Any, form: str, arguments: Any) -> None:
    row = row_of(talk(system(WEATHER), user(), message, RESULT, answer()))
    [found] = calls(row)
    assert (found.message, found.form, found.name) == (2, form, "weather")
    assert found.arguments == arguments
    assert found.tool is not None and found.tool.name == "weather"


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ann", "arguments": ["a", "b"]}',
        '{"city": "Rome"}',
        '[{"name": "Ann"}]',
        'Summary\n{"city": "Rome"}',
        "weather",
        "Weather\n\n22 degrees",
    ],
)
def test_json_answers_are_no_calls(text: str) -> None:
    for row in (talk(user(), answer(text)), talk(system(WEATHER), user(), answer(text))):
        assert calls(row_of(row)) == []
        assert check(row) == []


@pytest.mark.parametrize("name", ["python", "simple_browser", "cogview"])
def test_calls_of_built_in_tools_are_never_told(name: str) -> None:
    spoken = call("print(1)\nnot json {", name)
    for first in ([], [system(WEATHER)], [{"role": "system", "content": "Be kind."}]):
        row = talk(*first, user(), spoken, RESULT, RESULT, answer())
        for recipe in RECIPES:
            assert check(row, recipe=recipe) == []


def test_a_function_of_a_built_in_name_is_an_ordinary_function() -> None:
    row = one_call("print(1)", tool_with(CITY, "python"), "python")
    assert said(row) == {
        ("tool-name", "warning", "/messages/0/tools/0/function/name"),
        ("invalid-tool-arguments", "error", "/messages/2/content"),
    }


def test_tools_are_found_wherever_they_stand() -> None:
    other = tool_with(CITY, "other")
    row = row_of(talk(system(WEATHER), {**user(), "tools": [other]}, call({}), tools=[WEATHER]))
    assert [(d.message, list(d.tools.by_name)) for d in declared(row)] == [
        (0, ["weather"]),
        (1, ["other"]),
        (None, ["weather"]),
    ]


# --- what is clean --------------------------------------------------------------------------------


def test_a_good_call_is_clean_under_every_recipe() -> None:
    for recipe in RECIPES:
        assert check(one_call({"city": "罗马"}), recipe=recipe) == []


def test_several_results_of_one_call_are_clean() -> None:
    here = call({"city": "罗马"})
    assert check(talk(system(WEATHER), user(), here, RESULT, RESULT, here, RESULT, answer())) == []


def test_calls_in_a_row_are_told_by_what_the_model_is_taught_after_the_first() -> None:
    here = call({"city": "罗马"})
    row = talk(system(WEATHER), user(), here, here, RESULT, RESULT, answer())
    [found] = check(row)
    assert (found.rule, found.severity, found.pointer) == (
        "call-without-observation", "warning", "/messages/2"
    )  # fmt: skip
    assert "is taught <|assistant|>" in found.message
    assert check(row, recipe="glm4-combine") == []  # nothing of the first call is trained
    both = {"role": "observation", "content": '[{"t": 22}, {"t": 18}]'}
    [found] = check(talk(system(WEATHER), user(), here, here, both, answer()))
    assert "is taught <|assistant|>" in found.message


def test_calls_that_are_never_answered_are_counted() -> None:
    here = call({"city": "罗马"})
    [found] = check(talk(system(WEATHER), user(), *[here] * 5, RESULT, answer()))
    assert found.message.startswith("5 calls in a row from messages[2] on, but only 1 result:")
    [found] = check(talk(system(WEATHER), user(), *[here] * 3, RESULT, RESULT, answer()))
    assert found.message.startswith("3 calls in a row from messages[2] on, but only 2 results:")


def test_results_are_put_behind_their_calls() -> None:
    calls = [call({"city": city}) for city in ("罗马", "巴黎", "奥斯陆")]
    results = [{"role": "observation", "content": f"{n} 度"} for n in range(3)]
    row = talk(system(WEATHER), user(), *calls, *results, answer())
    pairs = [turn for pair in zip(calls, results, strict=True) for turn in pair]
    assert repaired("call-without-observation", row) == talk(
        system(WEATHER), user(), *pairs, answer()
    )


def test_empty_and_null_tools_of_other_messages_are_clean() -> None:
    for tools in (None, []):
        assert check(talk({**user(), "tools": tools}, answer())) == []


# --- what the trainer makes of tool lists ---------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "exception"),
    [
        ({"name": "f", "args": {"a": "text"}}, "KeyError"),
        ({"type": "function", "function": {"name": "f"}}, "KeyError"),
        ({"type": "function", "function": {"name": "f", "parameters": {}}}, "KeyError"),
        ({"type": "function", "function": {"name": "f", "parameters": None}}, "TypeError"),
        ({"type": "function", "function": "f"}, "TypeError"),
        (5, "TypeError"),
        (
            {"type": "function", "function": {"name": "f", "parameters": {"properties": None}}},
            "AttributeError",
        ),
    ],
)
def test_the_exception_at_a_tool_is_named_and_told_once(tool: Any, exception: str) -> None:
    rules = {**GRAVE, "trainer-raises": "error"}
    for recipe in ("glm4", "glm4-2024-06"):
        [finding] = check(talk(system(tool), user(), answer()), recipe=recipe, **rules)
        assert (finding.rule, finding.severity) == ("tool-shape", "error")
        assert finding.pointer == "/messages/0/tools/0"
        assert f"raises {exception} here" in finding.message


def test_the_short_form_is_not_printed_under_combine() -> None:
    row = talk(system({"name": "f", "args": {}}), user(), answer())
    [finding] = check(row, recipe="glm4-combine")
    assert (finding.rule, finding.severity) == ("tool-shape", "error")
    assert "does not print it" in finding.message


def test_a_function_without_parameters_trains_under_combine() -> None:
    row = talk(system({"type": "function", "function": {"name": "f"}}), user(), answer())
    place = "/messages/0/tools/0"
    assert ("tool-shape", "warning", place) in said(row, recipe="glm4-combine")


def test_tools_in_a_string_raise_or_vanish() -> None:
    row = talk({**system(), "tools": json.dumps([WEATHER])}, user(), answer())
    for recipe, words in (("glm4", "raises TypeError here"), ("glm4-combine", "prints nothing")):
        found = [f for f in check(row, recipe=recipe) if f.rule == "tools-as-string"]
        assert [(f.severity, f.pointer) for f in found] == [("error", "/messages/0/tools")]
        assert words in found[0].message


def test_misplaced_tools_are_deleted_or_printed_by_recipe() -> None:
    row = talk({**user(), "tools": [WEATHER]}, call({"city": "罗马"}), RESULT, answer())
    place = "/messages/0/tools"
    assert said(row) == {("tools-placement", "error", place)}
    assert said(row, recipe="glm4-2024-06") == {("tools-placement", "error", place)}
    assert said(row, recipe="glm4-combine") == {("tools-placement", "warning", place)}


def test_tools_of_the_row_are_told_unless_the_system_message_has_them_too() -> None:
    good = one_call({"city": "罗马"})
    lost = talk(user(), answer(), tools=[WEATHER])
    assert check({**good, "tools": [WEATHER]}) == []
    for recipe in RECIPES:
        assert ("tools-placement", "error", "/tools") in said(lost, recipe=recipe)


def test_built_in_tools_end_the_official_run_and_train_under_combine() -> None:
    row = talk(system({"type": "python"}), user(), call("1", "python"), RESULT, answer())
    rules = {**GRAVE, "trainer-raises": "error"}
    [finding] = check(row, **rules)
    assert (finding.rule, finding.pointer) == ("tools-not-rendered", "/messages/0/tools/0")
    assert "raises KeyError" in finding.message
    assert check(row, recipe="glm4-combine") == []


def test_tools_that_the_template_of_the_user_does_not_print_are_told_once(tmp_path: Any) -> None:
    template = tmp_path / "later.jinja"
    template.write_text(
        "[gMASK]<sop>{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{% endfor %}"
    )
    plan = Plan(rules=TOOLS, template=str(template))
    context = open_context(plan)
    rows = [one_call({"city": "罗马"})] * 3
    findings = finish(check_lines([chunk_of(rows)], plan, context), plan, context).findings
    assert [(f.rule, f.line, f.rows) for f in findings] == [("tools-not-rendered", 1, 3)]


# --- tools in themselves --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"properties": {"a": {"type": "str"}}}, "properties/a/type"),
        ({"properties": {"a": {"type": "string", "required": True}}}, "properties/a/required"),
        ({"properties": {"a": "a city"}}, "properties/a"),
        ({"properties": {}, "required": ["a", "a"]}, "required"),
        ({"properties": {"a": {"$ref": "http://example.org/a"}}}, "properties/a/$ref"),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}}, "properties/a/$ref"),
        ({"properties": {"a": {"enum": "x"}}}, "properties/a/enum"),
        ({"properties": {"a": {"type": []}}}, "properties/a/type"),
    ],
)
def test_a_schema_that_is_none_is_told_at_its_place(parameters: Any, place: str) -> None:
    row = talk(system(tool_with(parameters)), user(), answer())
    found = {(f.rule, f.severity, f.pointer) for f in check(row) if f.rule == "tool-schema"}
    assert found == {("tool-schema", "warning", f"/messages/0/tools/0/function/parameters/{place}")}


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"a": None}},
        {"properties": {"a": {"type": "array", "items": [{"type": "string"}]}}},
        {"properties": {"a": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}},
        {"properties": {"a": {"unit": "km", "type": ["string", "null"], "nullable": True}}},
        {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"properties": {"a": {"anyOf": [{"type": "string"}, {"const": 1}]}}},
    ],
)
def test_schemas_of_any_known_draft_are_clean(parameters: Any) -> None:
    row = talk(system(tool_with(parameters)), user(), answer())
    assert [f for f in check(row) if f.rule == "tool-schema"] == []


def test_faults_of_a_tool_are_told_once_a_file() -> None:
    twins = [tool_with({"properties": {}}), tool_with({"properties": {"a": {}}})]
    rows = [talk(system(*twins, WEATHER | {"function": {**WEATHER["function"], "name": "my tool"}}),
                 user(), answer())] * 4  # type: ignore[dict-item]  # fmt: skip
    assert [(f.rule, f.rows) for f in check(*rows)] == [
        ("duplicate-tool-name", 4),
        ("tool-name", 4),
    ]


# --- arguments ------------------------------------------------------------------------------------

KINDS = {
    "type": "object",
    "properties": {
        "s": {"type": "string", "minLength": 2},
        "i": {"type": "integer", "minimum": 1},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "o": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
        "free": {"type": "object"},
        "l": {"type": "array", "items": {"type": "string"}},
        "e": {"enum": ["a", 1, None]},
        "u": {"type": ["string", "null"]},
        "any": {},
    },
}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"i": 1.0, "n": 1, "b": False},
        {"o": {"x": ""}, "free": {"z": 1}, "l": [], "any": {"q": [1]}},
        {"e": None},
        {"e": 1.0},
        {"u": None, "s": "ab"},
    ],
)
def test_arguments_that_fit_are_clean(arguments: Any) -> None:
    assert check(one_call(arguments, tool_with(KINDS))) == []


@pytest.mark.parametrize(
    ("arguments", "severity", "words"),
    [
        ({"i": True}, "error", "i of type integer, the call has true"),
        ({"i": "1"}, "error", 'i of type integer, the call has "1"'),
        ({"i": 1.5}, "error", "i of type integer, the call has 1.5"),
        ({"n": False}, "error", "n of type number, the call has false"),
        ({"s": None}, "error", "s of type string, the call has null"),
        ({"i": 0}, "error", "i to match minimum: 1, the call has 0"),
        ({"s": "a"}, "error", "s to match minLength: 2"),
        ({"o": {}}, "error", "requires o.x"),
        ({"l": ["a", 2]}, "error", "l.1 of type string, the call has 2"),
        ({"e": True}, "error", 'only ["a", 1, null] for e, the call has true'),
        ({"u": 1}, "error", "u of type string | null, the call has 1"),
        ({"zz": 1}, "warning", "does not list the argument zz"),
        ({"o": {"x": "", "y": ""}}, "warning", "does not list the argument y"),
    ],
)
def test_arguments_that_break_the_schema_are_told(
    arguments: Any, severity: str, words: str
) -> None:
    [finding] = check(one_call(arguments, tool_with(KINDS)))
    assert (finding.rule, finding.severity) == ("arguments-schema", severity)
    assert finding.pointer == "/messages/2/content"
    assert words in finding.message


def test_names_that_the_schema_forbids_are_errors_and_those_it_allows_are_clean() -> None:
    closed = {**CITY, "additionalProperties": False}
    assert {(f.severity) for f in check(one_call({"city": "x", "z": 1}, tool_with(closed)))} == {
        "error"
    }
    for more in ({"additionalProperties": True}, {"patternProperties": {"^z": {}}}):
        assert check(one_call({"city": "x", "z": 1}, tool_with({**CITY, **more}))) == []


def test_a_call_that_is_only_context_is_a_warning() -> None:
    wrong = one_call({"town": "罗马"})
    found = {s for rule, s, _ in said(wrong, recipe="glm4-combine") if rule == "arguments-schema"}
    assert found == {"warning"}
    last = talk(system(WEATHER), user(), call({}))
    assert ("arguments-schema", "error", "/messages/2/content") in said(last, recipe="glm4-combine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'city': 'Rome'}", "character 2"),
        ('{"city": "Rome"', "character 16"),
        ('{"city": "Rome"} ok', "character 18"),
        ('["Rome"]', "are array"),
        ("5", "are number"),
        ('"Rome"', "are string"),
    ],
)
def test_arguments_that_are_no_json_object_are_told(text: str, words: str) -> None:
    [finding] = check(one_call(text))
    assert (finding.rule, finding.severity) == ("invalid-tool-arguments", "error")
    assert words in finding.message


def test_an_empty_call_vanishes_and_is_not_trained() -> None:
    [finding] = check(one_call(""))
    assert (finding.rule, finding.severity) == ("invalid-tool-arguments", "warning")
    assert "write {} for no arguments" in finding.message


def test_without_a_declared_tool_broken_arguments_are_a_warning() -> None:
    row = talk(user(), call("{", "weather"), RESULT, answer())
    assert said(row) == {
        ("invalid-tool-arguments", "warning", "/messages/1/content"),
        ("unknown-tool", "warning", "/messages/1/metadata"),
    }


def test_json_in_a_string_is_told_as_that_alone() -> None:
    deep = tool_with({"type": "object", "properties": {"o": {"type": "object"}}})
    for row in (one_call('"{\\"city\\": \\"Rome\\"}"'), one_call({"o": '{"a": 1}'}, deep)):
        [finding] = check(row)
        assert (finding.rule, finding.severity) == ("double-encoded-arguments", "error")


def test_an_unknown_tool_is_told_with_the_name_that_was_meant() -> None:
    [near] = check(one_call({"city": "x"}, name="wether"))
    assert near.severity == "error" and "did you mean 'weather'" in near.message
    [far] = check(one_call({"city": "x"}, name="查天气"))
    assert "declared: weather" in far.message


def test_calls_without_any_list_of_tools_are_told_once_as_a_warning() -> None:
    row = talk(user(), call({}), RESULT, answer())
    assert [(f.rule, f.severity, f.rows) for f in check(row, row)] == [
        ("unknown-tool", "warning", 2)
    ]
    written = talk({"role": "system", "content": "Tools: weather"}, *row["messages"])
    assert check(written) == []


# --- the order of calls and results, and whole files ----------------------------------------------


def test_calls_and_results_that_miss_each_other_are_warnings() -> None:
    here = call({"city": "x"})
    row = talk(system(WEATHER), user(), here, answer(), RESULT, answer(), user(), here)
    assert said(row) == {
        ("call-without-observation", "warning", "/messages/2"),
        ("observation-without-call", "warning", "/messages/4"),
    }
    [last] = check(row, **{"ends-with-tool-call": "info"})
    assert (last.severity, last.pointer) == ("info", "/messages/7")


def test_tools_are_unused_only_where_every_row_has_some_and_none_is_called() -> None:
    idle, busy = talk(system(WEATHER), user(), answer()), one_call({"city": "x"})
    for rows, found in (([idle, idle], 1), ([idle, busy], 0), ([idle, talk(user(), answer())], 0)):
        assert len(check(*rows, **{"unused-tools": "info"})) == found


def test_mixed_forms_are_told_for_the_file_however_it_is_cut() -> None:
    context = context_of("glm4", **{"tool-call-form": "warning"})
    rows = [one_call({"city": "x"}), talk(system(WEATHER), user(), answer('weather\n{"city": ""}'))]
    parts = [chunk_of(rows[:1]), chunk_of(rows[1:])]
    findings = finish(check_lines(parts, context.plan, context), context.plan, context).findings
    assert [(f.line, f.pointer) for f in findings] == [(None, None), (1, "/messages/2/content")]
    mixed = next(f.message for f in findings if f.line is None)
    assert "name in metadata 1, on the first line 1" in mixed


def test_a_file_in_openai_form_is_told_once_and_a_mixed_row_at_its_places() -> None:
    made = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}],
    }
    foreign = talk(user(), made, {"role": "tool", "content": "22"}, answer())
    assert [(f.rule, f.severity, f.rows) for f in check(foreign, foreign)] == [
        ("openai-tool-calls", "error", 2),
        ("unknown-tool", "warning", 2),
    ]
    mixed = talk(system(WEATHER), *foreign["messages"])
    assert {(f.rule, f.pointer) for f in check(mixed)} == {
        ("openai-tool-calls", "/messages/2/tool_calls"),
        ("openai-tool-calls", "/messages/3/role"),
    }


# --- fixes ----------------------------------------------------------------------------------------


def edited(value: Any, edits: Iterable[Edit]) -> Any:
    """The value after JSON-pointer edits, one after the other."""
    value = json.loads(json.dumps(value))
    for edit in edits:
        *way, last = edit.pointer
        place = value
        for part in way:
            place = place[part]
        if edit.op == "remove":
            del place[last]
        elif edit.op == "add" and isinstance(place, list):
            place.insert(last, edit.value)
        else:
            place[last] = edit.value
    return value


def problems(rule: str, value: Any, recipe: str) -> list[Problem]:
    function = all_rules()[rule].check
    assert function is not None
    return list(function(row_of(value, recipe)))


def repaired(rule: str, value: Any, recipe: str = "glm4") -> Any:
    """The row after the rule's fixes, one at a time."""
    for _ in range(20):
        edits = next((p.edits for p in problems(rule, value, recipe) if p.edits), None)
        if edits is None:
            return value
        value = edited(value, edits)
    raise AssertionError("the fix does not end")


FIXING = [name for name in TOOLS if all_rules()[name].rule.fix == "safe"]


@pytest.mark.parametrize("rule", FIXING)
def test_a_fix_leaves_nothing_to_find(rule: str) -> None:
    for example in all_rules()[rule].rule.bad:
        recipe = "glm4"
        if isinstance(example, Example):
            recipe = example.plan.get("recipe", recipe)
            [example] = example.rows
        fixed = repaired(rule, example, recipe)
        if fixed == example:
            # A foreign row, for which `convert` is, or arguments of which the text is no JSON.
            assert rule == "call-as-text" or row_of(example).foreign
        else:
            assert problems(rule, fixed, recipe) == []


def test_short_forms_are_wrapped_with_their_meaning_kept() -> None:
    short = {"name": "f", "description": "d", "args": {"a": "a city", "b": "integer"}}
    fixed = repaired("tool-shape", talk(system(short), user(), answer()))
    assert fixed["messages"][0]["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "d",
                "parameters": {
                    "type": "object",
                    "properties": {"a": {"description": "a city"}, "b": {"type": "integer"}},
                },
            },
        }
    ]


def test_misplaced_tools_join_those_of_the_system_message() -> None:
    other = tool_with(CITY, "other")
    row = talk(system(WEATHER), {**user(), "tools": [other, WEATHER]}, answer(), tools=[other])
    fixed = repaired("tools-placement", row)
    assert fixed == talk(system(WEATHER, other), user(), answer())


def test_misplaced_tools_that_would_raise_on_the_system_message_stay() -> None:
    for tools in ([{}], [{"type": "function"}], {"x": 1}, [WEATHER, 5]):
        (finding,) = check(talk(user(), answer(), tools=tools), **{"tools-placement": "error"})
        assert not finding.fixable, tools


def test_equal_tools_are_moved_once_however_many_there_are() -> None:
    many = [tool_with(CITY, f"t{number % 300}") for number in range(600)]
    again = [dict(reversed(tool.items())) for tool in many]
    fixed = repaired("tools-placement", talk(user(), answer(), tools=[*many, *again]))
    assert fixed == talk({**system(), "tools": many[:300]}, user(), answer())


def test_tools_at_the_top_of_a_row_are_one_finding() -> None:
    every = {name: loaded.rule.severity for name, loaded in all_rules().items()}
    noise = ("budget-report", "budget-too-large", "unused-tools")
    for tools, rule in (
        ([WEATHER], "tools-placement"),
        (json.dumps([WEATHER]), "tools-placement"),
        ([{}], "tools-placement"),
        ("none", "ignored-key"),
        (5, "ignored-key"),
    ):
        found = check(talk(user(), answer(), tools=tools), **every)
        assert [f.rule for f in found if f.rule not in noise] == [rule], tools
    assert check(talk(user(), answer(), tools=[]), **GRAVE) == []


def test_calls_of_every_form_become_one_form() -> None:
    good = one_call({"city": "Rome"})
    for text in (
        'weather\n{"city": "Rome"}',
        '{"name": "weather", "arguments": {"city": "Rome"}}',
        '[{"name": "weather", "arguments": "{\\"city\\": \\"Rome\\"}"}]',
    ):
        row = talk(system(WEATHER), user(), answer(text), RESULT, answer())
        assert repaired("tool-call-form", row) == good
    wrapped = call({"name": "weather", "arguments": {"city": "Rome"}})
    assert repaired("tool-call-form", talk(system(WEATHER), user(), wrapped, RESULT, answer())) == (
        good
    )


def test_an_openai_call_with_words_becomes_two_messages() -> None:
    spoken = {**answer("I look."), "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "x"}}}]}  # fmt: skip
    row = talk(system(WEATHER), user(), spoken, {"role": "tool", "content": "22"}, answer())
    fixed = repaired("openai-tool-calls", row)
    assert fixed == talk(
        system(WEATHER), user(), answer("I look."), call({"city": "x"}), RESULT, answer()
    )


# --- schemas that mean harm -----------------------------------------------------------------------


def chain(length: int, width: int) -> dict[str, Any]:
    """Definitions of which each refers to the next several times."""
    definitions: dict[str, Any] = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * width} for i in range(length)
    }
    definitions[f"a{length}"] = {"type": "object"}
    return {"properties": {}, "$defs": definitions, "$ref": "#/$defs/a0"}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "pattern": "x"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


HOSTILE = {
    "a pattern that hangs": {"properties": {"a": {"pattern": "(a+)+$"}}},
    "names that hang": {
        "properties": {},
        "patternProperties": {"(a+)+$": {}},
        "additionalProperties": False,
    },
    "a circle": {"properties": {}, "$ref": "#"},
    "work that doubles": chain(40, 2),
    "a remote reference": {"properties": {"a": {"$ref": "http://192.0.2.1/x.json"}}},
    "a remote metaschema": {"properties": {}, "$schema": "http://192.0.2.1/x.json"},
    "no number to divide by": {"properties": {"a": {"multipleOf": 0}}},
    "depth": deep(100),
    "equal entries": {"properties": {"l": {"uniqueItems": True}}},
    "a repeat too long": {"properties": {"a": {"pattern": "(a{1000}){1000}"}}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_ends_soon_and_says_nothing_false(name: str) -> None:
    arguments = {"a": "a" * 90 + "!", "l": [{"x": i} for i in range(5000)], "a" * 60 + "!": 1}
    findings = check(one_call(arguments, tool_with(HOSTILE[name])), **{"arguments-schema": "error"})
    assert all(f.severity == "warning" for f in findings)


def test_tame_patterns_are_checked_and_wild_ones_are_not() -> None:
    day = ArgumentSchema({"properties": {"d": {"pattern": r"^\d{4}-\d{2}-\d{2}$"}}})
    assert day.errors({"d": "2024-06-05"}) == []
    assert [fault.kind for fault in day.errors({"d": "tomorrow"})] == ["other"]
    assert day.errors({"d": "x" * 1000}) == []
    for pattern in (r"(a+)+$", r"(a|a)*b", r"\d+\d+\d+\d+$", r"(.*a){20}", r"(x)\1", r"\p{L}", "("):
        assert pattern_cost(pattern) is None
    for pattern in (r"^[^@]+@[^@]+\.[^@]+$", r"^(\d{1,3}\.){3}\d{1,3}$", "^a|b$", "[a-z]+"):
        assert pattern_cost(pattern) is not None


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab1", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["string", "integer", "number", "boolean", "null", ["string", "null"], "array"]
            ),
            "enum": st.lists(st.sampled_from(["a", 1, True, None, 1.5]), max_size=3),
            "minimum": st.integers(-2, 2),
            "maxLength": st.integers(0, 2),
            "minItems": st.integers(0, 2),
            "description": st.just("d"),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array"]),
            "items": inner,
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "additionalProperties": st.booleans(),
        },
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(schema=schemas, arguments=plain)
def test_what_the_fast_check_proves_jsonschema_confirms(schema: Any, arguments: Any) -> None:
    from jsonschema import Draft202012Validator

    known = ArgumentSchema(schema)
    right = Draft202012Validator(schema).is_valid(arguments)
    if known.fits(arguments):
        assert right
    errors = [fault for fault in known.errors(arguments) if fault.kind != "unlisted"]
    assert bool(errors) is not right


# --- any row --------------------------------------------------------------------------------------

texts = st.sampled_from(
    ["", "f", "weather", "{}", "[]", '{"name": "weather", "arguments": {}}', 'weather\n{"city": 1}',
     '"{}"', "python", "system", "user", "assistant", "observation", "tool", "\ud800", "a/b~c",
     '[{"type": "function", "function": {"name": "weather", "parameters": {"properties": {}}}}]',
     "object", "string", "function", "[" * 600]
)  # fmt: skip
names = st.sampled_from(
    ["role", "content", "metadata", "tools", "name", "args", "type", "function", "parameters",
     "properties", "required", "description", "arguments", "tool_calls", "function_call", "items",
     "$ref", "enum", "pattern", "$defs", "allOf", "additionalProperties", "city"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
tools = (
    st.just(WEATHER)
    | st.builds(lambda name, inside: tool_with(inside, name), texts, values)
    | st.builds(lambda inside: {"type": "function", "function": inside}, values)
    | values
)
roles = st.sampled_from(["system", "user", "assistant", "observation", "tool"]) | values
messages = st.fixed_dictionaries(
    {"role": roles, "content": texts | values},
    optional={
        "metadata": texts | values,
        "tools": st.lists(tools, max_size=3) | values,
        "tool_calls": values
        | st.builds(lambda f: [{"function": {"name": "weather", "arguments": f}}], values),
        "function_call": values,
    },
)
rows = (
    st.fixed_dictionaries(
        {"messages": st.lists(messages | values, max_size=5) | values},
        optional={"tools": st.lists(tools, max_size=2) | values, "id": st.integers()},
    )
    | values
)


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=80, deadline=None)
@given(batch=st.lists(rows, max_size=3))
def test_any_row_is_checked_without_an_exception(recipe: str, batch: list[Any]) -> None:
    lines = [json.dumps(row).encode() for row in batch]
    chunk = Chunk("train.jsonl", lines, range(1, len(lines) + 1), {}, [], 0, None)
    context = context_of(recipe, **TOOLS)
    result = finish(check_lines([chunk], context.plan, context), context.plan, context)
    assert result.totals.samples == len(batch)


@settings(max_examples=100, deadline=None)
@given(value=st.lists(tools, max_size=3) | values)
def test_any_tool_list_is_read(value: Any) -> None:
    found = ToolSet(value)
    entries = len(value) if isinstance(value, list) else None
    assert entries is None or len(found.tools) == entries
    assert set(found.by_name) == {tool.name for tool in found.tools if tool.name}
    for tool in (*found.with_bad_schema, *found.oddly_named, *found.undescribed):
        assert tool in found.tools


# --- real data ------------------------------------------------------------------------------------


def test_real_tool_data_has_the_errors_that_were_read_by_eye(shared: Any) -> None:
    found: dict[str, list[tuple[str, str, int | None]]] = {}
    for name in ("glaive_en", "glaive_zh"):
        lines = (shared / f"data/glm_tools/{name}.jsonl").read_bytes().splitlines()
        context = context_of("glm4")
        chunk = Chunk(name, lines, range(1, len(lines) + 1), {}, [], 0, None)
        result = finish(check_lines([chunk], context.plan, context), context.plan, context)
        found[name] = [
            (f.rule, f.severity, f.line) for f in result.findings if f.severity != "info"
        ]
    assert found["glaive_en"] == [("arguments-schema", "error", 260)]
    assert found["glaive_zh"] == [
        *(("arguments-schema", "error", line) for line in (6, 22, 103, 109, 109, 109, 145)),
        ("observation-without-call", "warning", 198),
        ("arguments-schema", "error", 240),
        ("observation-without-call", "warning", 294),
    ]


def pointer_of(value: Any, pointer: Pointer) -> Any:
    for part in pointer:
        value = value[part]
    return value


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=60, deadline=None)
@given(row=rows)
def test_every_place_that_is_told_is_in_the_row(recipe: str, row: Any) -> None:
    ready = row_of(row, recipe)
    if ready.value is None or ready.defect is not None:
        return
    for name in TOOLS:
        function = all_rules()[name].check
        for problem in function(ready) if function is not None else ():
            assert problem.pointer is not None
            pointer_of(ready.value, problem.pointer)


def test_a_call_alone_in_another_models_way_is_rewritten() -> None:
    text = 'tool_call: get_weather\narguments: {"city": "Rome"}'
    row = {
        "messages": [
            {"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": text},
        ]
    }
    hermes = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
    for written in (text, hermes):
        row["messages"][1]["content"] = written
        fixed = repaired("call-as-text", row)["messages"][1]
        assert (fixed["metadata"], fixed["content"]) == ("get_weather", '{"city": "Rome"}')
    for more in (
        text + "\n\nResult: 22 degrees",
        "I look.\n" + hermes,
        hermes * 2,
        '<tool_call>{"name": "f", "arguments": "x"}</tool_call>',
    ):
        row["messages"][1]["content"] = more
        assert all(found.edits == () for found in problems("call-as-text", row, "glm4")), more
    row["messages"][1] = {"role": "assistant", "metadata": "other", "content": text}
    assert all(found.edits == () for found in problems("call-as-text", row, "glm4"))


def test_a_foreign_file_without_calls_is_told_of_its_results() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": "Let me look."},
            {"role": "tool", "content": "22 degrees"},
            {"role": "assistant", "content": "It is 22 degrees."},
        ]
    }
    [found] = problems("openai-tool-calls", row, "glm4")
    assert found.once == "file-results"
    row["messages"][1]["tool_calls"] = [{"function": {"name": "f", "arguments": "{}"}}]
    [found] = problems("openai-tool-calls", row, "glm4")
    assert found.once == "file"
