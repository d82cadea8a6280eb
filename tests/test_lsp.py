"""The language server: a scripted client and a real process, and its parts on any text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lsp_client import Client

from glmlint.app.options import Failure
from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.lsp.actions import quick_fixes
from glmlint.lsp.check import Checked, check_changes, check_document, holds_rows
from glmlint.lsp.command import lsp
from glmlint.lsp.document import DocumentText
from glmlint.lsp.edits import changes, fix_document
from glmlint.lsp.markdown import code, explanation, message_at, tokens_text
from glmlint.lsp.preferences import flags_of, name_of, path_of, plan_of
from glmlint.plan import Plan
from glmlint.read.source import InputFile, SourceError
from glmlint.rules.base import all_rules
from glmlint.text import Told
from glmlint.trainer.base import Context, open_context

GOOD = (
    '{"messages": [{"role": "user", "content": "𠮷野家😀在哪"}, '
    '{"role": "assistant", "content": "在那边。"}]}'
)
BAD = GOOD.replace('"user"', '"human"')
UTF16 = "utf-16"


@cache
def english() -> tuple[Plan, Context]:
    plan = plan_of({"lang": "en"}, None, None, "en")
    return plan, open_context(plan)


def checked_of(text: str, name: str = "train.jsonl", encoding: str = UTF16) -> Checked:
    return check_document(DocumentText(text, encoding), name, *english())


# --- places and changes --------------------------------------------------------------------------

ODD_TEXT = st.lists(
    st.sampled_from(["a", "你", "😀", "𠮷", "\r", "\n", "\r\n", "\u2028", "\x85", "\x0b", "é", "\ufeff"]),
    max_size=8,
).map("".join)  # fmt: skip


def place_of(text: str, offset: int, encoding: str) -> tuple[int, int]:
    """A place as the specification has it, counted by hand."""
    line = column = 0
    at = 0
    while at < offset:
        end = re.match(r"\r\n|\r|\n", text[at:])
        if end and at + end.end() <= offset:
            line, column, at = line + 1, 0, at + end.end()
            continue
        sizes = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
        width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
        column += len(text[at].encode(sizes[encoding])) // width
        at += 1
    return line, column


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@settings(max_examples=60)
@given(data=st.data())
def test_changes_are_taken_in_as_the_client_makes_them(encoding: str, data: st.DataObject) -> None:
    text = data.draw(ODD_TEXT)
    document = DocumentText(text, encoding)
    for _ in range(3):
        # No client names a place inside of a line break.
        good = [n for n in range(len(text) + 1) if text[n - 1 : n + 1] != "\r\n" or n == 0]
        start, stop = sorted(data.draw(st.tuples(st.sampled_from(good), st.sampled_from(good))))
        new = data.draw(ODD_TEXT)
        document = document.changed(
            place_of(text, start, encoding), place_of(text, stop, encoding), new
        )
        text = text[:start] + new + text[stop:]
        assert document.text == text


def test_places_beyond_a_line_or_the_text_are_their_ends() -> None:
    text = DocumentText("a😀\r\nb")
    assert [text.offset(place) for place in ((0, 2), (0, 99), (1, 99), (9, 0), (-1, 5))] == [
        1, 2, 5, 5, 0
    ]  # fmt: skip
    assert text.place(-3) == (0, 0) and text.place(99) == (1, 1)


def test_halves_of_a_character_that_come_one_by_one_are_one() -> None:
    document = DocumentText("[]").changed((0, 1), (0, 1), "\ud83d")
    assert document.data == "[\ufffd]".encode()
    document = document.changed((0, 2), (0, 2), "\ude00")
    assert document.data == "[😀]".encode()


# --- findings, fixes, words, without a process ---------------------------------------------------

LINE = st.sampled_from([
    GOOD, BAD, GOOD.replace('"在那边。"', "null"), "", "[", "{}", "5", f"{GOOD} {BAD}", f"[{BAD},",
    GOOD[:40], GOOD.replace("在哪", "\ud83d"), '{"messages": [\n', '{"a": "\x00"}', "\ufeff" + BAD,
    GOOD.replace("}]", '}], "glmlint": {"ignore": ["null-content"]}'),
])  # fmt: skip
DOCUMENT = st.lists(st.tuples(LINE, st.sampled_from(["\n", "\r\n", "\r", ""])), max_size=3).map(
    lambda parts: "".join(line + end for line, end in parts)
)


@settings(max_examples=12, deadline=None)
@given(text=DOCUMENT, name=st.sampled_from(["a.jsonl", "a.json", "untitled"]))
@example(text="", name="a.jsonl")
@example(text="PAR1", name="a.jsonl")
@example(text="{\0", name="a.jsonl")
def test_any_document_is_checked_as_the_file_is_and_fixed_to_the_letter(
    text: str, name: str
) -> None:
    try:
        checked = checked_of(text, name)
    except SourceError:
        return
    report = Report()
    plan, context = english()
    file = InputFile(name, BytesIO(checked.text.data))
    if checked.text.data:
        check_file(file, plan, context, report)
        expected = finish(report, plan, context).findings
        assert sorted(map(repr, expected)) == sorted(repr(m.finding) for m in checked.findings)
    whole = checked.text.whole
    assert all(0 <= one.start <= one.stop <= len(whole) for one in checked.findings)
    for row in checked.rows:
        assert whole[row.start : row.stop].encode() == row.raw
    offered = quick_fixes(checked, 0, len(whole))
    made = [fix.changes for fix in offered if fix.changes][:2]
    made += [fix_document(checked, fix.every) for fix in offered if fix.every][:2]
    for one in [*made, fix_document(checked)]:
        checked_of(applied(whole, one), name)
    for at in range(0, len(whole), 50):
        row_at = checked.row(at)
        if row_at is not None:
            message_at(checked, row_at, at)
            tokens_text(checked, row_at)


def applied(text: str, made: list[Any]) -> str:
    """Changes made as a client makes them: all places are those of the old text."""
    for one in sorted(made, key=lambda change: change.start, reverse=True):
        text = text[: one.start] + one.new + text[one.stop :]
    return text


PIECES = st.lists(
    st.sampled_from(["a", "b", '"x"', '"你好😀"', "\n", "\r\n", "\r", " ", "{", ",", "\u2028"]), max_size=25
).map("".join)  # fmt: skip


@settings(max_examples=150)
@given(old=PIECES, new=PIECES)
def test_changes_lead_from_one_text_to_the_other(old: str, new: str) -> None:
    made = list(changes(old, new))
    assert applied(old, made) == new
    document = DocumentText(old)
    for one, following in zip_longest(made, made[1:]):
        assert following is None or one.stop <= following.start
        for at in (one.start, one.stop):
            assert document.offset(document.place(at)) == at, "a place that a client has not"


def test_a_fix_changes_what_is_wrong_and_nothing_else() -> None:
    text = f"{GOOD}\r\n{BAD}\r\n"
    checked = checked_of(text)
    (fix,) = [one for one in quick_fixes(checked, 0, len(text)) if one.preferred]
    assert fix.changes is not None
    (change,) = fix.changes
    assert text[change.start : change.stop] == '"human"' and change.new == '"user"'
    assert applied(text, fix.changes) == f"{GOOD}\r\n{GOOD}\r\n"


def test_unsafe_fixes_say_so_and_are_not_preferred() -> None:
    text = f"{GOOD}\n{GOOD}\n"
    checked = checked_of(text)
    found = [one for one in quick_fixes(checked, 0, len(text)) if one.every == "exact-duplicate"]
    assert [(one.title, one.preferred) for one in found] == [
        ("Fix every exact-duplicate in this file (unsafe)", False)
    ]
    assert applied(text, fix_document(checked, "exact-duplicate")) == f"{GOOD}\n"
    assert fix_document(checked) == []


def test_an_ignore_silences_the_finding_in_its_row() -> None:
    text = f"{BAD}\n"
    checked = checked_of(text)
    (ignore,) = [one for one in quick_fixes(checked, 0, 200) if one.title.startswith("Ignore")]
    assert ignore.changes is not None
    after = applied(text, ignore.changes)
    assert json.loads(after)["glmlint"] == {"ignore": ["unknown-role"]}
    assert checked_of(after).findings == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_rule_is_explained(lang: str) -> None:
    for name in all_rules():
        text = explanation(name, lang)
        assert name in text and "{place}" not in text
        assert ("处理方法" in text) == (lang == "zh")


def test_a_code_span_holds_any_text() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("a\n\x1b[0m") == "`a\\n\\x1b[0m`"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///tmp/%E8%AE%AD%20a.jsonl", "/tmp/训 a.jsonl"),
        ("file:///c%3A/data/a.jsonl", "c:/data/a.jsonl"),
        ("file:///C:/data/a.jsonl", "C:/data/a.jsonl"),
        ("file://server/share/a.jsonl", "//server/share/a.jsonl"),
        ("file:///a%00b", None),
        ("untitled:Untitled-1", None),
        ("file://[", None),
        ("vscode-remote://ssh/a.jsonl", None),
        ("file:///a\ud83d", None),
        ("", None),
    ],
)
def test_paths_of_uris(uri: str, path: str | None) -> None:
    assert path_of(uri) == path


def test_documents_without_a_file_have_a_name() -> None:
    assert name_of("untitled:Untitled-1", "jsonl").endswith("Untitled-1.jsonl")
    assert name_of("untitled:Untitled-1", "json").endswith(".json")
    assert name_of("x://y/a.jsonl", "json") == "a.jsonl"


def test_json_documents_are_data_only_where_they_look_so() -> None:
    assert holds_rows("train.jsonl", "{")
    assert holds_rows("train.json", f"[\n  {GOOD}]")
    assert holds_rows("train.json", '[{"instruction": "x"}]')
    assert not holds_rows("package.json", '{"name": "x", "messages": {"a": "b"}}')


def test_settings_of_the_editor_are_flags() -> None:
    assert flags_of({"maxLength": 512, "extend-select": ["info"], "recipe": None}) == {
        "max-length": 512, "extend-select": ["info"]
    }  # fmt: skip
    for wrong, said in (
        ({"maxLenght": 1}, "max-length"),
        ({"maxLength": "x"}, "max-length"),
        ([1], "no object"),
    ):
        with pytest.raises(Told, match=said):
            flags_of(wrong)


def test_the_language_is_the_clients_unless_settings_name_one(tmp_path: Path) -> None:
    path = str(tmp_path / "a.jsonl")
    assert plan_of({}, path, None, "zh").lang == "zh"
    (tmp_path / "glmlint.toml").write_text('lang = "en"\nrecipe = "glm4-combine"\n')
    plan = plan_of({}, path, None, "zh")
    assert (plan.lang, plan.recipe) == ("en", "glm4-combine")
    assert plan_of({"lang": "zh"}, path, None, "en").lang == "zh"


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_changed_rows_checked_alone_have_the_findings_of_a_whole_check(data: st.DataObject) -> None:
    lines = st.lists(
        st.sampled_from([GOOD, BAD, f"{BAD} ", "", GOOD.replace("在哪", "\u2028")]), max_size=5
    )
    text = "\n".join(data.draw(lines))
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(start + 60, len(text))))
    new = data.draw(st.sampled_from(["", "x", "\n", f"\n{BAD}\n", "human", "\r\n", "😀"]))
    before = checked_of(text)
    changed = DocumentText(text[:start] + new + text[stop:])
    quick = check_changes(before, changed)
    if quick is None:  # rows are no lines
        return
    assert not quick.whole

    def said(checked: Checked) -> list[tuple[str, int, int]]:
        rules = ("unknown-role", "invalid-json", "invisible-character")
        return [
            (m.finding.rule, m.start, m.stop) for m in checked.findings if m.finding.rule in rules
        ]

    assert said(quick) == said(checked_of(changed.text))


def test_findings_are_bounded() -> None:
    plan, context = english()
    checked = check_document(
        DocumentText(f"{BAD}\n" * 5), "a.jsonl", replace(plan, max_findings=2), context
    )
    assert len(checked.findings) == 2 and checked.left_out > 0


def test_without_pygls_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("features", "server", "protocol"):
        monkeypatch.delitem(sys.modules, f"glmlint.lsp.{name}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygls"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygls", None)
    with pytest.raises(Failure, match=r"pip install pygls .*'\.\[lsp\]'"):
        lsp.callback(stdio=True, lang=None)  # type: ignore[misc]


# --- a client and a process ----------------------------------------------------------------------

CAPABILITIES = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {"codeAction": {"resolveSupport": {"properties": ["edit"]}}},
    "workspace": {"workspaceEdit": {"documentChanges": True}, "textDocumentContent": {}},
    "window": {"showDocument": {"support": True}},
}


class Editor:
    """Documents as a client holds them: in UTF-16."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.text = ""
        self.uri = ""
        self.version = 0

    def open(self, name: str, text: str, language: str = "jsonl") -> list[Any]:
        """Open a document, and return its findings."""
        self.uri = name if ":" in name else (self.folder / name).as_uri()
        self.text, self.version = text, 1
        item = {"uri": self.uri, "languageId": language, "version": 1, "text": text}
        self.client.tell("textDocument/didOpen", {"textDocument": item})
        return self.findings()

    def findings(self) -> list[Any]:
        """The findings that the server sends for this version."""
        told = self.client.hear(
            "textDocument/publishDiagnostics",
            lambda it: it["uri"] == self.uri and it.get("version") == self.version,
        )
        return list(told["diagnostics"])

    def offset(self, place: dict[str, int]) -> int:
        """Units of UTF-16 before a place; lines end at LF here."""
        before = "".join(self.text.splitlines(keepends=True)[: place["line"]])
        return len(before.encode("utf-16-le")) // 2 + place["character"]

    def at(self, range_: dict[str, Any]) -> str:
        """The text of a range."""
        units = self.text.encode("utf-16-le")
        start, stop = (2 * self.offset(range_[end]) for end in ("start", "end"))
        return units[start:stop].decode("utf-16-le")

    def apply(self, edit: dict[str, Any]) -> None:
        """Make the changes of a WorkspaceEdit, and tell them to the server one by one."""
        (change,) = edit["documentChanges"]
        assert change["textDocument"] == {"uri": self.uri, "version": self.version}
        edits = sorted(change["edits"], key=lambda one: -self.offset(one["range"]["start"]))
        for one in edits:
            units = self.text.encode("utf-16-le")
            start, stop = (2 * self.offset(one["range"][end]) for end in ("start", "end"))
            new = one["newText"].encode("utf-16-le")
            self.text = (units[:start] + new + units[stop:]).decode("utf-16-le")
        self.change([{"range": one["range"], "text": one["newText"]} for one in edits])

    def change(self, made: list[Any]) -> None:
        """Tell changes to the server."""
        self.version += 1
        document = {"uri": self.uri, "version": self.version}
        self.client.tell(
            "textDocument/didChange", {"textDocument": document, "contentChanges": made}
        )

    def close(self) -> None:
        """Close the document; its findings go."""
        self.client.tell("textDocument/didClose", {"textDocument": {"uri": self.uri}})
        told = self.client.hear(
            "textDocument/publishDiagnostics",
            lambda it: it["uri"] == self.uri and "version" not in it,
        )
        assert told["diagnostics"] == []

    def about(self, range_: Any, **more: Any) -> dict[str, Any]:
        """Parameters of a request about a range."""
        return {"textDocument": {"uri": self.uri}, "range": range_, **more}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("训练 数据")
    client = Client(folder, locale="zh-CN", capabilities=CAPABILITIES)
    yield client
    code, error = client.end()
    assert (code, error) == (0, b"")


@pytest.fixture
def editor(client: Client) -> Editor:
    return Editor(client, client.folder)


def actions(editor: Editor, range_: Any, *only: str) -> list[Any]:
    context = {"diagnostics": [], **({"only": list(only)} if only else {})}
    found = editor.client.ask("textDocument/codeAction", editor.about(range_, context=context))
    return list(found)


def test_a_bad_chinese_file_is_found_at_the_right_place_and_fixed(editor: Editor) -> None:
    row = (
        '{"messages": [{"role": "user", "content": "𠮷野家😀"}, '
        '{"role": "human", "content": "在哪😀"}, {"role": "assistant", "content": "那边"}]}'
    )
    found = editor.open("坏的 样本.jsonl", f"{GOOD}\n{row}\n")
    (role,) = [one for one in found if one["code"] == "unknown-role"]
    column = row.index('"human"') + 2  # two characters before it are two units each
    assert role["range"] == {
        "start": {"line": 1, "character": column},
        "end": {"line": 1, "character": column + len('"human"')},
    }
    assert editor.at(role["range"]) == '"human"'
    assert (role["source"], role["severity"]) == ("glmlint", 1)
    assert "角色" in role["message"]

    offered = actions(editor, role["range"])
    (fix,) = [one for one in offered if one.get("isPreferred")]
    assert fix["title"] == "修复 unknown-role" and fix["diagnostics"] == [role]
    editor.apply(fix["edit"])
    assert editor.text == f"{GOOD}\n{row}\n".replace('"human"', '"user"')
    assert "unknown-role" not in [one["code"] for one in editor.findings()]
    editor.close()


def test_fix_all_comes_when_it_is_asked_for(editor: Editor) -> None:
    editor.open("all.jsonl", f"{BAD}\n{GOOD}\n{BAD}".replace("在哪", "在哪呢", 1))
    nowhere = {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 0}}
    (fix,) = actions(editor, nowhere, "source.fixAll")
    assert fix["kind"] == "source.fixAll.glmlint" and "edit" not in fix
    editor.apply(editor.client.ask("codeAction/resolve", fix)["edit"])
    assert "human" not in editor.text
    stale = editor.client.answer(editor.client.start("codeAction/resolve", fix))
    assert "修改" in stale["error"]["message"]
    editor.close()


def test_hover_explains_a_finding_and_counts_a_message(editor: Editor) -> None:
    (role,) = [
        one for one in editor.open("hover.jsonl", f"{BAD}\n") if one["code"] == "unknown-role"
    ]
    place = role["range"]["start"]

    def hover(place: Any) -> Any:
        about = {"textDocument": {"uri": editor.uri}, "position": place}
        return editor.client.ask("textDocument/hover", about)

    shown = hover(place)
    assert "unknown-role" in shown["contents"]["value"] and "处理方法" in shown["contents"]["value"]
    assert shown["range"] == role["range"]
    editor.change([{"text": f"{GOOD}\n"}])
    answer = hover({"line": 0, "character": GOOD.index("在那边") + 2})
    assert "`assistant` `messages[1]`" in answer["contents"]["value"]
    assert "受监督" in answer["contents"]["value"]
    assert hover({"line": 1, "character": 0}) is None
    editor.close()


def test_tokens_of_a_row_are_a_document(editor: Editor) -> None:
    editor.open("tokens.jsonl", f"\n{GOOD}\n")
    client = editor.client
    show = {"command": "glmlint.showTokens", "arguments": [editor.uri, 1]}
    text = client.ask("workspace/executeCommand", show)
    assert "── 1 assistant" in text and "在那边" in text
    shown = client.hear("window/showDocument")
    assert shown["uri"].startswith("glmlint-tokens:/tokens.jsonl-2.txt?")
    assert client.ask("workspace/textDocumentContent", {"uri": shown["uri"]}) == {"text": text}
    editor.change([{"text": f"\n{GOOD}\n{BAD}"}])
    assert client.hear("workspace/textDocumentContent/refresh") == {"uri": shown["uri"]}
    rule = client.ask("workspace/textDocumentContent", {"uri": "glmlint-rule:/null-content.md"})
    assert "null-content" in rule["text"]
    for bad in ([editor.uri, 0], [editor.uri, -1], ["file:///no", 0]):
        wrong = client.start("workspace/executeCommand", {**show, "arguments": bad})
        assert "error" in client.answer(wrong) and "Traceback" not in str(wrong)
    editor.close()


def test_findings_can_be_asked_for(editor: Editor) -> None:
    pushed = editor.open("pull.jsonl", f"{BAD}\n")
    about = {"textDocument": {"uri": editor.uri}}
    first = editor.client.ask("textDocument/diagnostic", about)
    assert (first["kind"], first["items"]) == ("full", pushed)
    again = editor.client.ask(
        "textDocument/diagnostic", {**about, "previousResultId": first["resultId"]}
    )
    assert again == {"kind": "unchanged", "resultId": first["resultId"]}
    editor.close()


def test_documents_without_a_file_and_at_odd_places(editor: Editor) -> None:
    assert [one["code"] for one in editor.open("untitled:Untitled-1", BAD)] == ["unknown-role"]
    editor.close()
    assert editor.open("file:///c%3A/%E6%95%B0%E6%8D%AE/a.jsonl", f"{BAD}\r\n\r\n{GOOD}") != []
    editor.close()
    assert editor.open("file:///tmp/package.json", '{"name": "x"}', "json") == []
    editor.close()
    assert editor.open("file:///a%00b.jsonl", "\ufeff" + BAD) != []
    editor.close()


def test_settings_are_read_upwards_and_again(editor: Editor) -> None:
    folder = editor.folder / "own"
    folder.mkdir()
    settings_file = folder / "glmlint.toml"
    settings_file.write_text('select = ["null-content"]\n')
    client = editor.client
    assert editor.open("own/a.jsonl", f"{BAD}\n") == []
    settings_file.write_text('ignore = ["no-such-rule"]\n')
    changed = {"changes": [{"uri": settings_file.as_uri(), "type": 2}]}
    client.tell("workspace/didChangeWatchedFiles", changed)
    assert editor.findings() == []
    assert "no-such-rule" in client.hear("window/showMessage")["message"]
    settings_file.unlink()
    client.tell("workspace/didChangeWatchedFiles", changed)
    assert [one["code"] for one in editor.findings()] == ["unknown-role"]
    client.tell(
        "workspace/didChangeConfiguration", {"settings": {"glmlint": {"select": ["null-content"]}}}
    )
    assert editor.findings() == []
    client.tell("workspace/didChangeConfiguration", {"settings": {"glmlint": {"nonsense": 1}}})
    assert "nonsense" in client.hear("window/showMessage")["message"]
    client.tell("workspace/didChangeConfiguration", {"settings": {"glmlint": {}}})
    assert editor.findings() != []
    editor.close()


def test_after_many_changes_the_findings_are_those_of_the_text(editor: Editor) -> None:
    """Some of them come while a check runs, several in one message."""
    random = Random(7)
    text = f"{BAD}\n{GOOD}\n"
    editor.open("typing.jsonl", text)
    pieces = ["😀", "你", "\n", "\r\n", "null", '"', "}", "{", "\u2028", BAD, ""]
    for _ in range(12):
        made = []
        for _ in range(random.randint(1, 3)):
            good = [n for n in range(len(text) + 1) if text[n - 1 : n + 1] != "\r\n" or n == 0]
            start, stop = sorted(random.choices(good, k=2))
            stop = min(stop, next(n for n in good if n >= min(start + 9, len(text))))
            begin, end = (place_of(text, at, UTF16) for at in (start, stop))
            new = random.choice(pieces)
            range_ = {
                name: {"line": place[0], "character": place[1]}
                for name, place in (("start", begin), ("end", end))
            }
            made.append({"range": range_, "text": new})
            text = text[:start] + new + text[stop:]
        editor.change(made)
    about = {"textDocument": {"uri": editor.uri}}
    found = editor.client.ask("textDocument/diagnostic", about)["items"]
    expected = checked_of(text, path_of(editor.uri) or "")
    assert [(one["code"], one["range"]["start"]) for one in found] == [
        (one.finding.rule, dict(zip(("line", "character"), expected.text.place(one.start), strict=True)))
        for one in expected.findings
    ]  # fmt: skip
    editor.close()


def test_closing_and_cancelling_in_the_midst_leaves_nothing(editor: Editor) -> None:
    client = editor.client
    for name in ("gone.jsonl", "gone2.jsonl"):
        editor.uri = (editor.folder / name).as_uri()
        item = {"uri": editor.uri, "languageId": "jsonl", "version": 1, "text": f"{BAD}\n" * 300}
        client.tell("textDocument/didOpen", {"textDocument": item})
        range_ = {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}
        number = client.start(
            "textDocument/codeAction", editor.about(range_, context={"diagnostics": []})
        )
        client.tell("$/cancelRequest", {"id": number})
        client.tell("textDocument/didClose", {"textDocument": {"uri": editor.uri}})
        response = client.answer(number)
        assert response.get("result") == [] or response["error"]["code"] == -32800
    assert editor.open("alive.jsonl", GOOD) == []
    editor.close()
    assert [one for one in client.heard if one["method"] == "window/logMessage"] == []
