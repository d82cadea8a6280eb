"""Whole rows, every column, as `datasets` hands them to a trainer: recorded, live, and to the ids."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loader_cases import Server
from loader_forms import FormCase, difference, parts_of, recorded
from loader_rows import make_rows
from test_llamafactory import INFO, VOCABULARY

from glmlint.app.settings import SettingsError, resolve
from glmlint.engine.check import check_file
from glmlint.engine.encode import encode_rows
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.loader import Load, Shapes
from glmlint.read.source import InputFile
from glmlint.trainer.base import open_context

RECORDED = "4.0.0"
CASES = recorded(Path(__file__).with_name("loader_rows.json"))


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_rows_of_every_form_are_those_recorded(case: FormCase) -> None:
    assert difference(case, case.answer, RECORDED) == ""


@pytest.fixture(scope="module")
def newest() -> Iterator[tuple[Server, str]]:
    if importlib.util.find_spec("datasets") is None:
        pytest.skip("needs the package datasets")
    from importlib.metadata import version

    server = Server(sys.executable)
    yield server, version("datasets")
    server.close()


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_made_rows_in_the_newest_version(newest: tuple[Server, str], seed: int) -> None:
    server, release = newest
    case = make_rows(random.Random(seed))
    assert difference(case, server.ask_any(case.question()), release) == "", seed


def load_of(rows: list[Any], datasets: str, array: bool = False) -> Load | None:
    lines = "\n".join(map(json.dumps, rows))
    case = FormCase(json.dumps(rows) if array else lines, name="rows.jsonl")
    shapes = parts_of(case).whole
    assert isinstance(shapes, Shapes)
    return shapes.load(datasets, reads=None)


SHAREGPT = {"conversations": [{"from": "human", "value": "hi"}], "tools": "[]"}


def test_nothing_is_done_where_nothing_changes() -> None:
    load = load_of([SHAREGPT, SHAREGPT], "4.0.0")
    assert load is not None
    assert not load.changes
    assert load.changed(SHAREGPT) is None


def test_a_column_that_some_rows_lack_comes_as_null() -> None:
    bare = {"conversations": SHAREGPT["conversations"]}
    for array in (False, True):
        load = load_of([bare, SHAREGPT], "4.0.0", array)
        assert load is not None and load.changes
        assert load.row(bare) == {**bare, "tools": None}
        assert load.changed(bare) == {**bare, "tools": None}
        assert load.changed(SHAREGPT) is None


def test_calls_get_the_keys_of_other_calls_below_4_7() -> None:
    def row(**passed: Any) -> dict[str, Any]:
        return {"messages": [{"role": "assistant", "tool_calls": [{"arguments": passed}]}]}

    rows = [row(city="北京"), row(n=1), row(n=0.5)]
    for array in (False, True):
        old = load_of(rows, "4.0.0", array)
        assert old is not None and old.changes
        assert old.row(rows[1]) == row(city=None, n=1.0)
        assert repr(old.row(rows[1])).endswith("'n': 1.0}}]}]}")
        new = load_of(rows, "5.2.0", array)
        assert new is not None
        assert new.row(rows[1]) == rows[1]


def test_dates_become_times_in_lines_and_stay_texts_in_arrays() -> None:
    rows = [{"messages": [{"role": "user", "content": "2024-05-01"}], "day": "2024-05-01"}]
    lines, array = load_of(rows, "4.0.0"), load_of(rows, "4.0.0", array=True)
    assert lines is not None and array is not None
    assert lines.row(rows[0])["day"] == datetime(2024, 5, 1)
    assert array.row(rows[0]) == rows[0]


def test_no_load_where_nothing_loads() -> None:
    rows = [{"instruction": "a", "history": [["q", "a"]]}, {"instruction": "a", "history": "none"}]
    assert load_of(rows, "4.0.0") is None
    assert load_of(rows, "4.0.0", array=True) is None


def with_state(cases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cases with the options that the package keeps from earlier files of its process."""
    kept: dict[str, dict[str, Any]] = {}
    for case in cases:
        state = kept.setdefault(case["template"], {})
        for name in ("default_system", "tool_format"):
            if case["options"].get(name) is not None:
                state[name] = case["options"][name]
        yield {**case, "options": {**case["options"], **state}}


def test_files_through_llamafactory_with_its_own_datasets(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden" / "trainers" / "llamafactory_files.jsonl"
    read = [json.loads(line) for line in golden.read_bytes().split(b"\n") if line]
    path = tmp_path / "mine.jsonl"
    failed = 0
    for number, case in enumerate(with_state(read)):
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in case["rows"]]
        path.write_text("".join(lines), "utf-8", newline="\n")
        chosen = {"template": case["template"], "formatting": case["format"]}
        flags: dict[str, Any] = {
            "config": None,
            "recipe": "llamafactory",
            "tokenizer": VOCABULARY[case["tokenizer"]],
            "set": {**chosen, **INFO[case["format"]], **case["options"]},
        }
        try:
            plan = resolve(flags, [str(path)])
        except SettingsError:
            assert case["error"] == "ValueError", number
            continue
        assert plan.datasets == "4.0.0"
        context = open_context(plan)
        if "error" in case:
            report = Report()
            check_file(InputFile(str(path)), plan, context, report)
            result = finish(report, plan, context)
            told = {f.rule for f in result.findings if f.severity == "error"}
            assert result.exit_code == 1, number
            if case["error"] == "DatasetGenerationError":
                assert "arrow-type-conflict" in told, number
                failed += 1
            continue
        out = [
            {"input_ids": row.input_ids.tolist(), "labels": row.labels.tolist()}
            for row in encode_rows([str(path)], plan, context=context)
            if row.error is None and row.dropped is None
        ]
        assert out == case["out"], number
    assert failed == 6
