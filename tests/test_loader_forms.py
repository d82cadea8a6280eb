"""Files whose rows do not stand one a line: what is said of them is what `datasets` does."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loader_cases import Server
from loader_forms import FormCase, difference, make_form, parts_of, recorded
from processes import LIMIT

from glmlint.app.settings import resolve
from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.loader import CHUNK, Conflict, Cuts
from glmlint.loader.cuts import cut_points
from glmlint.read.source import InputFile, read_bytes
from glmlint.trainer.base import Context, open_context

RECORDED = "4.4.1"
CASES = recorded(Path(__file__).with_name("loader_forms.json"))


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_below_4_7_files_load_and_look_as_recorded(case: FormCase) -> None:
    answer = case.answer
    if isinstance(answer.get("rows"), list) or "errors" in answer:
        assert difference(case, answer, RECORDED) == ""
    else:
        assert not any(c.fails for c in conflicts(case.data, RECORDED, case.chunk, case.name))


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
        assert difference(case, server.ask_any(case.question()), release) == "", case.data


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_made_files_in_the_newest_version(newest: tuple[Server, str], seed: int) -> None:
    server, release = newest
    case = make_form(random.Random(seed))
    assert difference(case, server.ask_any(case.question()), release) == "", seed


def conflicts(
    data: str, datasets: str, chunk: int | None = None, name: str = "rows.jsonl"
) -> list[Conflict]:
    shapes = parts_of(FormCase(data, chunk, name)).whole
    assert shapes is not None
    return shapes.conflicts(datasets)


# Objects over lines, at the borders


def pretty(rows: int, size: int = 480, indent: Any = 2, between: str = "\n") -> str:
    """Rows over lines, each of so many bytes."""

    def row(number: int) -> str:
        bare = {"messages": [{"role": "user", "content": f"{number:05}"}]}
        text = json.dumps(bare, indent=indent)
        filled = f"{number:05}" + "x" * (size - len(text) - len(between))
        return json.dumps({"messages": [{"role": "user", "content": filled}]}, indent=indent)

    return "".join(row(number) + between for number in range(rows))


BLOCK = 327_680


@pytest.mark.parametrize(
    ("rows", "size", "old", "new"),
    [
        (682, 480, True, True),  # 327,360 bytes: one block
        (683, 480, False, False),  # 327,840: two
        (1366, 480, False, False),  # 655,680
        (4800, 480, False, False),  # 2.3 MB: eight blocks
        (5461, 480, False, False),  # 2,621,280: as many as are still parsed apart
        (5463, 480, False, True),  # 2,622,240: one alone from 4.7 on
        (6250, 480, False, True),  # 3.0 MB
        (21_845, 480, False, True),  # 10,485,600: one chunk
        (21_846, 480, False, False),  # 10,486,080: two
        (24_400, 480, False, False),  # 11.7 MB
        (1280, 512, True, True),  # every block ends with a row
        (20_480, 512, True, True),  # and so does the chunk
        (24_400, 512, False, False),  # but where more follows, the chunk has one line more
    ],
)
def test_files_over_lines_load_where_no_cut_falls_into_a_row(
    rows: int, size: int, old: bool, new: bool
) -> None:
    data = pretty(rows, size)
    assert len(data) == rows * size
    shapes = parts_of(FormCase(data)).whole
    assert shapes is not None
    for datasets, loads in (("4.4.1", old), ("4.0.0", old), ("5.2.0", new)):
        assert [c.reason for c in shapes.conflicts(datasets)] == ([] if loads else ["cut"])
    assert [c.error for c in shapes.conflicts("4.8.4")][:1] == ["ValueError"]


def test_the_case_of_the_report(shared: Path) -> None:
    folder = shared / "cases" / "02-pretty-printed-718"
    fits, more = ((folder / f"{name}.jsonl").read_text("utf-8") for name in ("fits", "one_more"))
    for datasets in ("4.4.1", "5.2.0"):
        assert conflicts(fits, datasets) == []
        [cut] = conflicts(more, datasets)
        assert (cut.reason, cut.error, cut.cause) == (
            "cut",
            "DatasetGenerationError",
            "ArrowInvalid",
        )
        assert cut.line == fits.count("\n") + 1  # the row that is one too many


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("indent", [0, 2, "\t"])
@pytest.mark.parametrize("between", ["\n", "\n\n\n", "", " ", "  \n"])
def test_any_layout_is_cut_as_arrow_cuts_it(end: str, indent: Any, between: str) -> None:
    pytest.importorskip("pyarrow")
    for rows in (28, 60, 180):
        text = pretty(rows, 613, indent, between).replace("\n", end)
        told = conflicts(text, "4.4.1", 40_000)
        assert bool(told) == (arrow(text.encode(), 16 << 10, 40_000) != "loads"), (rows, told)


def arrow(data: bytes, block: int, chunk: int) -> str:
    """What Arrow itself makes of the chunks of a file, read as `datasets` 4.4.1 does."""
    import pyarrow
    import pyarrow.json

    stream = io.BytesIO(data)
    while batch := stream.read(chunk):
        batch += stream.readline()
        while True:
            options = pyarrow.json.ReadOptions(block_size=block)
            try:
                pyarrow.json.read_json(io.BytesIO(batch), read_options=options)
            except pyarrow.ArrowInvalid as error:
                if "straddling" not in str(error):
                    return str(error)
                block *= 2
            else:
                break
    return "loads"


PIECES = st.lists(
    st.sampled_from(
        [
            '{"a": "y"}',
            '{\n"a": "x"\n}',
            '{"a":\r\n "xxxxxxxxxxxxxxxx"}',
            "\n",
            "\n\n",
            " ",
            "\r",
            "\r\n",
        ]
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(1, 60))
def test_cut_points_are_those_of_arrow(pieces: list[str], block: int) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.json as reader

    data = "".join(pieces).encode()
    if b"{" not in data:
        return
    points = cut_points(data, block)
    try:
        options = reader.ReadOptions(block_size=block)
        reader.read_json(io.BytesIO(data), read_options=options)
        real = "loads"
    except pyarrow.ArrowInvalid as error:
        real = "straddles" if "straddling" in str(error) else "cut"
    if points is None:
        assert real == "straddles"
    else:
        opened, inside = 0, False
        for at, byte in enumerate(data):
            inside = inside or (bool(opened) and at in points)
            opened += (byte == ord("{")) - (byte == ord("}"))
        assert real == ("cut" if inside else "loads")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5000))
def test_the_verdict_does_not_depend_on_how_the_bytes_come(seed: int, size: int) -> None:
    case = make_form(random.Random(seed))
    data = case.data.encode()[:60_000]
    said = []
    for pieces in ([data], [data[at : at + size] for at in range(0, len(data), size)]):
        cuts = Cuts(20_000, limit=1 << 20)
        assert b"".join(cuts.watch(iter(pieces))) == data
        said.append((cuts.borders, cuts._waiting))
    assert said[0] == said[1]


def test_a_line_that_is_too_long_is_let_go() -> None:
    cuts = Cuts(100, limit=1000)
    pieces = [b"x" * 50] * 100
    assert b"".join(cuts.watch(iter(pieces))) == b"x" * 5000
    assert cuts.lost


# What is said


@cache
def opened() -> Context:
    return open_context(resolve({"config": None, "lang": "en"}))


def findings(path: Path, pin: str = "") -> list[Finding]:
    pins = {"pin": {"datasets": pin}} if pin else {}
    plan = resolve({"config": None, "lang": "en", **pins}, [str(path)])
    context = Context(plan, opened().tokenizer, opened().template)
    report = Report()
    check_file(InputFile(str(path)), plan, context, report)
    return finish(report, plan, context).findings


def fix(path: Path) -> None:
    command = [sys.executable, "-m", "glmlint", "check", str(path), "--fix"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT)
    assert done.returncode in (0, 1)


def of(found: list[Finding], rule: str) -> list[tuple[str, str]]:
    return [(f.severity, f.message) for f in found if f.rule == rule]


def write(tmp_path: Path, data: str, name: str = "train.jsonl") -> Path:
    path = tmp_path / name
    packed = gzip.compress(data.encode()) if name.endswith(".gz") else data.encode()
    path.write_bytes(packed)
    return path


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_a_cut_file_is_an_error_with_row_exception_and_cure(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, pretty(683), name)
    [finding] = [f for f in findings(path) if f.rule == "not-jsonl"]
    assert finding.severity == "error"
    assert finding.line == pretty(682).count("\n") + 1
    assert "DatasetGenerationError, from ArrowInvalid" in finding.message
    assert ("--fix" in finding.help) == (name == "train.jsonl")
    if name == "train.jsonl":
        fix(path)
        assert of(findings(path), "not-jsonl") == []
        assert path.read_bytes().count(b"\n") == 683


@pytest.mark.parametrize(
    ("rows", "pin", "severity", "words"),
    [
        (3, "5.2.0", "warning", "datasets 5.2.0 loads the file, programs that read line by line"),
        (3, "", "warning", "versions 4.7.0 to 4.8.4 fail (ValueError)"),
        (
            3,
            "4.7.0",
            "error",
            "the object in line 1 spans several lines: datasets 4.7.0 fails",
        ),
        (6250, "", "warning", "versions below 4.8.5 fail (DatasetGenerationError, ValueError)"),
        (6250, "4.4.1", "error", "datasets 4.4.1 cuts the file"),
    ],
)
def test_which_versions_load_a_file_over_lines(
    tmp_path: Path, rows: int, pin: str, severity: str, words: str
) -> None:
    path = write(tmp_path, pretty(rows))
    [told] = of(findings(path, pin), "not-jsonl")
    assert told[0] == severity
    assert words in told[1]


def test_a_broken_row_ends_all_talk_of_loading(tmp_path: Path) -> None:
    text = pretty(3).replace('"\n    }', '",\n    }', 1)
    found = findings(write(tmp_path, text))
    assert [s for s, _ in of(found, "invalid-json")] == ["error"]
    [(_, message)] = of(found, "not-jsonl")
    assert "datasets" not in message


CHAT = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there"}]
}
OTHER = {"messages": [{"role": "user", "content": "Yo"}, {"role": "assistant", "content": "Hey"}]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CHAT) + "\n" + json.dumps(OTHER, indent=2) + "\n",
        json.dumps(CHAT, indent=2) + json.dumps(OTHER),
        json.dumps(CHAT) + " " + json.dumps(OTHER, indent="\t"),
        json.dumps(CHAT) + "\r\n\r\n" + json.dumps(OTHER, indent=1).replace("\n", "\r\n"),
    ],
)
def test_one_line_and_several_lines_mixed(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    found = findings(path, "5.2.0")
    assert [s for s, _ in of(found, "not-jsonl")] == ["warning"]
    assert of(found, "invalid-json") == []
    fix(path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert rows == [CHAT, OTHER]


# Arrays


def test_types_of_columns_in_arrays(shared: Path) -> None:
    folder = shared / "cases" / "04-json-array-mixed-column"
    for name in ("content_mixed.json", "data.json", "same.jsonl"):
        for pin, wanted in (("4.4.1", "error"), ("4.6.1", "error"), ("5.2.0", None)):
            told = of(findings(folder / name, pin), "arrow-type-conflict")
            assert [severity for severity, _ in told] == ([wanted] if wanted else []), name
        [(severity, message)] = of(findings(folder / name), "arrow-type-conflict")
        assert severity == "warning"
        assert "datasets below 4.7.0 fails to load the file" in message


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ({"id": 1}, {"id": "a"}, "`id`"),
        ({"tags": ["a"]}, {"tags": {"a": 1}}, "`tags`"),
        ({"meta": {"n": 1}}, {"meta": {"n": [1]}}, "`meta.n`"),
        ({"list": [1, "x"]}, {"list": []}, "`list[]`"),
    ],
)
def test_arrays_and_lines_are_told_alike(
    tmp_path: Path, indent: int | None, first: Any, second: Any, where: str
) -> None:
    rows = [{**CHAT, **first}, {**OTHER, **second}]
    array = write(tmp_path, json.dumps(rows, indent=indent), "train.json")
    lines = write(tmp_path, "\n".join(map(json.dumps, rows)))
    for path in (array, lines):
        [(severity, message)] = of(findings(path, "4.4.1"), "arrow-type-conflict")
        assert severity == "error"
        assert message.startswith(where)


def test_nulls_that_an_array_gets_are_told(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "{}", "metadata": "f"}
    array = write(tmp_path, json.dumps([CHAT, {"messages": [*OTHER["messages"][:1], call]}]))
    assert of(findings(array, "5.2.0"), "metadata-null-padding") == []
    assert of(findings(array, "4.6.1"), "metadata-null-padding")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([CHAT["messages"], OTHER["messages"]], "makes one row of each list"),
        ([[CHAT, OTHER]], "makes one row of each list"),
        ([["q", "a"], ["q", "b"]], "takes the elements of the array for texts"),
        (["a", "b"], "takes the elements of the array for texts"),
        ([1, 2], "takes the elements of the array for texts"),
    ],
)
@pytest.mark.parametrize("name", ["train.json", "train.jsonl"])
def test_arrays_without_rows(tmp_path: Path, value: Any, words: str, name: str) -> None:
    path = write(tmp_path, json.dumps(value), name)
    told = [message for severity, message in of(findings(path), "not-jsonl") if severity == "error"]
    assert [words in message for message in told] == [True]


def test_a_list_of_messages_alone_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(CHAT["messages"]) + "\n")
    told = of(findings(path), "not-jsonl")
    assert [severity for severity, _ in told] == ["error"]
    assert "a row of each element" in told[0][1]


@pytest.mark.parametrize("key", ["data", "rows", "训练集"])
def test_rows_under_a_key_of_one_object(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, json.dumps({"version": "1", key: [CHAT, OTHER]}), "train.json")
    [(_, message)] = of(findings(path), "missing-messages")
    assert f'a list of 2 rows under "{key}"' in message


def test_several_arrays_fail(tmp_path: Path) -> None:
    path = write(tmp_path, (json.dumps([CHAT]) + "\n") * 2, "train.json")
    assert [s for s, _ in of(findings(path), "arrow-type-conflict")] == ["error"]


def test_a_null_first_crashes_the_load(tmp_path: Path) -> None:
    path = write(tmp_path, "null\n" + json.dumps(CHAT) + "\n")
    [(severity, message)] = of(findings(path), "arrow-type-conflict")
    assert severity == "error"
    assert "the first row is null" in message


def test_rows_of_an_array_have_a_place() -> None:
    data = json.dumps([CHAT, OTHER], indent=2).encode()
    [chunk] = read_bytes(data, "train.json", loader_bytes=CHUNK)
    assert chunk.place is not None
    assert chunk.place.form.kind == "array"
    assert (chunk.place.begin, len(chunk.place.starts)) == (0, 2)
