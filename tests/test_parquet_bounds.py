"""A small Parquet file that stands for gigabytes costs no more memory than a large row may."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from bounded import peak
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.read import parquet
from glmlint.read.source import InputFile, SourceError, read_chunks

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def write(path: Path, columns: dict[str, Any], **settings: Any) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd", **settings)
    return path


def conversation(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}, {"role": "assistant", "content": text}]


def read(path: Path, max_line: int = 64 << 20) -> tuple[list[bytes], list[Any], str]:
    """Rows, what is wrong with some, and with what the reading ended."""
    lines: list[bytes] = []
    defects: list[Any] = []
    try:
        for chunk in read_chunks(InputFile(str(path)), max_line=max_line):
            lines += chunk.lines
            defects += chunk.defects.values()
    except SourceError as error:
        return lines, defects, error.say("en")
    return lines, defects, ""


def test_a_text_that_thousands_of_rows_repeat(tmp_path: Path, monkeypatch: Any) -> None:
    rows = pa.array([conversation("x" * 1_000_000)] * 1000, MESSAGES)
    path = write(tmp_path / "a.parquet", {"messages": rows})
    assert path.stat().st_size < 10_000
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        rows_read = 0
        with pytest.raises(SourceError):
            for chunk in read_chunks(InputFile(str(path))):
                rows_read += len(chunk.lines)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)
    assert 100 < rows_read < 140 and most < 80 << 20 and pool.max_memory() < 20 << 20
    monkeypatch.setattr(parquet, "_UNPACKED_MOST", 5 << 20)
    lines, _, why = read(path)
    assert len(lines) == 2 and "the rows before are read" in why


def test_one_text_of_which_a_page_is_full(tmp_path: Path) -> None:
    rows = pa.array([conversation("x" * 80_000_000)], MESSAGES)
    path = write(tmp_path / "a.parquet", {"messages": rows})
    told, megabytes = peak("check", path, "--lang", "en")
    assert "this is hardly data, and it is not read" in told and megabytes < 250


def test_a_row_of_millions_of_messages(tmp_path: Path) -> None:
    size = 20_000_000
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int32)), ["user"])
    entries = pa.StructArray.from_arrays([words.cast(pa.string())] * 2, ["role", "content"])
    rows = pa.ListArray.from_arrays(pa.array([0, size], pa.int32()), entries)
    path = write(tmp_path / "a.parquet", {"messages": rows})
    told, megabytes = peak("check", path, "--lang", "zh")
    assert "这不像是数据，未读取" in told and megabytes < 250


def test_a_row_that_is_too_large_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [conversation("a"), conversation("b" * 2000), conversation("c")]
    path = write(tmp_path / "a.parquet", {"messages": pa.array(rows, MESSAGES)})
    lines, defects, why = read(path, max_line=3000)
    assert why == "" and [len(line) > 0 for line in lines] == [True, False, True]
    [defect] = defects
    assert (defect.rule, defect.line, defect.values["limit"]) == ("line-too-long", 2, 3000)
    many = [conversation("a"), conversation("") * 200_000, conversation("c")]
    path = write(tmp_path / "b.parquet", {"messages": pa.array(many, MESSAGES)})
    lines, [defect], why = read(path)
    assert why == "" and len(lines) == 3 and lines[1] == b""
    assert defect.line == 2 and defect.values == {"values": 1_000_000}


def test_many_columns_are_made_python_objects_a_few_rows_at_a_time(
    tmp_path: Path, monkeypatch: Any
) -> None:
    seen: list[int] = []
    records = parquet._records
    monkeypatch.setattr(parquet, "_records", lambda *a: seen.append(a[2] - a[1]) or records(*a))
    columns = {f"c{i}": ["y" * 1000] * 600 for i in range(500)}
    path = write(tmp_path / "a.parquet", columns)
    lines, _, why = read(path)
    assert why == "" and len(lines) == 600 and max(seen) * 500 * 1000 <= parquet._PARQUET_BYTES
    assert len({*lines}) == 1 and len(lines[0]) > 500_000


def test_columns_that_nest_without_end(tmp_path: Path) -> None:
    kind, value = pa.string(), "x"
    for _ in range(60):
        kind, value = pa.list_(kind), [value]
    path = write(tmp_path / "a.parquet", {"a": pa.array([value], kind)})
    lines, _, why = read(path)
    assert len(lines) == 1 or "cannot be read" in why


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "text": st.none() | st.text(max_size=5),
                "many": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
                "both": st.none() | st.fixed_dictionaries({"a": st.none() | st.text(max_size=2), "b": st.lists(st.integers(0, 9), max_size=2)}),
                "map": st.none() | st.lists(st.tuples(st.text(max_size=2), st.integers(0, 9)), max_size=2),
                "pair": st.lists(st.integers(0, 9), min_size=2, max_size=2),
            }
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 4),
)  # fmt: skip
def test_rows_are_those_of_pyarrow_and_their_size_is_known(
    rows: list[dict[str, Any]], group: int
) -> None:
    kinds = pa.schema(
        [
            ("text", pa.string()),
            ("many", pa.list_(pa.string())),
            ("both", pa.struct([("a", pa.string()), ("b", pa.list_(pa.int64()))])),
            ("map", pa.map_(pa.string(), pa.int64())),
            ("pair", pa.list_(pa.int64(), 2)),
        ]
    )
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, kinds), file, row_group_size=group)
    found = [line for _, line, _ in parquet.parquet_rows(file, 1 << 20)]
    wanted = pq.read_table(file).to_pylist()
    assert found == [msgspec.json.encode(row) for row in wanted]
    plain = pq.ParquetFile(file)
    table = pq.ParquetFile(file, read_dictionary=parquet._texts_of(plain.schema))
    texts = [
        len((row["text"] or "").encode()) + sum(len((x or "").encode()) for x in row["many"] or ())
        for row in wanted
    ]
    at = 0
    for number in range(table.num_row_groups):
        batch = table.read_row_group(number, ["text", "many"]).to_batches()[0]
        sizes = sum(parquet._measured(column)[0] for column in batch.columns)
        own = texts[at : at + len(sizes)]
        at += len(sizes)
        assert (sizes == list(own)).all()
