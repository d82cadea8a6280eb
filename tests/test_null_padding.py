"""Files that a table wrote: told once, repaired whole, and a null that somebody meant stays."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from glmlint.converters.command import convert
from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.fix.files import commit, drafted
from glmlint.plan import Plan
from glmlint.read.nulls import KeySets
from glmlint.read.source import InputFile
from glmlint.rules.base import all_rules, default_rules
from glmlint.trainer.base import open_context

ALL = {n: r.rule.severity for n, r in all_rules().items() if r.rule.family != "score"}


def tool(name: str, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required is not None:
        parameters["required"] = required
    function = {"name": name, "description": name, "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER = tool("get_weather", ["city"], city={"type": "string", "description": "城市"})
CALC = tool("calc", expression={"type": "string"}, digits={"type": "integer", "default": None})
SEARCH = tool(
    "search",
    ["query"],
    query={"type": "string", "enum": ["a", None]},
    filter={"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]},
)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_weather", {"city": "北京"}),
    ("calc", {"expression": "1+1"}),
    ("search", {"query": "a", "filter": {"year": 2024}}),
]


def glm(number: int) -> dict[str, Any]:
    tools = [[WEATHER], [CALC], [WEATHER, SEARCH]][number % 3]
    name, arguments = CALLS[number % 3]
    return {
        "id": number,
        "messages": [
            {"role": "system", "content": "", "tools": tools},
            {"role": "user", "content": f"问题{number}"},
            {"role": "assistant", "metadata": name, "content": json.dumps(arguments)},
            {"role": "observation", "content": "9"},
            {"role": "assistant", "content": f"答{number}"},
        ],
    }


def openai(number: int) -> dict[str, Any]:
    tools = [[WEATHER], [CALC], [WEATHER, SEARCH]][number % 3]
    name, arguments = CALLS[number % 3]
    made = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": f"问题{number}"},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": "1", "content": "9"},
            {"role": "assistant", "content": f"答{number}"},
        ],
        "tools": tools,
    }


def as_table(rows: list[Any]) -> list[Any]:
    """The rows as Arrow gives them back: all objects at one place have the keys of all."""
    objects = [row for row in rows if isinstance(row, dict)]
    lists = [row for row in rows if isinstance(row, list)]
    if objects:
        keys = dict.fromkeys(key for row in objects for key in row)
        columns = {}
        for key in keys:
            column = [row.get(key) for row in objects]
            columns[key] = as_table(column)
        whole = iter({key: columns[key][at] for key in keys} for at in range(len(objects)))
        return [next(whole) if isinstance(row, dict) else row for row in rows]
    if lists:
        items = iter(as_table([item for row in lists for item in row]))
        return [[next(items) for _ in row] if isinstance(row, list) else row for row in rows]
    return rows


def written(file: Path, rows: list[Any]) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return file


def read_back(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def findings(file: Path, **more: Any) -> list[Finding]:
    plan = Plan(**({"rules": default_rules("info")} | more))
    context = open_context(plan)
    report = Report()
    check_file(InputFile(str(file)), plan, context, report)
    return finish(report, plan, context).findings


def fix(file: Path, **more: Any) -> None:
    plan = Plan(**({"rules": ALL} | more))
    context = open_context(plan)
    with drafted([str(file)], plan, context) as fixes:
        commit(fixes, plan)


def converted(file: Path) -> list[Any]:
    result = CliRunner().invoke(convert, [str(file), "--to", "glm4"])
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("row", [glm, openai])
def test_a_file_from_a_table_is_repaired_whole(tmp_path: Path, row: Any) -> None:
    rows = [row(number) for number in range(20)]
    file = written(tmp_path / "a.jsonl", as_table(rows))
    assert read_back(file) != rows
    fix(file)
    assert read_back(file) == rows


@pytest.mark.parametrize("how", ["jsonl", "array", "parquet", "loaded"])
@pytest.mark.parametrize("row", [glm, openai])
def test_what_datasets_writes_comes_back_as_it_was(tmp_path: Path, row: Any, how: str) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [row(number) for number in range(20)]
    source = written(tmp_path / "source.jsonl", rows)
    table = datasets.Dataset.from_list(rows)
    file = tmp_path / "a.jsonl"
    if how == "loaded":  # from 4.7 on objects of different keys are JSON text in the table
        table = datasets.load_dataset(
            "json", data_files=str(source), split="train", cache_dir=str(tmp_path / "cache")
        )
    if how == "jsonl":
        table.to_json(str(file), force_ascii=False)
        fix(file)
        assert read_back(file) == rows
    elif how == "array":
        file = tmp_path / "a.json"
        table.to_json(str(file), lines=False, force_ascii=False)
        fix(file)
        assert json.loads(file.read_text()) == rows
    else:
        table.to_parquet(str(tmp_path / "a.parquet"))
        assert converted(tmp_path / "a.parquet") == converted(source)


def test_rows_of_a_table_that_call_nothing_are_repaired_too(tmp_path: Path) -> None:
    talk = {"messages": openai(0)["messages"][:1] + openai(0)["messages"][3:], "tools": [WEATHER]}
    rows = [openai(0), talk, openai(1), talk]
    file = written(tmp_path / "a.jsonl", as_table(rows))
    [found] = [f for f in findings(file) if f.rule == "null-padding"]
    assert found.rows == 4
    fix(file, rules={"null-padding": "warning"})
    assert read_back(file) == rows


@pytest.mark.parametrize("recipe", ["llamafactory", "swift", "trl"])
def test_it_is_told_for_trainers_that_read_the_form(tmp_path: Path, recipe: str) -> None:
    rows = [openai(number) for number in range(4)]
    file = written(tmp_path / "a.jsonl", as_table(rows))
    [found] = [f for f in findings(file, recipe=recipe) if f.rule == "null-padding"]
    assert found.rows == 4 and "foreign" not in found.message
    fix(file, recipe=recipe)
    assert read_back(file) == rows


def test_it_is_told_once(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", as_table([glm(number) for number in range(20)]))
    [found] = [f for f in findings(file) if f.severity != "info"]
    assert (found.rule, found.severity, found.rows) == ("null-padding", "error", 20)
    assert found.fixable and "Dataset.to_json" in found.message
    fix(file)
    assert not [f for f in findings(file) if f.fixable or f.rule == "null-padding"]


@pytest.mark.parametrize(("transformers", "severity"), [("5.24.0", "warning"), ("5.23.0", "error")])
def test_what_the_nulls_do_depends_on_the_version(
    tmp_path: Path, transformers: str, severity: str
) -> None:
    rows = [glm(0), glm(0)]
    for row in rows:
        row["messages"][0].pop("tools")
    file = written(tmp_path / "a.jsonl", as_table(rows))
    [found] = [f for f in findings(file, transformers=transformers) if f.rule == "null-padding"]
    assert found.severity == severity


def test_rows_in_another_form_are_told_of_it_once(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", as_table([openai(number) for number in range(20)]))
    told = findings(file)
    assert [f.rows for f in told if f.rule == "null-padding"] == [20]
    assert not {"arguments-schema", "tool-schema", "invalid-shape"} & {f.rule for f in told}


# --- nulls that somebody meant --------------------------------------------------------------------


def test_a_null_that_only_one_schema_has_stays(tmp_path: Path) -> None:
    """Where objects at one place differ in their keys no table wrote them."""
    rows = [glm(number) for number in range(6)]
    rows[1]["messages"][0]["tools"] = [
        tool("calc", expression={"type": "string", "default": None}, digits={"type": "integer"})
    ]
    rows[2]["messages"][0]["tools"] = [
        tool("calc", expression={"type": "string", "default": "1"}, digits={"type": "integer"})
    ]
    file = written(tmp_path / "a.jsonl", rows)
    fix(file)
    assert read_back(file) == rows


def test_nulls_in_lists_and_nulls_that_stand_everywhere_stay(tmp_path: Path) -> None:
    rows = [glm(1), glm(2), glm(4)]  # `default: null` of calc and an enum with null
    file = written(tmp_path / "a.jsonl", as_table(rows))
    fix(file)
    assert read_back(file) == rows


def test_messages_that_a_person_dumped_with_all_keys_keep_the_defaults_of_their_tools(
    tmp_path: Path,
) -> None:
    """One library writes null for every key of a message, and the tools are by hand."""
    limit = {"type": "integer", "default": None}
    more = {"type": "integer", "default": 10}
    rows = []
    for default in (limit, more):
        row = openai(0)
        row["tools"] = [tool("get_weather", city={"type": "string"}, limit=default)]
        row["messages"] = as_table([row["messages"]])[0]
        rows.append(row)
    wanted = copy.deepcopy(rows)
    file = written(tmp_path / "a.jsonl", rows)
    fix(file)
    assert [row["tools"] for row in read_back(file)] == [row["tools"] for row in wanted]


@pytest.mark.parametrize("declared", [True, False])
def test_an_argument_that_is_null_in_one_row_stays(tmp_path: Path, declared: bool) -> None:
    unit = {"type": ["string", "null"]}
    rows = [openai(0) for _ in range(4)]
    for number, row in enumerate(rows):
        row["tools"] = [tool("get_weather", city={"type": "string"}, unit=unit)] if declared else []
        row["messages"][1]["tool_calls"][0]["function"]["arguments"] = {
            "city": "北京",
            "unit": None if number == 2 else "C",
        }
    want = [{"city": "北京", "unit": None if number == 2 else "C"} for number in range(4)]
    file = written(tmp_path / "a.jsonl", as_table(rows))
    made = [json.loads(row["messages"][-3]["content"]) for row in converted(file)]
    assert made == want
    fix(file)
    calls = [row["messages"][1]["tool_calls"][0] for row in read_back(file)]
    assert [call["function"]["arguments"] for call in calls] == want


def test_the_null_of_an_argument_in_text_is_text(tmp_path: Path) -> None:
    rows = as_table([glm(number) for number in range(3)])
    rows[0]["messages"][2]["content"] = '{"city": null}'
    file = written(tmp_path / "a.jsonl", rows)
    fix(file)
    assert read_back(file)[0]["messages"][2]["content"] == '{"city": null}'


def test_the_row_s_own_nulls_stay(tmp_path: Path) -> None:
    rows = [glm(number) for number in range(3)]
    rows[0]["label"] = None
    file = written(tmp_path / "a.jsonl", as_table(rows))
    fix(file)
    assert all(row["label"] is None for row in read_back(file))


def test_key_sets_follow_no_more_places_than_they_may() -> None:
    keys = KeySets()
    for number in range(30):
        keys.add({"a": {f"{number}-{part}": {"b": [{}]} for part in range(1000)}})
    assert keys.places <= 20_001 + 3000
