"""Reports: what each format prints, that it fits its width, and that data can't act on it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import LIMIT
from rich.cells import cell_len

from glmlint.engine.check import check_lines
from glmlint.engine.finish import Result, finish
from glmlint.engine.show import ShowError, ShownSample, Token, look
from glmlint.plan import Plan
from glmlint.read.schema import load_schema, validator
from glmlint.read.source import Chunk
from glmlint.reporters import base, catalogue, figures, github, words
from glmlint.reporters.sample_text import write_sample
from glmlint.reporters.tables import breaks, shortened, wrap
from glmlint.reporters.text_tables import edges_with
from glmlint.reporters.words import counted, percent
from glmlint.rules.base import all_rules, default_rules
from glmlint.text import Text
from glmlint.trainer.base import Context, open_context
from glmlint.visible import visible

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "train.jsonl"
GOLDEN = Path(__file__).parent / "golden"
ESCAPE = re.compile(r"\x1b")
STYLE = re.compile(r"\x1b(?:\[[0-9;]*m|\]8;.*?\x1b\\)")

GOOD = {
    "messages": [
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好！有什么可以帮你？"},
    ]
}
NULL = {
    "messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "Hello there"}]
}
HOSTILE = "\x1b[31m\x1b]0;owned\x07[bold red]x[/]\u202egnp\u2066\r\n::error::no\u2028\ud800\x9b5m"


@cache
def _context(recipe: str = "glm4") -> Context:
    return open_context(Plan(recipe=recipe))


def context_of(plan: Plan) -> Context:
    known = _context(plan.recipe)
    return Context(plan, known.tokenizer, known.template)


def run(
    rows: dict[str, list[Any]], *, exact: bool = True, problems: Any = (), **settings: Any
) -> Result:
    """A finished run over rows by path."""
    plan = Plan(**{"rules": default_rules(), "excerpts": True, **settings})
    context = context_of(plan)
    if not exact:
        context = Context(plan, replace(context.tokenizer, exact=False), context.template)
    chunks = [
        Chunk(
            path,
            [r if isinstance(r, bytes) else json.dumps(r).encode() for r in entries],
            range(1, len(entries) + 1),
        )
        for path, entries in rows.items()
    ]
    report = check_lines(chunks, plan, context)
    report.problems = list(problems)
    return finish(report, plan, context)


@cache
def example_run(lang: str = "en") -> Result:
    """The example file, with every default rule."""
    return run({"examples/train.jsonl": EXAMPLE.read_bytes().splitlines()}, lang=lang)


def printed(result: Result, form: str, **options: Any) -> str:
    out = io.StringIO()
    base.get(form).write(result, out, base.ReporterOptions(**options))
    return out.getvalue()


def on_terminal(result: Result, width: int = 80, **options: Any) -> str:
    return printed(result, "text", terminal=True, width=width, **options)


def too_wide(text: str, width: int) -> list[str]:
    """Lines wider than the terminal, but for a command, which is copied whole."""
    lines = [line for line in text.split("\n") if cell_len(line) > width]
    return [line for line in lines if not line.lstrip().startswith("glmlint convert ")]


def with_findings(*changes: dict[str, Any]) -> Result:
    """A run whose one finding says other things."""
    result = run({"train.jsonl": [NULL, GOOD]}, rules={"null-content": "warning"})
    [finding] = result.findings
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    result.findings = [type(finding)(**{**fields, **change}) for change in changes]
    return result


# --- the registry --------------------------------------------------------------------------------


def test_every_format_is_a_file_with_its_own_name() -> None:
    assert {"text", "json", "jsonl", "github"} <= set(base.names())
    for name in base.names():
        assert base.get(name).name == name


def test_an_unknown_format_is_a_key_error() -> None:
    for name in ("base", "words", "nothing"):
        with pytest.raises(KeyError):
            base.get(name)


def test_rich_is_loaded_for_a_terminal_only() -> None:
    code = (
        "import sys; from glmlint.reporters import base, catalogue; import glmlint.engine.show\n"
        "[base.get(n) for n in ('text', 'json', 'jsonl', 'github')]\n"
        "assert 'rich' not in sys.modules, sorted(m for m in sys.modules if 'rich' in m)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT)


# --- json and jsonl ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "result",
    [
        lambda: example_run(),
        lambda: run({}),
        lambda: run({"a.jsonl": [b"{", {"messages": []}]}),
        lambda: run({"a.jsonl": [GOOD], "b.jsonl": [NULL]}, problems=[("c.jsonl", "no file")]),
        lambda: run({"\udcff.jsonl": [NULL]}, max_length=3),
    ],
    ids=["example", "nothing", "unreadable", "several", "odd path"],
)
def test_the_json_report_has_the_shape_of_its_schema(result: Any) -> None:
    report = json.loads(printed(result(), "json"))
    errors = [error.message for error in validator("report").iter_errors(report)]
    assert errors == []
    assert sum(count for _, count in report["lengths"]["histogram"]) == (
        report["totals"]["samples"] - report["totals"]["unreadable"]
    )


def test_the_report_schema_is_a_schema_and_refuses_what_it_does_not_name() -> None:
    checker = validator("report")
    checker.check_schema(load_schema("report"))
    report = json.loads(printed(example_run(), "json"))
    assert list(checker.iter_errors({**report, "exit_code": 3}))
    assert list(checker.iter_errors({**report, "surprise": 1}))


def test_the_json_report_is_the_same_bytes_in_every_run() -> None:
    rows = {"b.jsonl": [NULL, GOOD], "a.jsonl": [GOOD]}
    assert printed(run(rows), "json") == printed(run(rows), "json")
    assert printed(run(rows), "json").encode("utf-8")


def test_a_path_that_is_no_utf8_is_escaped_in_json() -> None:
    text = printed(run({"\udcff.jsonl": [GOOD]}), "json")
    assert "\\udcff.jsonl" in text
    assert text.encode("utf-8")


def test_ratios_are_null_where_there_is_nothing() -> None:
    totals = json.loads(printed(run({"a.jsonl": [b"{"]}), "json"))["totals"]
    assert totals["trainable_ratio"] is None
    assert totals["lost_share"] is None


def test_json_names_every_assumption_and_its_origin() -> None:
    report = json.loads(printed(run({}, recipe="glm4-2024-06", origins={"recipe": "flag"}), "json"))
    assert report["template"] == "python-2024-06"
    assert report["origins"] == {
        "recipe": "flag", "tokenizer": "default", "template": "recipe", "budget": "default",
        "transformers": "default", "datasets": "default",
    }  # fmt: skip
    assert report["tokenizer"] == {"name": "glm4", "exact": True, "vocab_size": 151343}


def test_jsonl_is_one_finding_a_line_and_a_summary() -> None:
    result = example_run()
    lines = [json.loads(line) for line in printed(result, "jsonl").splitlines()]
    assert [line["type"] for line in lines] == ["finding"] * len(result.findings) + ["summary"]
    assert lines[-1]["totals"]["samples"] == result.totals.samples
    assert "findings" not in lines[-1]


# --- lengths and budgets -------------------------------------------------------------------------


def tokens_of(result: Result, budget: int) -> tuple[int, int]:
    """(truncated samples, lost supervised tokens) counted one by one under another budget."""
    rows = EXAMPLE.read_bytes().splitlines()
    totals = run({"examples/train.jsonl": rows}, max_length=budget).totals
    del result
    return totals.truncated_samples, totals.lost_supervised_tokens


def test_suggested_budgets_are_what_a_run_with_them_counts() -> None:
    result = example_run()
    found = figures.budgets(result)
    assert [budget.target for budget in found] == [None, 0.95, 0.99, 1.0]
    for budget in found:
        counted_again = tokens_of(result, budget.max_length)
        assert counted_again == (budget.truncated_samples, budget.lost_supervised_tokens)
        if budget.target is not None:
            assert budget.keeps is not None and budget.keeps >= budget.target
            _, lost = tokens_of(result, budget.max_length - 1)
            assert 1 - lost / result.totals.supervised_tokens < budget.target


def test_budgets_of_several_files_are_those_of_their_rows_together() -> None:
    lines = EXAMPLE.read_bytes().splitlines()
    parts = run({"a.jsonl": lines[:6], "b.jsonl": lines[6:]})
    assert figures.budgets(parts) == figures.budgets(example_run())
    assert figures.quantiles(figures.lengths_of(parts)) == figures.quantiles(
        figures.lengths_of(example_run())
    )


@given(st.integers(1, 10**7))
def test_the_grid_holds_the_longest_row_and_grows(longest: int) -> None:
    edges = figures.grid(longest)
    assert edges[-1] >= longest
    assert edges == sorted(set(edges))


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_bars_have_the_budget_as_an_edge(budget: int, first: int, second: int) -> None:
    shortest, longest = sorted((first, second))
    edges = edges_with(budget, shortest, longest)
    assert budget in edges
    assert edges == sorted(set(edges))
    assert edges[-1] >= longest


# --- github --------------------------------------------------------------------------------------


def test_github_escapes_what_its_runner_reads() -> None:
    result = with_findings(
        {
            "path": "a,b:c%.jsonl",
            "line": 3,
            "column": 9,
            "span": None,
            "message": "50% of\r\n::error::x",
            "help": "Do.",
        }
    )
    line = printed(result, "github").splitlines()[0]
    assert line == (
        "::warning file=a%2Cb%3Ac%25.jsonl,line=3,col=9,title=null-content"
        r"::50%25 of\r\n::error::x%0ADo."
    )


def test_github_prints_errors_first_and_one_command_a_line() -> None:
    lines = printed(example_run(), "github").splitlines()
    levels = [line[2:].split(" ")[0] for line in lines]
    assert levels[-1] == "notice"
    assert levels[:-1] == sorted(levels[:-1], key=["error", "warning", "notice"].index)
    assert all(line.startswith("::") for line in lines)


def test_github_has_no_place_for_standard_input_or_whole_files() -> None:
    whole = with_findings(
        {"line": None, "column": None, "pointer": None, "span": None}, {"path": "-"}
    )
    first, second, _ = map(github.annotation, [*whole.findings, whole.findings[0]])
    assert first.startswith("::warning file=train.jsonl,title=null-content::")
    assert second.startswith("::warning title=null-content::")


def test_hostile_data_starts_no_command_in_github() -> None:
    result = with_findings({"path": HOSTILE, "message": HOSTILE, "help": HOSTILE})
    text = printed(result, "github")
    assert len(text.splitlines()) == 2
    assert not ESCAPE.search(text)


# --- plain text ----------------------------------------------------------------------------------

PLAIN = re.compile(r"^[^:]+(:\d+){0,2}: (error|warning|info) [a-z0-9-]+ .+$")


def test_piped_text_is_a_line_a_finding_without_colour() -> None:
    result = example_run()
    text = printed(result, "text")
    findings = [line for line in text.splitlines() if not line.startswith("glmlint: ")]
    assert len(findings) == len(result.findings)
    assert all(PLAIN.match(line) for line in findings), findings
    assert not ESCAPE.search(text)


def test_quiet_prints_findings_only() -> None:
    result = example_run()
    assert len(printed(result, "text", quiet=True).splitlines()) == len(result.findings)
    assert "budget 1,025" not in on_terminal(result, quiet=True)


def test_statistics_count_by_rule() -> None:
    result = example_run()
    lines = printed(result, "text", statistics=True, quiet=True).splitlines()
    counts = {rule: int(number) for number, rule, *_ in map(str.split, lines)}
    assert counts == dict(result.rule_counts)
    assert "2 openai-tool-calls (1 rows, error, tools, safe)" in lines
    table = on_terminal(result, statistics=True, width=100)
    assert re.search(
        r"^ *2 +1 +error +openai-tool-calls +tools +safe \(--fix\)$", table, re.MULTILINE
    )
    assert "Trainable" not in table
    kept = on_terminal(run({"a.jsonl": [NULL]}, rules={"null-content": "warning"}), statistics=True)
    assert "null-content" in kept and "--fix" not in kept  # only its rule has a repair


def test_hostile_data_stays_on_its_line_in_a_pipe() -> None:
    result = with_findings({"path": HOSTILE, "message": HOSTILE, "help": HOSTILE})
    text = printed(result, "text", quiet=True)
    assert len(text.splitlines()) == 1
    assert text.rstrip("\n").isprintable()


def test_what_is_not_exact_is_marked() -> None:
    rows = {"a.jsonl": [GOOD]}
    assert "≈" not in printed(run(rows), "text") + on_terminal(run(rows))
    guessed = run(rows, exact=False)
    assert "≈22 tokens" not in printed(run(rows), "text")
    assert re.search(r"≈\d+ tokens", printed(guessed, "text"))
    assert re.search(r"≈\d+ tokens, ≈\d+\.\d% trained", on_terminal(guessed))
    table = on_terminal(guessed, verbose=True)
    assert re.search(r"a\.jsonl +1 +≈\d+ +≈\d+\.\d% +≈0", table)


# --- tables --------------------------------------------------------------------------------------


def long_run(lang: str) -> Result:
    """Many digits, long Chinese names and long messages."""
    names = [f"数据/很长的目录名称/第{n}批/训练数据-{'最终版' * 12}.jsonl" for n in range(25)]
    result = run({name: [NULL, GOOD] for name in names}, lang=lang)
    result.totals.samples = result.totals.tokens = 12_345_678_901
    text = "这条消息很长，没有空格，一直写下去，" * 12 + "https://example.org/" + "x" * 200
    first = result.findings[0]
    fields = {name: getattr(first, name) for name in first.__struct_fields__}
    result.findings[0] = type(first)(**{**fields, "message": text, "line": 12345678})
    return result


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 132])
def test_no_line_is_wider_than_the_terminal(width: int, lang: str) -> None:
    for result in (example_run(lang), long_run(lang), run({}, lang=lang)):
        for color in (False, True):
            for verbose in (False, True):
                printed = on_terminal(result, width, color=color, verbose=verbose)
                text = STYLE.sub("", printed)
                assert too_wide(text, width) == []


def test_tables_come_in_the_order_of_reading() -> None:
    full = ["Length of samples", "── budget 1,025", "smallest for 99%"]
    short = ["\nlength ", "1,127 keeps 99%"]
    for verbose, marks in ((True, full), (False, short)):
        text = on_terminal(example_run(), verbose=verbose)
        # The worst come first, whatever their lines.
        marks = ["duplicate-key", "null-content", "File  ", *marks, "✗"]
        places = [text.index(mark) for mark in marks]
        assert places == sorted(places)


def test_the_example_fits_a_screen_or_two() -> None:
    """Findings with their excerpts, numbers and verdict, at 80 columns."""
    text = STYLE.sub("", on_terminal(example_run(), color=True))
    assert len(text.splitlines()) <= 45
    assert text.count(": -v shows them") == 1  # what is only worth knowing
    assert "version-dependent" in on_terminal(example_run(), verbose=True)


def test_an_excerpt_shows_and_marks_the_place() -> None:
    lines = on_terminal(example_run()).splitlines()
    [at] = [number for number, line in enumerate(lines) if "special-token-in-content" in line]
    begin = lines[at].index("<|user|>")
    assert lines[at + 1] == " " * begin + "^" * len("<|user|>")
    colored = on_terminal(example_run(), color=True)
    assert re.search(r"\x1b\[[0-9;]*4[0-9;]*m<\|user\|>\x1b", colored)  # underlined
    assert "^" not in colored


def test_an_excerpt_is_cut_out_of_a_long_line_of_wide_characters() -> None:
    text = "长" * 500_000 + "<|user|>" + "长" * 500_000
    row = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": text}]}
    written = json.dumps(row, ensure_ascii=False)
    result = run({"a.jsonl": [written.encode()]}, rules={"special-token-in-content": "error"})
    lines = on_terminal(result).splitlines()[1:]
    begin = lines[0].index("<|user|>")
    assert "…" in lines[0][:begin] and lines[0].endswith("…")
    assert lines[1] == " " * cell_len(lines[0][:begin]) + "^" * 8
    assert result.findings[0].column == written.index("<|user|>") + 1


def test_what_says_the_same_of_many_rows_is_folded() -> None:
    rows = [GOOD, *[NULL] * 400]
    result = run({"a.jsonl": rows}, rules={"null-content": "warning"})
    text = on_terminal(result)
    assert text.count("null-content") == 1
    assert "and 399 more rows: 3, 4, 5," in text
    assert len(result.findings) == 400
    assert on_terminal(result, verbose=True).count(" warning null-content") == 200
    one = run({"a.jsonl": rows[:3]}, rules={"null-content": "warning"})
    assert "and 1 more row: 3" in on_terminal(one)


def test_a_clean_file_is_three_lines() -> None:
    lines = on_terminal(run({"a.jsonl": [GOOD]})).splitlines()
    assert len(lines) == 3
    assert lines[0] == "✓ a.jsonl: 1 sample, nothing found"
    assert "no row is cut" in lines[1]
    assert "glm4 · ChatGLM · budget 1,025 (default;" in lines[2]
    cut = on_terminal(run({"a.jsonl": [GOOD]}, rules={}, max_length=12))
    assert re.search(r"1 rows? cut, \d+\.\d% of what is trained lost", cut)


def test_styles_of_text() -> None:
    result = example_run()
    concise = on_terminal(result, style="concise").splitlines()
    # A line each, then the verdict, which may take two.
    assert 1 <= len(concise) - len(result.findings) <= 2
    assert concise[0].startswith("examples/train.jsonl: warning budget-too-small ")
    assert " unknown-role [*] " in "\n".join(concise)
    grouped = on_terminal(result, style="grouped")
    assert grouped.startswith("examples/train.jsonl\n")
    assert "help:" not in grouped and "^" not in grouped
    piped = printed(result, "text", style="concise", quiet=True)
    assert len(piped.splitlines()) == len(result.findings)
    assert "Did you mean" not in piped


def test_columns_count_in_the_unit_that_is_asked_for() -> None:
    row = {"messages": [{"role": "user", "content": "𝄞你"}, {"role": "human", "content": "b"}]}
    written = json.dumps(row, ensure_ascii=False).encode()
    result = run({"a.jsonl": [written]}, rules={"unknown-role": "error"})
    [codepoint, byte, utf16] = [
        int(printed(result, "text", column_unit=unit).split(":")[2])
        for unit in ("codepoint", "byte", "utf16")
    ]
    assert (byte, utf16) == (codepoint + 5, codepoint + 1)


def test_colour_is_printed_only_when_asked_for() -> None:
    assert not ESCAPE.search(on_terminal(example_run(), color=False))
    assert STYLE.search(on_terminal(example_run(), color=True))


def test_help_is_printed_once_a_rule() -> None:
    result = run({"a.jsonl": [NULL] * 5}, rules={"null-content": "warning"})
    assert on_terminal(result).count("help: Give it text") == 1


def test_each_severity_at_one_place_is_named() -> None:
    told = on_terminal(with_findings({"severity": "error"}, {"message": "and this"}))
    assert "error null-content" in told and "+ warning null-content and this" in told
    assert "+ and this" in on_terminal(with_findings({}, {"message": "and this"}))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("verbose", [False, True])
def test_a_command_can_be_copied(lang: str, verbose: bool) -> None:
    """Neither broken at the terminal's edge nor cut at what looks like a sentence's end."""
    path = "数据/part (1). of a long name; second try.json"
    result = run({path: [{"instruction": "Hi", "output": "Hello"}]}, lang=lang)
    out = "'数据/part (1). of a long name; second try.glm4.jsonl'"
    text = on_terminal(result, 60, verbose=verbose)
    assert f"\n    glmlint convert '{path}' --to glm4 -o {out}\n" in text
    assert "--recipe llamafactory" in " ".join(text.split())  # it reads that form as it is


@pytest.mark.parametrize("color", [False, True])
def test_hostile_data_never_reaches_the_terminal(color: bool) -> None:
    result = with_findings({"path": HOSTILE, "message": HOSTILE, "help": HOSTILE})
    text = STYLE.sub("", on_terminal(result, color=color)).replace("\n", "")
    assert text.isprintable()
    assert "[boldred]x[/]" in text.replace(" ", "")


@given(st.text())
def test_visible_text_is_one_harmless_line(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown
    )


def test_visible_text_keeps_chinese_emoji_and_the_joiners() -> None:
    for text in ("你好　世界", "👨\u200d👩\u200d👧", "می\u200cخواهم", "é e\u0301"):
        assert visible(text) == text


@given(st.text(alphabet="ab ，。中文\u0301[]", max_size=80), st.integers(4, 40))
def test_wrapped_lines_fit_and_hold_the_whole_text(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width + 2 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert breaks(text, width) == sorted(set(breaks(text, width)))


@given(st.text(alphabet="a/中文.", max_size=60), st.integers(4, 40))
def test_a_shortened_path_fits(path: str, width: int) -> None:
    assert cell_len(shortened(path, width)) <= width


def test_shares_are_never_rounded_to_all_or_nothing() -> None:
    assert [percent(x) for x in (None, 0, 1, 0.99999, 0.00001, 0.5)] == [
        "–", "0%", "100%", "99.9%", "<0.1%", "50.0%",
    ]  # fmt: skip


def test_one_and_several_differ_in_english() -> None:
    assert counted(1, "error", "en") == "1 error"
    assert counted(2_000, "error", "en") == "2,000 errors"
    assert counted(1, "error", "zh") == "1 个错误"


def fields(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)[:}]", text))


def test_both_languages_have_the_same_fields() -> None:
    several = [text for pair in words.COUNTED.values() for text in pair]
    for text in [
        *words.WORDS.values(),
        *words.SEVERITY.values(),
        *words.ORIGINS.values(),
        *several,
    ]:
        assert fields(text.en) == fields(text.zh)


# --- the verdict ---------------------------------------------------------------------------------


def last(result: Result) -> str:
    return " ".join(on_terminal(result, verbose=True).split())


def test_the_verdict_says_what_to_do_next() -> None:
    assert "start with examples/train.jsonl:" in last(example_run())
    assert "No samples were found." in last(run({}))
    assert "Ready to train: 1 sample" in last(run({"a.jsonl": [GOOD]}))
    assert "look at a.jsonl:1" in last(run({"a.jsonl": [NULL]}, rules={"null-content": "warning"}))
    assert "Not everything could be read (1)" in last(run({}, problems=[("x", "no such file")]))
    assert "Nothing in these samples would be learned" in last(
        run({"a.jsonl": [GOOD]}, rules={}, max_length=3)
    )
    silenced = run({"a.jsonl": [GOOD, b"{"]}, rules={})
    assert "Nothing that counts, but 1 of 2 samples can't be trained on" in last(silenced)
    typed = [{"role": "user", "content": "<|user|>"}, {"role": "assistant", "content": "x"}]
    unsafe = run({"a.jsonl": [{"messages": typed}]}, rules={"special-token-in-content": "error"})
    assert "`glmlint check --diff --unsafe-fixes` shows repairs" in last(unsafe)
    unkept = run({"a.jsonl": [NULL]}, fail_on="warning", max_findings=0)
    assert "Fails. 1 warning." in last(unkept) or "Fails. 2 warnings." in last(unkept)
    both = last(run({"a.jsonl": [NULL]}, problems=[("x", "no such file")], fail_on="warning"))
    assert "Not everything could be read (1)" in both
    assert "start with a.jsonl:1" in both
    cut = last(run({"a.jsonl": [GOOD]}, rules={}, max_length=12))
    assert re.search(r"cuts \d+\.\d% of the supervised tokens: --max-length \d+ would keep", cut)


def test_the_verdict_names_what_was_assumed() -> None:
    text = last(run({"a.jsonl": [GOOD]}))
    assert "recipe glm4 (default)" in text
    assert "combine: false" in text
    assert "template ChatGLM (default)" in text
    assert "1,025 is the default of the official script" in text
    chosen = last(
        run({"a.jsonl": [GOOD]}, recipe="glm4-combine", max_length=2048,
            origins={"recipe": "flag", "budget": "glmlint.toml"})
    )  # fmt: skip
    assert "combine: true" in chosen
    assert "budget 2,048 (glmlint.toml)" in chosen
    assert "official script's default (512" not in chosen


# --- show ----------------------------------------------------------------------------------------


def golden(recipe: str) -> list[dict[str, Any]]:
    text = (GOLDEN / f"{recipe}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("recipe", ["glm4", "glm4-combine", "glm4-2024-06"])
def test_show_counts_what_the_trainer_gets(recipe: str, tmp_path: Path) -> None:
    shown = 0
    for row in golden(recipe):
        given = row["settings"]
        assert given["pin"] == {"transformers": "5.23.0"}
        budget = given["max-input-length"] + given["max-output-length"] + 1
        plan = Plan(recipe=recipe, max_length=budget, transformers="5.23.0")
        known = _context(recipe)
        context = Context(plan, known.tokenizer, replace(known.template, transformers="5.23.0"))
        file = tmp_path / "row.jsonl"
        file.write_text(json.dumps({"messages": row["messages"]}), encoding="utf-8")
        [sample] = look(str(file), None, plan, context)
        if "error" in row:
            assert sample.error is not None and sample.error.exception == row["error"]
            continue
        kept = [token for token in sample.tokens if token.kept]
        assert [token.id for token in kept] == row["input_ids"]
        assert [token.label for token in kept] == row["labels"]
        counts = sample.messages
        assert sum(count.tokens for count in counts) == len(sample.tokens)
        supervised = sum(label != -100 for label in row["labels"][1:])
        assert sum(count.supervised - count.lost for count in counts) == supervised
        shown += 1
    assert shown >= 5


def shown(line: int | None, plan: Plan | None = None, path: Path = EXAMPLE, **options: Any) -> str:
    plan = plan or Plan(rules=default_rules())
    out = io.StringIO()
    ids = options.pop("ids", False)
    context = context_of(plan)
    for sample in look(str(path), line, plan, context):
        write_sample(sample, context, out, base.ReporterOptions(**options), ids)
    return out.getvalue()


def test_show_marks_supervised_and_lost_tokens_without_colour() -> None:
    text = shown(1)
    assert "<|assistant|>{+↵" in text
    assert "{+<|user|>+}" in text
    cut = shown(7)
    assert cut.count("budget 1,025: everything below is cut off") == 1
    kept, lost = cut.split("══ budget 1,025")
    assert "[-" in lost and "[- soft" not in kept
    assert "[-<|user|>-]" in lost


def test_show_colours_in_place_of_marks() -> None:
    text = shown(7, color=True)
    assert "\x1b[1;32m" in text and "\x1b[1;31m" in text
    assert "{+" not in STYLE.sub("", text)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("width", [60, 80])
def test_show_fits_the_terminal(width: int, ids: bool, lang: str) -> None:
    plan = Plan(rules=default_rules(), lang=lang)
    for line in range(1, 16):
        text = shown(line, plan, width=width, ids=ids)
        assert too_wide(text, width) == []


def test_show_lists_ids_and_labels() -> None:
    rows = [line.split() for line in shown(1, ids=True).split("\n")]
    assert ["0", "151331", "-100", "masked", "[gMASK]"] in rows
    assert any(row[1:4] == ["151336", "151336", "supervised"] for row in rows if len(row) > 4)


def test_show_joins_the_parts_of_a_character(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rare = {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "𰻝面"}]
    }
    file.write_text(json.dumps(rare), encoding="utf-8")
    assert "𰻝面" in shown(None, path=file)
    listing = shown(None, path=file, ids=True)
    assert re.search(r"\\x[0-9a-f]{2} → 𰻝", listing)


def test_show_does_not_let_a_sample_act_on_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    content = HOSTILE.replace("\ud800", "")
    row = {
        "messages": [
            {"role": content, "content": content},
            {"role": "assistant", "content": content},
        ]
    }
    file.write_text(json.dumps(row), encoding="utf-8")
    for ids in (False, True):
        text = shown(None, path=file, ids=ids)
        assert text.replace("\n", "").isprintable()
        assert "[bold red]x[/]" in text


def test_show_says_what_is_wrong_with_a_row_that_has_no_tokens(tmp_path: Path) -> None:
    assert "duplicate-key" in shown(10) or "can't be read" in shown(10)
    file = tmp_path / "a.jsonl"
    file.write_text('{"messages": "hello"}\n\n' + json.dumps(GOOD), encoding="utf-8")
    assert "The trainer raises TypeError" in shown(1, path=file)
    assert "No findings in this sample." in shown(3, path=file)


def test_show_explains_a_line_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(GOOD) + "\n\n" + json.dumps(GOOD) + "\n", encoding="utf-8")
    plan = Plan()
    for line, sentence in (
        (2, "the one before starts at line 1, the next at line 3"),
        (9, "its last sample starts at line 3"),
    ):
        with pytest.raises(ShowError, match=sentence):
            look(str(file), line, plan, context_of(plan))
    with pytest.raises(ShowError, match=r"nowhere\.jsonl: "):
        look("nowhere.jsonl", 1, plan, context_of(plan))


def test_show_takes_any_line_of_a_sample(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps([GOOD, GOOD], indent=2), encoding="utf-8")
    plan = Plan()
    [first] = look(str(file), None, plan, context_of(plan))
    [inside] = look(str(file), first.line + 4, plan, context_of(plan))
    assert inside.line == first.line
    last = len(file.read_text().splitlines())
    [second] = look(str(file), last - 1, plan, context_of(plan))
    assert first.line < second.line < last - 1
    with pytest.raises(ShowError, match="its last sample starts at line"):
        look(str(file), last, plan, context_of(plan))


def test_counts_of_a_sample_name_prefix_and_messages() -> None:
    plan = Plan()
    [sample] = look(str(EXAMPLE), 3, plan, context_of(plan))
    assert isinstance(sample, ShownSample) and isinstance(sample.tokens[0], Token)
    assert [(c.index, c.role) for c in sample.messages] == [
        (-1, ""), (0, "system"), (1, "user"), (2, "assistant"), (3, "observation"), (4, "assistant"),
    ]  # fmt: skip


# --- the catalogue -------------------------------------------------------------------------------


def test_rules_are_listed_with_what_is_on() -> None:
    out = io.StringIO()
    catalogue.write_rules(Plan(rules={"null-content": "error"}), out, "json", 80, False)
    listed = {entry["name"]: entry for entry in json.loads(out.getvalue())}
    assert set(listed) == set(all_rules())
    assert [name for name, entry in listed.items() if entry["on"]] == ["null-content"]
    assert listed["null-content"]["severity"] == "error"
    assert listed["null-content"]["default_severity"] == "warning"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80])
def test_catalogues_fit_the_terminal(width: int, lang: str) -> None:
    out = io.StringIO()
    catalogue.write_rules(Plan(rules=default_rules(), lang=lang), out, "text", width, False)
    for name in all_rules():
        catalogue.write_rule(name, out, lang, width, False)
    catalogue.write_recipes(out, "text", lang, width, False)
    assert [line for line in out.getvalue().split("\n") if cell_len(line) > width] == []
    assert not ESCAPE.search(out.getvalue())


def test_explain_shows_documentation_and_examples() -> None:
    out = io.StringIO()
    catalogue.write_rule("null-content", out, "en", 80, False)
    text = out.getvalue()
    assert "A message whose content is null." in text
    assert "LLaMA-Factory #4249" in text
    assert '"content": null' in text
    assert text.index("Reported") < text.index("Not reported")


def test_explain_suggests_the_nearest_rule() -> None:
    with pytest.raises(catalogue.UnknownRule, match="tools is a family, not a rule"):
        catalogue.write_rule("tools", io.StringIO(), "en", 80, False)
    with pytest.raises(catalogue.UnknownRule, match="did you mean null-content"):
        catalogue.write_rule("nul-content", io.StringIO(), "en", 80, False)


def test_recipes_are_listed_with_source_and_date() -> None:
    out = io.StringIO()
    catalogue.write_recipes(out, "json", "en", 80, False)
    recipes = {recipe["name"]: recipe for recipe in json.loads(out.getvalue())}
    assert recipes["glm4"]["default"] is True
    assert recipes["glm4-2024-06"]["date"] == "2024-06-07"


def test_the_example_file_shows_several_findings_and_mostly_good_rows() -> None:
    result = example_run()
    assert 8 <= result.totals.samples <= 15
    assert result.totals.clean >= result.totals.samples / 2
    assert result.totals.truncated_samples == 1
    assert len(result.rule_counts) >= 3


@pytest.mark.parametrize(
    ("number", "told"),
    [(1, "1 row, once"), (3, "3 rows, 3 times"), (1200, "1,200 rows, 1,200 times")],
)
def test_a_number_agrees_with_its_noun(number: int, told: str) -> None:
    text = Text("{rows:row}, {count:time}", "共 {rows} 行")
    assert text.say("en", rows=number, count=number) == told
    assert text.say("zh", rows=number) == f"共 {number} 行"
