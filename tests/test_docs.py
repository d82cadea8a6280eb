"""docs/rules/ is what the rules' own files say, and `glmlint explain` shows the same examples."""

from __future__ import annotations

import importlib.util
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from glmlint.converters.base import formats
from glmlint.reporters.catalogue import example_files, write_rule
from glmlint.reporters.json import page
from glmlint.rules.base import Example, all_rules, general
from glmlint.trainer.base import all_trainers

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "rules"


@cache
def script(name: str) -> Any:
    """A script of docs/, which is no part of the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_fresh() -> None:
    pytest.importorskip("rensa")
    pytest.importorskip("detect_secrets")
    pytest.importorskip("stdnum")
    written = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    fresh = script("make_rules").pages()
    stale = sorted(name for name in {*written, *fresh} if written.get(name) != fresh.get(name))
    assert stale == [], "run: python docs/make_rules.py"


def test_the_pages_of_the_trainers_are_fresh() -> None:
    folder = ROOT / "docs" / "recipes"
    written = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}
    assert written == script("make_recipes").pages(), "run: python docs/make_recipes.py"


def test_the_limits_of_the_rules_are_in_the_schema_and_on_the_page() -> None:
    made = script("make_settings")
    assert made.SCHEMA.read_text(encoding="utf-8") == made.schema_text()
    assert made.PAGE.read_text(encoding="utf-8") == made.page_text()


def test_the_tables_of_the_formats_are_fresh() -> None:
    made = script("make_formats")
    fresh = made.page_text()
    assert made.PAGE.read_text(encoding="utf-8") == fresh, "run: python docs/make_formats.py"
    assert set(formats()) <= set(re.findall(r"(?m)^\| `([^`]+)` \|", fresh))


def test_the_pictures_show_what_is_printed_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # and back
    for name, picture in script("make_screenshots").pictures().items():
        drawn = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert drawn == picture, "run: python docs/make_screenshots.py"


def test_the_index_names_every_rule_and_links_to_its_page() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\| \[([a-z0-9-]+)\]\(\1\.md\) \|", index))
    assert linked == set(all_rules())
    assert all((FOLDER / f"{name}.md").is_file() for name in linked)


def test_every_page_shows_what_its_bad_examples_report() -> None:
    for name, entry in all_rules().items():
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        reported = text.partition("## Reported")[2].partition("## Not reported")[0]
        assert (f" {name} " in reported) == (entry.rule.family != "score"), name
        advice = general(entry.rule.help, entry.rule).zh.replace("{{", "{").replace("}}", "}")
        assert advice in text.replace("\\", ""), name


def test_a_finding_links_to_its_page() -> None:
    for name in all_rules():
        assert (ROOT / page(name)).is_file()


def test_no_page_spells_out_a_key() -> None:
    keys = re.compile(r"AKIA[0-9A-Z]{16}|ghp_[0-9A-Za-z]{36}|1101021902\d+|4539 ?7120|DE28 ?9909")
    for file in FOLDER.glob("*.md"):
        found = keys.findall(file.read_text(encoding="utf-8"))
        assert all("EXAMPLE" in key or "xxxx" in key for key in found), file.name


def explained(rule: str) -> str:
    out = io.StringIO()
    write_rule(rule, out, "en", 200, False)
    return out.getvalue()


def test_explain_shows_the_bytes_of_file_examples() -> None:
    text = explained("not-jsonl")
    assert "version https://git-lfs.github.com/spec/v1" in text and "train.jsonl:" in text
    assert "\\xff" in explained("not-utf8")
    assert "dev.jsonl:" in explained("train-val-overlap")


def test_explain_shows_braces_as_the_findings_do() -> None:
    assert 'such as {"city": "Rome"}' in explained("invalid-tool-arguments")


def test_every_example_shows_something() -> None:
    for name, entry in all_rules().items():
        for example in (*entry.rule.bad, *entry.rule.good):
            whole = example if isinstance(example, Example) else Example(rows=(example,))
            shown = [line for _, lines in example_files(whole) for line in lines]
            assert shown or not (whole.rows or whole.file), name


def test_parity_names_every_trainer_that_has_a_package() -> None:
    """`docs/make_parity.py` writes the page from ../shared, which takes half a minute."""
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")][1:]
    known = {trainer.called.en for trainer in all_trainers().values()}
    own = {"the trainer", "the official script", "the official vision script"}
    own.add("a trainer of this kind")
    assert {row[0].strip() for row in rows} == known - own
    for row in rows:
        of, equal, dropped, raised, differ = map(int, row[3:])
        assert of == equal + dropped + raised + differ and differ * 100 <= of
    assert "not known" not in page
