"""Schemas of tools come with the data: a bounded amount of work for each, and for all of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bounded import run
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, SchemaError

from glmlint.evidence import arguments as module
from glmlint.evidence.arguments import (
    KEYWORD_WORK,
    MAX_FAULTS,
    MAX_WORK,
    ArgumentSchema,
    forget_waste,
    plain_faults,
    surely_valid,
)


def nested(wrap: Callable[[Any], Any], inside: Any, times: int) -> Any:
    for _ in range(times):
        inside = wrap(inside)
    return inside


def doubling(levels: int) -> dict[str, Any]:
    """Each level asks for the next one twice: 2 ** levels visits."""
    definitions: dict[str, Any] = {
        str(level): {"anyOf": [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(levels)
    }
    definitions[str(levels)] = {"type": "string"}
    return {"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": definitions}


ANY = [{"type": "string", "minLength": length} for length in range(300)]
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

UNJUDGED = {
    "allOf of 50,000": {"properties": {}, "allOf": [{"type": "object"}] * 50_000},
    "oneOf of 300 over anyOf of 300": {"properties": {"a": {"oneOf": [{"anyOf": ANY}] * 300}}},
    "30,000 patterns": {"properties": {f"p{i}": {"pattern": "^a+$"} for i in range(30_000)}},
    "a branch of not": {"properties": {"a": nested(lambda s: {"not": s}, {"pattern": "x"}, 300)}},
    "names in names": {"properties": {"a": nested(lambda s: {"propertyNames": s}, {}, 200)}},
}
UNCHECKED = {
    "references that double": doubling(40),
    "oneOf of 3,000 on a list": {
        "properties": {"a": {"items": {"oneOf": [{"const": i} for i in range(3000)]}}}
    },
    "a list of 50,000": {"properties": {"a": {"items": {"not": {"anyOf": [False] * 50}}}}},
    "long texts in messages": {
        "properties": {"a": {"anyOf": [{"minItems": 10**9}, {"maxItems": 1}] * 300}}
    },
    "equal entries": {"properties": {"a": {"uniqueItems": True, "contains": {"const": -1}}}},
}
LONG: dict[str, Any] = {"a": [*range(50_000)]}


@pytest.mark.parametrize("name", UNJUDGED)
def test_a_schema_that_is_too_large_is_not_tried(name: str) -> None:
    forget_waste()
    schema = ArgumentSchema(UNJUDGED[name])
    module._work.done = 0
    assert schema.unjudged and schema.faults == [] and schema.errors(LONG) == []
    assert module._work.done == 0  # jsonschema was never asked


@pytest.mark.parametrize("name", UNCHECKED)
def test_the_work_on_one_call_is_bounded(name: str) -> None:
    forget_waste()
    schema = ArgumentSchema(UNCHECKED[name])
    assert not schema.unjudged and schema.faults == []
    assert schema.errors(LONG) == [] and schema.unchecked
    assert MAX_WORK < module._work.done <= MAX_WORK + KEYWORD_WORK * (2 + len(LONG["a"]))
    module._work.done = 0
    assert schema.errors(LONG) == [] and module._work.done == 0  # no second call is tried


def test_the_work_of_a_run_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: each schema that comes to nothing adds to what makes the later ones cheap."""
    forget_waste()
    monkeypatch.setattr(module, "MAX_WASTE", 3 * MAX_WORK)
    spent = []
    for number in range(100):
        schema = ArgumentSchema({**doubling(20), "title": str(number)})
        module._work.done = 0
        assert schema.errors({"a": 1}) == [] and schema.unchecked
        spent.append(module._work.done)
    assert all(MAX_WORK < work < 1.1 * MAX_WORK for work in spent[:3])
    assert all(work < MAX_WORK / 40 for work in spent[4:])
    small = ArgumentSchema({"properties": {"a": {"anyOf": [{"type": "string"}, {"minimum": 5}]}}})
    assert [fault.kind for fault in small.errors({"a": 1})] == ["other"]
    forget_waste()


def test_many_names_are_told_in_few() -> None:
    names = {f"z{i}": 1 for i in range(50_000)}
    schema = ArgumentSchema({"properties": {f"p{i}": {} for i in range(50_000)}})
    assert len(schema.errors(names)) == MAX_FAULTS
    strict = {"properties": {"a": {}}, "required": [*names], "additionalProperties": False}
    assert len(ArgumentSchema(strict).errors({"b": 1})) < MAX_FAULTS


def row(schema: dict[str, Any], arguments: Any) -> bytes:
    function = {"name": "find", "description": "d", "parameters": {"type": "object", **schema}}
    tools = [{"type": "function", "function": function}]
    messages = [
        {"role": "system", "content": "", "tools": tools},
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "metadata": "find", "content": json.dumps(arguments)},
        {"role": "observation", "content": "Here."},
        {"role": "assistant", "content": "It is here."},
    ]
    return json.dumps({"messages": messages}).encode() + b"\n"


def test_that_nobody_looked_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    large, doubled = UNJUDGED["allOf of 50,000"], doubling(30)
    file.write_bytes(row(large, {"a": 1}) * 2 + row(doubled, {"a": 1}) * 3)
    select = ("--select", "tool-schema,arguments-schema")
    done = run("check", file, "--format", "jsonl", "--lang", "en", *select)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    told = [line for line in told if "rule" in line]
    assert [(t["rule"], t["line"], t["severity"], t["rows"]) for t in told] == [
        ("tool-schema", 1, "warning", 2),
        ("arguments-schema", 3, "warning", 3),
    ]
    assert "this schema and the calls of find are not validated" in told[0]["message"]
    assert "were not checked against the schema of find" in told[1]["message"]


# --- what is found without jsonschema is what jsonschema finds -----------------------------------

scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5, -2.0, "a", "ab"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
plain = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, unique=True),
            "enum": st.lists(values, max_size=3),
            "const": values,
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.sampled_from([0, 1.0, 2]),
            "maxLength": st.integers(0, 2),
            "minItems": st.integers(0, 2),
            "description": st.just("d"),
            "nullable": st.booleans(),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "required": st.lists(st.sampled_from("abcd"), unique=True, max_size=3),
            "type": st.sampled_from(["object", "array"]),
            "additionalProperties": st.booleans(),
            "items": inner | st.just(True),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        },
    ),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=300)
@given(plain, values)
def test_faults_under_plain_schemas_are_those_of_jsonschema(schema: Any, value: Any) -> None:
    errors = module._errors(next(iter(module._drafts().values())), schema, value)
    assert errors is not None
    theirs = [fault for error in errors for fault in module._argument_faults(error)]
    ours = list(plain_faults(schema, value))[:MAX_FAULTS]
    if not any("nullable" in str(part) for part in (schema,)):
        assert ours == theirs
    assert set(theirs) <= set(ours) or len(errors) == MAX_FAULTS
    assert set(ours) <= set(theirs) or len(errors) == MAX_FAULTS


keywords = st.sampled_from([*sorted(module._VALID), "type", "required", "unknown", "nullable"])
odd = st.recursive(
    scalars | st.sampled_from(TYPES) | st.lists(st.sampled_from(["a", "b", "string"]), max_size=3),
    lambda inner: st.dictionaries(keywords, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400)
@given(odd | st.dictionaries(keywords, odd, max_size=4))
def test_what_is_surely_valid_jsonschema_takes(schema: Any) -> None:
    if surely_valid(schema):
        Draft202012Validator.check_schema(schema)


def test_ordinary_schemas_are_surely_valid() -> None:
    """As pydantic writes them; one fault in each place makes them doubtful."""
    schema: dict[str, Any] = {
        "$defs": {"Unit": {"enum": ["C", "F"], "title": "Unit", "type": "string"}},
        "type": "object",
        "title": "Weather",
        "properties": {
            "city": {"type": "string", "pattern": "^[A-Z]", "maxLength": 40},
            "unit": {"anyOf": [{"$ref": "#/$defs/Unit"}, {"type": "null"}], "default": None},
            "days": {"type": ["integer", "null"], "exclusiveMinimum": 0, "examples": [1]},
            "at": {"type": "array", "prefixItems": [{"type": "number"}] * 2, "items": False},
            "more": {"additionalProperties": {"not": {"type": "array", "uniqueItems": True}}},
        },
        "required": ["city"],
    }
    assert surely_valid(schema)
    for place, value in (
        (("required",), ["city", "city"]),
        (("properties", "city", "type"), "str"),
        (("properties", "city", "maxLength"), -1),
        (("properties", "unit", "anyOf"), []),
        (("properties", "days", "exclusiveMinimum"), True),
        (("properties", "at", "items"), [5]),
        (("properties", "more", "additionalProperties", "not"), "array"),
        (("$defs", "Unit", "enum"), "C"),
    ):
        broken = json.loads(json.dumps(schema))
        part = broken
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value
        assert not surely_valid(broken)
        with pytest.raises(SchemaError):
            Draft202012Validator.check_schema(broken)
