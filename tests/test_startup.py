"""What a command loads before it answers: nothing that its answer does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import LIMIT

from glmlint.app.limits import FOLDER, declared
from glmlint.rules.base import all_rules
from glmlint.trainer.base import all_trainers, get_trainer

AT_EXIT = """
import atexit, sys
atexit.register(lambda: print('\\n@' + ' '.join(sorted(sys.modules))))
sys.argv = ['glmlint', *{!r}]
from glmlint.app.cli import main
main()
"""


def loaded_by(*arguments: str) -> set[str]:
    """Modules that a command has loaded when it ends, and the packages that hold them."""
    out = subprocess.run(
        [sys.executable, "-c", AT_EXIT.format([*arguments])],
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    names = out.stdout.rpartition("@")[2].split()
    return {*names, *(name.partition(".")[0] for name in names)}


OF_ASKING = {"hashlib", "glmlint.rules.base", "glmlint.trainer.base", "glmlint.engine"}
"""Parts of the core and of Python's library that no question about flags needs."""

OF_CHECKING = {"numpy", "msgspec", "splintr"}

OF_SOME_ROWS = {"jsonschema", "jinja2", "detect_secrets", "stdnum", "requests", "yaml"}
"""Of the core too, but loaded for rows or settings that need them."""

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
    loaded = loaded_by(*arguments)
    assert {"glmlint", "click"} <= loaded
    assert loaded & (OF_ASKING | OF_CHECKING | OF_SOME_ROWS | OF_EXTRAS | {"rich"}) == set()


def test_a_check_loads_its_own_trainer_alone_and_no_library_that_its_rows_do_not_need(
    rows: str,
) -> None:
    loaded = loaded_by("check", rows, "--format", "json")
    assert loaded >= OF_CHECKING
    assert loaded & (OF_SOME_ROWS | OF_EXTRAS | {"rich", "numpy.ma"}) == set()
    recipes = {name for name in loaded if name.startswith("glmlint.recipes.")}
    assert recipes == {"glmlint.recipes.glm4", "glmlint.recipes.official_config"}


def test_the_catalogue_needs_no_tokenizer() -> None:
    loaded = loaded_by("rules", "--format", "json")
    assert "glmlint.rules.truncated" in loaded
    assert loaded & (OF_SOME_ROWS | OF_EXTRAS | {"rich", "splintr"}) == set()


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
