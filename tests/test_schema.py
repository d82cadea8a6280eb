"""The JSON Schema is the authority on shape, and the typed decode accepts the very same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.read.sample import (
    MAX_DEPTH,
    SHAPE_ERRORS,
    decode_sample,
    decode_tools,
    depth_of,
    read_carefully,
    read_strictly,
)
from glmlint.read.schema import (
    load_schema,
    schema_folder,
    surely_valid,
    validator,
    violations,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ODD = st.one_of(st.none(), st.booleans(), st.integers(), TEXT, st.just([]), st.just({}))
PROPERTIES = st.dictionaries(TEXT, st.one_of(st.just({"type": "string"}), ODD), max_size=2)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(st.just("object"), ODD),
        "properties": st.one_of(PROPERTIES, ODD),
        "required": st.one_of(st.lists(TEXT, max_size=2), ODD),
        "more": ODD,
    },
)
FUNCTION = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(TEXT, ODD),
        "description": st.one_of(TEXT, ODD),
        "parameters": st.one_of(PARAMETERS, ODD),
    },
)
TOOL = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(st.sampled_from(["function", "python", "cogview", "x"]), ODD),
        "function": st.one_of(FUNCTION, ODD),
    },
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.one_of(st.sampled_from(["system", "user", "assistant", "observation"]), ODD),
        "content": st.one_of(TEXT, ODD),
        "metadata": st.one_of(TEXT, ODD),
        "tools": st.one_of(st.lists(st.one_of(TOOL, ODD), max_size=2), ODD),
        "more": ODD,
    },
)
ROW = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {}, optional={"messages": st.one_of(st.lists(st.one_of(MESSAGE, ODD), max_size=3), ODD)}
    ),
)


def decodes(raw: bytes) -> bool:
    try:
        sample = decode_sample(raw)
        for message in sample.messages:
            if message.tools is not msgspec.UNSET:
                decode_tools(message.tools)
    except SHAPE_ERRORS:
        return False
    return True


@settings(max_examples=600)
@given(ROW)
def test_typed_decode_and_schema_agree(row: Any) -> None:
    raw = json.dumps(row, ensure_ascii=False).encode()
    assert decodes(raw) == validator("sample").is_valid(row)


@pytest.mark.parametrize("name", ["sample", "tool", "config", "report"])
def test_schemas_are_valid_and_explain_themselves(name: str) -> None:
    from jsonschema import Draft202012Validator

    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["title"] and schema["description"]


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*map(references, schema.values()))


@pytest.mark.parametrize("file", sorted(schema_folder().iterdir()), ids=lambda file: file.name)
def test_a_schema_file_is_usable_alone(file: Path) -> None:
    """Editors and check-jsonschema are given one file and fetch nothing."""
    schema = json.loads(file.read_text(encoding="utf-8"))
    for reference in references(schema):
        part = schema
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]


def test_the_sample_schema_alone_judges_tools() -> None:
    from jsonschema import Draft202012Validator

    alone = Draft202012Validator(json.loads((schema_folder() / "sample.schema.json").read_text()))
    function = {"name": "查天气", "parameters": {"type": "object", "properties": {}}}
    system = {
        "role": "system",
        "content": "",
        "tools": [{"type": "function", "function": function}],
    }
    row: Any = {"messages": [system]}
    assert alone.is_valid(row)
    del function["parameters"]
    assert [list(error.absolute_path) for error in alone.iter_errors(row)] == [
        ["messages", 0, "tools", 0, "function"]
    ]


def test_the_sample_schema_holds_the_tool_schema() -> None:
    held = load_schema("sample")["$defs"]["tool"]
    assert held == {
        key: value for key, value in load_schema("tool").items() if key not in ("$schema", "$id")
    }


@settings(max_examples=600)
@given(ROW)
def test_violations_are_those_that_jsonschema_finds(row: Any) -> None:
    theirs: set[tuple[Any, str]] = set()
    for error in validator("sample").iter_errors(row):
        at = tuple(error.absolute_path)
        if error.validator == "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            theirs |= {((*at, key), "required") for key in missing}
        else:
            theirs.add((at, error.validator))
    assert {(v.pointer, v.keyword) for v in violations(row)} == theirs


def test_the_schemas_use_no_keyword_that_is_not_looked_at() -> None:
    known = {"type", "enum", "const", "minItems", "minLength", "required", "properties", "items",
             "$ref", "if", "then"}  # fmt: skip
    silent = {"$schema", "$id", "title", "description", "$defs"}
    parts = [load_schema("sample"), load_schema("tool")]
    for part in parts:  # grows on the way
        assert part.keys() <= known | silent
        parts += [*part.get("properties", {}).values(), *part.get("$defs", {}).values()]
        parts += [part[key] for key in ("items", "if", "then") if key in part]


def test_violations_name_the_place() -> None:
    row = {"messages": [{"role": "human", "content": None}, {"content": "x", "tools": [{}]}, 5]}
    places = {(v.pointer, v.keyword) for v in violations(row)}
    assert places == {
        (("messages", 0, "role"), "enum"),
        (("messages", 0, "content"), "type"),
        (("messages", 1, "role"), "required"),
        (("messages", 1, "tools", 0, "type"), "required"),
        (("messages", 2), "type"),
    }


@pytest.mark.parametrize(
    ("raw", "rule", "column"),
    [
        (b'{"a": 1,}', "invalid-json", 9),
        ('{"你好": x}'.encode(), "invalid-json", 8),
        (b'{"a": 1, "a": 2}', "duplicate-key", None),
        (b'{"a": {"b": 1, "b": 2}}', "duplicate-key", None),
        ("你".encode() + b"\xff", "not-utf8", 2),
        (b'{"a": "\\ud83d"}', "lone-surrogate", None),
        (b'{"\\ud83d": 1}', "lone-surrogate", None),
        (b"[" * 501 + b"]" * 501, "nesting-too-deep", None),
        (b"[" * 100_000, "nesting-too-deep", None),
        (b'{"a": ' + b"9" * 5000 + b"}", "number-too-long", None),
    ],
)
def test_faults_are_named(raw: bytes, rule: str, column: int | None) -> None:
    defect = read_carefully(raw).defect
    assert defect is not None
    assert (defect.rule, defect.column) == (rule, column)
    assert read_strictly(raw) is None


def test_nan_is_read_and_marked() -> None:
    for raw in (b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}'):
        careful = read_carefully(raw)
        assert careful.defect is None and careful.non_finite


def test_whole_surrogate_pairs_are_text() -> None:
    assert read_carefully(b'{"a": "\\ud83d\\ude00"}').value == {"a": "\U0001f600"}


@given(st.recursive(st.one_of(st.none(), TEXT), lambda x: st.lists(x, max_size=3), max_leaves=8))
def test_depth_counts_brackets_outside_strings(value: Any) -> None:
    def deep(item: Any) -> int:
        return 1 + max(map(deep, item), default=0) if isinstance(item, list) else 0

    raw = json.dumps([value, '[[{{\\"', "]"]).encode()
    assert depth_of(raw) == deep([value])
    assert depth_of(b"[" * MAX_DEPTH) == MAX_DEPTH


@given(st.binary(max_size=40))
def test_both_readers_survive_any_bytes(raw: bytes) -> None:
    strict = read_strictly(raw)
    careful = read_carefully(raw)
    if strict is not None:
        assert careful.defect is None
        assert careful.value == strict


KEYS = sorted(load_schema("config")["properties"])
WORD = st.sampled_from(["error", "off", "en", "full", "local", "byte", "never", "x", ""])
SETTING = st.one_of(
    st.booleans(), st.integers(-1, 2), st.sampled_from([0.0, 0.5, 2.0, float("nan")]), WORD,
    st.lists(st.one_of(WORD, st.integers(0, 1)), max_size=2), st.dictionaries(WORD, WORD, max_size=2),
    st.fixed_dictionaries({}, optional={"transformers": WORD, "datasets": st.one_of(WORD, st.none())}),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "files": WORD, "select": st.lists(WORD, max_size=1), "more": WORD,
                "severity": st.dictionaries(WORD, WORD, max_size=1),
            },
        ),
        max_size=2,
    ),
)  # fmt: skip
"""A value of the settings file: most are right for some key."""


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*KEYS, "more"]), SETTING, max_size=3))
def test_settings_that_are_surely_valid_are_so_to_jsonschema(content: dict[str, Any]) -> None:
    """And the other way round, but for what TOML may write oddly: a whole number with a point."""
    valid = validator("config").is_valid(content)
    sure = surely_valid("config", content)
    odd = any(isinstance(value, float) and (value.is_integer() or value != value)
              for value in content.values())  # fmt: skip
    assert sure == valid or (odd and valid)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_of_the_settings_has_a_value_that_needs_no_jsonschema(key: str) -> None:
    values: list[Any] = [
        1, 0.5, True, "a", "error", "en", "full", "byte", "local", ["a"], {}, [{"files": "*"}],
    ]  # fmt: skip
    assert any(surely_valid("config", {key: value}) for value in values)
