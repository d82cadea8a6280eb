"""Files become rows: every layout, packing and damage, whatever the size of a chunk."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from processes import LIMIT

from glmlint.finding import Defect
from glmlint.loader import chunk_starts
from glmlint.read import source
from glmlint.read.charset import BINARY, BOM, CODECS, DAMAGED
from glmlint.read.paths import PathProblem, find_inputs
from glmlint.read.scan import scan_values
from glmlint.read.source import (
    Chunk,
    InputFile,
    SourceError,
    encoding_guess,
    read_chunks,
    split_values,
)


def read(path: Path, chunk_bytes: int = 8 << 20, max_line: int = 64 << 20) -> list[Chunk]:
    return list(read_chunks(InputFile(str(path)), chunk_bytes, max_line))


def rows_of(chunks: list[Chunk]) -> list[bytes]:
    return [line for chunk in chunks for line in chunk.lines]


def numbers_of(chunks: list[Chunk]) -> list[int]:
    return [number for chunk in chunks for number in chunk.numbers]


def file_faults(chunks: list[Chunk]) -> list[tuple[str, dict[str, Any]]]:
    return [(fault.rule, fault.values) for chunk in chunks for fault in chunk.file_defects]


def defects_of(chunks: list[Chunk]) -> dict[int, Defect]:
    """Index of the row in the file -> its defect."""
    found = {}
    before = 0
    for chunk in chunks:
        found |= {before + index: defect for index, defect in chunk.defects.items()}
        before += len(chunk.lines)
    return found


def whole(chunks: list[Chunk]) -> tuple[Any, ...]:
    """All that must not depend on the size of a chunk."""
    return (
        rows_of(chunks),
        numbers_of(chunks),
        defects_of(chunks),
        file_faults(chunks),
        sum(chunk.blank_lines for chunk in chunks),
        next((chunk.first_blank for chunk in chunks if chunk.first_blank), None),
    )


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# --- lines ---------------------------------------------------------------------------------------


def test_a_line_ends_at_lf_and_a_cr_before_it_belongs_to_the_end(tmp_path: Path) -> None:
    chunks = read(written(tmp_path / "a.jsonl", b'{"a":1}\r\n{"a":2}\n{"a":3}\r\n{"a":4}'))
    assert rows_of(chunks) == [b'{"a":1}', b'{"a":2}', b'{"a":3}', b'{"a":4}']
    assert numbers_of(chunks) == [1, 2, 3, 4]
    assert file_faults(chunks) == []


def test_separators_of_unicode_stand_inside_texts(tmp_path: Path) -> None:
    text = json.dumps({"a": "x\u2028y\u2029z\x85\x0b\x0c"}, ensure_ascii=False).encode()
    chunks = read(written(tmp_path / "a.jsonl", text + b"\n" + text))
    assert rows_of(chunks) == [text, text]


def test_blank_lines_are_counted_and_are_no_rows(tmp_path: Path) -> None:
    chunks = read(written(tmp_path / "a.jsonl", b'{"a":1}\n\n \t\r\n{"a":2}\n\n'))
    assert rows_of(chunks) == [b'{"a":1}', b'{"a":2}']
    assert numbers_of(chunks) == [1, 4]
    assert [(chunk.blank_lines, chunk.first_blank) for chunk in chunks] == [(3, 2)]


@pytest.mark.parametrize("chunk_bytes", [1, 3, 8, 1 << 20])
def test_a_line_over_the_limit_is_skipped_and_the_next_one_is_read(
    tmp_path: Path, chunk_bytes: int
) -> None:
    content = b'{"a":1}\n' + b"x" * 11 + b"\r\n" + b"y" * 10 + b"\r\n\n" + b"z" * 99
    chunks = read(written(tmp_path / "a.jsonl", content), chunk_bytes, max_line=10)
    assert rows_of(chunks) == [b'{"a":1}', b"", b"y" * 10, b""]
    assert numbers_of(chunks) == [1, 2, 3, 5]
    assert defects_of(chunks) == {
        1: Defect("line-too-long", {"bytes": 11, "limit": 10}, 2),
        3: Defect("line-too-long", {"bytes": 99, "limit": 10}, 5),
    }


def test_a_line_of_200_mb_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a":1}\n{"b":"')
        file.seek(200 << 20)  # a sparse file: the text is zeros
        file.write(b'"}\n{"c":2}\n')
    tracemalloc.start()
    try:
        rows = [
            (number, len(line), chunk.defects)
            for chunk in read_chunks(InputFile(str(path)), 1 << 20, max_line=4 << 20)
            for number, line in zip(chunk.numbers, chunk.lines, strict=True)
        ]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = (200 << 20) - 8 + 2
    too_long = Defect("line-too-long", {"bytes": size, "limit": 4 << 20}, 2)
    assert rows == [(1, 7, {}), (2, 0, {0: too_long}), (3, 7, {})]
    assert peak < 24 << 20


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for name, rows in (("a.jsonl", 60_000), ("b.json", 40_000)):
        row = b'{"text": "' + b"x" * 100 + b'"}'
        array = name.endswith(".json")
        content = (b"[\n" if array else b"") + (b",\n" if array else b"\n").join([row] * rows)
        path = written(tmp_path / name, content + (b"\n]" if array else b"\n"))
        tracemalloc.start()
        try:
            seen = sum(len(chunk.lines) for chunk in read_chunks(InputFile(str(path)), 1 << 18))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert seen == rows
    assert max(peaks) < 4 << 20


# --- what a file is ------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf", b"[]", b" [ ]\n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_file_without_rows_is_empty(tmp_path: Path, name: str, content: bytes) -> None:
    chunks = read(written(tmp_path / name, content))
    assert rows_of(chunks) == []
    assert file_faults(chunks)[-1] == ("not-jsonl", {"kind": "empty"})


def test_a_byte_order_mark_is_told_and_taken_off(tmp_path: Path) -> None:
    chunks = read(written(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a":1}\n{"a":2}'), chunk_bytes=1)
    assert rows_of(chunks) == [b'{"a":1}', b'{"a":2}']
    assert file_faults(chunks) == [("byte-order-mark", {})]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("codec", "mark", "name"),
    [
        ("utf-16-le", True, "UTF-16 (little-endian)"),
        ("utf-16-be", True, "UTF-16 (big-endian)"),
        ("utf-32-le", True, "UTF-32 (little-endian)"),
        ("utf-32-be", True, "UTF-32 (big-endian)"),
        ("utf-16-le", False, "UTF-16 (little-endian)"),
        ("utf-16-be", False, "UTF-16 (big-endian)"),
    ],
)
def test_utf16_and_utf32_are_read_as_utf8(
    tmp_path: Path, codec: str, mark: bool, name: str, chunk_bytes: int
) -> None:
    text = '{"a":"中文 😀"}\r\n{"a":2}\r\n'
    content = (("\ufeff" if mark else "") + text).encode(codec)
    chunks = read(written(tmp_path / "a.jsonl", content), chunk_bytes)
    assert rows_of(chunks) == ['{"a":"中文 😀"}'.encode(), b'{"a":2}']
    assert file_faults(chunks) == [("not-utf8", {"encoding": name})]


def test_damaged_utf16_goes_on(tmp_path: Path) -> None:
    content = b"\xff\xfe" + '{"a":1}\n'.encode("utf-16-le") + b"\x00\xd8\x0a\x00{"
    assert rows_of(read(written(tmp_path / "a.jsonl", content)))[0] == b'{"a":1}'


def test_an_array_gives_its_elements_with_the_lines_where_they_start(tmp_path: Path) -> None:
    content = b'[\n {"a": [1, {"b": "]}"}]},\n\n {"c":\n 2}\n, {"d": "\\"],"}]\n'
    chunks = read(written(tmp_path / "a.jsonl", content))
    assert rows_of(chunks) == [b'{"a": [1, {"b": "]}"}]}', b'{"c":\n 2}', b'{"d": "\\"],"}']
    assert numbers_of(chunks) == [2, 4, 6]
    assert file_faults(chunks) == [("not-jsonl", {"kind": "array"})]
    assert defects_of(chunks) == {}


def test_a_json_file_is_named_so_whatever_it_holds(tmp_path: Path) -> None:
    contents = {
        b'[{"a":1},{"a":2}]': 2,
        b'[[1], "x", 3, null]': 4,
        b'{"a":1}\n{"a":2}\n': 2,
        b'{\n"a":1}\n{\n"a":2}\n': 2,
        b'{"x":{"a":1},"y":{"a":2}}': 1,
        b'{\n"x":{"a":1},\n"y":{"a":2}\n}': 1,
        b'[{"role":"user"}]\n[{"role":"user"}]\n': 2,
    }
    for content, rows in contents.items():
        chunks = read(written(tmp_path / "a.json", content))
        assert (len(rows_of(chunks)), defects_of(chunks)) == (rows, {}), content
        assert file_faults(chunks) == [("not-jsonl", {"kind": "json-suffix"})]
    packed = written(tmp_path / "a.json.gz", gzip.compress(b'[{"a":1}]'))
    assert file_faults(read(packed)) == [("not-jsonl", {"kind": "json-suffix"})]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"role":"user"}]\n[{"role":"user"}]\n',
        b'[{"role":"user"},{"role":"assistant"}]',
        b'[{"role":"user"},{"role":"assistant"}\n[{"role":"user"}]\n',  # the first line is broken
        b"[1,2]\n[3]\n",
        b"[1,2]",
        b'[{"a":1}] [{"b":1}]\n',
        b'{"a":"raw\nnewline"}\n{"a":2}\n',
        b'{"a":1\n{"a":2}\n{"a":3}\n',
        b'{"a":1}{"a":2}\n{"a":3}\n',
        b'# comment\n{\n"a":1}\n',
        b"1\n2\n",
    ],
)
def test_what_is_lines_stays_lines(tmp_path: Path, content: bytes) -> None:
    chunks = read(written(tmp_path / "a.jsonl", content))
    assert rows_of(chunks) == content.splitlines()
    assert file_faults(chunks) == []


@pytest.mark.parametrize(
    ("content", "rows", "numbers"),
    [
        (b'{\n "a": 1\n}\n{\n "a": 2\n}', [b'{\n "a": 1\n}', b'{\n "a": 2\n}'], [1, 4]),
        (b'{"a":\n1} {"b":2}{"c":\n3}', [b'{"a":\n1}', b'{"b":2}', b'{"c":\n3}'], [1, 2, 2]),
        (b'[\n{"role":1}]\n[\n{"role":2}]', [b'[\n{"role":1}]', b'[\n{"role":2}]'], [1, 3]),
        (b'{\n"a":1}\nnoise\n{"b":2}', [b'{\n"a":1}', b"noise", b'{"b":2}'], [1, 3, 4]),
        (b'{\n"a":1}\n{"b":', [b'{\n"a":1}', b'{"b":'], [1, 3]),
        (b'{\n"a":1}\n}]', [b'{\n"a":1}', b"}", b"]"], [1, 3, 3]),
    ],
)
def test_values_over_several_lines(
    tmp_path: Path, content: bytes, rows: list[bytes], numbers: list[int]
) -> None:
    chunks = read(written(tmp_path / "a.jsonl", content))
    assert rows_of(chunks) == rows
    assert numbers_of(chunks) == numbers
    assert file_faults(chunks) == [("not-jsonl", {"kind": "pretty-printed"})]


def test_line_ends_of_old_macs(tmp_path: Path) -> None:
    chunks = read(written(tmp_path / "a.jsonl", b'{"a":1}\r{"a":2}\r'))
    assert rows_of(chunks) == [b'{"a":1}', b'{"a":2}']
    assert file_faults(chunks) == [("not-jsonl", {"kind": "carriage-return"})]


@pytest.mark.parametrize("opener", [b"[\n", b""])
def test_a_first_value_longer_than_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opener: bytes
) -> None:
    monkeypatch.setattr(source, "HEAD_BYTES", 64)
    value = b'{\n  "a": "' + b"x" * 200 + b'"\n}'
    between = b",\n" if opener else b"\n"
    chunks = read(written(tmp_path / "a.jsonl", opener + value + between + value))
    assert rows_of(chunks)[:2] == [value, value]
    long_line = b'{"a": "' + b"x" * 200 + b'"}\n'
    assert len(rows_of(read(written(tmp_path / "b.jsonl", long_line * 3)))) == 3


@pytest.mark.parametrize(
    ("content", "rows", "reasons"),
    [
        (b'[\n{"a":1}\n{"b":2}]', 2, {1: "no comma before this value"}),
        (b'[{"a":1},,{"b":2}]', 2, {1: "an unexpected comma before this value"}),
        (b'[\n,{"a":1}]', 1, {0: "an unexpected comma before this value"}),
        (b'[{"a":1},\n]', 2, {1: "a comma before the closing bracket"}),
        (b'[{"a":1}]\nmore {}', 2, {1: "text after the end of the array"}),
        (b'[{"a":1},', 2, {1: "the array is not closed"}),
        (b'[{"a":1}, {"b":', 3, {2: "the array is not closed"}),
        (b'[{"a":1}, noise, "s", {"b":2}]', 4, {}),
        (b'[{"a": "x},\n{"b": "y"}\n]', 2, {1: "the array is not closed"}),
    ],
)
def test_broken_arrays_go_on(
    tmp_path: Path, content: bytes, rows: int, reasons: dict[int, str]
) -> None:
    chunks = read(written(tmp_path / "a.json", content))
    defects = defects_of(chunks)
    assert len(rows_of(chunks)) == rows
    assert {index: defect.values["reason"] for index, defect in defects.items()} == reasons
    assert {defect.rule for defect in defects.values()} <= {"invalid-json"}


def test_an_element_over_the_limit_is_skipped(tmp_path: Path) -> None:
    content = b'[{"a":1},\n{"b":"' + b"x" * 500 + b'"},\n{"c":3}]'
    chunks = read(written(tmp_path / "a.json", content), chunk_bytes=16, max_line=50)
    assert rows_of(chunks) == [b'{"a":1}', b"", b'{"c":3}']
    assert numbers_of(chunks) == [1, 2, 3]
    assert defects_of(chunks) == {1: Defect("line-too-long", {"bytes": 508, "limit": 50}, 2)}


def test_brackets_are_counted_not_recursed(tmp_path: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    assert rows_of(read(written(tmp_path / "a.json", b"[" + deep + b"]"))) == [deep]


def test_two_objects_on_a_line_can_be_split() -> None:
    assert split_values(b'{"a":"}{"} {"b":[{}]}[1]') == [b'{"a":"}{"}', b'{"b":[{}]}', b"[1]"]
    for line in (
        b"",
        b"{}",
        b"{} x",
        b"{},{}",
        b'{"a":1}{"b":',
        b'"a" "b"',
        b"1 2",
        b"} {",
        b"{}]",
    ):
        assert split_values(line) is None, line


# --- real files ----------------------------------------------------------------------------------


def index() -> Iterator[dict[str, str]]:
    table = SHARED / "data" / "INDEX.tsv"
    if table.exists():
        with table.open(encoding="utf-8") as file:
            yield from csv.DictReader(file, delimiter="\t")


def parsed(rows: list[bytes]) -> int:
    count = 0
    for row in rows:
        try:
            json.loads(row.decode())
        except ValueError:
            continue
        count += 1
    return count


READ_DIFFERENTLY = {
    "broken/utf16.jsonl": 10,  # the index counts UTF-8 lines
    "broken/pretty_printed.jsonl": 33,  # the index counts lines
    "broken/not_utf8_byte.jsonl": 0,  # the index decodes as GB18030
    "swift/rft_math.json": 1,  # one object, keyed by id
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared, with the real data")
def test_every_real_file_has_the_rows_of_the_index() -> None:
    wrong = {}
    for entry in index():
        rows = parsed(rows_of(read(SHARED / "data" / entry["path"])))
        expected = READ_DIFFERENTLY.get(entry["path"], int(entry["rows"]))
        if rows != expected:
            wrong[entry["path"]] = (rows, expected)
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "rows", "blank", "faults"),
    [
        ("bad_keys.jsonl", 6, 0, []),
        ("bad_keys_image.jsonl", 22, 0, []),
        ("blank_lines.jsonl", 787, 767, []),
        ("comment_lines.jsonl", 69, 1, []),
        ("git_lfs_pointer.json", 0, 0, [("not-jsonl", {"kind": "lfs-pointer"})]),
        ("not_utf8_byte.jsonl", 379, 0, []),
        ("one_bad_line.jsonl", 80, 0, []),
        ("pretty_printed.jsonl", 33, 0, [("not-jsonl", {"kind": "pretty-printed"})]),
        ("prose_line.jsonl", 2, 0, []),
        ("raw_newline_in_string.jsonl", 13, 0, []),
        ("symlink_text.jsonl", 0, 0, [("not-jsonl", {"kind": "symlink-text"})]),
        ("utf16.jsonl", 10, 0, [("not-utf8", {"encoding": "UTF-16 (little-endian)"})]),
    ],
)
def test_real_broken_files(
    shared: Path, name: str, rows: int, blank: int, faults: list[tuple[str, dict[str, str]]]
) -> None:
    path = shared / "data" / "broken" / name
    chunks = read(path)
    assert len(rows_of(chunks)) == rows
    assert sum(chunk.blank_lines for chunk in chunks) == blank
    assert file_faults(chunks) == faults
    assert whole(read(path, chunk_bytes=1009)) == whole(chunks)


# --- packed files --------------------------------------------------------------------------------

ROWS = [b'{"n": %d, "text": "%s"}' % (n, b"abc" * (n % 50)) for n in range(5000)]
TEXT = b"\n".join(ROWS) + b"\n"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl"])
def test_gzip_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    members = gzip.compress(TEXT[:30000]) + gzip.compress(TEXT[30000:]) + b"\0" * 99
    assert rows_of(read(written(tmp_path / name, members))) == ROWS


def test_what_is_before_a_break_in_gzip_is_read(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1  # the checksum: all the text is there
    damaged = bytearray(gzip.compress(TEXT, 0))
    damaged[40_000] ^= 1
    for content, least in (
        (gzip.compress(TEXT)[:-8], 5000),
        (gzip.compress(TEXT)[:-900], 1000),
        (bytes(packed), 5000),
        (gzip.compress(TEXT) + b"noise", 5000),
        (bytes(damaged), 500),
    ):
        path = written(tmp_path / "a.jsonl.gz", content)
        for chunk_bytes in (997, 8 << 20):
            rows: list[bytes] = []
            with pytest.raises(SourceError, match="gzip"):
                for chunk in read_chunks(InputFile(str(path)), chunk_bytes):
                    rows += chunk.lines
            assert least <= len(rows) <= 5000


def test_a_gzip_bomb_is_unpacked_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(40):
            file.write(b" " * (1 << 20))
    tracemalloc.start()
    try:
        chunks = read(path, 1 << 18, max_line=1 << 18)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows_of(chunks) == [b""]
    assert peak < 12 << 20


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.jsonl"])
def test_zstd_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    frames = zstandard.compress(TEXT[:30000]) + zstandard.compress(TEXT[30000:])
    assert rows_of(read(written(tmp_path / name, frames))) == ROWS
    path = written(tmp_path / name, frames[:-3])
    with pytest.raises(SourceError, match="ends too early"):
        read(path)
    rows: list[bytes] = []
    long = zstandard.ZstdCompressor().compress(os.urandom(400_000).hex().encode() + b"\n" + TEXT)
    with pytest.raises(SourceError, match="zstd"):
        for chunk in read_chunks(InputFile(str(written(path, frames + long[:-9] + b"~" * 9)))):
            rows += chunk.lines
    assert rows[:5000] == ROWS


def test_a_missing_extra_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    packed = written(tmp_path / "a.jsonl.zst", b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(SourceError, match=r"pip install zstandard \(in .*'\.\[zstd\]'\)"):
        read(packed)
    with pytest.raises(SourceError, match=r"pip install pyarrow \(in .*'\.\[parquet\]'\)"):
        read(written(tmp_path / "a.parquet", b"PAR1 rest"))


def test_parquet_rows_are_json_with_their_nulls(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    records = [
        {"messages": [{"role": "user", "content": f"你好 {n}", "metadata": None}], "n": n}
        for n in range(1000)
    ]
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(records), path, row_group_size=300)
    chunks = read(path, chunk_bytes=5000)
    assert [json.loads(row) for row in rows_of(chunks)] == records
    assert numbers_of(chunks) == list(range(1, 1001))
    assert (len(chunks) > 5, file_faults(chunks)) == (True, [])
    assert defects_of(read(path, max_line=10))[7].rule == "line-too-long"
    with pytest.raises(SourceError, match="Parquet"):
        read(written(tmp_path / "b.parquet", path.read_bytes()[:-50]))
    parquet.write_table(pyarrow.table({"a": pyarrow.array([], "int64")}), path)
    assert file_faults(read(path)) == [("not-jsonl", {"kind": "empty"})]


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst", ".parquet"])
def test_a_packed_name_with_other_content(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"a{suffix}", b'{"a": 1}\n')
    with pytest.raises(SourceError, match="the content is something else"):
        read(path)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    assert file_faults(read(written(path, pointer))) == [("not-jsonl", {"kind": "lfs-pointer"})]
    assert file_faults(read(written(path, b""))) == [("not-jsonl", {"kind": "empty"})]


# --- any bytes -----------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(bytes([char]) for char in b'{}[],:"\\ \t\r\n#x1'),
        b'{"a":1}',
        b'{"role":"user"}',
        b'{\n"a":1}',
        b'"s\\"t"',
        b"\r\n",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"{\0",
        b"\0\n",
        b"\xd8\0",
        "中😀".encode(),
        b"x" * 30,
        b"[{},\n",
        b"../a.jsonl",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"\x28\xb5\x2f\xfd",
        b"PAR1",
        gzip.compress(b'{"a":1}\n{"b":2}\n'),
    ]
)
ANY_BYTES = st.one_of(st.lists(PIECES, max_size=30).map(b"".join), st.binary(max_size=80))


def outcome(path: Path, chunk_bytes: int, max_line: int) -> tuple[Any, ...]:
    chunks: list[Chunk] = []
    reason = None
    try:
        for chunk in read_chunks(InputFile(str(path)), chunk_bytes, max_line):
            assert len(chunk.lines) == len(chunk.numbers)
            assert all(0 <= index < len(chunk.lines) for index in chunk.defects)
            chunks.append(chunk)
    except SourceError as error:
        reason = error.say("en")
    return whole(chunks), reason


@settings(max_examples=400, deadline=None)
@given(
    content=ANY_BYTES,
    name=st.sampled_from(["a.jsonl", "a.json", "b.jsonl.gz"]),
    chunk_bytes=st.integers(1, 40),
    max_line=st.sampled_from([1, 5, 20, 1 << 20]),
    head=st.sampled_from([8, 30, 1 << 20]),
)
def test_rows_do_not_depend_on_the_chunk(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    name: str,
    chunk_bytes: int,
    max_line: int,
    head: int,
) -> None:
    path = written(tmp_path_factory.getbasetemp() / name, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "HEAD_BYTES", head)
        once = outcome(path, 1 << 20, max_line)
        assert outcome(path, chunk_bytes, max_line) == once
        assert outcome(path, 1, max_line) == once


@settings(max_examples=300, deadline=None)
@given(content=ANY_BYTES, cuts=st.lists(st.integers(0, 200)), in_array=st.booleans())
def test_the_scanner_loses_nothing_but_separators(
    content: bytes, cuts: list[int], in_array: bool
) -> None:
    if in_array:
        content = b"[" + content
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    blocks = [content[a:b] for a, b in pairwise(edges)]
    rows = list(scan_values(iter(blocks), in_array, 1 << 20))
    assert rows == list(scan_values(iter([content]), in_array, 1 << 20))
    separators = b" \t\r\n,[]"
    kept = b"".join(row for _, row, _ in rows)
    assert kept.translate(None, separators) == content.translate(None, separators)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.text(max_size=4), JSON_VALUES, max_size=3), min_size=1),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_written_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    indent: int | None,
    ascii_only: bool,
) -> None:
    assume(rows[0])  # `{}` on the first line looks like lines
    folder = tmp_path_factory.getbasetemp()
    as_array = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    as_values = "\n".join(json.dumps(row, indent=indent, ensure_ascii=ascii_only) for row in rows)
    for name, text in (("array.json", as_array), ("values.jsonl", as_values)):
        chunks = read(written(folder / name, text.encode()), chunk_bytes=50)
        assert [json.loads(row) for row in rows_of(chunks)] == rows
        assert defects_of(chunks) == {}


# --- paths ---------------------------------------------------------------------------------------


def paths_of(*given_paths: str | Path) -> list[str]:
    found, problems = find_inputs([str(path) for path in given_paths])
    assert problems == []
    return [file.path for file in found]


def problem(given_path: str | Path) -> str:
    found, problems = find_inputs([str(given_path)])
    assert found == []
    assert [type(each) for each in problems] == [PathProblem]
    return problems[0].say("en")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.jsonl",
        "a/x.NDJSON",
        "a/deep/er/y.jsonl.gz",
        "a/z.jsonl.zst",
        "c.parquet",
        "d.json",
        "README.md",
        ".git/objects.jsonl",
        "._b.jsonl",
        "named.jsonl/q.jsonl",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"a":1}\n')
    return tmp_path


def test_a_folder_means_its_data_files_at_any_depth(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    below = ["a/deep/er/y.jsonl.gz", "a/x.NDJSON", "a/z.jsonl.zst", "b.jsonl", "c.parquet"]
    expected = [*below, "named.jsonl/q.jsonl"]
    assert paths_of(".") == [os.path.join(".", path) for path in expected]  # noqa: PTH118
    assert paths_of("named.jsonl") == ["named.jsonl/q.jsonl"]
    assert paths_of(".git") == [".git/objects.jsonl"]
    assert paths_of("d.json", "b.jsonl", "README.md") == ["d.json", "b.jsonl", "README.md"]


def test_each_file_comes_once_where_it_was_first_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    assert paths_of("c.parquet", "-", "./b.jsonl", "b.jsonl", "-", str(tree / "c.parquet")) == [
        "c.parquet",
        "-",
        "./b.jsonl",
    ]


def test_patterns_that_the_shell_left_alone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert paths_of("*.jsonl") == ["b.jsonl", "named.jsonl/q.jsonl"]
    assert paths_of("**/*.jsonl*") == [
        "a/deep/er/y.jsonl.gz",
        "a/z.jsonl.zst",
        "b.jsonl",
        "named.jsonl/q.jsonl",
    ]
    assert paths_of("*.json") == ["d.json"]
    assert paths_of("RE*") == ["README.md"]
    assert "README.md" not in paths_of("*")
    assert problem("*.csv") == "no file with data matches this pattern"
    (tree / "x[1].jsonl").write_bytes(b"{}")
    assert paths_of("x[1].jsonl") == ["x[1].jsonl"]


def test_paths_that_cannot_be_read(tree: Path) -> None:
    assert problem(tree / "none.jsonl") == "no such file or folder"
    assert problem(tree / "b.jsonl" / "x") == "no such file or folder"
    assert problem("a\0b") == "embedded null byte"
    (tree / "empty").mkdir()
    assert problem(tree / "empty") == "no .jsonl, .ndjson or .parquet file in this folder"
    (tree / "empty" / "a.json").write_bytes(b"[]")
    assert problem(tree / "empty").endswith("a .json file is read when it is named")
    with pytest.raises(SourceError, match="a folder, not a file"):
        read(tree / "a")
    with pytest.raises(SourceError, match="no such file"):
        read(tree / "none.jsonl")
    found, problems = find_inputs([str(tree / "none"), str(tree / "b.jsonl")])
    assert (len(found), len(problems)) == (1, 1)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_no_permission(tree: Path) -> None:
    (tree / "b.jsonl").chmod(0)
    (tree / "a").chmod(0)
    assert problem(tree / "b.jsonl") == "no permission to read it"
    assert problem(tree / "a") == "no permission to read it"
    with pytest.raises(SourceError, match="no permission"):
        read(tree / "b.jsonl")
    (tree / "a").chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_are_followed_and_loops_end(tree: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "far.jsonl").write_bytes(b"{}")
    (tree / "a" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "a" / "out").symlink_to(outside, target_is_directory=True)
    found = paths_of(tree)
    assert len(found) == 7
    assert str(tree / "a" / "out" / "far.jsonl") in found
    (tree / "self.jsonl").symlink_to(tree / "self.jsonl")
    (tree / "gone.jsonl").symlink_to(tree / "nowhere")
    more, problems = find_inputs([str(tree)])
    assert len(more) == 7
    assert [Path(each.path).name for each in problems] == ["gone.jsonl", "self.jsonl"]
    assert problem(tree / "self.jsonl") == problems[1].say("en")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_are_read_and_devices_are_not(tmp_path: Path) -> None:
    pipe = tmp_path / "p.jsonl"
    os.mkfifo(pipe)
    assert paths_of(pipe) == [str(pipe)]
    assert problem(tmp_path).startswith("no .jsonl")  # in a folder a pipe is no data
    writer = threading.Thread(target=pipe.write_bytes, args=[b'{"a":1}\n{"a":2}\n'])
    writer.start()
    assert rows_of(read(pipe)) == [b'{"a":1}', b'{"a":2}']
    writer.join(LIMIT)
    assert not writer.is_alive()
    assert problem("/dev/zero").startswith("a device or a socket")
    assert file_faults(read(Path(paths_of(os.devnull)[0]))) == [("not-jsonl", {"kind": "empty"})]


def test_standard_input_is_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b'{"a":"\xe4\xb8"}\n{}', gzip.compress(b'{"a":"\xe4\xb8"}\n{}')):
        stream = io.TextIOWrapper(io.BytesIO(content), encoding="ascii")
        monkeypatch.setattr(sys, "stdin", stream)
        chunks = list(read_chunks(InputFile("-")))
        assert rows_of(chunks) == [b'{"a":"\xe4\xb8"}', b"{}"]
        assert not stream.buffer.closed
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="no standard input"):
        list(read_chunks(InputFile("-")))


def test_an_interrupt_comes_through(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", TEXT)
    chunks = read_chunks(InputFile(str(path)), 100)
    next(chunks)
    with pytest.raises(KeyboardInterrupt):
        chunks.throw(KeyboardInterrupt())  # type: ignore[attr-defined]


# --- encodings -----------------------------------------------------------------------------------

CHINESE = "人工智能是计算机科学的一个分支，它企图了解智能的实质，并生产出一种新的智能机器。"
TRADITIONAL = "人工智慧是電腦科學的一個分支，它企圖瞭解智慧的實質，並生產出一種新的智慧機器。"
JAPANESE = "人工知能は、計算機という道具を用いて『知能』を研究する計算機科学の一分野です。"


@pytest.mark.parametrize(
    ("text", "codec", "guess"),
    [
        (CHINESE, "gb18030", "GB18030/GBK"),
        (CHINESE, "gbk", "GB18030/GBK"),
        ("It’s a “quoted” word", "gb18030", "GB18030/GBK"),
        (TRADITIONAL, "big5", "Big5"),
        (JAPANESE, "cp932", "Shift-JIS"),
        ("Être ou ne pas être, là est la question : ça va où déjà ?", "cp1252", ""),
        ("Das Mädchen läßt schöne Grüße ausrichten.", "latin-1", ""),
        (CHINESE[:3] + "plain text", "utf-16", "UTF-16"),
    ],
)
def test_the_likely_encoding(text: str, codec: str, guess: str) -> None:
    line = json.dumps({"content": text}, ensure_ascii=False).encode(codec)
    found = encoding_guess(line)
    assert found == (guess or "Latin-1/Windows-1252")
    assert text in line.decode(CODECS[found])


def test_damage_and_noise_are_no_encoding() -> None:
    damaged = json.dumps({"content": CHINESE}, ensure_ascii=False).encode()
    assert encoding_guess(damaged[:-1].replace("是".encode(), "是".encode()[:2])) == DAMAGED
    assert encoding_guess(bytes(range(256)) * 4) == BINARY
    assert encoding_guess(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") == BINARY


def test_the_encoding_of_a_real_file(shared: Path) -> None:
    rows = rows_of(read(shared / "data" / "broken" / "not_utf8_byte.jsonl"))
    assert {encoding_guess(row) for row in rows} == {"GB18030/GBK"}


@given(st.binary(max_size=200))
def test_any_bytes_have_a_guess(line: bytes) -> None:
    assert encoding_guess(line) in {*CODECS, DAMAGED, BINARY}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([b"", b" ", b"\r", b"{}", b" {}", b'{"a": 1}\r', b"x" * 40])),
    st.booleans(),
    st.booleans(),
    st.integers(1, 60),
    st.integers(1, 50),
    st.integers(1, 5),
    st.sampled_from([45, 30, 6]),
)
def test_places_are_those_of_the_bytes(
    lines: list[bytes],
    bom: bool,
    ended: bool,
    block: int,
    reading: int,
    most: int,
    longest: int,
) -> None:
    """Whatever the cut: into blocks, and into chunks of few lines."""
    data = (BOM if bom else b"") + b"\n".join(lines) + (b"\n" if ended else b"")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "MAX_ROWS", most)
        path = Path(folder, "a.jsonl")
        path.write_bytes(data)
        read = read_chunks(InputFile(str(path)), block, longest, reading)
        chunks = [chunk for chunk in read if chunk.place is not None]
        starts = chunk_starts(path, reading)
    end = 0
    found: list[tuple[int, bytes]] = []
    blanks: list[tuple[int, int]] = []
    for chunk in chunks:
        place = chunk.place
        assert place is not None and place.bom == bom and place.begin == end
        end = place.end
        for index, (raw, start, stop) in enumerate(
            zip(chunk.lines, place.starts, place.stops, strict=True)
        ):
            line = data[start:stop].removeprefix(BOM if bom and start == 0 else b"")
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            assert data[:start].count(b"\n") == chunk.numbers[index] - 1
            assert (index in chunk.defects) == (len(line) > longest)
            assert raw == (b"" if index in chunk.defects else line)
            found.append((chunk.numbers[index], line))
        assert len(chunk.lines) <= most + 1
        assert chunk.first_blank == (place.blanks[0][0] if place.blanks else None)
        assert (chunk.blank_lines > 0) == bool(place.blanks)
        blanks += place.blanks
        assert place.borders == [start for start in starts[:-1] if start < place.end]
    assert not chunks or end == len(data)
    if not chunks:
        return
    written = data.split(b"\n")
    if not written[-1]:
        written.pop()
    rows: list[tuple[int, bytes]] = []
    firsts: dict[int, tuple[int, int]] = {}  # segment between two borders -> its first blank line
    blank: set[tuple[int, int]] = set()
    offset = 0
    for number, line in enumerate(written, 1):
        text = (line.removeprefix(BOM) if bom and number == 1 else line).removesuffix(b"\r")
        if text.strip() or len(text) > longest:
            rows.append((number, text))
        else:
            blank.add((number, offset))
            firsts.setdefault(sum(start <= offset for start in starts[:-1]), (number, offset))
        offset += len(line) + 1
    assert found == rows
    assert sum(chunk.blank_lines for chunk in chunks) == len(blank)
    assert set(firsts.values()) <= set(blanks) <= blank


LINE_FEEDS = {
    "line feeds": b"\n",
    "line ends of Windows": b"\r\n",
    "blanks and line feeds": b" \t\n",
    "one long blank line": b" ",
}


@pytest.mark.parametrize("name", LINE_FEEDS)
@pytest.mark.parametrize("packed", [False, True])
def test_blank_lines_cost_nothing_of_their_own(name: str, packed: bool, tmp_path: Path) -> None:
    """Counted: chunks, and what is kept of them, do not grow with the number of blank lines."""
    row = b'{"messages": []}\n'
    data = row + LINE_FEEDS[name] * ((48 << 20) // len(LINE_FEEDS[name])) + b"\n" + row
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    tracemalloc.start()
    try:
        chunks = rows = blank = kept = 0
        for chunk in read_chunks(InputFile(str(path))):
            assert chunk.place is not None
            chunks += 1
            rows += len(chunk.lines)
            blank += chunk.blank_lines
            kept += len(chunk.place.blanks) + len(chunk.place.starts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 2
    assert blank == data.count(b"\n") - 2
    assert chunks < 60 and kept < 60
    assert peak < (40 << 20 if name != "one long blank line" else 120 << 20)
