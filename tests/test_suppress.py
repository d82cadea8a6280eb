"""What someone has answered does not come back: ignore keys of rows, baselines, per-file settings."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as CommandResult
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.app.cli import cli
from glmlint.engine.baseline import BaselineError, read_baseline, write_baseline
from glmlint.engine.check import check_lines, matches
from glmlint.engine.finish import Result, finish
from glmlint.engine.ignores import plain_content
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.fix.ignores import Added, add_ignores
from glmlint.fix.run import fix_files
from glmlint.plan import Plan
from glmlint.read.schema import validator
from glmlint.read.source import Chunk, InputFile, read_chunks
from glmlint.reporters.json import report_object
from glmlint.rules.base import FAMILIES, all_rules
from glmlint.trainer.base import Context, open_context

ALL = {name: entry.rule.severity for name, entry in all_rules().items()}


def chat(question: Any, answer: Any, **more: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
        **more,
    }


GOOD = chat("What is the capital of France?", "Paris.")
EMPTY = chat("Say nothing.", "")
ALIAS = {"messages": [{"role": "human", "content": "1+1?"}, {"role": "assistant", "content": "2"}]}
LATE_SYSTEM = {"messages": [*GOOD["messages"], {"role": "system", "content": "Be kind."}]}
KEYED = chat("Name a colour.", "Red.", lable="x")
LONG = chat("Count.", " ".join(map(str, range(900))))
BAD = (
    EMPTY, ALIAS, LATE_SYSTEM, KEYED, LONG,
    chat("你好", None), chat("<|assistant|>", "Yes."), chat("Sing.", "la la la " * 60),
    {"messages": []}, {"text": "hello"}, 5,
    chat("What is the capital of the French Republic, that large country?", "Paris."),
    chat("What is the capital of the French Republic, that large country?", "Lyon."),
    chat("What is the capital of the French Republic, that large country?", "Nice."),
)  # fmt: skip


@cache
def context_of() -> Context:
    return open_context(Plan())


def lines_of(rows: Any) -> list[bytes]:
    return [
        row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()
        for row in rows
    ]


def check(rows: Any, plan: Plan | None = None, path: str = "train.jsonl", cut: int = 0) -> Result:
    """Check rows as one chunk, or in parts of `cut` rows that merge."""
    plan = plan or Plan(rules=ALL)
    base = context_of()
    context = Context(plan, base.tokenizer, base.template)
    lines = lines_of(rows)
    size = cut or max(len(lines), 1)
    report = Report()
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        chunk = Chunk(path, part, range(start + 1, start + 1 + len(part)), {}, [], 0, None)
        report.merge(check_lines([chunk], plan, context), plan.max_findings)
    report.file(path)
    return finish(report, plan, context)


def baseline_of(rows: Any, **more: Any) -> dict[str, int]:
    found = check(rows, Plan(rules=ALL, write_baseline=True, **more)).baseline
    return {
        fingerprint: number for counts in found.values() for fingerprint, number in counts.items()
    }


def rules_of(result: Result) -> list[str]:
    return sorted(finding.rule for finding in result.findings)


class TestIgnoreKey:
    def ignoring(self, row: dict[str, Any], *names: str) -> dict[str, Any]:
        return {**row, "glmlint": {"ignore": list(names)}}

    def test_silences_the_rules_that_it_names(self) -> None:
        plan = Plan(rules={"empty-content": "error", "unknown-role": "error"})
        assert rules_of(check([EMPTY, ALIAS], plan)) == ["empty-content", "unknown-role"]
        quiet = check([self.ignoring(EMPTY, "empty-content"), ALIAS], plan)
        assert rules_of(quiet) == ["unknown-role"]
        assert quiet.suppressed == {"row": 1, "baseline": 0}
        assert quiet.severity_counts["error"] == 1 and quiet.rule_counts["empty-content"] == 0

    @pytest.mark.parametrize("name", ["empty-content", "structure", "ALL"])
    def test_families_and_all_stand_for_their_rules(self, name: str) -> None:
        plan = Plan(rules={"empty-content": "error"})
        result = check([self.ignoring(EMPTY, name)], plan)
        assert result.findings == [] and result.exit_code == 0
        assert (result.totals.clean, result.totals.with_findings) == (1, 0)

    def test_another_family_silences_nothing(self) -> None:
        plan = Plan(rules={"empty-content": "error"})
        result = check([self.ignoring(EMPTY, "tools", "mask")], plan)
        assert rules_of(result) == ["empty-content"] and result.exit_code == 1

    def test_findings_told_once_a_file_leave_the_row_out(self) -> None:
        plan = Plan(rules={"ignored-key": "warning"})
        first, second = KEYED, chat("And another?", "Blue.", lable="y")
        assert check([first, second], plan).findings[0].rows == 2
        result = check([self.ignoring(first, "ignored-key"), second], plan)
        assert [(f.line, f.rows) for f in result.findings] == [(2, 1)]
        assert result.totals.clean == 1

    def test_findings_across_rows_are_silenced_by_the_row_that_is_named(self) -> None:
        plan = Plan(rules={"exact-duplicate": "warning", "unused-ignore": "info"})
        assert rules_of(check([GOOD, GOOD], plan)) == ["exact-duplicate"]
        result = check([GOOD, self.ignoring(GOOD, "exact-duplicate")], plan)
        assert result.findings == [] and result.suppressed["row"] == 1
        assert result.totals.clean == 2

    @pytest.mark.parametrize(
        "entry",
        ["empty-content", [], {"ignore": "empty-content"}, {"ignore": [1]}, {"ignored": []}, 3],
    )
    def test_another_shape_silences_nothing_and_is_told(self, entry: Any) -> None:
        plan = Plan(rules={"empty-content": "error", "unused-ignore": "info"})
        result = check([{**EMPTY, "glmlint": entry}], plan)
        assert rules_of(result) == ["empty-content", "unused-ignore"]
        told = next(f for f in result.findings if f.rule == "unused-ignore")
        assert '"glmlint"' in told.message and told.pointer == "/glmlint"

    def test_an_unsafe_fix_drops_no_row_that_ignores_the_rule(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        plan = Plan(rules={"exact-duplicate": "warning"})
        base = context_of()
        context = Context(plan, base.tokenizer, base.template)
        path.write_bytes(b"\n".join(lines_of([GOOD, self.ignoring(GOOD, "dataset"), GOOD])))
        fixes = fix_files([str(path)], plan, context, unsafe=True)
        assert fixes.dropped == 1
        assert path.read_bytes().splitlines() == lines_of([GOOD, self.ignoring(GOOD, "dataset")])

    def test_a_null_is_no_answer(self) -> None:
        plan = Plan(rules={"unused-ignore": "info"})
        assert check([{**GOOD, "glmlint": None}], plan).findings == []

    def test_what_silences_nothing_is_told(self) -> None:
        plan = Plan(rules={"empty-content": "error", "unused-ignore": "info"})
        row = self.ignoring(EMPTY, "empty-content", "unknown-role", "mask", "emty-content", "ALL")
        result = check([row], plan)
        # unknown-role and mask are off, so that nobody knows; ALL was of use.
        assert [f.pointer for f in result.findings] == ["/glmlint/ignore/3"]
        assert "did you mean empty-content?" in result.findings[0].message
        unused = check([self.ignoring(GOOD, "ALL", "structure")], plan)
        assert [f.pointer for f in unused.findings] == ["/glmlint/ignore/0", "/glmlint/ignore/1"]
        assert check([self.ignoring(GOOD, "structure", "unused-ignore")], plan).findings == []

    def test_the_trainer_is_told_nothing_else(self) -> None:
        plain, answered = check([EMPTY]), check([self.ignoring(EMPTY, "ALL")])
        assert plain.totals.tokens == answered.totals.tokens

    def test_a_row_that_raises_stays_unreadable(self) -> None:
        row = {"messages": 5, "glmlint": {"ignore": ["ALL"]}}
        result = check([row])
        assert [f for f in result.findings if f.line] == []
        assert result.suppressed["row"] > 0 and result.totals.unreadable == 1

    @pytest.mark.parametrize(
        "answered",
        [
            b'{"messages": [], "glmlint": {"ignore": []}}',
            b'{"glmlint": {"ignore": ["a"]}, "messages": []}',
            b'{"messages": [] , "glmlint" : {"ignore": [{"glmlint": 1}]}}',
        ],
    )
    def test_the_row_without_the_key_has_the_same_fingerprint(self, answered: bytes) -> None:
        assert plain_content(answered).replace(b" }", b"}") == b'{"messages": []}'

    def test_answering_one_finding_does_not_rename_the_others(self) -> None:
        row = {
            **EMPTY,
            "lable": 1,
            "messages": [*EMPTY["messages"], {"role": "bot", "content": "x"}],
        }
        before = {f.rule: f.fingerprint for f in check([row]).findings if f.line}
        after = {
            f.rule: f.fingerprint
            for f in check([self.ignoring(row, "empty-content")]).findings
            if f.line
        }
        assert "unknown-role" in after and "empty-content" not in after
        assert after.items() <= before.items()


class TestBaseline:
    def test_old_findings_count_for_nothing(self) -> None:
        plan = Plan(rules=ALL)
        assert check(BAD, plan).exit_code == 1
        result = check(BAD, replace(plan, baseline=baseline_of(BAD)))
        assert result.findings == [] and result.exit_code == 0
        assert not sum(result.severity_counts.values()) and not sum(result.rule_counts.values())
        assert result.totals.with_findings == 0
        assert result.suppressed["baseline"] == sum(check(BAD, plan).rule_counts.values())

    def test_writing_one_makes_every_finding_an_old_one(self) -> None:
        result = check(BAD, Plan(rules=ALL, write_baseline=True))
        assert result.findings == [] and result.exit_code == 0

    def test_a_repeated_bad_row_is_new(self) -> None:
        plan = Plan(rules={"empty-content": "error"})
        known = {f.fingerprint: 1 for f in check([EMPTY], plan).findings}
        result = check([EMPTY, GOOD, EMPTY], replace(plan, baseline=known))
        assert [f.line for f in result.findings] == [3]
        assert (result.totals.clean, result.totals.with_findings) == (2, 1)
        assert result.exit_code == 1

    def test_counts_hold_past_max_findings(self) -> None:
        rows = [EMPTY] * 9
        plan = Plan(rules={"empty-content": "error"}, max_findings=2)
        found = check(rows, replace(plan, write_baseline=True)).baseline["empty-content"]
        assert list(found.values()) == [9]
        result = check([*rows, EMPTY, EMPTY], replace(plan, baseline=dict(found)), cut=3)
        assert result.rule_counts["empty-content"] == 2 and result.totals.with_findings == 2

    def test_a_third_answer_to_a_known_question_is_new_wherever_it_stands(self) -> None:
        plan = Plan(rules={"conflicting-answers": "info"})
        old, new = BAD[-3:-1], BAD[-1]
        found = check(old, replace(plan, write_baseline=True)).baseline["conflicting-answers"]
        known = replace(plan, baseline=dict(found))
        assert check([old[1], old[0], old[1]], known).findings == []
        for rows in ([*old, new], [new, *old], [old[0], new, old[1]]):
            assert len(check(rows, known).findings) == 1

    def test_of_rows_nearly_the_same_any_may_come_first(self) -> None:
        pytest.importorskip("rensa")
        words = " ".join(f"word{n}" for n in range(120))
        rows = [chat("Recite.", words), chat("Recite.", words + " more")]
        plan = Plan(rules={"near-duplicate": "info"}, limits={"near-duplicates": 0.8})
        found = check(rows, replace(plan, write_baseline=True)).baseline["near-duplicate"]
        for order in (rows, rows[::-1]):
            assert len(check(order, plan).findings) == 1
            assert check(order, replace(plan, baseline=dict(found))).findings == []

    def test_a_file_is_the_same_by_any_spelling_of_its_path(self) -> None:
        plan = Plan(rules={"empty-dataset": "error"})
        spellings = ("data/a.jsonl", "./data/a.jsonl", str(Path("data/a.jsonl").absolute()))
        found = {check([], plan, path).findings[0].fingerprint for path in spellings}
        assert len(found) == 1
        assert check([], plan, "data/b.jsonl").findings[0].fingerprint not in found

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from(BAD), min_size=1, max_size=8), st.randoms(), st.integers(1, 4))
    def test_reordering_brings_no_finding_back(
        self, rows: list[Any], shuffler: random.Random, cut: int
    ) -> None:
        known = baseline_of(rows)
        order = list(rows)
        shuffler.shuffle(order)
        result = check(order, Plan(rules=ALL, baseline=known), cut=cut)
        assert result.findings == [] and result.totals.with_findings == 0
        assert baseline_of(order) == known

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from(BAD), min_size=1, max_size=6), st.data())
    def test_editing_a_row_brings_only_its_own_findings(self, rows: list[Any], data: Any) -> None:
        known = baseline_of(rows)
        at = data.draw(st.integers(0, len(rows) - 1))
        edited = [*rows[:at], data.draw(st.sampled_from([GOOD, *BAD])), *rows[at + 1 :]]
        result = check(edited, Plan(rules=ALL, baseline=known))
        # File findings are about all rows: an edit may bring a new one of them.
        assert {f.line for f in row_findings(result)} <= {at + 1} | same_rows(edited, at)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.sampled_from([GOOD, *BAD]), max_size=8), st.integers(1, 3))
    def test_the_parts_of_a_file_merge_into_the_same(self, rows: list[Any], cut: int) -> None:
        known = baseline_of(rows[::2])
        plan = Plan(rules=ALL, baseline=known)
        whole, parts = check(rows, plan), check(rows, plan, cut=cut)
        assert whole.findings == parts.findings
        assert whole.totals == parts.totals and whole.suppressed == parts.suppressed

    def test_the_file_is_sorted_and_comes_back(self, tmp_path: Path) -> None:
        path = str(tmp_path / "baseline.json")
        write_baseline(path, {"b": {"f2": 1, "f1": 3}, "a": {"f0": 1}})
        text = Path(path).read_text()
        assert text.index('"a"') < text.index('"b"') and text.index('"f1"') < text.index('"f2"')
        assert read_baseline(path) == {"f0": 1, "f1": 3, "f2": 1}
        assert [entry.name for entry in tmp_path.iterdir()] == ["baseline.json"]

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", '{"version": 9, "findings": {}}', '{"version": 1}', "5",
                 '{"version": 1, "findings": {"a": {"b": "c"}}}', '{"version": 1, "findings": [1]}'],
    )  # fmt: skip
    def test_what_is_no_baseline_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "baseline.json"
        path.write_text(text)
        with pytest.raises(BaselineError, match=r"baseline"):
            read_baseline(str(path))


def row_findings(result: Result) -> list[Finding]:
    """The findings of single rows: not those of files, and not those told once a file."""
    spread = {f.rule for f in result.findings if f.rows > 1}
    runs = {name for name, entry in all_rules().items() if entry.check_run or entry.check_file}
    once = {"ignored-key", "other-format", "not-jsonl", "placeholder", *spread}
    return [f for f in result.findings if f.line and f.rule not in runs | once]


def same_rows(rows: list[Any], at: int) -> set[int]:
    """Lines of the rows that are equal to one: any of them may be the one too many."""
    return {number for number, row in enumerate(rows, 1) if row == rows[at]}


def write_ignores(path: Path, plan: Plan) -> Added:
    """Check a file, and write its findings into its rows."""
    plan = replace(plan, add_ignores=True)
    base = context_of()
    context = Context(plan, base.tokenizer, base.template)
    report = check_lines(read_chunks(InputFile(str(path))), plan, context)
    finish(report, plan, context)
    return add_ignores(report.file(str(path)), plan)


def check_file(path: Path, plan: Plan) -> Result:
    base = context_of()
    context = Context(plan, base.tokenizer, base.template)
    report = check_lines(read_chunks(InputFile(str(path))), plan, context)
    report.file(str(path))
    return finish(report, plan, context)


ROW_RULES = {name: level for name, level in ALL.items() if not all_rules()[name].check_file}
LOADED = [row for row in BAD if isinstance(row, dict)]


class TestAddIgnores:
    @settings(max_examples=15, deadline=None)
    @given(
        rows=st.lists(st.sampled_from([GOOD, *LOADED]), min_size=1, max_size=5),
        end=st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
        compact=st.booleans(),
    )
    def test_only_the_key_comes_in_and_nothing_is_found_any_more(
        self, rows: list[Any], end: bytes, compact: bool
    ) -> None:
        separators = (",", ":") if compact else None
        lines = [json.dumps(row, separators=separators).encode() for row in rows]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.jsonl"
            path.write_bytes(end.join(lines))
            plan = Plan(rules=ROW_RULES)
            added = write_ignores(path, plan)
            assert added.reason is None
            after = path.read_bytes().split(end)
            assert [plain_content(line) for line in after] == lines
            assert sum(new != old for new, old in zip(after, lines, strict=True)) == added.rows
            assert check_file(path, plan).findings == []
            assert write_ignores(path, plan).rows == 0
            assert [entry.name for entry in Path(folder).iterdir()] == ["a.jsonl"]

    def test_elements_of_an_array_are_told_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        plan = Plan(rules={"empty-content": "error", "unknown-role": "error"})
        for indent in (None, 2):
            path.write_text(json.dumps([GOOD, EMPTY, ALIAS], indent=indent))
            assert write_ignores(path, plan).rows == 2
            rows = json.loads(path.read_text())
            assert [row.get("glmlint") for row in rows] == [
                None, {"ignore": ["empty-content"]}, {"ignore": ["unknown-role"]},
            ]  # fmt: skip

    def test_names_join_those_that_are_there(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text(json.dumps({"glmlint": {"ignore": ["tools"]}, **EMPTY}))
        path.chmod(0o640)
        assert write_ignores(path, Plan(rules={"empty-content": "error"})).rules == 1
        row = json.loads(path.read_text())
        assert row["glmlint"] == {"ignore": ["tools", "empty-content"]}
        assert path.stat().st_mode & 0o777 == 0o640

    def test_lines_that_are_no_rows_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        text = b'{bad\n5\n\xff\n\xef\xbb\xbf{"messages": []}\n[]'
        path.write_bytes(text)
        added = write_ignores(path, Plan(rules=ROW_RULES))
        assert (added.rows, added.reason) == (0, None)
        assert path.read_bytes() == text

    def test_old_findings_are_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_bytes(b"\n".join(lines_of([EMPTY, KEYED, ALIAS])))
        plan = Plan(rules={"empty-content": "error", "ignored-key": "warning"})
        found = check_file(path, replace(plan, write_baseline=True)).baseline
        known = {key: count for counts in found.values() for key, count in counts.items()}
        assert write_ignores(path, replace(plan, baseline=known)).rows == 0

    def test_a_file_that_would_not_load_any_more_is_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("glmlint.fix.ignores.BLOCK", 300)
        path = tmp_path / "a.jsonl"
        plan = Plan(rules={"empty-content": "error"})
        for rows, written in (([GOOD] * 5 + [EMPTY], 0), ([EMPTY] + [GOOD] * 5 + [EMPTY], 2)):
            path.write_bytes(b"\n".join(lines_of(rows)))
            before = path.read_bytes()
            added = write_ignores(path, plan)
            assert added.rows == written
            assert ("datasets" in (added.reason or "")) is (written == 0)
            assert (path.read_bytes() == before) is (written == 0)
        path.write_bytes(b"\n".join(lines_of([EMPTY] + [GOOD] * 5)))
        assert write_ignores(path, replace(plan, datasets="2.20.0")).rows == 0

    def test_a_file_that_cannot_be_written_says_why(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text(json.dumps(EMPTY), encoding="utf-16")
        added = write_ignores(path, Plan(rules={"empty-content": "error"}))
        assert added.rows == 0 and "utf-16" in (added.reason or "").lower()


class TestPerFile:
    @pytest.mark.parametrize(
        ("path", "pattern", "root", "expected"),
        [
            ("eval/a.jsonl", "eval/*.jsonl", ".", True),
            ("./eval/a.jsonl", "eval/*.jsonl", ".", True),
            ("project/eval/a.jsonl", "eval/*.jsonl", "project", True),
            ("other/eval/a.jsonl", "eval/*.jsonl", "project", False),
            ("eval/deep/a.jsonl", "eval/**/*.jsonl", ".", True),
            ("eval/a.jsonl", "eval/**/*.jsonl", ".", True),
            ("deep/down/dev.jsonl", "dev.jsonl", ".", True),
            ("deep/down/dev.jsonl", "down/dev.jsonl", ".", False),
            ("train/a.jsonl", "eval/*.jsonl", ".", False),
        ],
    )
    def test_globs_start_at_the_settings_file(
        self, path: str, pattern: str, root: str, expected: bool
    ) -> None:
        assert matches(path, pattern, root) is expected
        assert matches(str(Path(path).absolute()), pattern, root) is expected


def glmlint(*arguments: str, cwd: Path) -> CommandResult:
    with contextlib.chdir(cwd):
        return CliRunner().invoke(cli, arguments)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with settings, old findings in its data, and other rules for the validation split."""
    (tmp_path / "glmlint.toml").write_text(
        'baseline = "old.json"\nextend-select = ["unused-ignore"]\n'
        '[[per-file]]\nfiles = "eval/*.jsonl"\nignore = ["structure"]\n'
    )
    for folder in ("train", "eval"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_bytes(b"\n".join(lines_of([GOOD, EMPTY, ALIAS])))
    return tmp_path


def test_a_project_with_a_baseline(project: Path) -> None:
    missing = glmlint("check", "train", cwd=project)
    assert missing.exit_code == 2 and "--write-baseline writes it" in missing.stderr
    written = glmlint("check", "train", "--write-baseline", "--quiet", cwd=project)
    assert written.exit_code == 0 and "old.json: " in written.stderr, written.stderr
    assert glmlint("check", "train", cwd=project).exit_code == 0
    inside = glmlint("check", "a.jsonl", cwd=project / "train")
    assert inside.exit_code == 0, inside.stdout
    with (project / "train/a.jsonl").open("ab") as file:
        file.write(b"\n" + lines_of([{"messages": [{"role": "user", "content": "?"}]}])[0])
    found = glmlint("check", "train", "--format", "json", cwd=project)
    report = json.loads(found.stdout)
    assert found.exit_code == 1 and {f["line"] for f in report["findings"]} == {4}
    assert report["suppressed"]["baseline"] > 0
    validator("report").validate(report)


def test_per_file_rules_hold_from_any_folder(project: Path) -> None:
    (project / "old.json").write_text('{"version": 1, "findings": {}}')
    for arguments, cwd in ((("eval",), project), (("a.jsonl",), project / "eval")):
        done = glmlint("check", *arguments, "--format", "json", cwd=cwd)
        report = json.loads(done.stdout)
        assert report["finding_counts"].get("empty-content") is None
        assert report["finding_counts"].get("unknown-role") is None
    flag = glmlint("check", "eval", "--ignore", "mask", "--format", "json", cwd=project)
    assert "unknown-role" in json.loads(flag.stdout)["finding_counts"]  # a flag beats the file


def test_a_baseline_is_not_written_from_half_of_the_data(project: Path) -> None:
    done = glmlint("check", "train", "nowhere.jsonl", "--write-baseline", cwd=project)
    assert done.exit_code == 2 and "not written" in done.stderr
    assert not (project / "old.json").exists()


def test_add_ignores_on_the_command_line(project: Path) -> None:
    (project / "old.json").write_text('{"version": 1, "findings": {}}')
    done = glmlint("check", "train", "--add-ignores", cwd=project)
    assert done.exit_code == 0 and "in 2 rows now ignored" in done.stderr and done.stdout == ""
    again = glmlint("check", "train", "--format", "json", cwd=project)
    report = json.loads(again.stdout)
    assert again.exit_code == 0 and report["suppressed"]["row"] >= 2
    assert glmlint("check", "train", "--add-ignores", "--fix", cwd=project).exit_code == 2


def test_writing_needs_a_name(tmp_path: Path) -> None:
    done = glmlint("check", "--write-baseline", cwd=tmp_path)
    assert done.exit_code == 2 and "needs --baseline FILE" in done.stderr


def test_the_json_report_counts_what_was_suppressed() -> None:
    row = {**EMPTY, "glmlint": {"ignore": ["empty-content"]}}
    report = report_object(check([row]), 100)
    validator("report").validate(json.loads(json.dumps(report)))
    assert report["suppressed"]["row"] >= 1


def test_every_family_can_be_named() -> None:
    assert {entry.rule.family for entry in all_rules().values()} <= set(FAMILIES)
