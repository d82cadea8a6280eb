"""A rule, a recipe or a format is one file: put in, it is there in every command, and nothing else
changes. The walks of CONTRIBUTING.md are taken as they are written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import LIMIT

import glmlint
from glmlint.read.schema import schema_folder
from glmlint.reporters.base import names

RULE = '''"""A user who shouts.

Capital letters teach nothing by themselves. Evidence: made up for a test.
"""

from glmlint.rules.base import Rule, Text

rule = Rule(
    name="shouting-user",
    family="content",
    title_zh="用户在大喊大叫",
    severity="error",
    text=Text("{place} is all capitals", "{place} 全是大写字母"),
    help=Text("Lower the voice.", "改成小写。"),
    bad=({"messages": [{"role": "user", "content": "HELLO"}]},),
    good=({"messages": [{"role": "user", "content": "hello"}]},),
)


def check(row):
    for index, message in row.good_messages:
        content = message.get("content")
        if message.get("role") == "user" and isinstance(content, str) and content.isupper():
            yield rule.problem(("messages", index, "content"), place=f"messages[{index}].content")
'''

RECIPE = '''"""A trainer that trains on everything, made up for a test."""

from glmlint.trainer.base import Text, Trainer, messages_of
from glmlint.trainer.layout import NONE, PREFIX, SAME, Layout


class Everything(Trainer):
    name = "train-on-everything"
    title = Text("Everything is trained", "全部参与训练")
    source = "made up"
    date = "2026-01-01"
    supervises = Text("every token", "所有标记")

    def lay_out(self, row, context):
        layout = Layout([], [], [], [])
        layout.add([context.id("[gMASK]"), context.id("<sop>")], NONE, PREFIX)
        for index, message in enumerate(messages_of(row)):
            layout.add(context.split(message["content"]), SAME, index)
        return layout


trainer = Everything()
'''


GOLDEN = [
    {"settings": {"recipe": "train-on-everything"}, **line}
    for line in (
        {
            "row": {"messages": [{"role": "user", "content": "hello world"}]},
            "input_ids": [151331, 151333, 14978, 1879],
            "labels": [-100, -100, 14978, 1879],
        },
        {
            "row": {"messages": [{"role": "user", "content": ""}]},
            "input_ids": [151331, 151333],
            "labels": [-100, -100],
        },
        {"row": {"messages": []}, "input_ids": [151331, 151333], "labels": [-100, -100]},
    )
]

ROOT = Path(__file__).parents[1]
WALKS = ROOT / "CONTRIBUTING.md"
WALK_FILES = ("rules/too_many_turns.py", "recipes/last_answer.py", "reporters/tsv.py")
"""Where the examples of the page belong, behind the first one (`test_house.py` has that)."""


def examples(page: Path) -> list[str]:
    """The files that a page shows."""
    return re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text(encoding="utf-8"))


WALK_GOLDEN = [
    *(json.loads(one) for one in re.findall(r'(?m)^{"settings".*', WALKS.read_text("utf-8"))),
    {
        "settings": {"recipe": "last-answer"},
        "row": {
            "messages": [
                {"role": "user", "content": "hello world"},
                {"role": "assistant", "content": "hello"},
            ]
        },
        "input_ids": [151331, 151333, 151336, 198, 14978, 1879, 151337, 198, 14978, 151329],
        "labels": [*[-100] * 7, 198, 14978, 151329],
    },
]

FORMAT = '''"""Findings as a table, made up for a test."""

name = "csv"


def write(result, out, options):
    for finding in result.findings:
        out.write(f"{finding.line},{finding.rule}\\n")
'''

NO_FORMATS = {
    "helper": "def shared():\n    return 1\n",
    "half": 'name = "half"\n',
    "other": 'name = "another"\n\n\ndef write(result, out, options):\n    return None\n',
    "inner": 'def outer():\n    name = "inner"\n    def write(result, out, options):\n        return name\n',
}
"""Files that may stand beside the formats."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of glmlint with one more rule, recipe and format, and files that are none."""
    folder = tmp_path_factory.mktemp("copy")
    source = Path(glmlint.__file__).parent
    shutil.copytree(source, folder / "glmlint")
    shutil.copytree(schema_folder(), folder / "glmlint" / "schemas", dirs_exist_ok=True)
    (folder / "glmlint" / "rules" / "shouting_user.py").write_text(RULE, encoding="utf-8")
    (folder / "glmlint" / "recipes" / "everything.py").write_text(RECIPE, encoding="utf-8")
    (folder / "glmlint" / "reporters" / "csv.py").write_text(FORMAT, encoding="utf-8")
    for name, text in zip(WALK_FILES, examples(WALKS)[1:], strict=True):
        (folder / "glmlint" / name).write_text(text, encoding="utf-8")
    (gemini,) = examples(ROOT / "docs" / "convert.md")
    (folder / "glmlint" / "converters" / "gemini.py").write_text(gemini, encoding="utf-8")
    for name, text in NO_FORMATS.items():
        (folder / "glmlint" / "reporters" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def glmlint_in(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package), "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, "-m", "glmlint", *arguments],
        capture_output=True, text=True, env=environment, cwd=package, check=False, timeout=LIMIT
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> str:
    file = tmp_path / "train.jsonl"
    row = {
        "messages": [{"role": "user", "content": "HELLO"}, {"role": "assistant", "content": "hi"}]
    }
    file.write_text(json.dumps(row) + "\n")
    return str(file)


def test_the_rule_reports(package: Path, data: str) -> None:
    done = glmlint_in(package, "check", data, "--format", "json")
    assert done.returncode == 1, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert [(f["rule"], f["pointer"], f["column"]) for f in findings] == [
        ("shouting-user", "/messages/0/content", 43)
    ]


def test_the_rule_is_in_the_catalogue(package: Path) -> None:
    listed = json.loads(glmlint_in(package, "rules", "--format", "json").stdout)
    assert "shouting-user" in [entry["name"] for entry in listed]
    explained = glmlint_in(package, "explain", "shouting-user")
    assert explained.returncode == 0
    assert "Capital letters teach nothing" in explained.stdout
    assert "HELLO" in explained.stdout


def test_the_rule_can_be_ignored(package: Path, data: str) -> None:
    assert glmlint_in(package, "check", data, "--ignore", "shouting-user").returncode == 0


def test_the_recipe_counts(package: Path, data: str) -> None:
    done = glmlint_in(
        package, "check", data, "--recipe", "train-on-everything", "--format", "json",
        "--select", "shouting-user",
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["recipe"] == "train-on-everything"
    assert report["totals"]["supervised_tokens"] == report["totals"]["tokens"] - 2 > 0
    encoded = glmlint_in(package, "encode", data, "--recipe", "train-on-everything").stdout
    assert json.loads(encoded)["labels"][:2] == [-100, -100]


def test_the_recipe_is_listed(package: Path) -> None:
    listed = json.loads(glmlint_in(package, "recipes", "--format", "json").stdout)
    assert "train-on-everything" in [entry["name"] for entry in listed]


def test_the_format_is_there_and_in_the_help(package: Path, data: str) -> None:
    done = glmlint_in(package, "check", data, "--format", "csv", "--select", "shouting-user")
    assert (done.stdout, done.returncode) == ("1,shouting-user\n", 1), done.stderr
    told = " ".join(glmlint_in(package, "check", "--help").stdout.split())
    assert "--max-turns N Report conversations of more turns." in told
    *others, last = sorted({*names(), "csv", "tsv"})
    assert f"{', '.join(others)} or {last}; may be repeated" in told


@pytest.mark.parametrize("name", [*NO_FORMATS, "base", "words", "tables", "nothing", "../csv"])
def test_a_file_beside_the_formats_is_none(package: Path, data: str, name: str) -> None:
    done = glmlint_in(package, "check", data, "--format", name)
    assert done.returncode == 2 and done.stdout == ""
    known = ", ".join(sorted({*names(), "csv", "tsv"}))
    assert done.stderr == f"glmlint: unknown format {name}: one of {known}\n"


def test_the_row_format_of_the_page_is_converted_and_named(package: Path, tmp_path: Path) -> None:
    turns = [{"role": role, "parts": [{"text": role}]} for role in ("user", "model")]
    file = tmp_path / "gemini.jsonl"
    file.write_text(json.dumps({"contents": turns}) + "\n")
    done = glmlint_in(package, "convert", str(file), "--to", "openai")
    assert done.returncode == 0, done.stderr
    assert [message["content"] for message in json.loads(done.stdout)["messages"]] == [
        "user",
        "model",
    ]
    report = json.loads(glmlint_in(package, "check", str(file), "--format", "json").stdout)
    assert [finding["rule"] for finding in report["findings"]] == ["other-format"]
    assert "gemini" in report["findings"][0]["message"]


def copy_of_the_repository(package: Path, folder: Path, golden: list[dict[str, Any]]) -> None:
    """The package with the trainer, and the repository's tests and docs as they are."""
    folder.mkdir()
    (folder / "glmlint").symlink_to(package / "glmlint")
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "tests" / "golden").mkdir(parents=True)
    for name in ("conftest.py", "test_golden_by_name.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests")
    for name, rows in (("train-on-everything", golden), ("last-answer", WALK_GOLDEN)):
        lines = "".join(json.dumps(line) + "\n" for line in rows)
        (folder / "tests" / "golden" / f"{name}.jsonl").write_text(lines)


def in_copy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment,
        cwd=folder, check=False, timeout=LIMIT,
    )  # fmt: skip


def test_the_golden_file_of_the_trainer_is_found_by_its_name(package: Path, tmp_path: Path) -> None:
    wrong = GOLDEN[0] | {"labels": [-100, -100, -100, 1879]}
    for name, golden, told in (
        ("right", GOLDEN, "2 passed"),
        ("wrong", [*GOLDEN, wrong], "line 4"),
    ):
        folder = tmp_path / name
        copy_of_the_repository(package, folder, golden)
        done = in_copy(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "everything or last-answer",
                       "tests/test_golden_by_name.py")  # fmt: skip
        assert told in done.stdout, done.stdout + done.stderr
        assert (done.returncode == 0) == (golden is GOLDEN)


def test_the_docs_are_generated(package: Path, tmp_path: Path) -> None:
    copy_of_the_repository(package, tmp_path / "copy", GOLDEN)
    makers = ("make_recipes", "make_settings", "make_formats")
    code = "import sys; sys.path.insert(0, 'docs')\n" + "".join(
        f"import {maker}; {maker}.main()\n" for maker in makers
    )
    done = in_copy(tmp_path / "copy", "-c", code)
    assert done.returncode == 0, done.stderr
    docs = tmp_path / "copy" / "docs"
    assert "made up" in (docs / "recipes" / "train-on-everything.md").read_text(encoding="utf-8")
    assert "train-on-everything.md" in (docs / "recipes" / "README.md").read_text(encoding="utf-8")
    assert "| `max-turns` | count | off |" in (docs / "settings.md").read_text(encoding="utf-8")
    assert "| `gemini` | `contents` of" in (docs / "convert.md").read_text(encoding="utf-8")
    schema = json.loads((tmp_path / "copy" / "schemas" / "config.schema.json").read_bytes())
    assert schema["properties"]["max-turns"]["$ref"] == "#/$defs/count"
    old = json.loads((ROOT / "schemas" / "config.schema.json").read_bytes())
    assert schema["properties"].keys() == old["properties"].keys() | {"max-turns"}


def test_the_limit_is_a_flag_and_a_setting(package: Path, data: str, tmp_path: Path) -> None:
    """From the rule's file alone, before anything is generated."""
    settings = tmp_path / "glmlint.toml"
    settings.write_text("max-turns = 1.0\n")
    told = "too-many-turns\t2 turns, over the limit of 1\n"
    for given in (("--max-turns", "1"), ("--config", str(settings))):
        done = glmlint_in(
            package, "check", data, *given, "--ignore", "shouting-user", "--format", "tsv"
        )
        assert done.stdout == f"{data}\t1\t{told}", done.stderr
        assert done.returncode == 0
    for given, sentence in (
        (("--max-turns", "1.5"), "'1.5' is not an integer of at least 0"),
        (("--max-lost-share", "nan"), "max-lost-share: nan is not a number"),
    ):
        done = glmlint_in(package, "check", data, *given)
        assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr


def test_what_is_said_is_true_of_the_trainer(package: Path, tmp_path: Path) -> None:
    file = tmp_path / "two.jsonl"
    turns = [{"role": role, "content": role} for role in ("user", "assistant")] * 2
    empty = [
        {"role": "system", "content": ""},
        *turns[:2],
        {"role": "user", "content": ""},
        turns[1],
    ]
    null = [{"role": "user", "content": None}, turns[1]]
    rows = ({"messages": talk} for talk in (turns, empty, null))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = glmlint_in(package, "check", str(file), "--recipe", "last-answer", "--format", "json",
                      "--extend-select", "empty-content")  # fmt: skip
    found = {
        (one["rule"], one["line"], one["severity"]): one
        for one in json.loads(done.stdout)["findings"]
    }
    history = found["history-not-trained", 1, "warning"]
    assert "last-answer" in history["message"]
    assert "combine" not in history["help"] and "glm4" not in history["help"]
    for severity in ("info", "warning"):  # it prints them, though GLM's template would not
        assert "printed with nothing in it" in found["empty-content", 2, severity]["message"]
    assert "raises TypeError" in found["null-content", 3, "error"]["message"]
