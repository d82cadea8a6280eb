"""The loader's simulation against the real `datasets`: recorded below 4.7, run for the newest."""

from __future__ import annotations

import importlib.util
import itertools
import json
import pickle
import random
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loader_cases import Case, Server, by_column, make, spelled

from glmlint.loader import CHUNK, Conflict, Padding, Shapes, chunk_starts, moment
from glmlint.loader.ujson_numbers import read_float, stored, stored_text, write_float

RECORDED = "4.4.1"
CASES = [
    Case(**item)
    for item in json.loads(Path(__file__).with_name("loader_cases.json").read_text("utf-8"))
]
NOT_ROW_BY_ROW = {"loads-garbled", "loads-reread"}


def shapes_of(case: Case, starts: list[int] | None = None) -> Shapes:
    shapes = Shapes(starts, chunk=case.chunk or CHUNK)
    add_lines(shapes, case.lines, 1, 0)
    return shapes


def add_lines(shapes: Shapes, lines: list[str], number: int, offset: int) -> int:
    for i, line in enumerate(lines):
        length = len(line.encode()) + 1
        if line:
            shapes.add(json.loads(line), number + i, offset, length)
        else:
            shapes.blank(number + i, offset)
        offset += length
    return offset


def compare(case: Case, answer: dict[str, Any], datasets: str) -> None:
    """The verdict is the real one, and so are the rows, key order and number types included."""
    shapes = shapes_of(case)
    conflicts = shapes.conflicts(datasets)
    outcomes = {conflict.outcome for conflict in conflicts}
    if outcomes & NOT_ROW_BY_ROW or "OverflowError" in answer.get("errors", ()):
        return
    assert ("errors" in answer) == any(conflict.fails for conflict in conflicts), case.data
    if "errors" in answer or any(conflict.later for conflict in conflicts):
        return
    expected = [spelled(shapes.pad(json.loads(line), datasets)) for line in case.lines if line]
    # repr tells 1 from 1.0 and one order of keys from another. The order of the columns, which
    # nothing reads, is not told: a Json column that the first row lacks moves forward.
    assert [by_column(row) for row in expected] == [by_column(row) for row in answer["rows"]]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_below_4_7_files_load_and_look_as_recorded(case: Case) -> None:
    compare(case, case.answer, RECORDED)


@pytest.fixture(scope="module")
def newest() -> Iterator[tuple[Server, str]]:
    if importlib.util.find_spec("datasets") is None:
        pytest.skip("needs the package datasets")
    from importlib.metadata import version

    server = Server(sys.executable)
    yield server, version("datasets")
    server.close()


def test_recorded_files_in_the_newest_version(newest: tuple[Server, str]) -> None:
    server, release = newest
    for case in CASES:
        compare(case, server.ask(case), release)


@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_made_files_in_the_newest_version(newest: tuple[Server, str], seed: int) -> None:
    server, release = newest
    case = make(random.Random(seed))
    compare(case, server.ask(case), release)


def facts(shapes: Shapes) -> list[Any]:
    return [
        (
            shapes.conflicts(release),
            shapes.column(release),
            shapes.padding(release),
            shapes.moments(release),
        )
        for release in ("4.4.1", "4.7.0", "5.2.0")
    ]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 6), min_size=2, max_size=2), st.booleans())
def test_merging_parts_in_any_grouping_is_reading_the_whole(
    seed: int, cuts: list[int], left_first: bool
) -> None:
    case = make(random.Random(seed))
    lengths = [len(line.encode()) + 1 for line in case.lines]
    starts, position = [0], 0
    for length in lengths:
        if position > starts[-1] + (case.chunk or CHUNK):
            starts.append(position)
        position += length
    starts.append(position)
    first, second = sorted(min(cut, len(case.lines)) for cut in cuts)
    parts = []
    for begin, end in ((0, first), (first, second), (second, len(case.lines))):
        part = Shapes(starts, chunk=case.chunk or CHUNK)
        add_lines(part, case.lines[begin:end], begin + 1, sum(lengths[:begin]))
        parts.append(pickle.loads(pickle.dumps(part)))
    one, two, three = parts
    merged = one.merge(two).merge(three) if left_first else one.merge(two.merge(three))
    assert facts(merged) == facts(shapes_of(case, starts))


def test_chunks_begin_after_the_first_line_end_past_their_size(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [b"x" * (i % 7) + b"\n" for i in range(200)]
    path.write_bytes(b"".join(lines))
    assert chunk_starts(path, 10) == walked(lines, 10)
    assert chunk_starts(path) == [0, path.stat().st_size]


def walked(lines: list[bytes], chunk: int) -> list[int]:
    starts, position = [0], 0
    for line in lines:
        if position > starts[-1] + chunk:
            starts.append(position)
        position += len(line)
    return [*starts, position]


MESSAGE = {"role": "user", "content": "你好"}


def rows(*values: Any, chunk: int = CHUNK) -> Shapes:
    return shapes_of(Case([json.dumps(value) for value in values], chunk))


def test_a_metadata_key_of_one_message_pads_all_others_below_4_7() -> None:
    shapes = rows({"messages": [MESSAGE]}, {"messages": [{**MESSAGE, "metadata": "f"}]})
    assert shapes.padding("4.6.1") == [Padding(path=("messages", 0, "metadata"), line=2, absent=1)]
    assert shapes.padding("4.6.1")[0].where == "messages[].metadata"
    assert shapes.pad({"messages": [MESSAGE]}, "4.6.1") == {
        "messages": [{**MESSAGE, "metadata": None}]
    }
    assert shapes.padding("4.7.0") == []
    assert shapes.pad({"messages": [MESSAGE]}, "4.7.0") == {"messages": [MESSAGE]}


def test_content_of_two_types_fails_below_4_7_and_is_json_after() -> None:
    shapes = rows({"messages": [MESSAGE]}, {"messages": [{"role": "user", "content": ["x"]}]})
    (old,) = shapes.conflicts("4.6.1")
    assert old == Conflict(
        path=("messages", 0, "content"),
        reason="types",
        types=(("string", 1), ("array", 2)),
        outcome="load-fails",
        error="DatasetGenerationError",
        cause="ArrowInvalid",
        line=2,
    )
    (new,) = shapes.conflicts("5.2.0")
    assert new.outcome == "loads-as-json"
    assert not new.fails


def test_a_key_that_first_appears_in_a_later_chunk_fails_in_every_version() -> None:
    shapes = rows({"messages": [MESSAGE]}, {"messages": [{**MESSAGE, "metadata": None}]}, chunk=1)
    for release in ("4.4.1", "5.2.0"):
        (late,) = shapes.conflicts(release)
        assert (late.reason, late.where, late.line) == ("late-key", "messages[].metadata", 2)
        assert late.fails
        assert late.cause == "TypeError"


def test_a_number_among_texts_of_a_later_chunk_puts_quotes_around_the_texts() -> None:
    one, two = {"a": "x"}, {"a": "y"}
    shapes = rows(one, {"a": [5]}, chunk=1)
    assert shapes.conflicts("5.2.0")[0].fails
    quoted = Shapes(chunk=10)
    add_lines(quoted, ['{"a": "xxxx"}', '{"a":5}', '{"a":"y"}'], 1, 0)
    assert [c.outcome for c in quoted.conflicts("5.2.0")] == ["loads-quoted"]
    assert rows(one, two).conflicts("5.2.0") == []


def test_texts_that_are_all_dates_become_datetimes() -> None:
    shapes = rows({"a": "2020-01-01"}, {"a": "2020-01-02T00:00:00Z"})
    assert shapes.moments("5.2.0") == [(("a",), 1)]
    assert shapes.pad({"a": "2020-01-01"}, "5.2.0") == {"a": datetime(2020, 1, 1)}
    assert rows({"a": "2020-01-01"}, {"a": "soon"}).moments("5.2.0") == []


def test_the_validation_split_is_cast_to_the_types_of_the_training_split() -> None:
    train = rows({"messages": [MESSAGE]})
    valid = rows({"messages": [{**MESSAGE, "metadata": "f"}]})
    (late,) = valid.conflicts("5.2.0", after=train)
    assert (late.reason, late.where) == ("late-key", "messages[].metadata")
    assert rows({"messages": [MESSAGE]}).conflicts("4.4.1", after=train) == []


def test_kinds_in_different_arrow_blocks_of_one_chunk() -> None:
    """Below 4.7 a chunk is parsed in blocks of a 32nd: there the parser sees no clash."""
    pad = {"pad": "p" * 200_000}
    shapes = rows(*[{**pad, "a": "x"}] * 3, *[{**pad, "a": 5}] * 3)
    assert [c.outcome for c in shapes.conflicts("4.4.1")] == ["loads-as-text"]
    assert shapes.pad({"pad": "p", "a": 5}, "4.4.1") == {"pad": "p", "a": "5"}
    crashing = rows(*[{**pad, "a": "x"}] * 3, *[{**pad, "a": ["y"]}] * 3)
    assert [c.outcome for c in crashing.conflicts("4.4.1")] == ["crashes"]
    assert [c.outcome for c in crashing.conflicts("5.2.0")] == ["loads-as-json"]


def test_a_blank_line_in_the_first_chunk_turns_the_json_columns_off() -> None:
    shapes = rows({"messages": [MESSAGE]}, {"messages": [{**MESSAGE, "metadata": "f"}]})
    shapes.blank(3, 200)
    assert [p.where for p in shapes.padding("5.2.0")] == ["messages[].metadata"]


def test_a_known_key_counts_a_row_without_walking_it() -> None:
    shapes = Shapes()
    assert not shapes.known("u", 0, 40)
    shapes.add({"messages": [MESSAGE]}, 1, 0, 40, key="u")
    assert shapes.known("u", 40, 40)
    assert shapes.rows == 2
    shapes.add({"messages": [{**MESSAGE, "metadata": "5"}]}, 3, 80, 40, key="date")
    assert not shapes.known("date", 120, 40), "another text may not read as a number"


def test_a_path_bomb_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glmlint.loader.shapes.MAX_PATHS", 50)
    shapes = rows({"a": 1}, {f"k{i}": 1 for i in range(300)})
    assert shapes.overflow == 2
    shapes.bound()
    assert len(shapes.padding("4.4.1")) <= 50
    chats = [
        {"messages": [MESSAGE, {**MESSAGE, "tools": [{f"k{i}": 0.3 for i in range(part, 100)}]}]}
        for part in (0, 50)
    ]
    shapes = rows(*chats)
    shapes.bound()
    assert shapes.overflow is not None and shapes.load("4.4.1") is None
    # Messages that keep their own keys come back as written but for floats, seen or not.
    load = shapes.load("5.2.0")
    assert load is not None and load.changes
    assert load.messages(chats[1]["messages"])[1]["tools"][0]["k99"] == 0.1 + 0.2


def test_paths_of_very_many_rows_are_bounded_wherever_the_file_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values: list[Any] = [
        {"messages": [{**MESSAGE, f"note{i}": i}], f"key{i}": {f"inner{i}": i}} for i in range(60)
    ]
    values[50]["messages"][0]["content"] = 7
    starts = [0]
    for value in values:
        starts.append(starts[-1] + len(json.dumps(value)) + 1)
    borders = [0, starts[20], starts[45], starts[-1]]

    def part(first: int, after: int) -> Shapes:
        shapes = Shapes(borders, chunk=CHUNK)
        for at in range(first, after):
            shapes.add(values[at], at + 1, starts[at], starts[at + 1] - starts[at])
        shapes.bound()
        return shapes

    def known(cuts: list[int]) -> tuple[Any, ...]:
        whole = Shapes()
        for first, after in itertools.pairwise(cuts):
            whole = whole.merge(part(first, after))
        column = whole.column("4.4.1")
        return whole.overflow, repr(column), whole.conflicts("4.4.1"), whole.padding("4.4.1")

    everything = known([0, 60])
    assert everything[0] is None
    monkeypatch.setattr("glmlint.loader.shapes.MAX_PATHS", 40)
    found = known([0, 60])
    # messages, role and content; then three new ones in each row
    assert found[0] == 13
    assert "key12" in found[1] and "note12" not in found[1] and "note12" in everything[1]
    assert [one.line for one in found[2] if one.where == "messages[].content"] == [51]
    for cuts in ([0, 10, 20, 60], [*range(61)], [0, 12, 13, 14, 60], [0, 30, 40, 50, 60]):
        assert known(cuts) == found


def test_times_as_arrow_reads_them() -> None:
    assert moment("2020-02-29 23:59") == datetime(2020, 2, 29, 23, 59)
    assert moment("2020-01-01T00:00:00+01:00") == datetime(2019, 12, 31, 23)
    for text in ("2019-02-29", "2020-1-1", "2020-01-01Z", "2020-01-01T00:00:00.5", "20200101", ""):
        assert moment(text) is None


@settings(max_examples=150, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_as_pandas_reads_and_writes_them(value: float) -> None:
    json_ = pytest.importorskip("pandas.io.json")
    assert write_float(value) == json_.ujson_dumps(value)
    if "e" not in (text := repr(value)) or abs(value) < 1e300:
        assert read_float(text) == json_.ujson_loads(text)


def test_json_columns_do_not_give_every_value_back() -> None:
    assert stored({"a": [0.3, 1e-12, 5]}) == {"a": [0.30000000000000004, 0.0, 5]}
    assert stored_text("5") == 5
    assert stored_text("hello") == "hello"


def as_read(messages: Any) -> Any:
    """A message list in which nothing but what a trainer can tell is told: repr tells the rest."""
    if not isinstance(messages, list):
        return messages
    return [
        sorted((key, repr(item)) for key, item in message.items())
        if isinstance(message, dict)
        else message
        for message in messages
    ]


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(("2.20.0", "4.4.1", "4.7.0", "5.2.0")))
def test_rows_said_to_be_as_written_are(seed: int, datasets: str) -> None:
    case = make(random.Random(seed))
    shapes = shapes_of(case)
    load = shapes.load(datasets)
    rows = [json.loads(line) for line in case.lines if line]
    rows = [row for row in rows if isinstance(row, dict) and "messages" in row]
    if load is None or not rows:
        return
    padded = [shapes.pad(row, datasets)["messages"] for row in rows]
    assert [load.messages(row["messages"]) for row in rows] == padded
    if not load.changes:
        assert [as_read(messages) for messages in padded] == [
            as_read(row["messages"]) for row in rows
        ]


def test_what_changes_a_file_and_what_does_not() -> None:
    def changes(rows: list[Any], datasets: str) -> bool:
        shapes = Shapes()
        offset = 0
        for number, row in enumerate(rows, 1):
            shapes.add(row, number, offset, 100)
            offset += 100
        load = shapes.load(datasets)
        assert load is not None
        return load.changes

    def chat(**more: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": "Hi"} | more]}

    plain, call = chat(), chat(metadata="f")
    turned = {"messages": [{"content": "Hi", "role": "user"}]}
    assert not changes([plain, turned], "4.4.1") and not changes([plain, turned], "5.2.0")
    assert changes([plain, call], "4.4.1") and not changes([plain, call], "5.2.0")
    assert changes([chat(tools=[{"a": 1, "b": 2}]), chat(tools=[{"b": 2, "a": 1}])], "4.4.1")
    # Numbers of one struct become floats; under Json they stay, but floats lose decimals.
    whole, half = chat(tools=[{"least": 0}]), chat(tools=[{"least": 0.5}])
    assert changes([whole, half], "5.2.0") and not changes([whole, whole, plain], "5.2.0")
    assert changes([half, plain], "5.2.0")
