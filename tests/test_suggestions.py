"""A name is suggested where it is clearly meant, and nowhere else: a wrong suggestion is worse than none."""

from __future__ import annotations

import json
from itertools import pairwise, product

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_gate import glmlint_here

from glmlint.app.cli import cli
from glmlint.converters.columns import TARGETS
from glmlint.read.sample import ROLES
from glmlint.read.schema import load_schema
from glmlint.rules.base import FAMILIES, all_rules
from glmlint.text import nearest
from glmlint.trainer.base import all_trainers


def flags() -> list[str]:
    context = click.Context(cli)
    found = {
        name.lstrip("-")
        for command in cli.list_commands(context)
        for option in cli.get_command(context, command).params  # type: ignore[union-attr]
        for name in option.opts
        if name.startswith("--")
    }
    return sorted(found)


REGISTRIES = {
    "rules": [*all_rules(), *FAMILIES, "ALL"],
    "recipes": list(all_trainers()),
    "settings": list(load_schema("config")["properties"]),
    "flags": flags(),
    "commands": cli.list_commands(click.Context(cli)),
    "roles": list(ROLES),
    "targets of --map": list(TARGETS),
}
each_registry = pytest.mark.parametrize("registry", REGISTRIES)

NONSENSE = (
    "nosuchrule", "foo", "bar", "xyzzy", "something-else", "my-rule", "F401", "E501", "W292",
    "no-unused-vars", "line-length", "sharegpt-format", "gpt", "bot", "human", "chatgpt", "function",
    "trainer", "optimizer", "learning-rate", "epochs", "batch-size", "lora", "deepspeed", "不存在",
    "glm5", "glm3", "glm4-2025-06", "qwen", "llama3", "chatglm", "verbose", "dry", "input", "file",
    "path", "strict-mode", "threads", "workers", "x", "", "-", "a" * 500, "nothing-like-it-at-all",
)  # fmt: skip
"""What people may write that is none of the names, nor a misspelled one."""


def typos(name: str) -> set[str]:
    """A letter left out, doubled, exchanged, two swapped; another case; underscores."""
    letters = [at for at, char in enumerate(name) if char.isalpha()]
    found = {name.upper(), name.replace("-", "_"), f" {name}"}
    for at in letters[1:]:
        found |= {
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[:at] + "z" + name[at + 1 :],
        }
    for at, after in pairwise(letters):
        if after == at + 1:
            found.add(name[:at] + name[after] + name[at] + name[after + 1 :])
    return found


@each_registry
def test_a_misspelled_name_is_understood(registry: str) -> None:
    names = REGISTRIES[registry]
    for name in names:
        if len(name) < 4:
            continue
        for typo in sorted(typos(name) - set(names))[::4]:
            found = nearest(typo, names)
            # Where a word is a letter apart from two names, either may be meant.
            assert found == name or (found in names and nearest(typo, [name]) == name), (
                typo,
                found,
            )


@each_registry
def test_what_is_no_name_gets_no_suggestion(registry: str) -> None:
    names = REGISTRIES[registry]
    meant = {word: nearest(word, names) for word in NONSENSE}
    fine = {  # words that a name alone begins or ends with, and what differs in a letter
        ("trainer", "trainer-raises"), ("trainer", "trainer-config"), ("input", "input"),
        ("file", "file"), ("path", "path"), ("verbose", "verbose"), ("optimizer", None),
        ("input", "damaged-input"),
    }  # fmt: skip
    wrong = {(w, n) for w, n in meant.items() if n is not None and w != n and (w, n) not in fine}
    assert wrong == set()


def test_no_name_of_one_registry_is_suggested_for_a_far_one_of_another() -> None:
    for one, other in product(REGISTRIES, REGISTRIES):
        for name in REGISTRIES[one]:
            found = nearest(name, REGISTRIES[other])
            if found is None:
                continue
            shared = set(name.lower().split("-")) & set(found.lower().split("-"))
            near = abs(len(name) - len(found)) <= 3
            assert shared or near, (name, found)


def test_another_number_is_another_thing() -> None:
    names = ["glm4", "glm4-2024-06", "search-v1", "utf8"]
    for name in ("glm5", "glm3", "glm4-2024-07", "glm4-2025-06", "search-v2", "utf16"):
        assert nearest(name, names) is None, name
    assert nearest("glm4_2024_06", names) == "glm4-2024-06"
    assert nearest("serch-v1", names) == "search-v1"


@given(st.text(), st.lists(st.text(max_size=20), max_size=6))
def test_any_name_at_all(name: str, names: list[str]) -> None:
    found = nearest(name, names)
    assert found is None or found in names


def far(one: str, other: str) -> int:
    """The same distance, without a limit: optimal string alignment, written out."""
    table = [
        [i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)
    ]
    for i, j in product(range(1, len(one) + 1), range(1, len(other) + 1)):
        table[i][j] = min(
            table[i - 1][j] + 1,
            table[i][j - 1] + 1,
            table[i - 1][j - 1] + (one[i - 1] != other[j - 1]),
        )
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.text("abc", min_size=3, max_size=16), st.text("abc", min_size=1, max_size=16))
def test_the_limit_is_a_letter_in_four(name: str, other: str) -> None:
    limit = min(3, max(1, len(name) // 4))
    assert (nearest(name, [other]) == other) == (far(name, other) <= limit)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("check", "--select", "nosuchrule"), "unknown rule or family nosuchrule; `glmlint rules` lists them"),
        (("check", "--select", "nul-content"), "unknown rule or family nul-content: did you mean null-content?"),
        (("explain", "nosuchrule"), "unknown rule nosuchrule; `glmlint rules` lists them"),
        (("explain", "null_content"), "unknown rule null_content: did you mean null-content?"),
        (("check", "--severity", "null-content=warn"), "one of error, warning, info, off"),
        (("check", "--severity", "null-content=eror"), "did you mean error?"),
        (("check", "--pin", "torch=1"), "unknown pin torch: one of transformers, datasets"),
        (("check", "--recipe", "trl7"), "unknown recipe trl7: one of "),
        (("chek",), "no command chek; did you mean check?"),
        (("scoer",), "no command scoer; did you mean score?"),
        (("lint",), "no command lint (`glmlint --help`"),
        (("check", "--max-lenght", "3"), "no option --max-lenght; did you mean --max-length?"),
        (("check", "--threads", "3"), "no option --threads (`glmlint check --help`"),
    ],
)  # fmt: skip
def test_on_the_command_line(arguments: tuple[str, ...], told: str) -> None:
    done = glmlint_here(*arguments)
    assert done.code == 2 and told in done.err, done.err
    if "did you mean" not in told:
        assert "did you mean" not in done.err


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"messages": [{"role": "usr", "content": "a"}]}, "Did you mean user?"),
        ({"messages": [{"role": "moderator", "content": "a"}]}, None),
        ({"mesages": [{"role": "user", "content": "a"}]}, '"mesages"'),
        ({"messages": [{"role": "user", "content": "a", "metdata": "b"}]}, "Did you mean metadata?"),
        ({"messages": [{"role": "user", "content": "a", "mood": "b"}]}, None),
    ],
)  # fmt: skip
def test_in_findings(
    row: dict[str, object], told: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("data") / "a.jsonl"
    file.write_text(json.dumps(row) + "\n")
    done = glmlint_here("check", str(file), "--format", "json")
    texts = " ".join(f"{f['message']} {f['help']}" for f in json.loads(done.out)["findings"])
    if told is None:
        assert "id you mean" not in texts, texts
    else:
        assert told in texts, texts
