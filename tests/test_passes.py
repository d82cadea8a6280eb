"""Two passes over a file give what one would that knew beforehand what the loader makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glmlint.app.settings import resolve
from glmlint.engine.check import check_file, check_lines
from glmlint.engine.finish import Result, finish
from glmlint.evidence.report import Report
from glmlint.read.source import InputFile, read_chunks
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
