"""What `check` and `encode` say of a file is what the real `datasets` and the trainer make of it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import OFFICIAL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loader_cases import Case, Server, make, value
from processes import LIMIT

from glmlint.engine.check import check_file, check_lines
from glmlint.engine.encode import encode_rows
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.loader import CHUNK
from glmlint.plan import Plan
from glmlint.read.source import Chunk, InputFile, read_bytes, read_chunks
from glmlint.rules import arrow_null_padding
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import Layout
from glmlint.trainer.loaded import remember
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepared_rows
from glmlint.trainer.row import Row

RECORDED = "4.4.1"
CASES = [
    Case(**item)
    for item in json.loads(Path(__file__).with_name("loader_cases.json").read_text("utf-8"))
]
RULES = {"arrow-type-conflict": "error", "late-schema-key": "warning"}


@cache
def opened(recipe: str, transformers: str) -> Context:
    return open_context(Plan(recipe=recipe, transformers=transformers))


def context_of(recipe: str, datasets: str, transformers: str = "5.23.0") -> Context:
    base = opened(recipe, transformers)
    plan = Plan(
        recipe=recipe,
        datasets=datasets,
        transformers=transformers,
        pinned=frozenset(("datasets",)),
        rules=RULES,
    )
    return Context(plan, base.tokenizer, base.template)


def chunks_of(case: Case) -> list[Chunk]:
    data = case.data.encode()
    return list(read_bytes(data, "train.jsonl", loader_bytes=case.chunk or CHUNK))


def checked(case: Case, context: Context) -> tuple[list[Finding], list[Row]]:
    """The findings of the loader's rules, and the rows as they are laid out after the first pass."""
    chunks = chunks_of(case)
    report = check_lines(chunks, context.plan, context)
    findings = finish(report, context.plan, context).findings
    remember("train.jsonl", report.files["train.jsonl"].shapes, context)
    return findings, [row for chunk in chunks for row in prepared_rows(chunk, context)]


def unspelled(value: Any) -> Any:
    """Times as times again."""
    if isinstance(value, dict):
        if list(value) == ["$time"]:
            return datetime.fromisoformat(value["$time"])
        return {key: unspelled(item) for key, item in value.items()}
    return [unspelled(item) for item in value] if isinstance(value, list) else value


def ids(rendered: Layout, context: Context) -> Any:
    row = sequence(rendered, context)
    return row.input_ids.tolist(), row.labels.tolist()


def of_trainer(messages: Any, context: Context) -> Any:
    """Ids and labels of a loaded row, or the exception's name."""
    try:
        if not isinstance(messages, list):
            return "TypeError"
        return ids(context.trainer.lay_out({"messages": messages}, context), context)
    except TrainerError as error:
        return error.exception


def of_check(row: Row, context: Context) -> Any:
    if row.layout is None:
        return row.error.exception if row.error else None
    return ids(row.layout, context)


def compare(
    case: Case, answer: dict[str, Any], datasets: str, transformers: str = "5.23.0"
) -> bool:
    """Whether the rows were compared, too."""
    context = context_of("glm4", datasets, transformers)
    shapes = check_lines(chunks_of(case), context.plan, context).files["train.jsonl"].shapes.whole
    if shapes is None:  # rows that do not stand on lines of their own are not followed
        return False
    conflicts = shapes.conflicts(datasets)
    if any(conflict.outcome in ("loads-garbled", "loads-reread") for conflict in conflicts):
        return False  # their outcome is not claimed
    if "OverflowError" in answer.get("errors", ()):
        return False  # it loads; reading a time of the year 0 fails
    findings, _ = checked(case, context)
    errors = [finding for finding in findings if finding.severity == "error"]
    assert bool(errors) == ("errors" in answer), case.data
    if errors or any(conflict.later for conflict in conflicts):
        return False
    written = [json.loads(line) for line in case.lines if line]
    for recipe in OFFICIAL:
        context = context_of(recipe, datasets, transformers)
        _, prepared = checked(case, context)
        for row, source, loaded in zip(prepared, written, answer["rows"], strict=True):
            if isinstance(source, dict) and "messages" in source:
                wanted = of_trainer(unspelled(loaded["messages"]), context)
                assert of_check(row, context) == wanted, case.data
    return True


@pytest.mark.parametrize("part", range(8))
def test_below_4_7_findings_and_ids_are_those_of_the_recorded_loads(part: int) -> None:
    compared = sum(compare(case, case.answer, RECORDED) for case in CASES[part::8])
    assert compared >= 3


@pytest.fixture(scope="module")
def newest() -> Iterator[tuple[Server, str]]:
    if importlib.util.find_spec("datasets") is None:
        pytest.skip("needs the package datasets")
    from importlib.metadata import version

    server = Server(sys.executable)
    yield server, version("datasets")
    server.close()


@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_in_the_newest_version_they_are_those_of_the_load(
    newest: tuple[Server, str], seed: int
) -> None:
    server, release = newest
    case = make(random.Random(seed))
    compare(case, server.ask(case), release)


def test_real_tool_calls_in_the_newest_version(newest: tuple[Server, str], shared: Path) -> None:
    server, release = newest
    compared = 0
    for name in ("glaive_en", "glaive_zh"):
        lines = (shared / "data" / "glm_tools" / f"{name}.jsonl").read_text("utf-8").split("\n")
        # Numbers of tools that are alike become one type, and a blank line makes nulls of all.
        for part in (lines[:40], [*lines[40:60], "", *lines[60:80]]):
            case = Case([line for line in part if line or part is not lines[:40]], None)
            answer = server.ask(case)
            compared += compare(case, answer, release)
            compared += compare(case, answer, release, "5.24.0")
    assert compared == 8


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(20, 400), st.randoms(use_true_random=False))
def test_parts_in_any_order_say_the_same(seed: int, size: int, order: random.Random) -> None:
    case = make(random.Random(seed))
    context = context_of("glm4", RECORDED)
    plan = context.plan
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        path.write_text(case.data, "utf-8")
        options = {"loader_bytes": case.chunk or CHUNK}
        whole = check_lines(read_chunks(InputFile(str(path)), **options), plan, context)
        chunks = list(read_chunks(InputFile(str(path)), size, **options))
        order.shuffle(chunks)
        parts = Report()
        for chunk in chunks:
            parts.merge(check_lines([chunk], plan, context), plan.max_findings)
        assert finish(parts, plan, context).findings == finish(whole, plan, context).findings
        one, other = (report.files[str(path)].shapes.whole for report in (whole, parts))
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.load(RECORDED) == other.load(RECORDED)


def run(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "glmlint", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )


TWO_TOOLS = b"".join(
    json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in arrow_null_padding.EXAMPLE
)


@pytest.mark.parametrize("version", ["4.6.1", "5.2.0"])
def test_a_pipe_and_a_file_give_the_same_ids(tmp_path: Path, version: str) -> None:
    file = tmp_path / "train.jsonl"
    file.write_bytes(TWO_TOOLS)
    pin = f"--pin=datasets={version}"
    from_file = run("encode", str(file), pin)
    assert (
        from_file.returncode == 0
        and from_file.stdout == run("encode", "-", pin, stdin=TWO_TOOLS).stdout
    )
    rows = [json.loads(line) for line in from_file.stdout.splitlines()]
    checked = json.loads(run("check", "-", pin, "--format=json", stdin=TWO_TOOLS).stdout)
    assert checked["totals"]["tokens"] == sum(len(row["input_ids"]) for row in rows)
    shown = run("show", f"{file}:1", pin).stdout.decode()
    assert ('"enum": null' in shown) == (version == "4.6.1")


def test_fixes_see_the_padded_rows(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_bytes(TWO_TOOLS)
    pins = ["--pin", "datasets=4.6.1"]
    lengths = [
        len(json.loads(line)["input_ids"])
        for line in run("encode", str(file), "--no-truncate", *pins).stdout.splitlines()
    ]
    # The first row fits as written, and does not with the nulls that the second one brings.
    budget = [
        "--max-length",
        str(lengths[0] - 1),
        "--max-lost-share",
        "0",
        "--select=over-truncated",
    ]
    assert run("check", str(file), *budget, "--pin=datasets=5.2.0").returncode == 0
    assert run("check", str(file), *budget, *pins).returncode == 1
    assert run("check", str(file), *budget, *pins, "--fix", "--unsafe-fixes").returncode == 0
    assert file.read_bytes() == TWO_TOOLS.split(b"\n")[1] + b"\n"


def test_what_the_loader_changes_is_told_once(tmp_path: Path) -> None:
    def told(*contents: str, pin: str = "5.2.0") -> list[tuple[str, int]]:
        file = tmp_path / "train.jsonl"
        rows = [
            {"messages": [{"role": role, "content": text} for role in ("user", "assistant")]}
            for text in contents
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        out = run("check", str(file), "--format=json", f"--pin=datasets={pin}", "--lang=en").stdout
        return [
            (finding["severity"], finding["rows"])
            for finding in json.loads(out)["findings"]
            if finding["rule"] == "version-dependent" and "as it loads them" in finding["message"]
        ]

    # Texts that are all dates come back as datetime objects, and are printed as such.
    assert told("2020-01-01") == [("info", 1)]
    assert told("hi", "2020-01-01") == []


def any_line(random_: random.Random) -> str:
    """A line of a file that somebody put together from whatever was at hand."""
    good = random_.choice(MIXED)
    pick = random_.randrange(8)
    if pick == 0:
        return random_.choice(make(random_).lines)
    if pick == 1:
        return json.dumps(value(random_, 3))
    if pick == 2:
        return ""
    if pick == 3:
        return good[: -random_.randint(1, 30)]
    if pick == 4:
        return f"{good} {random_.choice(MIXED)}"
    if pick == 5:
        row = json.loads(good)
        key = random_.choice(["role", "content", "metadata", "tools", "a/b", ""])
        random_.choice(row["messages"])[key] = value(random_, 2)
        return json.dumps(row)
    return good


MIXED = [
    *(json.dumps(row, ensure_ascii=False) for row in arrow_null_padding.EXAMPLE),
    '{"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "{}", '
    '"metadata": "f"}, {"role": "observation", "content": "1"}, {"role": "assistant", "content": "好"}]}',
    '{"messages": [{"role": "user", "content": "2020-01-01"}, '
    '{"role": "assistant", "content": "2020-01-02"}], "id": 3}',
]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(sorted(OFFICIAL)),
    st.sampled_from(("2.20.0", "4.4.1", "4.7.0", "5.2.0", "99.0")),
    st.sampled_from(("4.41.2", "5.23.0", "5.24.0")),
)
def test_check_counts_what_encode_prints_of_any_rows(
    random_: random.Random, recipe: str, datasets: str, transformers: str
) -> None:
    context = context_of(recipe, datasets, transformers)
    lines = [any_line(random_) for _ in range(random_.randint(1, 6))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        path.write_bytes(random_.choice(("\n", "\r\n")).join(lines).encode())
        report = Report()
        check_file(InputFile(str(path)), context.plan, context, report)
        rows = list(encode_rows([str(path)], context.plan, context=context, truncate=False))
    totals = report.files[str(path)].totals
    assert totals.samples == len(rows)
    assert totals.unreadable == sum(row.error is not None for row in rows)
    assert totals.tokens == sum(len(row.input_ids) for row in rows)
    assert totals.supervised_tokens == sum(int((row.labels[1:] != -100).sum()) for row in rows)


def test_fixes_may_give_a_row_keys_that_the_file_has_not(tmp_path: Path) -> None:
    tools = json.loads(TWO_TOOLS.split(b"\n")[0])["messages"][0]["tools"]
    asked = {"role": "user", "content": "Hi"}
    rows: list[Any] = [
        {"messages": [asked, {"role": "assistant", "content": "Hello"}], "tools": tools},
        {"messages": [asked, {"role": "assistant", "content": "Hello", "metadata": None}]},
    ]
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = run("check", str(file), "--fix", "--pin=datasets=4.6.1", "--format=json")
    assert done.returncode in (0, 1) and b"Traceback" not in done.stderr
    assert json.loads(done.stdout)["fixed"]["tools-placement"] == 1
    assert json.loads(file.read_text("utf-8").split("\n")[0])["messages"][0]["tools"] == tools


@pytest.mark.parametrize("recipe", OFFICIAL)
def test_after_the_fix_of_padded_messages_the_load_gives_the_ids_of_the_written_rows(
    newest: tuple[Server, str], tmp_path: Path, recipe: str
) -> None:
    server, release = newest
    call = {"role": "assistant", "content": '{"城市": "北京"}', "metadata": "get_weather"}
    first, second = (
        [{"role": "user", "content": "天气？"}, call, {"role": "observation", "content": "22"}],
        [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi"}],
    )
    answer = {"role": "assistant", "content": "22 度。"}
    written = [[*first, answer], [*second, answer], [second[1], answer]]
    lines = [json.dumps({"messages": row}, ensure_ascii=False) for row in written]
    file = tmp_path / "train.jsonl"
    file.write_text("\n".join([*lines[:2], "", *lines[2:]]), "utf-8")
    context = context_of(recipe, release)
    wanted = [ids(context.trainer.lay_out({"messages": row}, context), context) for row in written]

    def loaded() -> list[Any]:
        rows = server.ask(Case(file.read_text("utf-8").split("\n"), None))["rows"]
        return [of_trainer(row["messages"], context) for row in rows]

    assert all(one != other for one, other in zip(loaded(), wanted, strict=True))
    arguments = (str(file), f"--recipe={recipe}", f"--pin=datasets={release}")
    arguments += ("--pin=transformers=5.23.0", "--fix", "--format=json")
    assert json.loads(run("check", *arguments).stdout)["fixed"] == {"metadata-null-padding": 3}
    assert loaded() == wanted
    after = json.loads(run("check", *arguments).stdout)
    assert after["fixed"] == {}
    assert not [f for f in after["findings"] if f["fixable"] or "padding" in f["rule"]]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_type_that_is_named_stands_in_the_line_that_is_named(order: tuple[int, ...]) -> None:
    kinds = {"array": [], "string": "", "object": {"a": 1}, "number": 1}
    names = [list(kinds)[place] for place in order]
    rows = [json.dumps({"messages": [], "x": kinds[name]}).encode() for name in names]
    for version in ("4.4.1", "4.6.1"):
        context = context_of("glm4", version)
        file = read_bytes(b"".join(row + b"\n" for row in rows), "a.jsonl")
        report = check_lines(file, context.plan, context)
        found = finish(report, context.plan, context).findings
        (told,) = (f for f in found if f.rule == "arrow-type-conflict" and "`x`" in f.message)
        first, second, line = re.search(  # type: ignore[union-attr]
            r"is (\w+) first and (\w+) in line (\d+)", told.message
        ).groups()
        assert (first, second) == (names[0], names[int(line) - 1]), told.message
