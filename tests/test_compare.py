"""`glmlint compare`: counts, sentences, budgets and options side by side, rows that do not get through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_cli import glmlint, report

TOOL = {"name": "weather", "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}  # fmt: skip
CALL = {"name": "weather", "arguments": {"city": "Rome"}}
GLM: dict[str, Any] = {
    "messages": [
        {
            "role": "system",
            "content": "Be brief.",
            "tools": [{"type": "function", "function": TOOL}],
        },
        {"role": "user", "content": "Weather in Rome?"},
        {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
        {"role": "observation", "content": "22 degrees"},
        {"role": "assistant", "content": "It is 22 degrees."},
    ]
}
SHAREGPT: dict[str, Any] = {
    "conversations": [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Weather in Rome?"},
        {"from": "function_call", "value": json.dumps(CALL)},
        {"from": "observation", "value": "22 degrees"},
        {"from": "gpt", "value": "It is 22 degrees."},
    ],
    "tools": json.dumps([TOOL]),
}
CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}


def written(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def compared(*arguments: str) -> dict[str, Any]:
    done = glmlint("compare", *arguments, "--format", "json", "--lang", "en")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def glm(tmp_path: Path) -> str:
    return written(tmp_path / "glm.jsonl", GLM)


def test_official_script_and_llamafactory_each_in_its_own_form(glm: str, tmp_path: Path) -> None:
    other = written(tmp_path / "sharegpt.jsonl", SHAREGPT)
    sides = ("--recipe", "glm4", "--recipe", "llamafactory")
    found = compared(glm, other, *sides)
    assert [side["label"] for side in found["sides"]] == ["glm4", "llamafactory"]
    assert [side["converted"] for side in found["sides"]] == [0, 0]
    said = " ".join(found["differences"])
    assert "glm4 teaches <|observation|>" in said  # behind the call
    assert "llamafactory teaches <|endoftext|> where the input holds <|observation|>" in said
    assert "system text and tools are printed differently" in said
    # Handed over by itself, the row is the same; each side counts what `check` counts.
    assert compared(glm, *sides)["sides"][1]["converted"] == 1
    for side, file in zip(found["sides"], (glm, other), strict=True):
        totals = report(file, "--recipe", side["recipe"], "--max-length", str(side["max_length"]))[
            "totals"
        ]
        for key in ("tokens", "kept_tokens", "supervised_tokens", "kept_supervised_tokens"):
            assert side[key] == totals[key], (side["label"], key)
    (pair,) = found["pairs"]
    assert pair["differing_rows"] == 1
    first = pair["supervised_by_both"] + pair["by_first_only"]
    assert first == found["sides"][0]["kept_supervised_tokens"]


def test_a_cut_is_said_in_words(glm: str) -> None:
    found = compared(glm, "--recipe", "glm4", "--recipe", "llamafactory", "--max-length", "40")
    (said,) = (text for text in found["differences"] if text.startswith("rows over the budget"))
    assert "glm4" in said and "llamafactory" in said and "40 tokens" in said


def test_two_budgets_of_one_trainer(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", CHAT, GLM)
    found = compared(file, "--recipe", "glm4", "--max-length", "20", "--max-length", "400")
    few, many = found["sides"]
    assert [few["label"], many["label"]] == ["glm4 20", "glm4 400"]
    assert few["tokens"] == many["tokens"] == many["kept_tokens"] > few["kept_tokens"]
    (pair,) = found["pairs"]
    assert (pair["differing_rows"], pair["by_first_only"]) == (1, 0)
    assert pair["supervised_by_both"] == few["kept_supervised_tokens"]
    assert pair["by_second_only"] == (
        many["kept_supervised_tokens"] - few["kept_supervised_tokens"]
    )


def test_an_option_of_one_side(tmp_path: Path) -> None:
    chat = {"messages": CHAT["messages"] * 2}
    file = written(tmp_path / "a.jsonl", chat)
    found = compared(file, "--recipe", "llamafactory", "--set", "2:mask_history=true")
    every, last = found["sides"]
    assert last["label"] == "llamafactory mask_history=True" and every["label"] == "llamafactory"
    assert every["supervised_tokens"] > last["supervised_tokens"] > 0
    assert every["tokens"] == last["tokens"]


def test_rows_that_do_not_get_through_are_counted(tmp_path: Path) -> None:
    no_answer = {"messages": [{"role": "user", "content": "Hi"}]}
    file = written(tmp_path / "a.jsonl", CHAT, no_answer, {"messages": 5})
    found = compared(file, "--recipe", "glm4", "--recipe", "llamafactory", "--rows", "3")
    script, factory = found["sides"]
    assert (script["dropped"], script["errors"]) == (0, 1)
    assert factory["dropped"] + factory["errors"] == 2
    said = found["differences"]
    assert any(text == "glm4 raises an exception at 1 of 3 rows" for text in said)
    assert any(text.startswith("llamafactory drops") for text in said)
    outcomes = [side.get("outcome") for row in found["first_rows"] for side in row["sides"]]
    assert "TypeError" in outcomes


def test_text_names_the_difference_in_both_languages(glm: str) -> None:
    sides = ("--recipe", "glm4", "--recipe", "llamafactory")
    english = glmlint("compare", glm, *sides, "--lang", "en", COLUMNS="120").stdout.decode()
    chinese = glmlint("compare", glm, *sides, "--lang", "zh", COLUMNS="120").stdout.decode()
    assert "another token" in english and "1 row was handed over in its form" in english
    assert "有 1 行转换成它的格式" in chinese
    for text in (english, chinese):
        assert "【<|observation|> → <|endoftext|>】" in text and f"{glm}:1" in text


def test_nothing_differs(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", CHAT)
    found = compared(file, "--recipe", "glm4", "--max-length", "300", "--max-length", "400")
    assert found["differences"] == [] and found["first_rows"] == []
    assert found["pairs"][0]["differing_rows"] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--recipe", "glm4"), "two"),
        (("--recipe", "glm4", "--recipe", "nonesuch"), "nonesuch"),
        (("--recipe", "glm4", "--recipe", "trl", "--recipe", "swift", "--max-length", "1",
          "--max-length", "2"), "--max-length is given 2 times for 3 sides"),
        (("--recipe", "glm4", "--recipe", "trl", "--set", "2:nonesuch=1"), "nonesuch"),
    ],
)  # fmt: skip
def test_what_is_no_comparison_is_one_line(glm: str, arguments: tuple[str, ...], told: str) -> None:
    done = glmlint("compare", glm, *arguments, "--lang", "en")
    assert done.returncode == 2 and done.stdout == b""
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = glmlint("compare", str(tmp_path / "none.jsonl"), "--recipe", "glm4", "--recipe", "trl")
    assert done.returncode == 2 and b"none.jsonl" in done.stderr and done.stdout == b""
