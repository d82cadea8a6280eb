"""Every fault that INDEX.tsv names has its finding, with the number of rows that the note gives."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import SHARED

from glmlint.converters.run import ConvertOutcome, convert_rows, writers
from glmlint.engine.check import check_lines
from glmlint.engine.finish import Result, finish
from glmlint.finding import Finding
from glmlint.plan import Plan
from glmlint.read.source import InputFile, read_bytes, read_chunks
from glmlint.rules.base import all_rules
from glmlint.runners.local import check_files
from glmlint.trainer.base import Context, open_context

DATA = SHARED / "data"
INDEX = DATA / "INDEX.tsv"

pytestmark = pytest.mark.skipif(
    not INDEX.is_file(), reason="needs ../shared/data/INDEX.tsv and its files"
)

RULES: Final = (
    *("invalid-json", "not-utf8", "not-jsonl", "blank-line", "other-format", "missing-messages"),
    *("arguments-schema", "observation-without-call", "openai-tool-calls", "call-as-text"),
    *("special-token-in-content", "placeholder", "invisible-character", "exact-duplicate"),
    *("empty-content", "no-assistant"),
)


class Case:
    """One file of the index, as it is and as `convert` makes it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return DATA / self.name

    def findings(self, rule: str, where: str = "") -> list[Finding]:
        """What a rule says of the file as it is."""
        return _of(_checked(self.name).findings, rule, where)

    def converted(self, rule: str, where: str = "") -> list[Finding]:
        """What a rule says of the file's GLM form."""
        return _of(_in_glm_form(self.name)[0].findings, rule, where)

    def told(self, rule: str, where: str = "") -> int:
        """Rows for which the findings on the file as it is stand."""
        return sum(finding.rows for finding in self.findings(rule, where))

    @property
    def outcome(self) -> ConvertOutcome:
        """What became of the rows in `convert`."""
        return _in_glm_form(self.name)[1]


def _of(findings: list[Finding], rule: str, where: str) -> list[Finding]:
    return [f for f in findings if f.rule == rule and where in f.message]


@cache
def _context() -> Context:
    return open_context(Plan(rules={name: all_rules()[name].rule.severity for name in RULES}))


@cache
def _checked(name: str) -> Result:
    context = _context()
    return finish(check_files([str(DATA / name)], context.plan, context), context.plan, context)


@cache
def _in_glm_form(name: str) -> tuple[Result, ConvertOutcome]:
    outcome = ConvertOutcome()
    rows = convert_rows(
        read_chunks(InputFile(str(DATA / name))), outcome, writers()["glm4"], take="chosen"
    )
    return of_bytes(b"".join(row + b"\n" for row in rows)), outcome


def of_bytes(data: bytes) -> Result:
    """What is found in a file of these bytes."""
    context = _context()
    report = check_lines(read_bytes(data, "train.jsonl"), context.plan, context)
    return finish(report, context.plan, context)


def lines(findings: list[Finding]) -> int:
    """In how many rows the findings stand."""
    return len({finding.line for finding in findings})


# --- what the notes say ---------------------------------------------------------------------------


def repeated(case: Case, n: int) -> None:
    assert len(case.converted("exact-duplicate")) == n


def replaced_characters(case: Case, n: int) -> None:
    assert lines(case.converted("invisible-character", "U+FFFD")) == n


def foreign(words: str) -> Callable[[Case, int], None]:
    """The rows are told as another format, by these words."""

    def held(case: Case, n: int) -> None:
        assert case.told("other-format", words) == n

    return held


def string_arguments(case: Case, n: int) -> None:
    """OpenAI's own form: the rows are told as such, and the calls survive `convert`."""
    assert case.told("other-format", "OpenAI (tool_calls") == n
    assert "call-unreadable" not in case.outcome.refused


def null_content(case: Case, n: int) -> None:
    """In OpenAI's form a call has no content; the rows are told as that form, and no more."""
    assert case.told("other-format", "OpenAI (tool_calls") >= n


def no_messages(case: Case, n: int) -> None:
    found = case.findings("missing-messages")
    assert len(found) == n
    assert {finding.severity for finding in found} == {"error"}


def special_tokens(case: Case, n: int) -> None:
    found = case.converted("special-token-in-content") or case.findings("special-token-in-content")
    assert lines([finding for finding in found if finding.severity == "error"]) == n


def blank_lines(case: Case, n: int) -> None:
    [finding] = case.findings("blank-line")
    assert re.match(rf"{n} blank lines? from here on", finding.message)


def bad_lines(case: Case, n: int) -> None:
    found = case.findings("invalid-json")
    assert len(found) == lines(found) == n


def empty_answers(case: Case, n: int) -> None:
    assert lines(case.converted("empty-content")) == n


def no_assistant(case: Case, n: int) -> None:
    """`convert` refuses these rows; as rows of GLM messages they are errors."""
    assert case.outcome.refused["no-answer"].rows == n
    rows = [json.loads(line) for line in case.path.read_bytes().splitlines()]
    turns = [row["conversations"] for row in rows]
    unanswered = [t for t in turns if not any(m["role"] == "assistant" for m in t)]
    data = b"".join(json.dumps({"messages": t}).encode() + b"\n" for t in unanswered)
    found = _of(of_bytes(data).findings, "no-assistant", "")
    assert [finding.severity for finding in found] == ["error"] * n


def unfilled(*fields: str) -> Callable[[Case, int], None]:
    def held(case: Case, n: int) -> None:
        del n
        answers = [row["output"] for row in json.loads(case.path.read_text(encoding="utf-8"))]
        for field in fields:
            [finding] = case.converted("placeholder", field)
            assert finding.rows == sum(field in answer for answer in answers) > 40

    return held


def lines_in_json(case: Case, n: int) -> None:
    del n
    [finding] = case.findings("not-jsonl")
    assert ".json" in finding.message or "Git LFS" in finding.message


def whole_file(rule: str, words: str) -> Callable[[Case, int], None]:
    """One finding for the file, which says what it is."""

    def held(case: Case, n: int) -> None:
        del n
        [finding] = case.findings(rule)
        assert words in finding.message

    return held


def calls_and_results(case: Case, n: int) -> None:
    """Each was read by hand: see docs/precision.md."""
    del n
    errors = [finding.line for finding in case.findings("arguments-schema")]
    unasked = [finding.line for finding in case.findings("observation-without-call")]
    assert {
        "glm_tools/glaive_en.jsonl": ([260], []),
        "glm_tools/glaive_zh.jsonl": ([6, 22, 103, 109, 109, 109, 145, 240], [198, 294]),
    }[case.name] == (errors, unasked)


def repeated_too(case: Case, n: int) -> None:
    """As often as in the file that it was made from."""
    del n
    source = Case(f"llamafactory/{case.path.stem.replace('_', '_toolcall_')}_demo.json")
    assert len(case.findings("exact-duplicate")) == len(source.converted("exact-duplicate")) > 30


def calls_as_text(case: Case, n: int) -> None:
    del n
    calls, results = case.converted("call-as-text")  # both halves of each exchange are told
    assert "Result:" in results.message
    finding = calls
    rows = [json.loads(row) for row in case.path.read_bytes().splitlines() if row.strip()]
    answers = [
        [m["content"] for m in row["conversations"] if m["role"] == "assistant"] for row in rows
    ]
    begins = re.compile(r"\s*tool_call: *[\w.-]+\s+arguments:")
    assert finding.rows == sum(any(map(begins.match, row)) for row in answers) > 700


def odd_roles(case: Case, n: int) -> None:
    del n
    assert case.told("other-format", "ShareGPT") == 1
    [refusal] = [one for one in case.outcome.refusals if one.kind.name == "unknown-role"]
    assert "Customer" in refusal.detail


def typed_assistant(case: Case, n: int) -> None:
    """Two conversations of five, fifty times each."""
    del n
    assert lines(case.converted("special-token-in-content", "<|assistant|>")) == 100


def same_but_ids(case: Case, n: int) -> None:
    del n
    assert len(case.converted("exact-duplicate")) == 5 * 50 - 5


NOTES: Final[dict[str, Callable[[Case, int], None]]] = {
    r"repeated rows: (\d+)": repeated,
    r"repeated rows": repeated_too,
    r"rows with U\+FFFD: (\d+)": replaced_characters,
    r"blank lines: (\d+)": blank_lines,
    r"(\d+) blank lines between rows, CRLF": blank_lines,
    r"lines not JSON: (\d+)": bad_lines,
    r"(\d+) lines of # comments among the JSON lines": bad_lines,
    r"(\d+) of \d+ lines: a missing closing brace": bad_lines,
    r"(\d+) of \d+ lines: a key without quotes \(image_wh\)": bad_lines,
    r"(\d+) of \d+ lines does not parse \(unescaped quotes in a string\)": bad_lines,
    r"(\d+) lines broken by raw newlines inside a string": bad_lines,
    r"first line is prose": whole_file("invalid-json", "plain text, 'Your Data structured'"),
    r"not UTF-8: 1": whole_file("not-utf8", "UTF-8"),
    r"UTF-16 with BOM": whole_file("not-utf8", "UTF-16 (little-endian)"),
    r"GB18030, not UTF-8": whole_file("not-utf8", "GB18030/GBK (379 rows)"),
    r"a symbolic link checked out as its target text": whole_file("not-jsonl", "symbolic link"),
    r"a Git LFS pointer in place of the data .*": whole_file("not-jsonl", "Git LFS pointer"),
    r"\.jsonl whose objects are pretty-printed over several lines": whole_file(
        "not-jsonl", "several lines each"
    ),
    r"\.json file holds JSON Lines: 1": lines_in_json,
    r"\{\{name\}\} and \{\{author\}\} placeholders unfilled": unfilled("{{name}}", "{{author}}"),
    r"<NAME> and <AUTHOR> placeholders unfilled": unfilled("<NAME>", "<AUTHOR>"),
    r"rows with a GLM special token as text: (\d+)": special_tokens,
    r"two hold <\|assistant\|> as text": typed_assistant,
    r"5 conversations x 50 with distinct ids": same_but_ids,
    r"rows with list content: (\d+)": foreign("content parts"),
    r"rows of a preference or reward shape: (\d+)": foreign(""),
    r"rows of turn pairs, no roles: (\d+)": foreign("ChatGLM3"),
    r"rows with string tool arguments: (\d+)": string_arguments,
    r"rows with object tool arguments: (\d+)": string_arguments,
    r"rows with null content: (\d+)": null_content,
    r"rows without messages or an answer key: (\d+)": no_messages,
    r"rows without assistant: (\d+)": no_assistant,
    r"rows with empty output: (\d+)": empty_answers,
    r"rows with blank assistant content: (\d+)": empty_answers,
    r"(one) blank assistant turn": empty_answers,
    r"roles Customer and gpt": odd_roles,
    r"tool calls written as text": calls_as_text,
    r"a few calls break their tool's own schema, a few observations have no call": calls_and_results,
}
"""A note -> the finding that holds it; the group is the number."""

OTHERWISE: Final[dict[tuple[str, str], Callable[[Case, int], None]]] = {
    # What cannot be read is told as that, once, in place of what is in it.
    ("broken/utf16.jsonl", "lines not JSON: 11"): whole_file("not-utf8", "UTF-16"),
    ("broken/pretty_printed.jsonl", "lines not JSON: 231"): whole_file(
        "not-jsonl", "several lines"
    ),
    ("broken/git_lfs_pointer.json", "lines not JSON: 3"): whole_file("not-jsonl", "Git LFS"),
    ("broken/symlink_text.jsonl", "lines not JSON: 1"): whole_file("not-jsonl", "symbolic link"),
    ("broken/not_utf8_byte.jsonl", "rows with U+FFFD: 379"): whole_file("not-utf8", "379 rows"),
    ("broken/not_utf8_byte.jsonl", "rows without messages or an answer key: 379"): whole_file(
        "not-utf8", "379 rows"
    ),
    # One object that holds the rows under their ids: for a loader it is one row.
    ("swift/rft_math.json", "rows without messages or an answer key: 500"): lambda case, _: (
        no_messages(case, 1)
    ),
    # Two lists of messages to choose from have no `messages`, but are a format by a name.
    ("llamafactory/v1_dpo_demo.jsonl", "rows without messages or an answer key: 10"): foreign(""),
    # Plain text has no messages: the trainer raises before it reads a character, `convert` refuses.
    ("llamafactory/c4_demo.jsonl", "rows with U+FFFD: 4"): lambda case, _: foreign("plain text")(
        case, 300
    ),
    ("mlx/lora_train.jsonl", "repeated rows: 1"): lambda case, _: foreign("plain text")(case, 1000),
}
"""(File, note) -> what is told in place of what the note would have told."""

NO_FAULT: Final = {
    r"no newline at end: 1": "the last row is read all the same (see the test below)",
    r"CRLF lines: \d+": "a carriage return is white space of JSON (see the test below)",
    r"decodes to 10 lines of JSON": "what would be in the file if it were UTF-8",
    r"every line parses once decoded so": "what would be in the file if it were UTF-8",
    r"one row only": "a file may have one row",
    r"observation role": "a role of GLM and of ShareGPT",
    r"from pull request \d+, not merged": "where the file comes from",
    r"converted to GLM form from the file of the same name": "where the file comes from",
    r"rows lifted from the README, not a file as found": "where the file comes from",
}
"""A note -> why it names no fault."""


def notes() -> list[tuple[str, str]]:
    """(File, note), each note of the index by itself."""
    if not INDEX.is_file():
        return []
    with INDEX.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    split = ((row["path"], note.strip()) for row in rows for note in row["note"].split(";"))
    return [(path, note) for path, note in split if note]


def test_a_note_is_a_fault_or_none() -> None:
    known = [*NOTES, *NO_FAULT]
    for path, note in notes():
        assert sum(re.fullmatch(pattern, note) is not None for pattern in known) == 1, (path, note)
    met = Counter(
        pattern for _, note in notes() for pattern in known if re.fullmatch(pattern, note)
    )
    assert set(met) == set(known), "a pattern that fits no note"
    assert set(OTHERWISE) <= set(notes())


FAULTS: Final = [
    (path, note) for path, note in notes() if not any(re.fullmatch(p, note) for p in NO_FAULT)
]


@pytest.mark.parametrize(("path", "note"), FAULTS)
def test_the_fault_is_found(path: str, note: str) -> None:
    pattern = next(pattern for pattern in NOTES if re.fullmatch(pattern, note))
    number = re.fullmatch(pattern, note)
    assert number is not None
    held = OTHERWISE.get((path, note), NOTES[pattern])
    named = number[1] if number.lastindex else "one"
    held(Case(path), 1 if named == "one" else int(named))


ENDS: Final = sorted(
    {
        path
        for path, note in notes()
        if note.startswith(("no newline", "CRLF lines"))
        and path.endswith(".jsonl")  # an array ends with its bracket
        and not path.startswith("broken/")  # told for what else they are
    }
)


@pytest.mark.parametrize("name", ENDS)
def test_line_ends_change_nothing(name: str) -> None:
    data = (DATA / name).read_bytes()
    mended = data.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    assert mended != data
    assert outline(mended) == outline(data)


def outline(data: bytes) -> tuple[Any, list[Any]]:
    """The counts of rows and tokens, and the findings with their places."""
    result = of_bytes(data)
    return result.totals, [(f.rule, f.line, f.column, f.rows) for f in result.findings]
