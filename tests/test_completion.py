"""What the shell is offered when a user presses TAB."""

from __future__ import annotations

import pytest
from click.shell_completion import CompletionItem, ShellComplete

from glmlint.app.cli import cli


def offered(*words: str) -> list[CompletionItem]:
    *arguments, incomplete = words
    complete = ShellComplete(cli, {}, "glmlint", "_GLMLINT_COMPLETE")
    return complete.get_completions(arguments, incomplete)


def names(*words: str) -> list[str]:
    return [str(item.value) for item in offered(*words)]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "tr"),
        ("check", "--eval", "de"),
        ("check", "--config", "gl"),
        ("check", "a.jsonl", "--output", "re"),
        ("check", "--baseline", "gl"),
        ("show", "tr"),
        ("encode", "tr"),
        ("convert", "sh"),
        ("convert", "a.json", "-o", "tr"),
        ("score", "tr"),
        ("score", "--model", "mo"),
    ],
)
def test_where_a_file_is_wanted_the_shell_offers_files(words: tuple[str, ...]) -> None:
    assert [(item.type, item.value) for item in offered(*words)] == [("file", words[-1])]


def test_rules_and_families_are_offered_after_every_comma() -> None:
    assert names("check", "--ignore", "null-c") == ["null-content"]
    assert names("check", "--select", "tools,null-c") == ["tools,null-content"]
    assert "tools" in names("rules", "--select", "tool") and names("check", "--select", "AL") == [
        "ALL"
    ]
    assert names("explain", "null-c") == names("check", "--severity", "null-c") == ["null-content"]
    assert names("explain", "AL") == []


def test_recipes_commands_and_flags_are_offered() -> None:
    assert names("check", "--recipe", "glm4-c") == names("score", "--probe", "glm4-c")
    assert names("check", "--recipe", "glm4-c") == ["glm4-combine"]
    assert names("co") == ["compare", "convert"]
    assert names("check", "--max-le") == ["--max-length"]


def test_formats_are_offered_with_who_reads_them() -> None:
    [found] = offered("check", "--format", "sar")
    assert found.value == "sarif" and "code scanning" in str(found.help)
