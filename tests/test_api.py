"""`import glmlint`: the same findings and counts as the command gives, of rows that stand in no file."""

from __future__ import annotations

import gzip
import inspect
import io
import itertools
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from processes import LIMIT

import glmlint
from glmlint.api.data import given
from glmlint.api.result import CheckReport
from glmlint.api.settings import PLAN, RULES
from glmlint.app.cli import check as check_command
from glmlint.app.cli import cli
from glmlint.app.limits import declared
from glmlint.read.schema import load_schema
from glmlint.read.source import read_chunks

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "train.jsonl"
ROWS = [json.loads(line) for line in EXAMPLE.read_text(encoding="utf-8").splitlines()]
GOOD = {
    "messages": [
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好！有什么可以帮你？"},
    ]
}
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202egnp</pre><img src=x onerror=alert(1)>&lt;"

ODD: list[Any] = [
    *ROWS,
    {"messages": [{"role": "user", "content": "x", "weight": 0.1}], "score": 1e16},
    {"messages": [{"role": "user", "content": "tab\t\u2028 line \ud800"}], "tiny": 1e-07},
    {"messages": []},
    [1, {"a": None}],
    "a text",
    None,
    {"messages": [{"role": "user", "content": float("nan")}]},
]


def written(folder: Path, rows: list[Any]) -> Path:
    """The rows as the standard json module writes them, a line each."""
    file = folder / "train.jsonl"
    lines = []
    for row in rows:
        line = json.dumps(row, ensure_ascii=False)
        lines.append(line if "\ud800" not in line else json.dumps(row))
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return file


def without_fixable(report: dict[str, Any]) -> dict[str, Any]:
    """A report but for what `--fix` can repair: it repairs files alone."""
    for finding in report["findings"]:
        del finding["fixable"]
    return report


# --- the module ----------------------------------------------------------------------------------


def test_importing_loads_nothing_and_offers_everything() -> None:
    code = (
        "import sys, glmlint; loaded = set(sys.modules); "
        "assert not loaded & {'numpy', 'msgspec', 'rich', 'click', 'glmlint.api'}, loaded; "
        "assert set(glmlint.__all__) <= set(dir(glmlint)); "
        "import glmlint.app.cli, glmlint.converters.base, glmlint.comparison.rows; "
        "assert all(callable(getattr(glmlint, name)) for name in glmlint.__all__ if name[0] != '_')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT)
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = glmlint.chekc


PRINTING = {
    *("paths", "formats", "outputs", "output_format", "column_unit", "fix", "unsafe_fixes", "diff"),
    *("statistics", "profile_rules", "quiet", "verbose", "color", "progress"),
    *("write_baseline", "add_ignores", "jobs", "engine", "cache", "cache_dir"),
    *("show_files", "show_settings", "stdin_filename"),
}
"""Flags that say how a report is printed, what is written, or how fast it comes."""


def test_the_keywords_are_the_flags() -> None:
    flags = {one.name for one in check_command.params} - PRINTING
    limits = {one.name.replace("-", "_") for one in declared()}
    keywords = {*inspect.signature(glmlint.check).parameters} - {
        "data",
        "options",
        "name",
        "limits",
    }
    assert keywords == flags - limits
    assert {*PLAN, *RULES} - {"options"} <= flags
    for limit in limits:
        assert glmlint.check([GOOD], **{limit: 1}).recipe == "glm4"


# --- the same as the command ----------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["glm4", "llamafactory", "trl"])
def test_a_list_is_checked_as_the_file_of_its_lines(recipe: str, tmp_path: Path) -> None:
    file = written(tmp_path, ODD)
    of_file = glmlint.check(file, recipe=recipe)
    for rows in (ODD, tuple(ODD), iter(ODD)):
        of_rows = glmlint.check(rows, recipe=recipe, name=str(file))
        assert without_fixable(of_rows.to_dict()) == without_fixable(of_file.to_dict())
    assert of_file.totals.samples == len(ODD) and of_file.findings


def test_a_path_gives_the_report_of_the_command() -> None:
    flags = ["--max-length", "512", "--select", "budget,mask", "--max-lost-share", "0.5"]
    done = CliRunner().invoke(cli, ["check", str(EXAMPLE), "--format", "json", *flags])
    found = glmlint.check(EXAMPLE, max_length=512, select="budget,mask", max_lost_share=0.5)
    assert found.to_json() == done.stdout
    assert found.exit_code == done.exit_code


def tables() -> dict[str, Callable[[list[Any]], Any]]:
    """Ways to hold rows as a table, by name."""
    datasets = pytest.importorskip("datasets")
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")

    def dataset(rows: list[Any]) -> Any:
        return datasets.Dataset.from_list(rows)

    return {
        "dataset": dataset,
        "shuffled": lambda rows: dataset([*rows[::-1], rows[0]]).select(
            range(len(rows) - 1, -1, -1)
        ),
        "streamed": lambda rows: dataset(rows).to_iterable_dataset(),
        "pyarrow": lambda rows: dataset(rows).data.table,
        "pandas": lambda rows: pandas.DataFrame(
            dataset(rows).to_list(), index=range(3, len(rows) + 3)
        ),
        "polars": lambda rows: polars.from_arrow(dataset(rows).data.table),
    }


def test_tables_are_checked_as_parquet_files_of_theirs(tmp_path: Path) -> None:
    rows = [row for row in ROWS if "tools" not in json.dumps(row)] + [GOOD] * 260
    made = tables()
    file = tmp_path / "train.parquet"
    made["dataset"](rows).to_parquet(str(file))
    of_file = without_fixable(glmlint.check(file).to_dict())
    for kind, make in made.items():
        of_rows = without_fixable(glmlint.check(make(rows), name=str(file)).to_dict())
        assert of_rows == of_file, kind
    assert of_file["totals"]["samples"] == len(rows)


def test_splits_are_files_and_one_can_be_the_validation_split() -> None:
    datasets = pytest.importorskip("datasets")
    train, validation = datasets.Dataset.from_list([GOOD]), datasets.Dataset.from_list([GOOD])
    both = datasets.DatasetDict(train=train, validation=validation)
    found = glmlint.check(both, eval="validation")
    assert [file.path for file in found.files] == ["train", "validation"]
    assert found.finding_counts == {"train-val-overlap": 1}
    assert glmlint.check(both).finding_counts == {"exact-duplicate": 1}
    assert glmlint.check(train, eval=validation).finding_counts == {"train-val-overlap": 1}
    assert glmlint.check({"train": [GOOD], "test": [GOOD]}).totals.samples == 2
    with pytest.raises(TypeError, match="both named rows"):
        glmlint.check([GOOD], eval=[GOOD], name="rows").files  # noqa: B018
        glmlint.check({"rows": train}, eval={"rows": train})


def test_two_threads_find_what_one_finds() -> None:
    rows = ODD * 5
    alone = glmlint.check(rows).to_json()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: glmlint.check(rows).to_json(), range(4)))
    assert found == [alone] * 4


def test_an_iterator_is_never_held() -> None:
    alive = most = 0

    class Row(dict[str, Any]):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def rows() -> Iterator[Row]:
        nonlocal alive, most
        for number in range(200_000):
            alive += 1
            most = max(most, alive)
            yield Row(messages=[{"role": "user", "content": f"{number}"}])

    (file,) = given(rows()).memory
    assert sum(len(chunk.lines) for chunk in read_chunks(file, 1 << 20)) == 200_000
    assert most < 10
    assert (
        glmlint.check(itertools.islice(rows(), 3000), select="null-content").totals.samples == 3000
    )
    assert most < 10


# --- settings ------------------------------------------------------------------------------------


def test_a_misspelt_keyword_is_named() -> None:
    for function in (glmlint.check, glmlint.encode, glmlint.show):
        with pytest.raises(TypeError, match=r"'max_lenght'\. Did you mean 'max_length'\?"):
            function([GOOD], max_lenght=3)
    with pytest.raises(TypeError, match="Did you mean 'recipe'"):
        glmlint.compare([GOOD], {"recipes": "glm4"}, "trl")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"recipe": "glm5"}, "unknown recipe glm5"),
        ({"max_length": 0}, "max_length: 0 is"),
        ({"max_length": 12.5}, "max_length: '12.5' is not an integer"),
        ({"max_length": 9, "max_input_length": 9}, "--max-length"),
        ({"options": {"combin": True}}, "did you mean combine"),
        ({"select": "nul-content"}, "did you mean null-content"),
        ({"lang": "fr"}, "lang: 'fr' is not one of"),
        ({"fail_on": "warn"}, "fail_on: 'warn' is not one of"),
        ({"config": "none.toml"}, "none.toml: no such settings file"),
        ({"tokenizer": "none/such"}, "none/such"),
        ({"max_lost_share": 2}, "max_lost_share: 2"),
        ({"trainer_config": "none.yaml"}, "none.yaml"),
    ],
)
def test_faults_of_settings_are_one_sentence(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(glmlint.GlmlintError) as caught:
        glmlint.check([GOOD], **{"lang": "en", **settings})
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_options_come_by_either_keyword() -> None:
    ways: list[dict[str, Any]] = [
        {"options": {"combine": True}}, {"set": {"combine": True}}, {"set": "combine=true"},
        {"set": ["combine=true"]},
    ]  # fmt: skip
    assert {glmlint.check([GOOD], **way).recipe for way in ways} == {"glm4-combine"}


def test_a_settings_file_is_read_only_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glmlint.toml").write_text("max-length = 5\n")
    assert glmlint.check([GOOD]).budget.max_length == 1025
    for config in (Path("glmlint.toml"), "auto"):
        assert glmlint.check([GOOD], config=config).budget.max_length == 5
    assert glmlint.check([GOOD], config="auto", max_length=7).budget.max_length == 7


def test_folders_leave_out_what_the_command_leaves_out(tmp_path: Path) -> None:
    for name in ("a.jsonl", "venv/b.jsonl", "old/c.jsonl"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        written(file.parent, [GOOD]).rename(file)
    names: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"a.jsonl", "c.jsonl"}),
        ({"extend_exclude": "old"}, {"a.jsonl"}),
        ({"exclude": ["a.jsonl", "old"]}, {"b.jsonl"}),
    ]
    for settings, read in names:
        found = glmlint.check(tmp_path, **settings)
        assert {Path(file.path).name for file in found.files} == read


def test_the_files_of_a_trainer_config_are_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, [GOOD])
    config = {
        "data_config": {"train_file": "train.jsonl"}, "max_input_length": 20,
        "max_output_length": 20, "combine": True,
    }  # fmt: skip
    Path("sft.json").write_text(json.dumps(config))
    found = glmlint.check(trainer_config="sft.json")
    assert (found.recipe, found.budget.max_length, found.totals.samples) == ("glm4-combine", 41, 1)


# --- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"x", "row 2, messages[0].content: a value of type bytes"),
        ({1}, "row 2, messages[0].content: a value of type set"),
        (datetime(2026, 1, 1), "row 2, messages[0].content: a value of type datetime"),
        (np.datetime64("2026-01-01"), "datetime64"),
        ({"a": [{("x",): 1}]}, "row 2, messages[0].content.a[0]: a key of type tuple"),
    ],
)
def test_what_is_no_json_is_named_with_row_and_key(value: Any, told: str) -> None:
    rows = [GOOD, {"messages": [{"role": "user", "content": value}]}]
    for data in (rows, iter(rows)):
        with pytest.raises(TypeError) as caught:
            glmlint.check(data, lang="en")
        assert told in str(caught.value)


def test_rows_that_nest_for_ever_are_refused() -> None:
    circle: dict[str, Any] = {}
    circle["messages"] = [circle]
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    for row in (circle, {"messages": deep}):
        with pytest.raises(TypeError, match="row 1"):
            glmlint.check([row], lang="en")


def test_values_of_numpy_and_pandas_are_what_they_stand_for(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = [{**GOOD, "n": np.int64(3), "list": np.array([[1, 2]]), "text": np.str_("a"),
             "none": pandas.NA, "series": pandas.Series([1.5])}]  # fmt: skip
    plain = [{**GOOD, "n": 3, "list": [[1, 2]], "text": "a", "none": None, "series": [1.5]}]
    file = str(written(tmp_path, plain))
    of_file = without_fixable(glmlint.check(file).to_dict())
    assert without_fixable(glmlint.check(rows, name=file).to_dict()) == of_file


@pytest.mark.parametrize("data", [5, b"rows", object(), io.StringIO("{}")])
def test_what_is_no_data_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="is not supported as data"):
        glmlint.check(data, lang="en")


def test_columns_of_mixed_types_are_refused() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"messages": [[{"role": "user"}], 3, "x"]})
    for function in (glmlint.check, lambda data, **rest: list(glmlint.encode(data, **rest))):
        with pytest.raises(glmlint.GlmlintError, match="the columns cannot be read"):
            function(frame, lang="en")


def test_paths_that_are_not_there_are_refused(tmp_path: Path) -> None:
    for data in ("none.jsonl", ["none.jsonl", str(EXAMPLE)], tmp_path, None):
        with pytest.raises(glmlint.GlmlintError):
            glmlint.check(data)
    with pytest.raises(glmlint.GlmlintError, match=r"none\.jsonl"):
        glmlint.check([GOOD], eval="none.jsonl")


def test_a_file_that_ends_too_early_is_a_problem_of_the_result(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl.gz"
    file.write_bytes(gzip.compress(EXAMPLE.read_bytes())[:-20])
    found = glmlint.check(file, select="null-content", ignore="null-content")
    assert (found.ok, found.exit_code) == (False, 2)
    assert found.problems[0].path == str(file)
    with pytest.raises(glmlint.FindingsFound, match="ends too early"):
        found.raise_for_findings()


# --- results -------------------------------------------------------------------------------------


def test_a_result_says_what_was_found() -> None:
    found = glmlint.check(ROWS, lang="en")
    assert not found.ok and found.exit_code == 1
    assert found.recipe == "glm4" and found.budget.max_length == 1025
    assert found.totals.samples == len(ROWS) == found.files[0].totals.samples
    assert found.lengths.max == 1142 and found.budgets[-1].keeps == 1
    assert sum(found.severity_counts.values()) == sum(found.finding_counts.values())
    error = next(one for one in found.findings if one.severity == "error")
    assert (error.path, error.line, error.rule) == ("rows", 4, "unknown-role")
    assert error.excerpt is not None and error.excerpt.text.strip('"') == "human"
    for text in (str(found), repr(found)):
        assert "unknown-role" in text and "1,142" in text and "\x1b" not in text
    with pytest.raises(glmlint.FindingsFound) as caught:
        found.raise_for_findings()
    assert "rows:4:24: error unknown-role" in str(caught.value)
    assert caught.value.result is found
    found.raise_for_findings("never")
    assert glmlint.check([GOOD]).ok
    glmlint.check([GOOD]).raise_for_findings("info")


def test_the_attributes_are_the_keys_of_the_report() -> None:
    shape = load_schema("report")
    keys = {*shape["properties"]} - {"fixed"}  # of `--fix`
    assert {*CheckReport.__struct_fields__} == keys
    told = {"schema_version", "glmlint", "warnings"}
    assert all(isinstance(getattr(glmlint.CheckResult, key), property) for key in keys - told)
    fields = {*glmlint.ReportFinding.__struct_fields__} - {"excerpt"}
    assert fields == {*shape["$defs"]["finding"]["properties"]}


def test_findings_go_into_a_frame() -> None:
    pytest.importorskip("pandas")
    frame = glmlint.check(ROWS).to_pandas()
    assert {"rule", "severity", "line", "message"} <= {*frame.columns}
    assert str(frame["line"].dtype) == "Int64"
    assert len(glmlint.check([GOOD]).to_pandas()) == 0


def test_a_report_is_read_back(tmp_path: Path) -> None:
    found = glmlint.check(ROWS)
    file = tmp_path / "report.json"
    found.to_json(file)
    again = glmlint.load_report(file)
    assert again == found == pickle.loads(pickle.dumps(found))
    assert again.totals == found.totals
    assert [one.message for one in again.findings] == [one.message for one in found.findings]
    assert "unknown-role" in str(again) and "unknown-role" in again.to_html()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "can't be read"),
        ("[]", "not a JSON report"),
        ('{"schema_version": 2}', "a report of version 2; this glmlint reads version 1"),
        ('{"schema_version": 1, "model": "x"}', "not a JSON report"),
        ("[" * 100_000, "can't be read"),
    ],
)
def test_what_is_no_report_is_refused(content: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(content)
    with pytest.raises(glmlint.GlmlintError, match=told):
        glmlint.load_report(file)
    with pytest.raises(glmlint.GlmlintError, match=r"none\.json"):
        glmlint.load_report(tmp_path / "none.json")


def hostile() -> list[Any]:
    return [
        {
            "messages": [
                {"role": HOSTILE, "content": HOSTILE},
                {"role": "assistant", "content": HOSTILE},
            ]
        },
        {"conversations": [{"from": HOSTILE, "value": 3}], HOSTILE: 1},
    ]


def test_hostile_rows_stay_text_in_a_notebook() -> None:
    rows = hostile()
    converted = glmlint.convert(rows, to="openai", name=HOSTILE)
    list(converted)
    batch = {"input_ids": [[1, 2, 2]], "labels": [[1, 2, 2]]}

    class Decoder:
        def decode(self, ids: list[int]) -> str:
            return HOSTILE * len(ids)

    results = [
        glmlint.check(rows, name=HOSTILE),
        glmlint.show(rows[0], name=HOSTILE),
        glmlint.compare(rows, "glm4", "trl", name=HOSTILE),
        converted,
        glmlint.collate_check(batch, Decoder()),
    ]
    for found in results:
        html = found._repr_html_()
        assert "<script" not in html and "<img" not in html and "</pre>" not in html
        assert not any(char in html + str(found) for char in "\x1b\u202e")
        assert "script" in html


def test_names_that_are_no_text_come_through(tmp_path: Path) -> None:
    name = "\udc80\x1b[31m"
    found = glmlint.check(hostile(), name=name)
    assert found.files[0].path == name == found.to_dict()["files"][0]["path"]
    found.to_json(tmp_path / "report.json")
    assert glmlint.load_report(tmp_path / "report.json").files[0].path == name
    for text in (str(found), found.to_html()):
        assert "\\x80\\x1b[31m" in text
    with pytest.raises(glmlint.FindingsFound) as caught:
        found.raise_for_findings()
    with pytest.raises(glmlint.GlmlintError) as missing:
        glmlint.check("\x1b[31m")
    assert "\x1b" not in str(caught.value) + str(missing.value)


def test_colours_come_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    row = glmlint.show(GOOD)
    row.print(color="always")
    assert "\x1b[" in capsys.readouterr().out
    row.print()
    assert "\x1b[" not in capsys.readouterr().out
    assert "你好" in row.__rich__().plain


# --- encode, show, compare, convert --------------------------------------------------------------


def test_encode_gives_what_the_command_prints(tmp_path: Path) -> None:
    file = written(tmp_path, ODD)
    printed = [
        json.loads(line)
        for line in CliRunner().invoke(cli, ["encode", str(file)]).stdout.splitlines()
    ]
    for data in (file, ODD, iter(ODD)):
        rows = list(glmlint.encode(data))
        assert [row.line for row in rows] == [entry["line"] for entry in printed]
        for row, entry in zip(rows, printed, strict=True):
            assert row.error == entry.get("error")
            assert row.input_ids.tolist() == entry.get("input_ids", [])
            assert row.labels.tolist() == entry.get("labels", [])
    whole = list(glmlint.encode(ROWS, truncate=False))
    assert max(len(row.input_ids) for row in whole) == 1142


def test_encode_refuses_at_once() -> None:
    with pytest.raises(glmlint.GlmlintError):
        glmlint.encode([GOOD], recipe="glm5")
    with pytest.raises(glmlint.GlmlintError, match="pack"):
        glmlint.encode([GOOD], packed=True)
    packed = glmlint.encode([GOOD] * 3, packed=True, recipe="trl", options={"packing": True})
    assert sum(isinstance(one, glmlint.PackedSequence) for one in packed) == 1


def test_show_looks_at_one_row() -> None:
    row = glmlint.show(ROWS, 4)
    assert row.findings[0].rule == "unknown-role" and row.error is None
    assert sum(token.supervised for token in row.tokens) == sum(m.supervised for m in row.messages)
    assert glmlint.show(f"{EXAMPLE}:4").findings == glmlint.show(EXAMPLE, 4).findings
    assert glmlint.show({"messages": 3}).error == "TypeError"
    with pytest.raises(glmlint.GlmlintError, match="rows has no line 99"):
        glmlint.show(ROWS, 99, lang="en")


def test_compare_says_where_trainers_differ() -> None:
    found = glmlint.compare(ROWS[:3], "glm4", {"recipe": "trl", "max_length": 100}, lang="en")
    assert found.rows == 3 and not found.same and found.pairs[0, 1].differ == 3
    assert any("trl" in told for told in found.differences)
    assert found.to_dict()["rows"] == 3 and "trl" in str(found) and "trl" in found.to_html()
    assert glmlint.compare(ROWS[:3], "glm4", "glm4").same
    with pytest.raises(TypeError, match="only once"):
        glmlint.compare(iter(ROWS), "glm4", "trl", lang="en")
    with pytest.raises(glmlint.GlmlintError):
        glmlint.compare(ROWS, "glm4")


def test_convert_gives_rows_and_says_what_was_lost() -> None:
    rows = [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho", "x": 1}]},
            {"nothing": 1}]  # fmt: skip
    found = glmlint.convert(iter(rows), to="glm4", lang="en")
    assert list(found) == [{"messages": [{"role": "user", "content": "Hi"},
                                         {"role": "assistant", "content": "Ho"}]}]  # fmt: skip
    assert (found.read, found.converted, found.formats) == (2, 1, {"sharegpt": 1})
    assert [one.line for one in found.losses] == [1] and [one.line for one in found.refused] == [2]
    assert "1 of 2 rows" in str(found)
    mapped = glmlint.convert([{"ask": "a", "reply": "b"}], to="glm4",
                             map={"ask": "user", "reply": "assistant"})  # fmt: skip
    assert len(list(mapped)) == 1
    with pytest.raises(glmlint.GlmlintError, match="did you mean openai"):
        glmlint.convert(rows, to="openia", lang="en")
    with pytest.raises(glmlint.GlmlintError, match="from_"):
        glmlint.convert(rows, to="glm4", from_="nothing", lang="en")


# --- batches -------------------------------------------------------------------------------------


def padded(rows: list[list[int]], fill: int, *, left: bool = False) -> list[list[int]]:
    size = max(map(len, rows))
    fills = [[fill] * (size - len(row)) for row in rows]
    return [more + row if left else row + more for row, more in zip(rows, fills, strict=True)]


def encoded(number: int = 4) -> tuple[list[list[int]], list[list[int]]]:
    """Ids and labels of the first rows."""
    rows = list(glmlint.encode(ROWS[:number]))
    return [row.input_ids.tolist() for row in rows], [row.labels.tolist() for row in rows]


PAD = 151329


def counts(found: glmlint.BatchCheck) -> tuple[int, int, int]:
    return found.tokens, found.padding, found.supervised_tokens


def test_a_batch_is_counted_whatever_it_is_made_of() -> None:
    torch = pytest.importorskip("torch")
    ids, labels = encoded()
    size = max(map(len, ids))
    tokens = sum(map(len, ids))
    expected = (tokens, 4 * size - tokens, sum(row.supervised for row in glmlint.collate_check(
        {"input_ids": ids, "labels": labels}).rows))  # fmt: skip
    assert glmlint.check(ROWS[:4]).totals.kept_supervised_tokens == expected[2]
    for left in (False, True):
        lists = {
            "input_ids": padded(ids, PAD, left=left),
            "labels": padded(labels, -100, left=left),
        }
        masked = {**lists, "attention_mask": padded([[1] * len(row) for row in ids], 0, left=left)}
        for batch in (lists, masked):
            arrays = {key: np.array(value) for key, value in batch.items()}
            tensors = {key: torch.tensor(value) for key, value in batch.items()}
            for kind in (batch, arrays, tensors):
                assert counts(glmlint.collate_check(kind)) == expected
    ragged = glmlint.collate_check({"input_ids": [torch.tensor(row) for row in ids],
                                    "labels": [np.array(row) for row in labels]})  # fmt: skip
    assert counts(ragged) == (tokens, 0, expected[2])
    assert counts(glmlint.collate_check({"input_ids": ids[0], "labels": labels[0]}))[0] == len(
        ids[0]
    )


def test_a_good_batch_passes_and_shows_what_it_trains() -> None:
    ids, labels = encoded()
    batch = {"input_ids": padded(ids, PAD), "labels": padded(labels, -100)}
    found = glmlint.collate_check(batch, "glm4", expect=ROWS, lang="en")
    found.assert_trains(min_ratio=0.1)
    assert found.matches and found.problems() == []
    assert (
        found.rows[1].last_text
        == "\nMagazines can't be reserved, so you can renew them twice.<|user|>"
    )
    assert all(row.stop for row in found.rows)
    assert "every sequence matches what glmlint encode gives" in str(found)
    assert "Magazines" in str(found) and "Magazines" in found.to_html()


def test_batches_of_transformers_collators_are_read() -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    ids, labels = encoded()
    rows = [{"input_ids": one, "labels": other} for one, other in zip(ids, labels, strict=True)]
    for settings in ({}, {"return_flash_attn_kwargs": True, "return_position_ids": False}):
        batch = transformers.DataCollatorWithFlattening(**settings)(rows)
        found = glmlint.collate_check(batch, expect=ROWS[:4])
        assert [row.tokens for row in found.rows] == [*map(len, ids)] and found.matches
        found.assert_trains(min_ratio=0.1)


@pytest.mark.parametrize("form", ["position_ids", "attention_mask", "cu_seq_lens_q"])
def test_packed_sequences_are_told_apart(form: str) -> None:
    ids, labels = encoded(3)
    extra = {
        "position_ids": [[at for row in ids for at in range(len(row))]],
        "attention_mask": [[n for n, row in enumerate(ids, 1) for _ in row]],
        "cu_seq_lens_q": np.cumsum([0, *map(len, ids)]),
    }[form]
    labels[1][0] = 7  # learned from the end of the sequence before
    batch = {"input_ids": np.concatenate(ids), "labels": np.concatenate(labels), form: extra}
    found = glmlint.collate_check(batch, expect=ROWS[:3], lang="en")
    assert [(row.row, row.sequence, row.tokens) for row in found.rows] == [
        (0, number, len(row)) for number, row in enumerate(ids)
    ]
    assert [row.first_labelled for row in found.rows] == [False, True, False]
    assert found.size == 1 and found.padding == 0
    assert "row 0.1" in str(found)


def test_labels_come_in_other_forms_too() -> None:
    ids, labels = encoded(2)
    plain = glmlint.collate_check({"input_ids": ids, "labels": labels})
    shifted = [[*row[1:], -100] for row in labels]
    masks = [[int(label != -100) for label in row] for row in labels]
    for key, value in (("shift_labels", shifted), ("loss_mask", masks)):
        found = glmlint.collate_check({"input_ids": ids, key: value})
        assert [row.spans for row in found.rows] == [row.spans for row in plain.rows]
        assert found.supervised_tokens == plain.supervised_tokens and not found.shifted


def labelled(change: Callable[[np.ndarray, np.ndarray], None]) -> glmlint.BatchCheck:
    """A padded batch whose labels were changed."""
    ids, labels = encoded()
    all_ids, all_labels = np.array(padded(ids, PAD)), np.array(padded(labels, -100))
    change(all_ids, all_labels)
    batch = {"input_ids": all_ids, "labels": all_labels}
    return glmlint.collate_check(batch, expect=ROWS[:4], lang="en")


def everything(ids: np.ndarray, labels: np.ndarray) -> None:
    labels[:] = ids


def nothing(_: np.ndarray, labels: np.ndarray) -> None:
    labels[:] = -100


def one_row(_: np.ndarray, labels: np.ndarray) -> None:
    labels[2] = -100


def no_stop(ids: np.ndarray, labels: np.ndarray) -> None:
    labels[np.isin(ids, [151336, 151338])] = -100


def moved(ids: np.ndarray, labels: np.ndarray) -> None:
    labels[:, :-1] = np.where(labels[:, 1:] != -100, ids[:, 1:], -100)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (everything, "are on padding"),
        (everything, "row 0 differs from rows:1 at token 1: the label is 151333, expected -100"),
        (nothing, "nothing in this batch is trained"),
        (one_row, r"nothing is trained in 1 of the sequences \(row 2\)"),
        (
            no_stop,
            r"the stop token after the last answer of 4 of the sequences .* has the label -100",
        ),
        (moved, "already shifted"),
    ],
)
def test_what_stands_against_a_batch_is_asserted(change: Any, told: str) -> None:
    found = labelled(change)
    with pytest.raises(AssertionError, match=told):
        found.assert_trains()


def test_shares_and_rows_that_are_none_are_asserted() -> None:
    ids, labels = encoded()
    batch = {"input_ids": ids, "labels": labels}
    found = glmlint.collate_check(batch, lang="en")
    with pytest.raises(AssertionError, match="less than 90"):
        found.assert_trains(0.9)
    with pytest.raises(AssertionError, match="is the prompt in the loss"):
        found.assert_trains(max_ratio=0.1)
    cut = glmlint.collate_check({"input_ids": [ids[0][:-3]], "labels": [labels[0][:-3]]}, lang="en")
    with pytest.raises(AssertionError, match="no stop token is trained"):
        cut.assert_trains()
    cut.assert_trains(stop=False)
    other = glmlint.collate_check(batch, expect=[GOOD], recipe="trl", lang="en")
    assert not other.matches and other.differences is not None and len(other.differences) == 4


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ({"input_ids": [[1]]}, "the batch has no labels; its keys are input_ids"),
        ({"labels": [[1]]}, "has no input_ids"),
        ({"input_ids": [[1, 2]], "labels": [[1]]}, "row 0 has 2 ids and 1 labels"),
        ({"input_ids": [[1], [2]], "labels": [[1]]}, "2 rows of ids and 1 rows of labels"),
        ({"input_ids": [[[1]]], "labels": [[1]]}, "input_ids must hold whole numbers"),
        ({"input_ids": "text", "labels": [[1]]}, "input_ids must hold whole numbers"),
        ({"input_ids": [], "labels": []}, "input_ids must hold whole numbers"),
    ],
)
def test_what_is_no_batch_is_refused(batch: Any, told: str) -> None:
    with pytest.raises(glmlint.GlmlintError, match=told):
        glmlint.collate_check(batch, lang="en")


def test_arguments_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError, match="a batch is a dict"):
        glmlint.collate_check([{"input_ids": [1], "labels": [1]}], lang="en")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="object with decode"):
        glmlint.collate_check({"input_ids": [1], "labels": [1]}, 5, lang="en")
    empty = glmlint.collate_check({"input_ids": [[]], "labels": [[]]}, lang="en")
    assert empty.tokens == 0 and empty.trainable_ratio is None


# --- what the documents show ---------------------------------------------------------------------


def test_every_snippet_of_the_page_runs() -> None:
    pytest.importorskip("datasets")
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    snippets = re.findall(r"(?ms)^```python\n(.*?)^```", page)
    assert len(snippets) >= 5
    values: dict[str, Any] = {}
    for snippet in snippets:
        exec(compile(snippet, "docs/python.md", "exec"), values)


def test_the_notebook_runs() -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("pandas")
    notebook = nbformat.read(ROOT / "examples" / "check_in_python.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = nbclient.NotebookClient(
        notebook, timeout=LIMIT, resources={"metadata": {"path": str(ROOT / "examples")}}
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"})
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert len(shown) == 6
    assert "unknown-role" in shown[0] and "background" in shown[2] and "openai" in shown[4]
