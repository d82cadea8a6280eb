"""What is said of rows under the templates of each GLM: what they print nowhere, and what to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_rules_of_trainers import TOOLS

from glmlint.app.cli import cli

SHARED = Path(__file__).resolve().parents[2] / "shared" / "glm4" / "templates"


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def call(arguments: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return answer("", tool_calls=[{"type": "function", "function": function}])


GLM4 = {
    "messages": [
        {"role": "system", "content": "Be brief.", "tools": TOOLS},
        user("Rome?"),
        answer('{"city": "Rome"}', metadata="weather"),
        {"role": "observation", "content": "22"},
        answer("22 degrees."),
    ]
}
GLM45 = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        user("Rome?"),
        call({"city": "Rome"}),
        {"role": "tool", "content": "22"},
        answer("22 degrees."),
    ],
    "tools": TOOLS,
}


def told(path: Path, rows: list[Any], *flags: str) -> list[dict[str, Any]]:
    """The findings but those about stops and prompts, which every row of these trainers has."""
    file = path / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ran = CliRunner().invoke(
        cli, ["check", str(file), "--format", "json", *flags], catch_exceptions=False
    )
    assert ran.exit_code in (0, 1), ran.output
    ways = ("stop-token-untrained", "non-assistant-supervised", "untrained-call")
    return [one for one in json.loads(ran.output)["findings"] if one["rule"] not in ways]


@pytest.mark.parametrize("recipe", ["template", "trl", "unsloth"])
@pytest.mark.parametrize(
    ("row", "flags", "to"),
    [
        (GLM4, ("--model", "glm-4.5"), "glm4.5"),
        (GLM4, ("--model", "glm-4.6"), "glm4.5"),
        (GLM45, ("--model", "glm-4-9b"), "glm4"),
    ],
)
def test_a_row_of_the_other_generation_is_one_finding(
    recipe: str, row: Any, flags: tuple[str, ...], to: str, tmp_path: Path
) -> None:
    (finding,) = (
        one
        for one in told(tmp_path, [row, row | {"id": 2}], "--recipe", recipe, *flags)
        if one["rule"] != "exact-duplicate"
    )
    assert (finding["rule"], finding["severity"]) == ("other-format", "error")
    assert "tool calls" in finding["message"]
    assert f"--to {to} " in finding["help"]
    out = tmp_path / "converted.jsonl"
    ran = CliRunner().invoke(
        cli, ["convert", str(tmp_path / "train.jsonl"), "--to", to, "-o", str(out)]
    )
    assert ran.exit_code == 0, ran.output
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    again = told(tmp_path, rows, "--recipe", recipe, *flags)
    assert not [one for one in again if one["severity"] == "error"], again


@pytest.mark.parametrize("model", ["glm-4-0414", "glm-z1", "glm-4.1v", "GLM-Z1-9B-0414"])
def test_a_template_that_is_not_known_is_asked_for(model: str, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(
        json.dumps({"messages": [user("Hi"), answer("Hello")]}) + "\n", encoding="utf-8"
    )
    template = tmp_path / "own.jinja"
    template.write_text(
        "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    )
    flags = ["check", str(file), "--lang", "en", "--model", model, "--recipe"]
    for recipe in ("trl", "glm4", "template"):
        ran = CliRunner().invoke(cli, [*flags, recipe])
        assert ran.exit_code == 2 and "--template FILE" in ran.output
        ran = CliRunner().invoke(cli, [*flags, recipe, "--template", str(template)])
        assert ran.exit_code in (0, 1), ran.output
    if model != "glm-4.1v":  # these have layouts of their own
        assert CliRunner().invoke(cli, [*flags, "llamafactory"]).exit_code in (0, 1)


@pytest.mark.parametrize("recipe", ["glm4", "glm4-combine"])
def test_the_official_script_says_once_what_it_loses(recipe: str, tmp_path: Path) -> None:
    (finding,) = (
        one for one in told(tmp_path, [GLM45], "--recipe", recipe) if one["severity"] != "info"
    )
    assert (finding["rule"], finding["severity"]) == ("other-format", "error")
    assert "tool calls and tools never reach the model" in finding["message"]
    assert "--to glm4 " in finding["help"]


def test_a_short_result_that_an_answer_repeats_is_lost_all_the_same(tmp_path: Path) -> None:
    (finding,) = told(tmp_path, [GLM4], "--recipe", "template", "--model", "glm-4.5")
    assert "tool calls, tool results and tools never reach" in finding["message"]


NOT_PRINTED = [
    ([{"role": "developer", "content": "Be brief."}, user("Hi"), answer("Hello")], "/messages/0"),
    ([user("Hi"), {"role": "model", "content": "Hello"}, user("Go on"), answer("On")], "/messages/1"),
    ([user("Rome?"), call({"city": "Rome"}), {"role": "observation", "content": "22"}, answer("22.")],
     "/messages/2"),
    ([{"role": "system", "content": "S", "tools": TOOLS}, user("Hi"), answer("Hello")],
     "/messages/0/tools"),
    ([user("Rome?"), answer("Wait.", function_call={"name": "weather", "arguments": "{}"}),
      {"role": "tool", "content": "22"}, answer("22.")], "/messages/1/function_call"),
]  # fmt: skip


@pytest.mark.parametrize("model", ["glm-4.5", "glm-4.6"])
def test_what_the_template_prints_nowhere(model: str, tmp_path: Path) -> None:
    rows = [{"messages": messages, "tools": TOOLS} for messages, _ in NOT_PRINTED]
    del rows[3]["tools"]
    found = {
        (one["line"], one["pointer"])
        for one in told(tmp_path, rows, "--recipe", "trl", "--model", model)
        if one["rule"] == "message-not-printed"
    }
    assert found == {(line, at) for line, (_, at) in enumerate(NOT_PRINTED, 1)}


def test_rows_that_the_template_prints_whole_are_not_told(tmp_path: Path) -> None:
    two = [{"role": "tool", "content": "22"}, {"role": "tool", "content": "23"}]
    rows = [
        GLM45,
        {
            "messages": [user("Rome?"), call({"city": "Rome"}), *two, answer("Warm.")],
            "tools": TOOLS,
        },
        {"messages": [user("Hi /nothink"), answer("Hello")]},
        {"messages": [user("Hi"), answer("Hello", reasoning_content="A greeting.")]},
        {"messages": [user("Hi."), answer("<think>A greeting.</think>Hello")]},
    ]
    for recipe in ("template", "trl", "unsloth"):
        for model in ("glm-4.5", "glm-4.6"):
            assert not told(tmp_path, rows, "--recipe", recipe, "--model", model), (recipe, model)


@pytest.mark.parametrize(
    ("template", "words"), [("GLM-4.5", "a row of its own"), ("GLM-4.7-Flash", "clear_thinking")]
)
def test_thoughts_of_earlier_answers(template: str, words: str, tmp_path: Path) -> None:
    flags = ("--recipe", "template", "--tokenizer", "glm4.5", "--template", template)
    rows = [
        {"messages": [user("Hi"), answer("Hello", reasoning_content="One."), user("Bye"),
                      answer("Bye", reasoning_content="Two.")]},
        {"messages": [user("Hi"), answer("<think>Three.</think>Hello"), user("Bye"), answer("Bye.")]},
        {"messages": [user("Hi"), answer("Ho", reasoning_content="Four."), user("Bye"), answer("Ciao")]},
    ]  # fmt: skip
    (finding,) = told(tmp_path, rows, *flags)
    assert (finding["rule"], finding["severity"]) == ("reasoning-dropped", "info")
    assert finding["rows"] == 3 and words in finding["help"].lower()


def test_a_call_in_the_templates_own_marks_is_no_mistake(tmp_path: Path) -> None:
    text = "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>"
    row = {"messages": [user("Rome?"), answer(text)], "tools": TOOLS}
    found = told(tmp_path, [row], "--recipe", "trl", "--model", "glm-4.5")
    marks = [one for one in found if one["rule"] == "special-token-in-content"]
    assert [(one["severity"], one["fixable"]) for one in marks] == [("info", False)]
    asked = {"messages": [user(f"What is {text}?"), answer("A call.")]}
    found = told(tmp_path, [asked], "--recipe", "trl", "--model", "glm-4.5")
    assert "warning" in {one["severity"] for one in found if one["rule"] == marks[0]["rule"]}


@pytest.mark.parametrize("arguments", [["Rome"], "Rome", None, 5, "[1]"])
@pytest.mark.parametrize("model", ["glm-4.5", "glm-4.6"])
def test_arguments_that_are_no_object(arguments: Any, model: str, tmp_path: Path) -> None:
    row = {"messages": [user("Rome?"), call(arguments), answer("?")], "tools": TOOLS}
    found = told(tmp_path, [row], "--recipe", "template", "--model", model)
    assert "error" in {one["severity"] for one in found}
    assert any("arguments" in one["message"] for one in found)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published templates are not here")
@pytest.mark.parametrize(
    ("name", "tokenizer", "tools"),
    [
        ("GLM-4-32B-0414.no-tools", "glm4", True),
        ("GLM-Z1-0414.reflowed", "glm4", True),
        ("GLM-4.7-Flash", "glm4.5", False),
        ("GLM-4.5", "glm4.5", False),
        ("GLM-4.6", "glm4.5", False),
    ],
)
def test_published_templates(name: str, tokenizer: str, tools: bool, tmp_path: Path) -> None:
    template = str(SHARED / f"{name}.jinja")
    flags = ("--recipe", "template", "--tokenizer", tokenizer, "--template", template)
    (finding,) = told(tmp_path, [GLM4], *flags)
    if tools:  # the calls and results of GLM messages are printed, their tools are not
        assert (finding["rule"], finding["pointer"]) == ("message-not-printed", "/messages/0/tools")
    else:
        assert finding["rule"] == "other-format" and "--to glm4.5 " in finding["help"]
    found = told(tmp_path, [GLM45], *flags)
    assert {one["rule"] for one in found} == ({"other-format"} if tools else set())
