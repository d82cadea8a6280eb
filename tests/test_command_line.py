"""The command line in both languages: help, usage errors, settings shown, and `init`."""

from __future__ import annotations

import io
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from glmlint.app.cli import LATER, cli
from glmlint.app.flags import GROUPS, Argument, Option
from glmlint.app.init import Answers
from glmlint.app.process import run
from glmlint.app.settings import resolve
from glmlint.output import language
from glmlint.plan import Plan
from glmlint.read.schema import load_schema

GOOD = '{"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好！"}]}\n'
ROOT = click.Context(cli, info_name="glmlint", help_option_names=["-h", "--help"])
COMMANDS = [cli, *(cli.get_command(ROOT, name) for name in cli.list_commands(ROOT))]


@pytest.fixture
def glmlint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[object]:
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["glmlint", *arguments])
        assert run(cli) == code
        return capsys.readouterr()

    yield call


# --- help ----------------------------------------------------------------------------------------


def parameters() -> list[click.Parameter]:
    return [
        parameter
        for command in COMMANDS
        for parameter in command.get_params(click.Context(command, parent=ROOT))
    ]


def is_chinese(text: str) -> bool:
    return re.search("[一-鿿]", text) is not None


NO_SENTENCE = re.compile(r"[a-z]+ [a-z]+ [a-z]+")
"""Three English words in a row."""


def test_every_command_and_flag_has_help_in_both_languages() -> None:
    for command in COMMANDS:
        assert is_chinese(command.summary.zh) and not is_chinese(command.summary.en), command.name
        assert command.more is None or is_chinese(command.more.zh)
    for _, text in LATER.values():
        assert is_chinese(text.zh)
    for parameter in parameters():
        assert isinstance(parameter, Option | Argument), parameter.name
        assert parameter.text.zh and parameter.text.en and not is_chinese(parameter.text.en)
        words = re.sub(r"[,、\s]|\bauto\b|[a-z]+:N|或", "", parameter.text.zh)
        assert is_chinese(parameter.text.zh) or re.fullmatch(r"[a-z。]+", words), parameter.name
        if isinstance(parameter, Option):
            assert parameter.group in GROUPS
    assert all(is_chinese(title.zh) for title in GROUPS.values())


@pytest.mark.parametrize("name", [None, *cli.list_commands(ROOT)])
def test_chinese_help_holds_no_english_sentence_and_fits(name: str | None, glmlint) -> None:
    words = [name] if name else []
    help_zh = glmlint(*words, "--help", "--lang", "zh")[0]
    assert glmlint("--lang", "zh", *words, "-h")[0] == help_zh
    told = [line for line in help_zh.splitlines() if not line.startswith("  glmlint ")]
    assert not [line for line in told if NO_SENTENCE.search(line)]
    assert "用法：" in help_zh and "显示本帮助并退出" in help_zh
    wide = [line for line in help_zh.splitlines() if len(line) + sum(map(is_chinese, line)) > 80]
    assert not wide
    help_en = glmlint(*words, "--help")[0]
    assert not is_chinese(help_en) and "Usage: glmlint" in help_en
    assert all(len(line) <= 80 for line in help_en.splitlines())


def test_flags_stand_under_headings(glmlint) -> None:
    told = glmlint("check", "--help")[0]
    heads = re.findall(r"(?m)^([A-Z]\w+):$", told)
    assert heads == [
        "Arguments", "Trainer", "Budget", "Rules", "Gates", "Files", "Fixing", "Running", "Output",
        "General",
    ]  # fmt: skip
    assert re.search(r"(?s)Budget:.*--max-length.*Rules:.*--select.*Gates:.*--fail-on", told)


def test_a_chinese_environment_is_enough(glmlint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "训练框架：" in glmlint("check", "--help")[0]
    assert "没有命令 chek" in glmlint("chek", code=2)[1]
    assert "no command chek" in glmlint("chek", "--lang", "en", code=2)[1]


def test_without_a_command_the_help_is_printed(glmlint) -> None:
    out, err = glmlint(code=2)
    assert out.startswith("Usage: glmlint") and err == ""


USAGE = (
    (("chek",), "no command chek; did you mean check?", "没有命令 chek；是否应为 check？"),
    (("check", "--max-lenght", "3"), "did you mean --max-length?", "是否应为 --max-length？"),
    (("check", "--max-length"), "--max-length needs a value", "--max-length 需要一个值"),
    (("check", "--fix=3"), "--fix takes no value", "--fix 不带值"),
    (("check", "--max-length", "x"), "'x' is not an integer of at least 1", "'x' 不是整数（不小于 1）"),
    (("check", "--max-lost-share", "3"), "'3' is not a number between 0 and 1", "0 到 1 之间"),
    (("check", "--fail-on", "eror"), "did you mean error?", "是否应为 error？"),
    (("show",), "missing argument FILE[:LINE]", "缺少参数 FILE[:LINE]"),
    (("convert", "a.jsonl"), "missing option --to", "缺少选项 --to"),
    (("score", "--model", "x"), "missing argument FILE…", "缺少参数 FILE…"),
    (("show", "a", "b"), "unexpected argument b", "多余的参数 b"),
    (("check", "--output-format", "jsn"), "unknown format jsn: one of", "未知的格式 jsn：可用的有"),
    (("explain", "null-contnt"), "did you mean null-content?", "是否应为 null-content？"),
    (("check", "nosuch.jsonl"), "nosuch.jsonl: no such file or folder", "文件或文件夹不存在"),
)  # fmt: skip


@pytest.mark.parametrize(("words", "english", "chinese"), USAGE)
def test_usage_errors_are_one_line_in_the_language_asked_for(
    words: tuple[str, ...], english: str, chinese: str, glmlint
) -> None:
    out, err = glmlint(*words, code=2)
    assert english in err and err.count("\n") == 1 and out == ""
    assert not is_chinese(err)
    out, err = glmlint("--lang", "zh", *words, code=2)
    assert chinese in err and err.count("\n") == 1 and out == ""
    assert not NO_SENTENCE.search(err)


def test_explain_lists_and_takes_several(glmlint) -> None:
    listed = glmlint("explain")[0]
    assert "null-content" in listed and "unknown-role" in listed
    both = glmlint("explain", "unknown-role", "null-content")[0]
    assert both.index("unknown-role") < both.index("null-content")
    found = json.loads(glmlint("explain", "unknown-role", "null-content", "--format", "json")[0])
    assert [one["name"] for one in found] == ["unknown-role", "null-content"]
    assert found[0]["documentation"]


# --- settings ------------------------------------------------------------------------------------


def test_show_settings_says_where_each_came_from(glmlint, tmp_path: Path) -> None:
    (tmp_path / "glmlint.toml").write_text(
        'max-input-length = 100\nexclude = ["old"]\n'
        '[[per-file]]\nfiles = "eval/*"\nignore = ["content"]\n'
    )
    flags = ("--show-settings", "--recipe", "glm4-combine", "--severity", "null-content=error")
    told = glmlint("check", "a.jsonl", *flags)[0]
    assert tomllib.loads(told)["max-length"] == 613
    assert 'recipe = "glm4-combine"  # flag --recipe\n' in told
    assert "max-input-length = 100  # glmlint.toml: max-input-length\n" in told
    assert 'exclude = ["old"]  # glmlint.toml: exclude\n' in told
    assert "fail-on" in told and 'fail-on = "error"  # default' in told
    assert "per-file" not in told
    assert tomllib.loads(told)["severity"] == {"null-content": "error"}
    shown = set(re.findall(r"(?m)^(?:# )?([a-z-]+) =", told))
    assert set(load_schema("config")["properties"]) - {"per-file"} <= shown
    assert "per-file" in glmlint("check", "eval/a.jsonl", *flags)[0]
    (tmp_path / "glmlint.toml").unlink()
    (tmp_path / "pyproject.toml").write_text("[tool.glmlint]\nmax-length = 9\n")
    told = glmlint("check", "--show-settings", "--lang", "zh")[0]
    assert "max-length = 9  # pyproject.toml: tool.glmlint.max-length" in told
    assert 'recipe = "glm4"  # 默认' in told


def test_standard_input_has_the_name_that_it_is_given(
    glmlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "glmlint.toml").write_text(
        '[[per-file]]\nfiles = "eval.jsonl"\nignore = ["structure", "mask"]\n'
    )
    bad = GOOD.replace('"user"', '"human"')
    kept = tmp_path / "eval" / "eval.jsonl"
    kept.write_text("{}")

    def check(name: str, *flags: str, code: int) -> list[dict[str, object]]:
        stream = io.TextIOWrapper(io.BytesIO(bad.encode()))
        monkeypatch.setattr(sys, "stdin", stream)
        out, _ = glmlint(
            "check", "-", "--stdin-filename", name, "--format", "json", *flags, code=code
        )
        return json.loads(out)["findings"] if out else []

    found = check("eval/train.jsonl", code=1)
    assert {one["path"] for one in found} == {"eval/train.jsonl"}
    assert "unknown-role" in {one["rule"] for one in found}
    assert "unknown-role" not in {one["rule"] for one in check("eval/eval.jsonl", code=0)}
    assert "not-jsonl" in {one["rule"] for one in check("a.json", code=1)}
    check("eval/eval.jsonl", "--fix", code=2)
    assert kept.read_text() == "{}"


# --- init ----------------------------------------------------------------------------------------


def comparable(plan: Plan) -> Plan:
    return replace(plan, origins={}, per_file_root=".", choice=Plan.choice)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_init_writes_settings_that_mean_what_was_asked_for(
    lang: str, glmlint, tmp_path: Path
) -> None:
    out, err = glmlint(
        "init", "--recipe", "llamafactory", "--max-length", "2048", "--hook", "--ci", "github",
        "--schema", "--lang", lang,
    )  # fmt: skip
    flags = {"recipe": "llamafactory", "max-length": 2048}
    file = tmp_path / "glmlint.toml"
    assert comparable(resolve({}, (str(tmp_path),))) == comparable(resolve(flags, ("/",)))
    text = file.read_text()
    assert text.startswith("#:schema ./glmlint.schema.json\n")
    schema = json.loads((tmp_path / "glmlint.schema.json").read_text())
    assert "max-lost-share" in schema["properties"]
    every = re.sub(r"(?m)^# (?=[\w-]+ = |\[\[)", "", text)
    assert set(tomllib.loads(every)) <= set(schema["properties"])  # what is behind a # can be used
    comments = re.findall(r"(?m)  # (.*)$", text)
    assert comments and (lang == "zh") == any(map(is_chinese, comments))
    hooks = yaml.safe_load((tmp_path / ".pre-commit-config.yaml").read_text())
    assert hooks["repos"][0]["hooks"][0]["entry"].startswith("glmlint check")
    job = yaml.safe_load(out)
    assert job["jobs"]["glmlint"]["steps"][-2]["run"].startswith("glmlint check")
    assert is_chinese(err) == (lang == "zh") or language("auto") == lang


def test_init_replaces_nothing_that_it_was_not_told_to(glmlint, tmp_path: Path) -> None:
    file, hooks = tmp_path / "glmlint.toml", tmp_path / ".pre-commit-config.yaml"
    file.write_text("broken =")
    hooks.write_text("repos: []\n")
    assert "--force" in glmlint("init", code=2)[1]
    assert file.read_text() == "broken ="
    out, _ = glmlint("init", "--force", "--hook")
    assert 'recipe = "glm4"' in file.read_text() and hooks.read_text() == "repos: []\n"
    assert yaml.safe_load("repos:\n" + out)["repos"][0]["hooks"][0]["id"] == "glmlint"
    file.unlink()
    (tmp_path / "pyproject.toml").write_text("[tool.glmlint]\n")
    assert "pyproject.toml" in glmlint("init", code=2)[1]
    assert "did you mean" in glmlint("init", "--force", "--recipe", "glm4-combin", code=2)[1]
    assert not file.exists()


def test_init_finds_the_trainers_own_settings(glmlint, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "ds.yaml").write_text("zero: 2\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(GOOD)
    (tmp_path / "configs" / "lora.yaml").write_text(
        "data_config: {train_file: train.jsonl}\ncombine: true\n"
        "max_input_length: 300\nmax_output_length: 200\n"
    )
    glmlint("init")
    plan = resolve({})
    assert (plan.recipe, plan.max_length) == ("glm4-combine", 501)


NOTHING_SAID = dict.fromkeys(("trainer_config", "recipe", "max_length", "data", "hook", "ci"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("llamafactory\n2048\ndata\nn\ngitlab\n", ("llamafactory", 2048, "data", False, "gitlab")),
        ("\n\n\n\n\n", ("glm4", None, ".", True, "none")),
        ("glm9\nglm4-combine\nx\n-3\n99\n", ("glm4-combine", 99, ".", True, "none")),
        ("", ("glm4", None, ".", True, "none")),
    ],
)
def test_init_asks_until_an_answer_can_be_used(
    typed: str, expected: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    found = Answers(str(tmp_path), NOTHING_SAID, "en", asks=True)
    assert (found.recipe, found.budget, found.data, found.hook, found.ci) == expected


def test_a_terminal_is_told_that_reports_went_to_files(
    glmlint, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = [{"role": "human", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    Path("训练.jsonl").write_text(json.dumps({"messages": talk}), encoding="utf-8")
    flags = ("check", "训练.jsonl", "--progress", "never", "--format", "json", "--output", "r.json")
    assert glmlint(*flags, code=1) == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    out, err = glmlint(*flags, code=1)
    assert out == "" and err.startswith("glmlint: r.json: written; 1 error")
    assert glmlint(*flags, "-q", code=1) == ("", "")
