"""docs/rules/ and docs/zh/rules/ are what the rules' own files say, and `glmlint explain` shows the same examples."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import LIMIT

from glmlint.converters.base import formats
from glmlint.reporters.catalogue import example_files, write_rule
from glmlint.reporters.json import page
from glmlint.rules.base import Example, all_rules, general
from glmlint.trainer.base import all_trainers

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "rules"
ZH = ROOT / "docs" / "zh" / "rules"


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
    made = script("make_rules")
    for lang, folder in made.FOLDERS.items():
        written = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}
        fresh = made.pages(lang)
        stale = sorted(name for name in {*written, *fresh} if written.get(name) != fresh.get(name))
        assert stale == [], "run: python docs/make_rules.py"


def test_the_pages_of_the_commands_are_fresh() -> None:
    for path, text in script("make_commands").pages().items():
        assert path.read_text(encoding="utf-8") == text, "run: python docs/make_commands.py"


class SiteLoader(yaml.SafeLoader):
    """mkdocs.yml, whose tags of Python are left alone."""


SiteLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    def pages(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        values = entry.values() if isinstance(entry, dict) else entry
        return [page for value in values for page in pages(value)]

    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = pages(yaml.load(text, SiteLoader)["nav"])
    docs = ROOT / "docs"
    folders = ("", "trainers/", "zh/")
    there = {str(page.relative_to(docs)) for one in folders for page in docs.glob(f"{one}*.md")}
    assert set(named) == there | {f"{one}/README.md" for one in ("rules", "recipes", "zh/rules")}
    assert len(set(named)) == len(named)


def test_the_site_is_built_where_its_tools_are(tmp_path: Path) -> None:
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "zh" / "index.html").read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page and not re.search(r'(src|href)="https?://[^"]+\.(js|css)', page)


def test_the_tutorials_show_what_is_printed_now() -> None:
    for path, text in script("make_tutorial").pages().items():
        assert path.read_text(encoding="utf-8") == text, "run: python docs/make_tutorial.py"


def test_the_pages_of_the_trainers_are_fresh() -> None:
    folder = ROOT / "docs" / "recipes"
    written = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}
    made = script("make_recipes")
    assert written == made.pages(), "run: python docs/make_recipes.py"
    assert made.ZH.read_text(encoding="utf-8") == made.page_zh(), "run: python docs/make_recipes.py"


def test_the_limits_of_the_rules_are_in_the_schema_and_on_the_page() -> None:
    made = script("make_settings")
    assert made.SCHEMA.read_text(encoding="utf-8") == made.schema_text()
    for lang, path in made.PAGES.items():
        text = path.read_text(encoding="utf-8")
        assert text == made.page_text(lang), "run: python docs/make_settings.py"


def test_the_tables_of_the_formats_are_fresh() -> None:
    made = script("make_formats")
    fresh = made.page_text()
    assert made.PAGE.read_text(encoding="utf-8") == fresh, "run: python docs/make_formats.py"
    reports = made.reports_text()
    assert made.REPORTS.read_text(encoding="utf-8") == reports, "run: python docs/make_formats.py"
    assert set(formats()) <= set(re.findall(r"(?m)^\| `([^`]+)` \|", fresh))


def test_the_pictures_show_what_is_printed_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # and back
    for name, picture in script("make_screenshots").pictures().items():
        drawn = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert drawn == picture, "run: python docs/make_screenshots.py"


@pytest.mark.parametrize("folder", [FOLDER, ZH])
def test_the_index_names_every_rule_and_links_to_its_page(folder: Path) -> None:
    index = (folder / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\| \[([a-z0-9-]+)\]\(\1\.md\) \|", index))
    assert linked == set(all_rules())
    assert all((folder / f"{name}.md").is_file() for name in linked)


def test_every_page_shows_what_its_bad_examples_report() -> None:
    titles = {"en": ("## Reported", "## Not reported"), "zh": ("## 会报告", "## 不会报告")}
    for name, entry in all_rules().items():
        for lang, folder in (("en", FOLDER), ("zh", ZH)):
            text = (folder / f"{name}.md").read_text(encoding="utf-8")
            first, second = titles[lang]
            reported = text.partition(first)[2].partition(second)[0]
            assert (f" {name} " in reported) == (entry.rule.family != "score"), name
            advice = general(entry.rule.help, entry.rule).plain(lang)
            assert advice.replace("{{", "{").replace("}}", "}") in text.replace("\\", ""), name


def test_a_finding_links_to_its_page() -> None:
    for name in all_rules():
        assert (ROOT / page(name)).is_file()


def test_no_page_spells_out_a_key() -> None:
    keys = re.compile(r"AKIA[0-9A-Z]{16}|ghp_[0-9A-Za-z]{36}|1101021902\d+|4539 ?7120|DE28 ?9909")
    for file in [*FOLDER.glob("*.md"), *ZH.glob("*.md")]:
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
