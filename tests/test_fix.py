"""Repairs: what changes, what keeps its bytes, and that a file is the old or the new one."""

from __future__ import annotations

import copy
import gzip
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import LIMIT, started, until

from glmlint.engine.check import check_file
from glmlint.engine.encode import encode_rows
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.fix import stream
from glmlint.fix.diff import unified
from glmlint.fix.edit import apply, one_line
from glmlint.fix.files import Fixes, commit, drafted
from glmlint.fix.run import diff_files, sentence
from glmlint.plan import Plan
from glmlint.read.schema import validator
from glmlint.read.source import InputFile, read_chunks
from glmlint.rules.base import Edit, Example, all_rules, default_rules
from glmlint.trainer.base import Context, open_context

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
ALL = {n: r.rule.severity for n, r in all_rules().items() if r.rule.family != "score"}


@cache
def base(recipe: str, transformers: str) -> Context:
    return open_context(Plan(recipe=recipe, transformers=transformers))


def context_of(recipe: str = "glm4", **more: Any) -> Context:
    plan = Plan(recipe=recipe, **({"rules": ALL} | more))
    opened = base(recipe, plan.transformers)
    return Context(plan, opened.tokenizer, opened.template)


def fix(*files: Path, unsafe: bool = False, recipe: str = "glm4", **more: Any) -> Fixes:
    context = context_of(recipe, **more)
    with drafted([str(f) for f in files], context.plan, context, unsafe=unsafe) as fixes:
        commit(fixes, context.plan)
    return fixes


def fixed(folder: Path, data: bytes, name: str = "a.jsonl", **more: Any) -> bytes:
    """What a file with these bytes becomes."""
    file = folder / name
    file.write_bytes(data)
    fix(file, **more)
    return file.read_bytes()


def findings_of(file: Path, context: Context) -> list[Finding]:
    report = Report()
    check_file(InputFile(str(file)), context.plan, context, report)
    return finish(report, context.plan, context).findings


def encoded(file: Path, context: Context) -> list[Any]:
    """Ids and labels of the rows, or how they end."""
    return [
        (row.input_ids.tolist(), row.labels.tolist(), row.error, row.dropped)
        for row in encode_rows([str(file)], context.plan, context=context)
    ]


def glmlint(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "glmlint", *arguments], capture_output=True, cwd=cwd, check=False,
        env={**os.environ, "LANG": "C.UTF-8"}, timeout=LIMIT
    )  # fmt: skip


def chat(*turns: tuple[str, Any], **more: Any) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages, **more}, ensure_ascii=False)


GOOD = chat(("user", "你好"), ("assistant", "你好！"))
ALIAS = GOOD.replace('"user"', '"human"')
SPACED = '{ "id":1.50 ,"messages" :[{"role": "human","content":"caf\\u00e9"} ,{"role":"assistant", "content" : "oui"}]}'


# --- edits on a row's text ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        ('{"a" : 1.50,"b":2}', [("replace", ("b",), "x")], '{"a" : 1.50,"b":"x"}'),
        ('{"a":1,"b":2}', [("remove", ("a",))], '{"b":2}'),
        ('{"a": 1, "b": 2}', [("remove", ("b",))], '{"a": 1}'),
        ('{ "a": 1 }', [("remove", ("a",))], "{}"),
        ("[1, 2, 3]", [("remove", (1,)), ("remove", (1,))], "[1]"),
        ('{"a": 1}', [("add", ("b",), "你好")], '{"a": 1, "b": "你好"}'),
        ('{"a":[1,2]}', [("add", ("a", 2), {"x": [1, 2]})], '{"a":[1,2,{"x":[1,2]}]}'),
        ('{"a": []}', [("add", ("a", 0), 1), ("add", ("a", 0), 0)], '{"a": [0, 1]}'),
        ('{\n  "a": 1\n}', [("add", ("b",), 2)], '{\n  "a": 1,\n  "b": 2\n}'),
        ('{"\\u0061": 1, "a": 2}', [("replace", ("a",), 3)], '{"\\u0061": 1, "a": 3}'),
        ('{"\\u0061": 1}', [("replace", ("a",), 3)], '{"\\u0061": 3}'),
        (' {"a": 1} ', [("replace", (), [1])], " [1] "),
    ],
)
def test_an_edit_changes_its_place_and_nothing_else(
    before: str, edits: list[Any], after: str
) -> None:
    assert apply(before, [[Edit(*edit) for edit in edits]]) == (after, 1)


@pytest.mark.parametrize(
    "edit",
    [
        ("replace", ("x",), 1),
        ("replace", ("a", 5), 1),
        ("remove", ("a", "b")),
        ("remove", ()),
        ("add", ("a", 7), 1),
        ("replace", ("b",), float("nan")),
        ("drop-row", ()),
    ],
)
def test_a_problem_whose_edits_do_not_fit_leaves_no_trace(edit: Any) -> None:
    text = '{"a": [1, 2 ,3], "b": {"c": 1}}'
    first = (Edit("remove", ("a", 0)), Edit("add", ("a", 0), 9), Edit("remove", ("b", "c")))
    assert apply(text, [(*first, Edit(*edit))]) == (text, 0)


def test_problems_that_meet_wait_for_the_next_round() -> None:
    text = '{"a": [{"x": 1}, {"x": 2}]}'
    inner, outer = (Edit("replace", ("a", 1, "x"), 3),), (Edit("replace", ("a", 1), {}),)
    after, count = apply(text, [outer, inner])
    assert count == 1
    assert after == '{"a": [{"x": 1}, {"x": 3}]}'


def test_what_comes_in_moves_no_edit_of_another_problem() -> None:
    text = json.dumps(list(range(6)))
    problems = [(Edit("replace", (i,), f"r{i}"), Edit("add", (i + 1,), f"n{i}")) for i in (0, 2, 4)]
    after, count = apply(text, problems)
    assert count == 3
    assert json.loads(after) == ["r0", "n0", 1, "r2", "n2", 3, "r4", "n4", 5]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('a"\\\n你é/~', max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('a"b\\你', max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)
styles = st.sampled_from(
    [{}, {"indent": 2}, {"separators": (",", ":")}, {"separators": (" ,\t", " : ")},
     {"ensure_ascii": False, "indent": 1}]
)  # fmt: skip


def applied(value: Any, edit: Edit) -> Any:
    """The same edit on the decoded value."""
    value = copy.deepcopy(value)
    if not edit.pointer:
        return edit.value
    inside = value
    for part in edit.pointer[:-1]:
        inside = inside[part]
    part: Any = edit.pointer[-1]
    if edit.op == "remove":
        del inside[part]
    elif edit.op == "add" and isinstance(inside, list):
        inside.insert(part, edit.value)
    else:
        inside[part] = edit.value
    return value


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # fmt: skip
    return [at, *(place for key, item in inner for place in places(item, (*at, key)))]


@settings(max_examples=150)
@given(value=json_values, style=styles, new=json_values, data=st.data())
def test_edits_of_the_text_are_edits_of_the_value(
    value: Any, style: dict[str, Any], new: Any, data: st.DataObject
) -> None:
    text, expected, edits = json.dumps(value, **style), value, []
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(places(expected)))
        op = data.draw(st.sampled_from(["replace", "add", "remove"])) if at else "replace"
        edits.append(Edit(op, at, None if op == "remove" else new))
        expected = applied(expected, edits[-1])
    after, count = apply(text, [edits])
    assert count == 1
    assert json.loads(after) == expected


@settings(max_examples=200)
@given(value=json_values, style=styles)
def test_a_row_on_one_line_is_the_same_value(value: Any, style: dict[str, Any]) -> None:
    line = one_line(json.dumps(value, **style))
    assert "\n" not in line and "\r" not in line
    assert json.loads(line) == value
    assert list(map(str, json.loads(line))) == list(map(str, value)) if isinstance(value, dict) else True  # fmt: skip


# --- bytes of files -------------------------------------------------------------------------------


def test_every_other_byte_stays(tmp_path: Path) -> None:
    odd = b'\t{"messages":[{"role":"user","content":"\\u4f60"}, {"content" :"b","role":"assistant"}] }  \r\n'
    broken = b'{"messages": [,]}\n'
    data = odd + GOOD.encode() + b"\n" + broken + SPACED.encode() + b"\r\n" + odd + GOOD.encode()
    after = fixed(tmp_path, data, rules={"unknown-role": "error"})
    assert after == data.replace(b'"human"', b'"user"')


def test_a_clean_file_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(f"{GOOD}\n".encode())
    before = file.stat()
    fixes = fix(file, unsafe=True)
    after = file.stat()
    assert (fixes.drafts, fixes.fixed.total()) == ([], 0)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


ARRAY = f"[\n  {GOOD} ,\n  {ALIAS},\n  {GOOD.replace('你', '您')}\n]\n"


def test_in_an_array_only_the_element_changes(tmp_path: Path) -> None:
    assert fixed(tmp_path, ARRAY.encode(), "a.json") == ARRAY.replace("human", "user").encode()


@pytest.mark.parametrize(
    ("drops", "after"),
    [
        ({1}, b"[ 2 ,3]\n"), ({2}, b"[ 1,3]\n"), ({3}, b"[ 1, 2]\n"), ({1, 2}, b"[ 3]\n"),
        ({1, 2, 3}, b"[ ]\n"),
    ],
)  # fmt: skip
def test_an_element_goes_with_its_comma(tmp_path: Path, drops: set[int], after: bytes) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"[ 1, 2 ,3]\n")
    made = BytesIO()
    with file.open("rb") as handle:
        form = stream.form_of(handle, "a.json")
        output = stream.Output(handle, lambda: made)
        from glmlint.fix.rows import repair_of

        repair = repair_of(Plan(), context_of(), False)
        done = stream.run_pass(handle, "a.json", form, output, repair, set(), drops)
    assert json.loads(made.getvalue()) == [n for n in (1, 2, 3) if n not in drops]
    assert done.dropped == len(drops)
    assert made.getvalue().replace(b" ", b"") == after.replace(b" ", b"")


def test_a_dropped_line_takes_its_end_along(tmp_path: Path) -> None:
    empty = b'{"messages": []}\r\n'
    data = empty + GOOD.encode() + b"\r\n" + empty
    assert fixed(tmp_path, data, unsafe=True) == GOOD.encode() + b"\r\n"
    assert fixed(tmp_path, data) == data


def test_a_mark_and_blank_lines_go_and_the_rest_stays(tmp_path: Path) -> None:
    data = (
        b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n \n" + SPACED.replace("human", "user").encode()
    )
    after = fixed(tmp_path, data, rules={"byte-order-mark": "warning", "blank-line": "info"})
    assert after == data.replace(b"\xef\xbb\xbf", b"").replace(b"\r\n\r\n \n", b"\r\n")
    kept = fixed(tmp_path, data, rules={"null-content": "error"})
    assert kept == data


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_a_jsonl_file_becomes_rows(tmp_path: Path, indent: int | None) -> None:
    rows = [json.loads(GOOD), json.loads(ALIAS)]
    data = json.dumps(rows, indent=indent).encode()
    lines = fixed(tmp_path, data).splitlines()
    rows[1]["messages"][0]["role"] = "user"
    assert [json.loads(line) for line in lines] == rows
    if indent:
        assert lines[0] == json.dumps(rows[0]).encode()


def test_several_rows_of_a_line_stand_on_their_own_lines(tmp_path: Path) -> None:
    data = f"{GOOD} {ALIAS}\r\n{GOOD}".encode()
    wanted = [GOOD, ALIAS.replace("human", "user")]
    after = fixed(tmp_path, data, rules={"not-jsonl": "warning", "unknown-role": "error"})
    assert after == f"{wanted[0]}\r\n{wanted[1]}\r\n{GOOD}".encode()
    alone = fixed(tmp_path, data, rules={"unknown-role": "error"})
    assert alone.startswith(GOOD.encode() + b" {")


def test_a_file_with_an_unreadable_row_keeps_its_form(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    data = f'[\n{GOOD},\n{{"a":\n,}},\n{ALIAS}\n]'.encode()
    file.write_bytes(data)
    fixes = fix(file)
    assert file.read_bytes() == data.replace(b"human", b"user")
    assert [(path, "row 2 cannot be read" in note) for path, note in fixes.notes] == [
        (str(file), True)
    ]


def test_rows_of_another_encoding_are_written_in_utf8(tmp_path: Path) -> None:
    long = chat(
        ("user", "你好，请介绍一下北京的历史"), ("assistant", "北京是中国的首都，历史悠久。")
    )
    gbk = long.encode("gb18030") + b"\n"
    data = gbk + b"\xff\xfe\n" + long.encode() + b"\n"
    rules = {"not-utf8": "error"}
    assert fixed(tmp_path, data, rules=rules) == data
    assert fixed(tmp_path, data, rules=rules, unsafe=True) == data.replace(
        gbk, long.encode() + b"\n"
    )


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_a_wide_file_is_written_in_utf8_only_as_an_unsafe_fix(tmp_path: Path, codec: str) -> None:
    data = f"{GOOD}\n{ALIAS}\n".encode(codec)
    file = tmp_path / "a.jsonl"
    file.write_bytes(data)
    notes = fix(file).notes
    assert file.read_bytes() == data
    assert "--unsafe-fixes" in notes[0][1]
    assert fix(file, unsafe=True).fixed["not-utf8"] == 1
    assert file.read_bytes() == f"{GOOD}\n{GOOD}\n".encode()[: len(f"{GOOD}\n".encode())]


def test_a_row_longer_than_the_limit_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_LINE", 200)
    long = ALIAS.replace("你好", "好" * 200)
    data = f"{ALIAS}\n{long}\r\n{ALIAS}\n".encode()
    assert fixed(tmp_path, data, rules={"unknown-role": "error"}) == (
        f"{GOOD}\n{long}\r\n{GOOD}\n".encode()
    )
    array = f"[{ALIAS}, {long}, {ALIAS}]".encode()
    after = fixed(tmp_path, array, "a.json", rules={"unknown-role": "error"})
    assert after == f"[{GOOD}, {long}, {GOOD}]".encode()


pieces_of_files = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b'"a"', b'"', b":", b"\n", b"\r\n", b" ", b"1", b'{"a": 1}',
     b'{"messages": []}', b"\\", b"\xff", b"[1]", b"null"]
)  # fmt: skip


@settings(max_examples=150)
@given(
    data=st.lists(pieces_of_files, max_size=14).map(b"".join),
    name=st.sampled_from(["a.json", "a.jsonl"]),
)
@example(data=b'[{"a": 1},]', name="a.json")
@example(data=b'[{"a": 1}] ] {"a": 1}', name="a.json")
@example(data=b'[{"a": 1},,{"a": 1} {"a": 1}', name="a.json")
def test_pieces_are_the_whole_file_and_the_rows_that_check_reads(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    file = tmp_path_factory.getbasetemp() / name
    file.write_bytes(data)
    rows = [line for chunk in read_chunks(InputFile(str(file))) for line in chunk.lines]
    with file.open("rb") as handle:
        form = stream.form_of(handle, name)
        if not form.data:
            return
        found = list(stream.pieces(handle, form))
        whole = b"".join(
            piece.gap + (piece.row or b"") + piece.end + data[slice(*(piece.passed or (0, 0)))]
            for piece in found
        )
    assert whole == data
    readable = [piece.row for piece in found if piece.row is not None]
    passed = [piece for piece in found if piece.defect is not None]
    assert len(readable) + len(passed) == len(rows)
    assert all(row in rows for row in readable)


# --- nothing is left ------------------------------------------------------------------------------


def planted() -> list[bytes]:
    """One line of each example of each rule that repairs something."""
    lines = []
    for loaded in all_rules().values():
        if loaded.rule.fix is None:
            continue
        for given_row in loaded.rule.bad:
            for row in given_row.rows if isinstance(given_row, Example) else (given_row,):
                line = row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()  # fmt: skip
                lines.append(line)
    return [line for line in lines if b"\n" not in line]


PLANTED = planted()
texts = st.sampled_from(
    ["", " ", "你好", "hi ", "\x07bell", "<|user|>", "null", "{}", '{"name": "w", "arguments": {}}',
     'w\n{"city": 1}', '"{\\"city\\": 1}"', "AKIAIOSFODNN7EXAMPLE", "word " * 30, "\u200b"]
)  # fmt: skip
odd = st.none() | st.integers(0, 2) | st.lists(texts, max_size=2) | st.just({"a": 1})
tool = st.sampled_from(
    [{"name": "w", "args": {"city": "str"}}, {"type": "function", "function": {"name": "w", "parameters": {"type": "object", "properties": {}}}},
     {"name": "w", "parameters": {"properties": {}}}, '{"type": "function"}', "[]", {}, {"type": "function", "function": {"name": "w"}}]
)  # fmt: skip
calls = st.sampled_from(
    [[{"function": {"name": "w", "arguments": "{}"}}], [{"id": "1", "function": {"name": "w", "arguments": {"city": 1}}}],
     [{"function": {"name": "w"}}] * 2]
)  # fmt: skip
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(
            [
                "system",
                "user",
                "assistant",
                "observation",
                "human",
                "gpt",
                "tool",
                "function",
                "bot",
            ]
        )
        | odd,
        "content": texts | odd,
        "metadata": st.sampled_from(["", "w", None]) | odd,
        "tools": st.lists(tool, max_size=2) | tool | st.none(),
        "tool_calls": calls,
        "function_call": st.just({"name": "w", "arguments": "{}"}),
        "tool_call_id": st.just("1"),
        "reasoning_content": texts | st.none(),
    },
)
turns = st.builds(
    lambda system, question, extra, answer: [*system, {"role": "user"} | question, *extra, {"role": "assistant"} | answer],
    st.lists(st.just({"role": "system", "content": ""}) | messages, max_size=1),
    messages, st.lists(messages, max_size=3), messages,
)  # fmt: skip
rows = st.fixed_dictionaries(
    {"messages": turns | st.lists(messages, max_size=4)},
    optional={
        "tools": st.lists(tool, max_size=2) | tool,
        "glmlint": st.just({"ignore": ["tools"]}),
    },
)
lines_of = st.lists(
    st.builds(
        lambda row, style: json.dumps(row, **style).encode(),
        rows,
        st.sampled_from([{}, {"ensure_ascii": False}, {"separators": (",", ":")}]),
    )
    | st.sampled_from(PLANTED),
    min_size=1,
    max_size=5,
)


def as_lines(lines: list[bytes]) -> tuple[str, bytes]:
    return "a.jsonl", b"\n".join(lines)


def as_crlf(lines: list[bytes]) -> tuple[str, bytes]:
    return "a.jsonl", b"\xef\xbb\xbf" + b"".join(line + b"\r\n\r\n" for line in lines)


def on_one_line(lines: list[bytes]) -> tuple[str, bytes]:
    return "a.jsonl", b" ".join(lines) + b"\n"


def as_array(lines: list[bytes]) -> tuple[str, bytes]:
    return "a.json", b"[" + b", ".join(lines) + b"]"


def as_pretty_array(lines: list[bytes]) -> tuple[str, bytes]:
    return "a.jsonl", b"[\n  " + b",\n  ".join(line.replace(b'{"', b'{\n"') for line in lines) + b"\n]\n"  # fmt: skip


FORMS = (as_lines, as_lines, as_crlf, on_one_line, as_array, as_pretty_array)


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=60)
@given(lines=lines_of, form=st.sampled_from(FORMS), unsafe=st.booleans(), budget=st.sampled_from([1025, 24]))  # fmt: skip
def test_a_second_run_has_nothing_left_to_fix(
    tmp_path_factory: pytest.TempPathFactory,
    recipe: str, lines: list[bytes], form: Any, unsafe: bool, budget: int,
) -> None:  # fmt: skip
    name, data = form(lines)
    file = tmp_path_factory.getbasetemp() / f"{recipe}-{name}"
    file.write_bytes(data)
    first = fix(file, unsafe=unsafe, recipe=recipe, max_length=budget)
    once = file.read_bytes()
    assert bool(first.drafts) == (once != data)
    assert not first.dropped or any(chunk.lines for chunk in read_chunks(InputFile(str(file))))
    assert not any("undo each other" in note for _, note in first.notes)
    assert fix(file, unsafe=unsafe, recipe=recipe, max_length=budget).drafts == []
    assert file.read_bytes() == once


def baseline_of(*files: Path, recipe: str = "glm4", **more: Any) -> dict[str, int]:
    """Fingerprint -> count of everything that `check` finds."""
    context = context_of(recipe, write_baseline=True, **more)
    report = Report()
    for file in files:
        check_file(InputFile(str(file)), context.plan, context, report)
    found = finish(report, context.plan, context).baseline.values()
    return {identity: number for counts in found for identity, number in counts.items()}


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=60)
@given(lines=lines_of, form=st.sampled_from(FORMS), budget=st.sampled_from([1025, 24]))
def test_what_the_baseline_holds_keeps_its_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    recipe: str, lines: list[bytes], form: Any, budget: int,
) -> None:  # fmt: skip
    name, data = form(lines)
    file = tmp_path_factory.getbasetemp() / f"old-{recipe}-{name}"
    file.write_bytes(data)
    old = baseline_of(file, recipe=recipe, max_length=budget)
    done = fix(file, unsafe=True, recipe=recipe, max_length=budget, baseline=old)
    assert done.drafts == [] and file.read_bytes() == data


def test_beside_old_findings_new_ones_are_repaired(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    spaced = ALIAS.replace("你好！", " 你好！ ")
    file.write_text(f"\ufeff{ALIAS}\n", encoding="utf-8")
    rules = {name: ALL[name] for name in ("unknown-role", "byte-order-mark", "blank-line")}
    old = baseline_of(file, rules=rules)
    assert len(old) == 2
    # The same row once more is one finding more than the baseline holds; the file is read twice.
    file.write_text(f"\ufeff{ALIAS}\n\n{ALIAS}\n{spaced}\n", encoding="utf-8")
    done = fix(file, rules=rules, baseline=old)
    assert dict(done.fixed) == {"unknown-role": 2, "blank-line": 1}
    after = f"\ufeff{ALIAS}\n{GOOD}\n{spaced.replace('human', 'user')}\n"
    assert file.read_text(encoding="utf-8") == after
    assert fix(file, rules=rules, baseline=old).drafts == []


def test_a_row_that_is_repaired_is_repaired_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(ALIAS.replace("你好！", " 你好！ "), encoding="utf-8")
    old = baseline_of(file, rules={"unknown-role": "error"})
    both = {"unknown-role": "error", "edge-whitespace": "warning"}
    assert fix(file, unsafe=True, rules=both, baseline=old).fixed.total() == 2
    assert file.read_text(encoding="utf-8") == GOOD


def test_old_duplicates_stay_and_new_ones_go(tmp_path: Path) -> None:
    file, rules = tmp_path / "a.jsonl", {"exact-duplicate": "warning"}
    other = chat(("user", "x"), ("assistant", "y"))
    file.write_text(f"{GOOD}\n{GOOD}\n{other}\n", encoding="utf-8")
    old = baseline_of(file, rules=rules)
    with file.open("a", encoding="utf-8") as more:
        more.write(f"{other}\n{GOOD}\n")
    assert fix(file, unsafe=True, rules=rules, baseline=old).dropped == 2
    assert file.read_text(encoding="utf-8") == f"{GOOD}\n{GOOD}\n{other}\n"


def test_a_row_with_an_ignore_key_is_known_to_the_baseline(tmp_path: Path) -> None:
    file, rules = tmp_path / "a.jsonl", {"unknown-role": "error"}
    row = json.dumps(json.loads(ALIAS) | {"glmlint": {"ignore": ["mask"]}})
    file.write_text(row, encoding="utf-8")
    assert fix(file, rules=rules, baseline=baseline_of(file, rules=rules)).drafts == []


def test_the_old_ones_are_repaired_where_a_new_baseline_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{ALIAS}\n", encoding="utf-8")
    flags = ("check", "a.jsonl", "--select", "unknown-role", "--baseline", "b.json")
    assert glmlint(*flags, "--write-baseline", cwd=tmp_path).returncode == 0
    left = glmlint(*flags, "--fix", "--format", "json", cwd=tmp_path)
    report = json.loads(left.stdout)
    validator("report").validate(report)
    assert (report["fixed"], report["suppressed"]["baseline"], left.returncode) == ({}, 1, 0)
    assert glmlint(*flags, "--diff", cwd=tmp_path).returncode == 0
    asked = glmlint(*flags, "--fix", "--write-baseline", "--format", "json", cwd=tmp_path)
    report = json.loads(asked.stdout)
    assert (report["fixed"], report["suppressed"]["baseline"]) == ({"unknown-role": 1}, 0)
    assert "fixed" not in json.loads(glmlint(*flags, "--format", "json", cwd=tmp_path).stdout)


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_finding_that_could_be_fixed_is_left_in_the_examples(
    tmp_path: Path, recipe: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join(PLANTED))
    for unsafe in (False, True):
        assert fix(file, recipe=recipe, unsafe=unsafe).fixed.total() > 10
        context = context_of(recipe)
        findings = findings_of(file, context)
        kinds = ("safe", "unsafe") if unsafe else ("safe",)
        left = [f for f in findings if f.fixable and all_rules()[f.rule].rule.fix in kinds]
        assert left == []
    assert findings


def test_safe_fixes_leave_the_unsafe_ones_alone(tmp_path: Path) -> None:
    data = (chat(("user", "key: AKIAIOSFODNN7EXAMPLE"), ("assistant", " ok ")) + "\n").encode()
    assert fixed(tmp_path, data) == data
    assert b'"ok"' in fixed(tmp_path, data, unsafe=True)


def test_a_row_that_ignores_a_rule_is_not_repaired_by_it(tmp_path: Path) -> None:
    row = json.loads(ALIAS) | {"glmlint": {"ignore": ["unknown-role"]}}
    data = json.dumps(row).encode()
    assert fixed(tmp_path, data, rules={"unknown-role": "error"}) == data


def test_of_equal_rows_the_first_is_kept_in_all_files(tmp_path: Path) -> None:
    a, b, other = tmp_path / "a.jsonl", tmp_path / "b.json", chat(("user", "x"), ("assistant", "y"))
    a.write_text(f"{ALIAS}\n{other}\n{GOOD}\n", encoding="utf-8")
    b.write_text(f"[{other}, {GOOD}, {chat(('user', '1'), ('assistant', '2'))}]", encoding="utf-8")
    assert fix(a, b, rules={"exact-duplicate": "warning", "unknown-role": "error"}).dropped == 0
    assert fix(a, b, unsafe=True, rules={"exact-duplicate": "warning"}).dropped == 3
    assert a.read_text(encoding="utf-8") == f"{GOOD}\n{other}\n"
    assert len(json.loads(b.read_text(encoding="utf-8"))) == 1


def test_of_a_file_and_its_copies_none_ends_empty(tmp_path: Path) -> None:
    data = f"{GOOD}\n{GOOD}\n{chat(('user', 'x'), ('assistant', 'y'))}\n".encode()
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.json")]
    for file in files[:2]:
        file.write_bytes(data)
    files[2].write_bytes(b"[" + data.strip().replace(b"\n", b",") + b"]")
    before = files[2].read_bytes()
    os.link(files[1], tmp_path / "d.jsonl")
    rules = {"exact-duplicate": "warning"}
    done = fix(*files, tmp_path / "d.jsonl", unsafe=True, rules=rules)
    assert done.dropped == 1 and len(files[0].read_bytes().splitlines()) == 2
    assert [file.read_bytes() for file in files[1:]] == [data, before]
    told = {Path(path).name for path, note in done.notes if note.startswith("no row is deleted")}
    assert told == {"b.jsonl", "c.json", "d.jsonl"}


def test_a_file_of_rows_that_are_all_to_go_keeps_them(tmp_path: Path) -> None:
    long = chat(("user", "word " * 200), ("assistant", "never read"))
    data = f"{long}\n{long.replace('user', 'human')}\n".encode()
    rules = {"answer-fully-truncated": "error", "unknown-role": "error"}
    after = fixed(tmp_path, data, unsafe=True, rules=rules, max_length=64)
    assert after == f"{long}\n{long}\n".encode()  # what can be put right still is
    mixed = f"{long}\n{GOOD}\n".encode()
    assert fixed(tmp_path, mixed, unsafe=True, rules=rules, max_length=64) == f"{GOOD}\n".encode()


def test_a_row_of_many_problems_costs_time_in_line_with_its_size(tmp_path: Path) -> None:
    turns = [("human", "a"), ("gpt", "b")] * 4000
    after = json.loads(fixed(tmp_path, chat(*turns).encode(), rules={"unknown-role": "error"}))
    assert [m["role"] for m in after["messages"]] == ["user", "assistant"] * 4000


# --- files ----------------------------------------------------------------------------------------


def test_mode_and_link_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text(ALIAS, encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to("real.jsonl")
    assert fix(link).rows == 1
    assert link.is_symlink() and os.readlink(link) == "real.jsonl"  # noqa: PTH115
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_text(encoding="utf-8") == GOOD
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.jsonl", "real.jsonl"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may")
def test_the_owner_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(ALIAS, encoding="utf-8")
    os.chown(file, 12345, 54321)
    assert fix(file).rows == 1
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_a_file_that_changes_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    file.write_text(ALIAS, encoding="utf-8")
    other.write_text(ALIAS, encoding="utf-8")
    context = context_of()
    with drafted([str(file), str(other)], context.plan, context) as fixes:
        file.write_text(ALIAS + "\n" + ALIAS, encoding="utf-8")
        commit(fixes, context.plan)
    assert file.read_text(encoding="utf-8") == ALIAS + "\n" + ALIAS
    assert other.read_text(encoding="utf-8") == GOOD
    assert [(path, "changed" in reason) for path, reason in fixes.failures] == [(str(file), True)]
    assert fixes.rows == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_read_only_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(ALIAS + "\n", encoding="utf-8")
    file.chmod(0o444)
    done = glmlint("check", "--fix", str(file))
    assert done.returncode == 2
    assert f"glmlint: {file}: not repaired: the file is read-only\n".encode() in done.stderr
    assert file.read_text(encoding="utf-8") == ALIAS + "\n"


def test_a_full_disk_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    file = tmp_path / "a.jsonl"
    data = f"{ALIAS}\n".encode() * 400
    file.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "glmlint", "check", "--fix", "--format", "json", str(file)],
        capture_output=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)), timeout=LIMIT
    )  # fmt: skip
    assert done.returncode == 2
    assert b"not repaired, the file is unchanged: " in done.stderr
    assert b"Nothing was fixed.\n" in done.stderr
    assert file.read_bytes() == data
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(ALIAS + "\n", encoding="utf-8")
    tmp_path.chmod(0o555)
    try:
        done = glmlint("check", "--fix", str(file))
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == 2
    assert b"no file can be written beside it" in done.stderr


def test_what_cannot_be_repaired_is_named(tmp_path: Path) -> None:
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(ALIAS.encode()))
    context = context_of()
    with drafted(["-", str(packed)], context.plan, context) as fixes:
        commit(fixes, context.plan)
    assert fixes.failures == []
    assert [path for path, _ in fixes.notes] == ["-", str(packed)]


# --- the command ----------------------------------------------------------------------------------


def test_the_report_is_that_of_the_repaired_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"{ALIAS}\n{ALIAS.replace('你', '您')}\n", encoding="utf-8")
    done = glmlint("check", "--fix", str(file), "--format", "json", "--lang", "zh")
    report = json.loads(done.stdout)
    assert (done.returncode, report["totals"]["clean"], report["findings"]) == (0, 2, [])
    assert "已修复 2 行中的 2 个问题。" in done.stderr.decode()


@pytest.mark.parametrize(
    ("lang", "would", "words"),
    [
        ("en", False, "Fixed 12 problems in 7 rows (2 of them dropped)."),
        ("en", True, "Would fix 12 problems in 7 rows (2 of them dropped)."),
        ("zh", False, "已修复 7 行中的 12 个问题（其中删除 2 行）。"),
    ],
)
def test_the_last_sentence(lang: str, would: bool, words: str) -> None:
    fixes = Fixes(rows=7, dropped=2)
    fixes.fixed["unknown-role"] = 12
    assert sentence(fixes, lang, would=would) == words
    assert sentence(Fixes(), "en") == "Nothing to fix."


def test_a_diff_changes_nothing_and_exits_1(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    data = f"{GOOD}\n{ALIAS}\n".encode()
    file.write_bytes(data)
    done = glmlint("check", "--diff", "a.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.decode() == (
        f"--- a.jsonl\n+++ a.jsonl\n@@ -1,2 +1,2 @@\n {GOOD}\n-{ALIAS}\n+{GOOD}\n"
    )
    assert b"Would fix 1 problem in 1 row.\n" in done.stderr
    assert file.read_bytes() == data
    assert len(list(tmp_path.iterdir())) == 1
    file.write_bytes(f"{GOOD}\n".encode())
    clean = glmlint("check", "--diff", "a.jsonl", cwd=tmp_path)
    assert (clean.returncode, clean.stdout) == (0, b"")
    assert glmlint("check", "--diff", "none.jsonl", cwd=tmp_path).returncode == 2


def test_unsafe_fixes_alone_are_refused() -> None:
    done = glmlint("check", "--unsafe-fixes", "-")
    assert done.returncode == 2
    assert b"--unsafe-fixes needs --fix or --diff" in done.stderr


def patched(old: bytes, diff: bytes) -> bytes:
    """What a unified diff makes of the old bytes, read by its own numbers."""
    source = old.splitlines(keepends=True) if old else []
    out: list[bytes] = []
    at = 0
    lines = diff.splitlines(keepends=True)
    for number in range(len(lines)):
        if lines[number].startswith(b"\\"):
            lines[number - 1] = lines[number - 1].rstrip(b"\n")
    for line in lines[2:]:
        if line.startswith(b"\\"):
            continue
        if line.startswith(b"@@"):
            start, _, size = line.split()[1][1:].partition(b",")
            first = int(start) - (size != b"0")
            out += source[at:first]
            at = first
        elif line[:1] == b" ":
            assert source[at] == line[1:]
            out.append(source[at])
            at += 1
        elif line[:1] == b"-":
            assert source[at] == line[1:]
            at += 1
        else:
            out.append(line[1:])
    return b"".join(out + source[at:])


diff_lines = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n"]), max_size=40)


@settings(max_examples=150)
@given(old=diff_lines, new=diff_lines, tail=st.sampled_from([b"", b"x"]), window=st.integers(2, 9))
def test_a_diff_leads_from_the_old_to_the_new(
    old: list[bytes], new: list[bytes], tail: bytes, window: int
) -> None:
    before, after = b"".join(old), b"".join(new) + tail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glmlint.fix.diff.WINDOW", window)
        patch.setattr("glmlint.fix.diff._LONGEST_HUNK", 12)
        diff = b"".join(unified(BytesIO(before), BytesIO(after), b"f"))
    assert (diff == b"") == (before == after)
    assert not diff or patched(before, diff) == after


def test_a_diff_of_a_long_file_shows_what_changes_only(tmp_path: Path) -> None:
    lines = [chat(("user", f"{n}"), ("assistant", "ok")) for n in range(2000)]
    for n in (3, 900, 1999):
        lines[n] = lines[n].replace('"user"', '"human"')
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    context = context_of(rules={"unknown-role": "error"})
    out = BytesIO()
    fixes = diff_files([str(file)], context.plan, context, out, unsafe=False)
    assert fixes.rows == 3
    assert out.getvalue().count(b"\n@@ ") == 3
    assert patched(file.read_bytes(), out.getvalue()) == file.read_bytes().replace(
        b"human", b"user"
    )


def test_kill_9_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    old = b"".join(f"{ALIAS.replace('你', str(n))}\n{ALIAS}\n".encode() for n in range(500))
    file = tmp_path / "a.jsonl"
    arguments = [sys.executable, "-m", "glmlint", "check", "--fix", "--unsafe-fixes", "--quiet", str(file)]  # fmt: skip
    file.write_bytes(old)
    begun = time.monotonic()
    subprocess.run(arguments, capture_output=True, check=False, timeout=LIMIT)
    whole = time.monotonic() - begun
    new = file.read_bytes()
    assert new != old and b"human" not in new
    moments = random.Random(7)
    outcomes = set()
    for number in range(5):
        file.write_bytes(old)
        with started(
            *arguments[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            if number % 2:  # once it writes
                until(lambda: list(tmp_path.glob(".glmlint-*.tmp")), process)
                time.sleep(moments.random() * 0.3 * whole)
            else:
                time.sleep(moments.random() * whole)
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT)
        now = file.read_bytes()
        assert now in (old, new)
        outcomes.add(now == new)
    assert False in outcomes
    for rest in tmp_path.glob(".glmlint-*.tmp"):
        assert stat.S_IMODE(rest.stat().st_mode) == 0o600
    assert glmlint("check", str(tmp_path), "--quiet", "--format", "json").returncode in (0, 1)


CALL_ROW = b'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{}", "metadata": "f"}, {"role": "observation", "content": "1"}, {"role": "assistant", "content": "one"}]}\n'
PLAIN_ROW = '{"messages": [{"role": "system", "content": "系统"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'.encode()
OLD: dict[str, Any] = {
    "datasets": "4.6.1",
    "transformers": "5.23.0",
    "pinned": frozenset(("datasets", "transformers")),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_messages_that_the_loader_pads_get_an_empty_metadata(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(CALL_ROW + PLAIN_ROW)
    context = context_of(recipe, **OLD)
    as_written = encoded(file, context_of(recipe, datasets="5.2.0", transformers="5.23.0"))
    assert encoded(file, context) != as_written
    done = fix(file, recipe=recipe, **OLD)
    assert done.fixed == {"metadata-null-padding": 2} and done.rows == 2
    rows = [json.loads(line)["messages"] for line in file.read_bytes().splitlines()]
    assert [[m["metadata"] for m in row] for row in rows] == [["", "f", "", ""], ["", "", ""]]
    assert encoded(file, context) == as_written
    assert not fix(file, recipe=recipe, **OLD).fixed
    assert "metadata-null-padding" not in {f.rule for f in findings_of(file, context)}


def test_a_row_that_was_repaired_in_two_passes_is_one_row(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(CALL_ROW + PLAIN_ROW.replace(b'"user"', b'"human"') * 2)
    done = fix(file, unsafe=True, **OLD, rules=default_rules())
    assert done.fixed == {"metadata-null-padding": 3, "unknown-role": 2, "exact-duplicate": 1}
    assert (done.rows, done.dropped) == (3, 1)
    assert b'"human"' not in file.read_bytes() and len(file.read_bytes().splitlines()) == 2


def test_where_metadata_is_no_text_nothing_is_padded_with_text(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    data = CALL_ROW.replace(b'"f"', b'{"name": "f"}') + PLAIN_ROW
    file.write_bytes(data)
    assert "metadata-null-padding" in {f.rule for f in findings_of(file, context_of(**OLD))}
    assert "metadata-null-padding" not in fix(file, **OLD).fixed
