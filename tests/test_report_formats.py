"""Reports for other programs: each is valid where it is read, whatever the data hold."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_gate import assert_safe, folder, glmlint_here
from test_reporters import EXAMPLE, GOOD, HOSTILE, NULL, example_run, printed, run

from glmlint.app.outputs import OutputsFault, reports_of
from glmlint.engine.finish import Result, finish
from glmlint.finding import Excerpt, Finding, Location, TextEdit
from glmlint.fix.suggest import LONGEST_EDIT, with_edits
from glmlint.plan import Plan
from glmlint.reporters import base
from glmlint.reporters.addresses import in_repository, page_url
from glmlint.reporters.markdown import code
from glmlint.rules.base import Example, all_rules, default_rules
from glmlint.runners.local import check_files
from glmlint.trainer.base import open_context

__all__ = ["folder"]  # a fixture

SCHEMAS = Path(__file__).parent / "schemas"
MACHINE = ("sarif", "rdjson", "gitlab", "junit")


@cache
def schema(name: str) -> Any:
    """A validator for JSON of that format."""
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / name).read_text(encoding="utf-8")))


@cache
def junit_schema() -> Any:
    return pytest.importorskip("xmlschema").XMLSchema(str(SCHEMAS / "junit-10.xsd"))


def errors_of(name: str, value: Any) -> list[str]:
    return [f"{list(error.path)}: {error.message}" for error in schema(name).iter_errors(value)]


def read_as(form: str, text: str) -> Any:
    """A report as its reader gets it; it fails where that reader would refuse it."""
    if form == "junit":
        root = ElementTree.fromstring(text)
        for suite in root:
            cases = suite.findall("testcase")
            assert int(suite.get("tests", "")) == len(cases)
            for kind in ("failure", "error"):
                counted = sum(case.find(kind) is not None for case in cases)
                assert int(suite.get(f"{kind}s", "")) == counted
        for kind in ("tests", "failures", "errors"):
            assert int(root.get(kind, "")) == sum(int(suite.get(kind, "")) for suite in root)
        return root
    value = json.loads(text)
    names = {"sarif": "sarif-2.1.0.json", "rdjson": "rdjson.json", "gitlab": "code-quality.json"}
    assert errors_of(names[form], value) == []
    return value


def results(text: str) -> list[Any]:
    return list(read_as("sarif", text)["runs"][0]["results"])


def checked(path: Path | str, **settings: Any) -> Result:
    """A run over a file, as the command does it for reports that show rows and repairs."""
    plan = Plan(**{"rules": default_rules(), "excerpts": True, **settings})
    context = open_context(plan)
    result = finish(check_files([str(path)], plan, context), plan, context)
    result.findings = with_edits(result)
    return result


# --- what every format holds to ------------------------------------------------------------------


def test_every_format_says_in_both_languages_who_reads_it() -> None:
    for name in base.names():
        told = base.about(name).text
        assert told.en != name and re.search("[\u4e00-\u9fff]", told.zh), name


@pytest.mark.parametrize("form", MACHINE)
@pytest.mark.parametrize(
    "result",
    [
        lambda: example_run(),
        lambda: example_run("zh"),
        lambda: run({}),
        lambda: run({}, problems=[("c.jsonl", "no file")]),
        lambda: run({"a b%#?.jsonl": [NULL, GOOD], "目录/\udcff.jsonl": [NULL], "-": [NULL]},
                    problems=[("../../c.jsonl", "no file")]),
        lambda: run({"a.jsonl": [NULL] * 9, "b.jsonl": [b"{"]}, max_findings=3, fail_on="never"),
    ],
    ids=["example", "chinese", "nothing", "unread", "odd paths", "left out"],
)  # fmt: skip
def test_reports_have_the_shape_that_their_readers_ask_for(form: str, result: Any) -> None:
    found = result()
    read_as(form, printed(found, form, max_findings=found.plan.max_findings))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_junit_is_what_jenkins_takes(lang: str) -> None:
    for result in (example_run(lang), run({"-": [NULL]}, problems=[("c", HOSTILE)], lang=lang)):
        assert [str(error) for error in junit_schema().iter_errors(printed(result, "junit"))] == []


ANY = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\x1b\r\n`|<&]\\[(){}@#%:-\udcff\ufffe"))
)
NAME = st.text(st.characters(codec="utf-8"), min_size=1) | st.just("a/../..//\udcff%20 x")
NUMBER = st.integers(1, 9)


@st.composite
def locations(draw: st.DrawFn) -> Location:
    line, column = draw(NUMBER), draw(NUMBER)
    columns = column, column + draw(NUMBER) - 1
    return Location(line, line + draw(st.integers(0, 2)), columns, columns, columns)


FINDINGS = st.lists(
    st.builds(
        Finding,
        rule=st.sampled_from(["null-content", "unknown-role", "secret"]),
        severity=st.sampled_from(["error", "warning", "info"]),
        path=NAME,
        line=st.none() | NUMBER,
        column=st.none() | NUMBER,
        pointer=st.none() | ANY,
        message=ANY,
        help=ANY,
        fixable=st.booleans(),
        fingerprint=st.sampled_from(["0" * 16, "1" * 16]),
        rows=NUMBER,
        kind=st.just("x"),
        span=st.none() | locations(),
        excerpt=st.none() | st.builds(Excerpt, ANY, ANY, ANY, st.tuples(*[st.booleans()] * 3)),
        edit=st.none() | st.builds(TextEdit, locations(), ANY),
    ),
    max_size=4,
)


@settings(max_examples=25)
@given(FINDINGS, ANY.filter(len), st.sampled_from(["en", "zh"]))
def test_any_finding_gives_a_valid_report_in_every_format(
    findings: list[Finding], reason: str, lang: str
) -> None:
    rules = {"null-content": "warning"}
    result = run({"a.jsonl": [GOOD]}, lang=lang, problems=[("gone", reason)], rules=rules)
    result.findings = findings
    result.rule_counts = Counter(finding.rule for finding in findings)
    result.severity_counts = Counter(finding.severity for finding in findings)
    for form in base.names():
        text = printed(result, form)
        assert_safe(text.replace("\t", " "), form, commands=form == "github")
        text.encode("utf-8")  # a report is a file of UTF-8
        if form in MACHINE:
            read_as(form, text)
        elif form == "markdown":
            read_as_markdown(text)


# --- sarif ---------------------------------------------------------------------------------------

WIDE = {
    "messages": [
        {"role": "user", "content": "😀 你好"},
        {"role": "human", "content": None},
        {"role": "assistant", "content": "好"},
    ]
}


@pytest.mark.parametrize("unit", ["codepoint", "byte", "utf16"])
def test_regions_of_sarif_hold_what_their_snippets_show(unit: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    line = json.dumps(WIDE, ensure_ascii=False)
    file.write_text(f"{line}\n", encoding="utf-8")
    log = read_as("sarif", printed(checked(file), "sarif", column_unit=unit))
    [found] = log["runs"]
    utf16 = unit == "utf16"
    assert found["columnKind"] == ("utf16CodeUnits" if utf16 else "unicodeCodePoints")
    shown = [one["locations"][0]["physicalLocation"]["region"] for one in found["results"]]
    shown = [region for region in shown if "snippet" in region]
    assert {region["snippet"]["text"] for region in shown} >= {'"human"', "null"}
    for region in shown:
        size = 2 if utf16 else 4
        units = line.encode("utf-16-le" if utf16 else "utf-32-le")
        piece = units[(region["startColumn"] - 1) * size : (region["endColumn"] - 1) * size]
        assert piece.decode("utf-16-le" if utf16 else "utf-32-le") == region["snippet"]["text"]


def test_sarif_names_rules_files_and_the_end_of_the_run(tmp_path: Path) -> None:
    result = example_run()
    [found] = read_as("sarif", printed(result, "sarif", docs_url="https://e.org/x"))["runs"]
    rules = found["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} >= {*result.rule_counts, "not-utf8"}
    assert len(rules) > 50
    assert all(rule["helpUri"] == f"https://e.org/x/rules/{rule['id']}" for rule in rules)
    assert found["tool"]["driver"]["informationUri"] == "https://e.org/x"
    assert all(rule.get("name", "").lower() != rule["id"] for rule in rules)
    for one in found["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        place = one["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {
            "uri": "examples/train.jsonl", "uriBaseId": "%SRCROOT%",
        }  # fmt: skip
        assert place["region"]["startLine"] >= 1  # GitHub takes no result without
    assert {one["level"] for one in found["results"]} == {"error", "warning", "note"}
    [invocation] = found["invocations"]
    assert (invocation["exitCode"], invocation["executionSuccessful"]) == (1, True)
    assert found["automationDetails"]["id"] == "glmlint/glm4/"
    chinese = read_as("sarif", printed(example_run("zh"), "sarif"))["runs"][0]
    assert chinese["language"] == "zh"
    assert chinese["tool"]["driver"]["rules"][0]["shortDescription"]["text"].isascii() is False
    inside = tmp_path / "b.jsonl"  # no folder of the repository
    inside.write_text(json.dumps(NULL) + "\n")
    [outside, *_] = results(printed(checked(inside), "sarif"))
    [place] = outside["locations"]
    assert place["physicalLocation"]["artifactLocation"] == {"uri": inside.as_uri()}


def test_sarif_says_what_is_not_in_it() -> None:
    result = run({"a.jsonl": [NULL] * 9}, max_findings=2, problems=[("%.jsonl", "no file")])
    [found] = read_as("sarif", printed(result, "sarif", max_findings=2))["runs"]
    assert len(found["results"]) == 2
    unread, left = found["invocations"][0]["toolExecutionNotifications"]
    assert unread["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "%25.jsonl"
    assert "beyond --max-findings 2" in left["message"]["text"]


def test_data_make_no_link_and_no_placeholder_in_sarif() -> None:
    result = run({"a.jsonl": [NULL]}, rules={"null-content": "warning"})
    finding = result.findings[0]
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    told = 'a [link](https://e.org) {0} {"city": 1}'
    result.findings = [Finding(**{**fields, "message": told, "help": "x"})]
    [one] = results(printed(result, "sarif"))
    assert one["message"]["text"] == 'a \\[link\\](https://e.org) {{0}} {"city": 1}\nx'


# --- repairs -------------------------------------------------------------------------------------

SAFE = sorted(name for name, loaded in all_rules().items() if loaded.rule.fix == "safe")


def applied(text: str, edit: TextEdit) -> str:
    """The file's text after an edit."""
    lines = text.split("\n")
    start, end = edit.place.columns
    head = "\n".join([*lines[: edit.place.line - 1], lines[edit.place.line - 1][: start - 1]])
    tail = "\n".join([lines[edit.place.end_line - 1][end - 1 :], *lines[edit.place.end_line :]])
    return head + edit.text + tail


@pytest.mark.parametrize("rule", SAFE)
def test_an_offered_repair_repairs_its_finding(rule: str, tmp_path: Path) -> None:
    """The rule's own examples: what an editor does with the edit leaves one finding less."""
    file = tmp_path / "train.jsonl"
    for entry in all_rules()[rule].rule.bad[:3]:
        whole = entry if isinstance(entry, Example) else Example(rows=(entry,))
        if whole.eval_rows or whole.name != "train.jsonl":
            continue
        [content] = whole.files().values()
        chosen = {**whole.plan, "rules": {rule: "error"}}
        file.write_bytes(content)
        result = checked(file, **chosen)
        for finding in result.findings:
            if finding.edit is None:
                continue
            file.write_bytes(applied(content.decode(), finding.edit).encode())
            left = checked(file, **chosen)
            assert left.rule_counts[rule] < result.rule_counts[rule], finding
            assert not left.rule_counts["invalid-json"]


def test_most_fixable_findings_come_with_their_repair(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [WIDE, {"messages": [{"role": "gpt", "content": "x"}, *WIDE["messages"]]}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = printed(checked(file, rules={"unknown-role": "error"}), "rdjson")
    offered = [one.get("suggestions") for one in read_as("rdjson", text)["diagnostics"]]
    assert [change[0]["text"] for change in offered if change] == ["user", "assistant", "user"]
    fixes = [one["fixes"] for one in results(printed(checked(file), "sarif")) if "fixes" in one]
    assert len(fixes) >= 3
    # A file that has changed in the meantime, or is gone, is offered none.
    result = checked(file)
    for path in (str(file), "gone.jsonl"):
        result.findings = [
            Finding(**{**{name: getattr(one, name) for name in one.__struct_fields__},
                       "path": path, "edit": None})
            for one in result.findings
        ]  # fmt: skip
        file.write_text(json.dumps(GOOD) + "\n")
        assert all(finding.edit is None for finding in with_edits(result))


def test_a_repair_that_would_show_a_secret_or_a_whole_row_is_not_offered(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    for text, offered in (
        ("nothing", True),
        ("ghp_" + "a1B2c3D4e5F6" * 3, False),
        ("long " * LONGEST_EDIT, False),
    ):
        tools = [{"type": "function", "function": {
            "name": "f", "description": text, "parameters": {"type": "object", "properties": {}}}}]  # fmt: skip
        system = {"role": "system", "content": "", "tools": json.dumps(tools)}
        file.write_text(json.dumps({"messages": [system, *GOOD["messages"]]}) + "\n")
        result = checked(file, rules={"tools-as-string": "error"})
        assert [finding.edit is not None for finding in result.findings] == [offered]


# --- junit, gitlab, github -----------------------------------------------------------------------


def test_junit_fails_for_what_fails_the_run_alone() -> None:
    rows = {"a.jsonl": [NULL] * 200, "b.jsonl": [GOOD]}
    for fail_on, failures in (("error", "0"), ("warning", "1"), ("never", "0")):
        result = run(
            rows, rules={"null-content": "warning", "unknown-role": "error"}, fail_on=fail_on
        )
        root = read_as("junit", printed(result, "junit"))
        assert root.get("failures") == failures
        assert [suite.get("name") for suite in root] == ["a.jsonl", "b.jsonl"]
        cases = {case.get("name"): case for case in root[0].findall("testcase")}
        assert set(cases) == {"null-content", "unknown-role"}
        told = "".join(cases["null-content"].itertext())
        assert told.count("a.jsonl:") == 100 and "100 findings more" in told
        assert len(cases["unknown-role"]) == 0


def test_gitlab_tells_equal_findings_apart_and_finds_them_again() -> None:
    def prints(rows: list[Any]) -> list[str]:
        result = run({"a.jsonl": rows, "b.jsonl": rows}, rules={"null-content": "warning"})
        return [issue["fingerprint"] for issue in read_as("gitlab", printed(result, "gitlab"))]

    before = prints([NULL, NULL])
    assert len(set(before)) == len(before) == 4
    assert prints([GOOD, NULL, NULL]) == before


def test_paths_are_those_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inner = tmp_path / "数据"
    inner.mkdir()
    monkeypatch.chdir(inner)
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
        monkeypatch.setenv(name, str(tmp_path))
        in_repository.__globals__["_below_root"].cache_clear()
        assert in_repository("a.jsonl") == "数据/a.jsonl"
        assert in_repository("../b.jsonl") == in_repository(str(tmp_path / "b.jsonl")) == "b.jsonl"
        assert in_repository("../../c.jsonl") is None and in_repository("-") is None
    monkeypatch.setenv("CI_PROJECT_DIR", "/nowhere")
    in_repository.__globals__["_below_root"].cache_clear()
    assert in_repository("./a.jsonl") == "a.jsonl" and in_repository("../b.jsonl") is None


def test_a_rule_is_linked_where_its_page_is_known() -> None:
    assert page_url("", "null-content") is None  # of a checkout nobody knows the address
    assert page_url("https://e.org", "null-content") == "https://e.org/rules/null-content"
    hub = "https://github.com/o/r/blob/v1/docs"
    assert page_url(hub, "null-content") == f"{hub}/rules/null-content.md"
    for odd in ("javascript:x", "https://user:secret@e.org", "file:///x"):
        assert page_url(odd, "null-content") is None


def test_rules_are_linked_to_the_commit_that_pip_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "glmlint-9.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: glmlint\nVersion: 9\n")
    source = {"url": "https://e.org/o/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    (installed / "direct_url.json").write_text(json.dumps(source))
    monkeypatch.syspath_prepend(str(tmp_path))
    known = page_url.__globals__["_installed_from"]
    known.cache_clear()
    found = page_url("", "null-content")
    known.cache_clear()
    assert found == "https://e.org/o/r/blob/abc/docs/rules/null-content.md"


COMMAND = re.compile(r"::(error|warning|notice) (.*?)::(.*)")


def test_github_prints_as_many_as_are_shown_and_says_what_is_not() -> None:
    rows = [NULL] * 25
    result = run({"a.jsonl": rows}, rules={"null-content": "warning"})
    *shown, last = printed(result, "github").splitlines()
    assert len(shown) == 10 and all(line.startswith("::warning file=a.jsonl,") for line in shown)
    assert "15 of 25 findings have no annotation" in last and "null-content 15" in last
    whole = run({"a.jsonl": rows}, rules={"null-content": "warning"}, max_findings=20,
                origins={"max-findings": "flag"})  # fmt: skip
    lines = printed(whole, "github", max_findings=20).splitlines()
    assert len(lines) == 21 and "5 of 25 findings have no annotation" in lines[-1]
    exact = run({"a.jsonl": [NULL]}, rules={"null-content": "warning"})
    assert "no annotation" not in printed(exact, "github")


def test_github_says_where_a_finding_ends() -> None:
    def properties(finding: Finding) -> dict[str, str]:
        result.findings = [finding]
        found = COMMAND.match(printed(result, "github"))
        assert found is not None
        return dict(pair.split("=") for pair in found[2].split(","))

    result = run({"a.jsonl": [NULL]}, rules={"null-content": "warning"})
    [finding] = result.findings
    told = properties(finding)
    assert int(told["endColumn"]) - int(told["col"]) == 4 and told["endLine"] == "1"
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    over = Finding(**{**fields, "span": Location(2, 5, (3, 4), (3, 4), (3, 4))})
    assert properties(over).keys() == {"file", "line", "endLine", "title"}
    assert "::lines 2–5: " in printed(result, "github")


# --- markdown ------------------------------------------------------------------------------------


def read_as_markdown(text: str) -> list[Any]:
    """The tokens of a page. The data stand in code alone: no link, no HTML but what folds."""
    markdown_it = pytest.importorskip("markdown_it")
    page = markdown_it.MarkdownIt("commonmark").enable("table")
    tokens: list[Any] = []
    for token in page.parse(text):
        tokens += [token, *(token.children or ())]
    html = {token.content.strip() for token in tokens if token.type.startswith("html")}
    assert all(re.fullmatch(r"<details><summary>[^<>]+</summary>|</details>", one) for one in html)
    assert {"link_open", "image", "fence", "code_block"}.isdisjoint(token.type for token in tokens)
    plain = " ".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"[@`<\\]", plain), plain
    return tokens


@example("a|b `c` \\| ``d")
@example("`")
@example(" \\")
@given(ANY)
def test_any_text_is_one_code_span(text: str) -> None:
    from glmlint.visible import visible

    table = f"| a | b |\n|---|---|\n| {code(text, cell=True)} | x |\n"
    cells = [token for token in read_as_markdown(table) if token.type == "code_inline"]
    shown = visible(text).replace("\\|", "\\x5c|")
    assert [cell.content.strip() for cell in cells] == [shown.strip()]
    [span] = [one for one in read_as_markdown(f"- {code(text)}") if one.type == "code_inline"]
    assert span.content.strip() == visible(text).strip()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_summary_has_verdict_totals_rules_and_budgets(lang: str) -> None:
    text = printed(example_run(lang), "markdown", docs_url="")
    tokens = read_as_markdown(text)
    assert text.startswith("### ❌ glmlint: ")
    assert sum(token.type == "table_open" for token in tokens) == 2
    assert "`examples/train.jsonl` | 15 | 8 | 7 |" in text
    assert "1,142" in text and text.count("<details>") == text.count("</details>") == 2
    assert printed(run({"a.jsonl": [GOOD]}), "markdown").startswith("### ✅ glmlint: no findings")
    linked = printed(example_run(lang), "markdown", docs_url="https://e.org")
    assert "[null-content](https://e.org/rules/null-content)" in linked


def test_a_summary_is_never_larger_than_github_takes() -> None:
    result = run(
        {f"{'目' * 90}{n}.jsonl": [NULL] for n in range(150)}, problems=[("x" * 500, HOSTILE)] * 500
    )
    first = result.findings[0]
    fields = {name: getattr(first, name) for name in first.__struct_fields__}
    result.findings = [Finding(**{**fields, "message": "长`" * 900, "help": HOSTILE * 90})] * 3000
    text = printed(result, "markdown")
    assert 800_000 < len(text.encode()) < 1 << 20
    assert re.search(r"… and \d,\d{3} findings more: there is no room", text)
    read_as_markdown(text[:20_000].rpartition("\n")[0])


# --- several at once -----------------------------------------------------------------------------

FORMAT, OUTPUT, STYLE = "formats", "outputs", "output_format"


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("", "text:-"),
        ("o=a", "text:a"),
        ("f=json", "json:-"),
        ("f=sarif o=a f=markdown o=b f=text", "sarif:a markdown:b text:-"),
        ("f=text f=sarif o=a", "text:- sarif:a"),
        ("f=text f=json o=- o=a", "text:- json:a"),
        ("f=text f=sarif o=a f=junit o=b", "text:- sarif:a junit:b"),
        ("o=a f=json", "json:a"),
        ("o=a o=b f=json f=sarif", "json:a sarif:b"),
        ("f=json o=a s=concise", "json:a"),
        ("s=sarif o=a", "sarif:a"),
        ("f=text s=json o=a", "text:- json:a"),
        ("f=text f=github", "text:- github:-"),
        ("f=json o=/dev/null f=sarif o=/dev/null", "json:/dev/null sarif:/dev/null"),
        ("f=json o=a o=b", "more --output than --format"),
        ("o=a o=b", "more --output than --format"),
        ("f=text f=json", "json on standard output beside text"),
        ("f=json f=github", "json on standard output beside github"),
        ("f=json o=a f=sarif o=./a", "two reports can't go to one file"),
        ("f=xml", "unknown format xml"),
    ],
)
def test_each_output_is_that_of_the_format_before_it(flags: str, found: str) -> None:
    given = [flag.split("=") for flag in flags.split()]
    letters = {"f": FORMAT, "o": OUTPUT, "s": STYLE}
    values: dict[str, list[str]] = {FORMAT: [], OUTPUT: [], STYLE: [""]}
    for letter, value in given:
        values[letters[letter]].append(value)
    style = values[STYLE][-1] or None
    order = [letters[letter] for letter, _ in given]
    try:
        reports = reports_of(values[FORMAT], values[OUTPUT], style, order)
    except OutputsFault as fault:
        assert found in str(fault)
        return
    assert " ".join(f"{form}:{target}" for form, target in reports) == found


def test_one_run_writes_every_format_to_its_own_file(folder: Path) -> None:
    (folder / "a.jsonl").write_bytes(EXAMPLE.read_bytes())
    words = [word for form in base.names() if form != "text"
             for word in ("--format", form, "--output", f"{form}.out")]  # fmt: skip
    done = glmlint_here("check", "a.jsonl", *words, "--format", "text", "--quiet")
    assert done.code == 1 and done.err == ""
    assert "a.jsonl:4:24: error unknown-role" in done.out
    for form in MACHINE:
        read_as(form, (folder / f"{form}.out").read_text(encoding="utf-8"))
    assert json.loads((folder / "json.out").read_text())["exit_code"] == 1
    assert (folder / "github.out").read_text().count("::error ") == 8
    shown = results((folder / "sarif.out").read_text(encoding="utf-8"))
    assert any("snippet" in one["locations"][0]["physicalLocation"]["region"] for one in shown)


def test_reports_that_nobody_could_read_are_an_error(folder: Path) -> None:
    (folder / "a.jsonl").write_text(json.dumps(GOOD) + "\n")
    done = glmlint_here("check", "a.jsonl", "--format", "json", "--format", "text")
    assert done.code == 2 and done.out == ""
    assert "json on standard output beside text" in done.err
    done = glmlint_here("check", "-", "--format", "gitlab", stdin=json.dumps(NULL).encode())
    assert done.code in (0, 1)
    assert {one["location"]["path"] for one in read_as("gitlab", done.out)} == {"-"}
