"""What the documents name is there: commands, flags, rules, keys, files, hooks."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from processes import LIMIT

import glmlint
from glmlint.app.cli import cli
from glmlint.app.settings import resolve
from glmlint.engine.baseline import write_baseline
from glmlint.extras import EXTRAS, install
from glmlint.read.schema import load_schema
from glmlint.rules.base import FAMILIES, all_rules
from glmlint.trainer.base import all_trainers

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for folder in ("", "trainers/", "zh/") for page in ROOT.glob(f"docs/{folder}*.md")),
    ]
)
OWN_PAGES = [page for page in PAGES if page.name not in {"convert.md", "scoring.md", "loader.md"}]
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
GOOD = (
    '{"messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2."}]}\n'
)
BAD = GOOD.replace('"user"', '"human"')


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def blocks(page: Path, language: str | None = None) -> list[str]:
    """The fenced blocks of a page, all or those of one language."""
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"))
    return [text for kind, text in found if language is None or kind == language]


def spans(page: Path) -> list[str]:
    """What stands between single backticks outside of blocks."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    return re.findall(r"`([^`\n]+)`", text)


def commands_in(page: Path) -> list[str]:
    """Every `glmlint …` that a page shows: a folded line of YAML counts as one."""
    lines = [
        line for text in blocks(page) for line in re.sub(r"\s*\n\s+(?=--)", " ", text).splitlines()
    ]
    found = [
        re.search(r"(?:^|[\s/$])(glmlint [a-z]+\b.*)", text) for text in [*lines, *spans(page)]
    ]
    return [match[1].partition(" | ")[0].partition(" > ")[0] for match in found if match]


@cache
def flags_of(command: str) -> frozenset[str]:
    """The flags of a command, as click knows them."""
    context = click.Context(cli)
    found = cli.get_command(context, command)
    assert found is not None, f"no command {command}"
    return frozenset(
        flag
        for option in found.get_params(context)
        for flag in (*option.opts, *option.secondary_opts)
    )


@cache
def all_flags() -> frozenset[str]:
    context = click.Context(cli)
    own = [flag for option in cli.get_params(context) for flag in option.opts]
    return frozenset(own).union(*(flags_of(name) for name in cli.list_commands(context)))


@each_page
def test_commands_and_their_flags_exist(page: Path) -> None:
    for shown in commands_in(page):
        _, command, *rest = re.split(r"[\s…]+", shown.partition("  #")[0])
        known = flags_of(command)
        for word in rest:
            if match := re.match(r"--?[a-z][a-z-]*", word):
                assert match[0] in known, f"{shown}: no {match[0]}"


@pytest.mark.parametrize("page", OWN_PAGES, ids=name_of)
def test_flags_named_alone_exist(page: Path) -> None:
    named = [match[0] for span in spans(page) if (match := re.match(r"--[a-z][a-z-]+", span))]
    assert set(named) <= all_flags() | {"--strict", "--max-turns"}


@pytest.mark.parametrize("page", OWN_PAGES, ids=name_of)
def test_names_of_rules_and_recipes_exist(page: Path) -> None:
    known = {*all_rules(), *all_trainers(), *HOOKS, *load_schema("config")["properties"]}
    known |= {
        *FAMILIES,
        "ms-swift",
        "pre-commit",
        "shouting-user",
        "too-many-turns",
        "max-turns",
        "last-answer",
    }
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    known |= {*action["inputs"], *action["outputs"]}
    named = {span for span in spans(page) if re.fullmatch(r"[a-z]+(-[a-z]+)+", span)}
    assert named <= known


@each_page
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("readme", ["README.md", "README_zh.md"])
def test_both_readmes_show_the_same_commands_pictures_and_links(readme: str) -> None:
    """A link may lead to the Chinese page in place of the English one."""

    def facts(name: str) -> tuple[list[str], list[str]]:
        page = ROOT / name
        shown = [command.partition("  #")[0].rstrip() for command in commands_in(page)]
        links = re.findall(r"\]\(([^)]+)", page.read_text(encoding="utf-8"))
        english = [
            re.sub(r"/(trainers|recipes)\.md", r"/\1/README.md", link.replace("/zh/", "/"))
            for link in links
            if not link.startswith("README")
        ]
        return shown, english

    assert facts(readme) == facts("README.md")
    assert "docs/check.svg" in facts(readme)[1] and "docs/show.svg" in facts(readme)[1]


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"(?m)(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert re.search(rf"(?m)^{target}:", makefile), f"{page.name}: make {target}"


def test_settings_of_the_documents_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "glmlint.toml"
    write_baseline(str(tmp_path / "glmlint-baseline.json"), {})
    shown = [text for page in PAGES for text in blocks(page, "toml")]
    assert len(shown) >= 2
    for text in shown:
        file.write_text(text, encoding="utf-8")
        assert resolve({"config": str(file)}).origins["recipe"] == str(file)


def test_every_setting_is_described() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [key for key in load_schema("config")["properties"] if key not in page] == []


def test_every_key_of_the_report_is_described() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")

    def keys(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        return {*schema.get("properties", {})}.union(*map(keys, schema.values()))

    named = set(re.findall(r"[a-z_0-9]+", page))
    assert keys(load_schema("report")) - named == set()


def test_every_recipe_is_described() -> None:
    page = ROOT / "docs" / "recipes" / "README.md"
    assert set(all_trainers()) <= {span.strip("[]") for span in spans(page)}


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "glmlint", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False,
        env={**os.environ, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **environment}, timeout=LIMIT
    )  # fmt: skip


@pytest.mark.parametrize(("readme", "lang"), [("README.md", "en"), ("README_zh.md", "zh")])
def test_the_gate_prints_what_the_readme_says(readme: str, lang: str) -> None:
    gate = next(text for text in commands_in(ROOT / readme) if "--max-truncated-samples" in text)
    command = shlex.split(gate.replace("train.jsonl", "examples/train.jsonl"))[1:]
    done = run(*command, "--lang", lang, cwd=ROOT)
    assert done.returncode == 1
    shown = [
        line
        for text in blocks(ROOT / readme)
        for line in text.splitlines()
        if re.match(r"examples/train\.jsonl:[^ ]* error", line) or "error too-many" in line
    ]
    assert len(shown) == 2
    assert set(shown) <= set(done.stdout.splitlines())


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_hooks_pass_good_files_and_stop_bad_ones(hook: dict[str, Any], tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(GOOD)
    bad.write_text(BAD)
    program, *arguments = shlex.split(hook["entry"])
    assert program == "glmlint" and hook["language"] == "python"
    assert run(*arguments, good.name, cwd=tmp_path).returncode == 0
    assert good.read_text() == GOOD
    stopped = run(*arguments, good.name, bad.name, cwd=tmp_path).returncode == 1
    assert stopped or bad.read_text() != BAD  # pre-commit stops at a changed file, too


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_hooks_take_data_files_only(hook: dict[str, Any]) -> None:
    takes = re.compile(hook["files"]).search
    assert hook["types"] == ["text"]
    assert takes("train.jsonl") and takes("data/a.ndjson")
    assert not takes("package.json") and not takes("a.jsonl.md")
    assert "additional_dependencies" not in hook


def test_the_core_needs_neither_torch_nor_transformers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {re.split(r"[^a-z0-9-]", need)[0] for need in project["dependencies"]}
    assert core == {
        "click",
        "detect-secrets",
        "jinja2",
        "jsonschema",
        "msgspec",
        "numpy",
        "pathspec",
        "python-stdnum",
        "pyyaml",
        "rich",
        "splintr-rs",
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for extra in project["optional-dependencies"].keys() - {"dev", "docs"}:
        assert f"[{extra}]" in readme, extra


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkout with the rule of the contributors' page put in."""
    example, *_ = blocks(ROOT / "CONTRIBUTING.md", "python")
    without = shutil.ignore_patterns("__pycache__", "schemas")
    shutil.copytree(Path(glmlint.__file__).parent, tmp_path / "glmlint", ignore=without)
    shutil.copytree(ROOT / "schemas", tmp_path / "glmlint" / "schemas")
    for name in ("tests", "docs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=without)
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "glmlint" / "rules" / "shouting_user.py").write_text(example, encoding="utf-8")
    return tmp_path


def python(copy: Path, *arguments: str) -> None:
    """Run a tool of the house in the copy; it must be content."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTEST_ADDOPTS": ""}, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rule_of_the_contributors_page_passes_what_every_rule_must_pass(copy: Path) -> None:
    rule = "glmlint/rules/shouting_user.py"
    python(copy, "-m", "ruff", "check", rule)
    python(copy, "-m", "ruff", "format", "--check", rule)
    python(copy, "docs/make_rules.py")
    assert "shouting" in (copy / "docs" / "rules" / "shouting-user.md").read_text("utf-8")
    tests = ("tests/test_rules.py", "tests/test_docs.py")
    chosen = "shouting or title or named_as or the_pages_are_fresh or index"
    python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *tests, "-k", chosen)


def test_the_rule_of_the_contributors_page_works(copy: Path) -> None:
    tmp_path = copy
    (tmp_path / "a.jsonl").write_text(GOOD.replace("1+1?", "HELLO"))
    done = run(
        "check", "a.jsonl", "--format", "json", cwd=tmp_path, PYTHONPATH=str(tmp_path)
    )  # fmt: skip
    assert [finding["rule"] for finding in json.loads(done.stdout)["findings"]] == ["shouting-user"]


def test_every_extra_is_named_and_installed_in_a_way_that_works_today() -> None:
    """The index has no glmlint yet: a checkout, git, or the packages themselves."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for name, packages in EXTRAS.items():
        assert packages.split() == [re.split(r"[^a-z0-9-]", need)[0] for need in extras[name]]
        for text in install(name):
            assert f"pip install {packages}" in text and f"pip install '.[{name}]'" in text
    assert extras.keys() - EXTRAS.keys() == {"dev", "docs"}
    sources = [*PAGES, *ROOT.glob("docs/rules/*.md"), *Path(glmlint.__file__).parent.rglob("*.py")]
    for file in sources:
        told = file.read_text(encoding="utf-8")
        for asked in re.findall(r"""pip install ["']?(glmlint[^\n]*)""", told):
            assert re.match(r"glmlint(\[\w+\])? @ git\+", asked), (
                f"{file.name}: pip install {asked}"
            )
