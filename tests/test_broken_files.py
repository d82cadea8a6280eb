"""Published files that are broken: each gives the finding that its note in INDEX.tsv names."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.plan import Plan
from glmlint.read.source import InputFile, read_chunks
from glmlint.rules.base import all_rules
from glmlint.trainer.base import open_context

BROKEN = SHARED / "data" / "broken"

BYTES = (
    *("invalid-json", "not-utf8", "byte-order-mark", "duplicate-key", "lone-surrogate"),
    *("not-jsonl", "line-too-long", "nesting-too-deep", "number-too-long", "blank-line"),
)
"""The rules of the bytes: all of these files are in other trainers' formats besides."""

EXPECTED: dict[str, dict[str, int]] = {
    "utf16.jsonl": {"not-utf8": 1},
    "comment_lines.jsonl": {"invalid-json": 15, "blank-line": 1},
    "prose_line.jsonl": {"invalid-json": 1},
    "one_bad_line.jsonl": {"invalid-json": 1},
    "not_utf8_byte.jsonl": {"not-utf8": 1},
    "raw_newline_in_string.jsonl": {"invalid-json": 5},
    "bad_keys.jsonl": {"invalid-json": 2},
    "bad_keys_image.jsonl": {"invalid-json": 8},
    "pretty_printed.jsonl": {"not-jsonl": 1},
    "git_lfs_pointer.json": {"not-jsonl": 1},
    "symlink_text.jsonl": {"not-jsonl": 1},
    "blank_lines.jsonl": {"blank-line": 1},
}
"""File -> findings of the rules of bytes, by rule."""

pytestmark = pytest.mark.skipif(
    not BROKEN.is_dir(), reason="needs ../shared/data/broken, the published broken files"
)


@cache
def _result(name: str) -> Any:
    rules = {
        name: loaded.rule.severity
        for name, loaded in all_rules().items()
        if loaded.rule.family == "structure"
    }
    plan = Plan(rules=rules)
    context = open_context(plan)
    chunks = read_chunks(InputFile(str(BROKEN / name)))
    return finish(check_lines(chunks, plan, context), plan, context)


def messages(name: str, rule: str) -> list[tuple[int | None, int | None, str]]:
    """Line, column and sentence of the findings of one rule."""
    return [(f.line, f.column, f.message) for f in _result(name).findings if f.rule == rule]


def test_every_broken_file_is_expected() -> None:
    assert {path.name for path in BROKEN.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_fault_of_the_file_is_found_and_nothing_else_of_its_kind(name: str) -> None:
    counts = Counter(f.rule for f in _result(name).findings if f.rule in BYTES)
    assert dict(counts) == EXPECTED[name]


def test_utf_16_is_named() -> None:
    assert messages("utf16.jsonl", "not-utf8") == [
        (None, None, "the file is UTF-16 (little-endian): the loader reads only UTF-8 "
         "and refuses the file")
    ]  # fmt: skip


def test_gbk_is_named_once_for_all_its_rows() -> None:
    [(line, column, message)] = messages("not_utf8_byte.jsonl", "not-utf8")
    assert (line, column) == (1, 57)
    assert "GB18030/GBK" in message
    assert "(379 rows)" in message


def test_comments_are_called_comments() -> None:
    found = messages("comment_lines.jsonl", "invalid-json")
    assert [line for line, _, _ in found] == list(range(1, 16))
    assert all("is a comment" in message for _, _, message in found)


def test_prose_is_called_text() -> None:
    [(line, column, message)] = messages("prose_line.jsonl", "invalid-json")
    assert (line, column) == (1, 1)
    assert "plain text, 'Your Data structured'" in message


def test_a_quote_that_is_not_escaped_is_pointed_at() -> None:
    [(line, column, message)] = messages("one_bad_line.jsonl", "invalid-json")
    assert (line, column) == (50, 308)
    assert "a quote inside a string" in message


def test_a_raw_line_break_is_told_where_the_text_begins() -> None:
    found = messages("raw_newline_in_string.jsonl", "invalid-json")
    assert found[0][:2] == (9, 63)
    assert "a raw line break" in found[0][2]
    assert [line for line, _, _ in found] == [9, 10, 11, 12, 13]


def test_keys_without_quotes_are_quoted_in_the_finding() -> None:
    found = messages("bad_keys.jsonl", "invalid-json")
    assert [(line, column) for line, column, _ in found] == [(5, 110), (6, 110)]
    assert all("a key without quotes: 'image_wh" in message for _, _, message in found)


def test_a_missing_brace_is_named() -> None:
    found = messages("bad_keys_image.jsonl", "invalid-json")
    assert [line for line, _, _ in found] == list(range(2, 10))
    assert all("} is missing before {" in message for _, _, message in found)


@pytest.mark.parametrize(
    ("name", "words", "severity"),
    [
        ("git_lfs_pointer.json", "Git LFS pointer", "error"),
        ("symlink_text.jsonl", "symbolic link", "error"),
    ],
)
def test_what_is_no_jsonl_says_what_it_is(name: str, words: str, severity: str) -> None:
    [finding] = [f for f in _result(name).findings if f.rule == "not-jsonl"]
    assert words in finding.message
    assert finding.severity == severity
    assert (finding.line, finding.pointer) == (None, None)


def test_a_file_over_lines_is_cut_where_arrow_cuts_it() -> None:
    [finding] = [f for f in _result("pretty_printed.jsonl").findings if f.rule == "not-jsonl"]
    assert "several lines each" in finding.message
    # As datasets 4.4.1 and 5.2.0 do: "Missing a name for object member. in row 25".
    assert (finding.severity, finding.line) == ("error", 25 * 7 + 1)


def test_blank_lines_are_counted_from_the_first() -> None:
    [(line, _, message)] = messages("blank_lines.jsonl", "blank-line")
    text = (BROKEN / "blank_lines.jsonl").read_bytes().split(b"\n")
    blank = [at for at, each in enumerate(text[:-1], 1) if not each.strip()]
    assert line == blank[0]
    assert message.startswith(f"{len(blank)} blank lines ")


def test_files_without_rows_have_one_finding() -> None:
    for name in ("git_lfs_pointer.json", "symlink_text.jsonl"):
        result = _result(name)
        assert result.totals.samples == 0
        assert len(result.findings) == 1


def test_the_notes_of_the_index_are_those_that_are_tested() -> None:
    lines = (Path(SHARED) / "data" / "INDEX.tsv").read_text(encoding="utf-8").splitlines()
    noted = {line.split("\t")[0] for line in lines if line.startswith("broken/")}
    assert {f"broken/{name}" for name in EXPECTED} >= noted
