"""What a command loads before it answers: nothing that its answer does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import LIMIT

from glmlint.app.limits import FOLDER, declared
from glmlint.reporters.base import names
from glmlint.rules.base import all_rules
from glmlint.trainer.base import all_trainers, get_trainer

AT_EXIT = """
import atexit, gc, json, re, sys
from glmlint.app.cli import main
from glmlint.patterns import Pattern

def collections():
    return sum(one['collections'] for one in gc.get_stats())

def compiled(value):
    return isinstance(value, re.Pattern) or isinstance(value, Pattern) and 'compiled' in vars(value)

def told(before):
    modules = dict(sys.modules)
    patterns = [
        name + '.' + key
        for name, module in modules.items() if name.startswith('glmlint.')
        for key, value in vars(module).items() if compiled(value)
    ]
    print('\\n@' + json.dumps([sorted(modules), patterns, collections() - before]))

atexit.register(told, collections())
sys.argv = ['glmlint', *{!r}]
main()
"""


class Started(NamedTuple):
    """What a command has done when it ends."""

    modules: set[str]
    """Those that it has loaded, and the packages that hold them."""
    patterns: set[str]
    """Regular expressions of glmlint's modules that are compiled."""
    collections: int
    """How often Python has looked for cycles, from the first line of `main` on."""


def start(*arguments: str) -> Started:
    """Run a command in a process of its own."""
    out = subprocess.run(
        [sys.executable, "-c", AT_EXIT.format([*arguments])],
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    names, patterns, collections = json.loads(out.stdout.rpartition("@")[2])
    return Started({*names, *(name.partition(".")[0] for name in names)}, {*patterns}, collections)


OF_ASKING = {
    *("hashlib", "tomllib"),
    *("glmlint.plan", "glmlint.rules.base", "glmlint.trainer.base", "glmlint.engine"),
}
"""Parts of the core and of Python's library that no question about flags needs."""

OF_CHECKING = {"numpy", "msgspec", "splintr"}

OF_SOME_ROWS = {"jsonschema", "jinja2", "detect_secrets", "stdnum", "requests", "yaml"}
"""Of the core too, but loaded for rows or settings that need them."""

OF_LARGE_RUNS = {"multiprocessing", "socket", "importlib.metadata", "email", "tempfile", "shutil"}
"""Other processes, the cache, pipes: none of them is there for a small file."""

OF_EXTRAS = {"torch", "transformers", "pyarrow", "datasets", "zstandard", "pygls", "asyncio"}


@pytest.fixture
def rows(tmp_path: Path) -> str:
    """A file of one good row."""
    file = tmp_path / "train.jsonl"
    file.write_text(
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}\n'
    )
    return str(file)


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("check", "--help")])
def test_questions_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = start(*arguments).modules
    assert {"glmlint", "click"} <= loaded
    unneeded = OF_ASKING | OF_CHECKING | OF_SOME_ROWS | OF_EXTRAS | {"rich", "multiprocessing"}
    assert loaded & unneeded == set()


def test_a_check_loads_its_own_trainer_alone_and_no_library_that_its_rows_do_not_need(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glmlint.toml").write_text('max-length = 2048\nselect = ["ALL"]\n')
    started = start("check", rows)
    loaded = started.modules
    assert loaded >= OF_CHECKING
    unneeded = OF_SOME_ROWS | OF_LARGE_RUNS | OF_EXTRAS | {"rich", "numpy.ma"}
    assert loaded & unneeded == set()
    recipes = {name for name in loaded if name.startswith("glmlint.recipes.")}
    assert recipes == {"glmlint.recipes.glm4", "glmlint.recipes.official_config"}
    reporters = {name for name in loaded if name.startswith("glmlint.reporters.")}
    assert "glmlint.reporters.text" in reporters
    assert reporters & {f"glmlint.reporters.{name}" for name in names() if name != "text"} == set()
    assert len(started.patterns) < 20  # of over two hundred
    assert started.collections < 5


def test_the_catalogue_needs_no_tokenizer_and_no_pattern() -> None:
    started = start("rules", "--format", "json")
    assert "glmlint.rules.truncated" in started.modules
    unneeded = OF_SOME_ROWS | OF_LARGE_RUNS | OF_EXTRAS | {"rich", "splintr"}
    assert started.modules & unneeded == set()
    assert len(started.patterns) < 20


def test_a_trainer_that_is_imported_alone_is_the_one_of_the_list() -> None:
    assert {name: get_trainer(name) for name in all_trainers()} == all_trainers()
    for name in ("", "GLM4", "glm4 ", "swift_parts", "_trl_config", "glm4.x", "../glm4", "模型"):
        with pytest.raises(KeyError):
            get_trainer(name)


def test_limits_that_are_read_from_files_are_those_of_the_rules() -> None:
    """In the order of the files."""
    rules = {loaded.rule.name.replace("-", "_"): loaded.rule for loaded in all_rules().values()}
    limits = [rules[name].limit for name in sorted(rules) if (FOLDER / f"{name}.py").exists()]
    assert [tuple(one) for one in declared()] == [
        (one.name, one.default, one.help.en, one.help.zh, one.kind) for one in limits if one
    ]
