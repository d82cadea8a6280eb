"""Two passes over a file give what one would that knew beforehand what the loader makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glmlint.app.settings import resolve
from glmlint.engine.check import NextPass, PassPlan, Run, check_file, check_lines
from glmlint.engine.finish import Result, finish
from glmlint.evidence.report import Report
from glmlint.read.source import Chunk, InputFile, LineNumbers, SourceError, read_chunks
from glmlint.text import Text
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.loaded import Decoded, learn, part_of, values_of
from glmlint.trainer.prepared import prepared_rows

Row = dict[str, Any]


def talk(*beside: tuple[str, Any], tools: Any = None, **last: Any) -> Row:
    system = {"role": "system", "content": "", **({} if tools is None else {"tools": tools})}
    messages = [system, {"role": "user", "content": "多少钱？"}]
    return {**dict(beside), "messages": [*messages, {"role": "assistant", "content": "5", **last}]}


def priced(default: Any) -> list[Row]:
    price = {"type": "number", "default": default}
    parameters = {"type": "object", "properties": {"price": price}}
    function = {"name": "buy", "description": "买", "parameters": parameters}
    return [{"type": "function", "function": function}]


ROWS: tuple[Row, ...] = (
    talk(("id", "a1"), ("meta", {"score": 0.5, "tags": ["x", None]})),
    talk(("id", "a2"), tools=priced(1)),
    talk(("id", "17"), ("source", "网页"), tools=priced(1e-12)),
    talk(("source", ""), ("id", "a3"), ("lable", True)),
    talk(("id", "a4"), loss=1),
    talk(("id", "a5"), role="human"),
    talk(("id", "a6"), ("note", 'say "hi"'), content="5<|user|>"),
    talk(("id", "a7"), metadata=None),
    talk(("id", "a8"), ("tools", priced(0.1)), tools=priced(0.1234567890123456789)),
    talk(("id", "a9"), tools=[{"type": "function", "weight": 1e-12}]),
)


def lines(*rows: Row) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


@pytest.fixture
def file(tmp_path: Path) -> InputFile:
    path = tmp_path / "train.jsonl"
    path.write_bytes(lines(*ROWS * 3) + b'{"id": 1, "id": "twice", "messages": []}\n{"id": \n')
    return InputFile(str(path))


def opened(**settings: Any) -> Context:
    return open_context(resolve({"config": None, "lang": "en", "max-length": 32, **settings}))


def told(report: Report, context: Context) -> tuple[Any, ...]:
    result: Result = finish(report, context.plan, context)
    return result.findings, result.rule_counts, result.totals


@pytest.mark.parametrize("settings", [{}, {"pin": ["datasets=4.6.1"]}, {"recipe": "template"}])
def test_rows_that_the_loader_changes_are_checked_once_more(
    file: InputFile, settings: dict[str, Any]
) -> None:
    file_bytes = Path(file.path).read_bytes().rpartition(b'{"id": 1')[0]  # what a loader reads
    Path(file.path).write_bytes(file_bytes)
    context = opened(**settings)
    report = Report()
    check_file(file, context.plan, context, report)
    knowing = opened(**settings)
    learn(file, knowing)
    assert (file.path in knowing.loads) == (file.path in context.loads) is True
    at_once = check_lines(read_chunks(file, 900), knowing.plan, knowing)
    assert told(report, context) == told(at_once, knowing)
    assert report.files[file.path].changeable is None


def test_rows_that_break_the_load_are_checked_as_written(file: InputFile) -> None:
    context = opened()
    report = Report()
    check_file(file, context.plan, context, report)
    assert not context.loads
    assert told(report, context) == told(check_lines(read_chunks(file), context.plan), context)


def test_keys_beside_the_messages_tell_the_loader_the_same(file: InputFile) -> None:
    context = opened()
    for chunk in read_chunks(file):
        rows = list(prepared_rows(chunk, context))
        assert sum(row.beside is not None for row in rows) >= 12
        known = part_of(chunk, rows, context)
        found = [
            Decoded(line, raw, value.value, value.defect)
            for line, raw in zip(chunk.numbers, chunk.lines, strict=True)
            for value in values_of(raw)
        ]
        plain = part_of(chunk, found, context)
        assert known is not None and plain is not None
        assert known.broken == plain.broken
        for version in ("2.20.0", "4.6.1", "5.2.0"):
            assert known.shapes.conflicts(version) == plain.shapes.conflicts(version)
            assert known.shapes.padding(version) == plain.shapes.padding(version)
            assert known.shapes.column(version) == plain.shapes.column(version)


CHAT: tuple[Row, ...] = (
    {"messages": [{"role": "user", "content": "多少钱？"}, {"role": "assistant", "content": "5"}]},
    {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        "system": "Be brief.",
    },
    {
        "messages": [
            {"role": "user", "content": "Rome?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"type": "function", "function": {"name": "weather", "arguments": '{"a": 1}'}}
                ],
            },
            {"role": "tool", "content": "22"},
            {"role": "assistant", "content": "It is 22."},
        ],
        "tools": '[{"name": "weather", "description": "查", "parameters": {"type": "object"}}]',
    },
)


def in_small_chunks(
    context: Context, asked: list[PassPlan], broken_after: int | None = None
) -> Run:
    """A pass in chunks of some rows, which may end in an error."""

    def run(
        file: InputFile, report: Report, next_pass: NextPass, _: Any, lines: LineNumbers | None
    ) -> None:
        def noted() -> PassPlan:
            asked.append(next_pass())
            return asked[-1]

        def chunks() -> Iterator[Chunk]:
            for number, chunk in enumerate(read_chunks(file, 900)):
                if number == broken_after:
                    raise SourceError(Text("broken", "坏"))
                if lines is None or (chunk := chunk.among(lines)).lines:
                    yield chunk

        check_lines(chunks(), context.plan, context, None, report, noted)

    return run


@pytest.mark.parametrize(
    "settings",
    [
        {"recipe": "llamafactory"},
        {"recipe": "swift"},
        {"recipe": "trl"},
        {"pin": ["datasets=4.6.1"]},
    ],
)
def test_rows_are_not_checked_in_vain(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(lines(*(ROWS if "pin" in settings else CHAT) * 12))
    file = InputFile(str(path))
    context, knowing = opened(**settings), opened(**settings)
    report = Report()
    asked: list[PassPlan] = []
    check_file(file, context.plan, context, report, run=in_small_chunks(context, asked))
    assert asked.count(PassPlan.LOOK) > 3
    assert len(asked) == 2 * len(list(read_chunks(file, 900)))
    learn(file, knowing)
    assert file.path in knowing.loads
    at_once = check_lines(read_chunks(file, 900), knowing.plan, knowing)
    assert told(report, context) == told(at_once, knowing)


@pytest.mark.parametrize("last", [b'{"messages": 5}\n', b'{"id": \n', b"\xff\n"])
def test_what_breaks_the_load_late_leaves_the_rows_as_written(tmp_path: Path, last: bytes) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(lines(*CHAT * 30) + last)
    file = InputFile(str(path))
    context, other = opened(recipe="llamafactory"), opened(recipe="llamafactory")
    report = Report()
    asked: list[PassPlan] = []
    check_file(file, context.plan, context, report, run=in_small_chunks(context, asked))
    assert PassPlan.LOOK in asked and not context.loads
    assert told(report, context) == told(check_lines(read_chunks(file), other.plan, other), other)


def test_a_file_that_ends_in_an_error_is_reported_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(lines(*CHAT * 30))
    file = InputFile(str(path))
    context = opened(recipe="llamafactory")
    report = Report()
    asked: list[PassPlan] = []
    with pytest.raises(SourceError):
        check_file(file, context.plan, context, report, run=in_small_chunks(context, asked, 9))
    assert PassPlan.LOOK in asked
    read = sum(len(chunk.lines) for chunk in list(read_chunks(file, 900))[:9])
    assert report.files[file.path].totals.samples == read > 0
