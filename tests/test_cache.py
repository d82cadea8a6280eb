"""The cache: the same report from it as without it, and never an old one."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_jobs import CHAT, CONTEXT, PLAN, printed

from glmlint.app.cli import cli
from glmlint.plan import Plan
from glmlint.runners.cache import Cache, clean, default_folder, entries_of
from glmlint.runners.chosen import chosen
from glmlint.runners.local import check_files

OLD = 1_700_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that was written long ago."""
    file = tmp_path / "train.jsonl"
    file.write_bytes(b"".join(CHAT % row for row in range(9)))
    os.utime(file, (OLD, OLD))
    return file


def check(file: Path, folder: Path, plan: Plan = PLAN) -> tuple[str, bool]:
    """What is printed, and whether the cache knew it."""
    context = replace(CONTEXT, plan=plan, loads={}, _loaded={})
    hits = []

    class Watched(Cache):
        def get(self, file: Any) -> Any:
            found = super().get(file)
            hits.append(found is not None)
            return found

    report = check_files([str(file)], plan, context, cache=Watched(folder, plan, context, 0))
    return printed(report, plan, context), hits == [True]


def test_a_file_that_has_not_changed_is_not_read_again(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first, known = check(file, folder)
    assert not known
    assert check(file, folder) == (first, True)
    assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f0688")
    [entry] = entries_of(folder)
    assert entry.stat().st_mode & 0o77 == 0  # it holds pieces of the data


@pytest.mark.parametrize(
    "change",
    [{"max_findings": 2}, {"lang": "zh"}, {"max_length": 5}, {"recipe": "glm4-combine"},
     {"rules": {"unknown-role": "error"}}, {"datasets": "4.6.1"}, {"excerpts": True}],
    ids=str,
)  # fmt: skip
def test_other_settings_are_another_entry(
    change: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    check(file, tmp_path / "cache")
    plan = replace(PLAN, **change)
    assert check(file, tmp_path / "cache", plan)[1] is False
    assert check(file, tmp_path / "cache", replace(PLAN, fail_on="never", jobs=3))[1] is True


def test_a_file_that_changes_within_a_tick_is_read_again(file: Path, tmp_path: Path) -> None:
    os.utime(file)  # just written
    folder, before = tmp_path / "cache", file.stat()
    first, _ = check(file, folder)
    assert check(file, folder) == (first, True)
    file.write_bytes(file.read_bytes().replace(b"human", b"robot"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    second, known = check(file, folder)
    assert not known and second != first and "robot" in second


@pytest.mark.parametrize("damage", ["cut", "empty", "one bit", "foreign", "a folder"])
def test_a_damaged_entry_is_as_none_and_is_replaced(
    damage: str, file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    first, _ = check(file, folder)
    [entry] = entries_of(folder)
    data = entry.read_bytes()
    if damage == "a folder":
        entry.unlink()
        entry.mkdir()
    else:
        bit = bytes([data[-9] ^ 1])
        contents = {"cut": data[:-7], "empty": b"", "foreign": b"\x80\x04K\x01."}
        entry.write_bytes(contents.get(damage, data[:-9] + bit + data[-8:]))
    assert check(file, folder) == (first, False)
    assert check(file, folder)[1] is (damage != "a folder")


def test_no_disk_is_no_cache_and_no_error(file: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file stands where the folder would be")
    first, _ = check(file, tmp_path / "cache")
    assert check(file, blocked) == (first, False)
    assert check(file, Path("/dev/full")) == (first, False)


def test_two_runs_at_once_leave_one_whole_entry(file: Path, tmp_path: Path) -> None:
    folder, found = tmp_path / "cache", []
    runs = [threading.Thread(target=lambda: found.append(check(file, folder)[0])) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert len(found) == 4 and len(set(found)) == 1
    assert check(file, folder) == (found[0], True)
    assert [path.suffix for path in folder.rglob("*") if path.is_file() and path.parent != folder] == [".entry"]  # fmt: skip


def test_clean_takes_entries_and_nothing_else(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    check(file, folder)
    (folder / "mine.txt").write_text("kept")
    done = CliRunner().invoke(cli, ["clean", "--cache-dir", str(folder), "--lang", "en"])
    assert done.exit_code == 0 and "1 file" in done.output
    assert [*entries_of(folder)] == [] and (folder / "mine.txt").exists()
    assert clean(tmp_path) == (0, 0) and file.exists()  # no folder of the cache
    assert "没有缓存" in CliRunner().invoke(
        cli, ["clean", "--cache-dir", str(tmp_path / "none"), "--lang", "zh"]
    ).output  # fmt: skip


def test_where_there_is_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CI", "GLMLINT_CACHE_DIR", "GLMLINT_NO_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def there(plan: Plan = PLAN, remembers: bool = True) -> bool:
        with chosen(replace(plan, jobs=1), CONTEXT, remembers=remembers) as (engine, cache):
            assert engine is None
            return cache is not None

    assert default_folder() == tmp_path / "glmlint" and there()
    assert not there(replace(PLAN, cache=False)) and not there(remembers=False)
    assert not there(replace(PLAN, profile_rules=True))
    monkeypatch.setenv("CI", "true")
    assert not there() and there(replace(PLAN, cache_dir=str(tmp_path)))
    monkeypatch.setenv("GLMLINT_NO_CACHE", "1")
    assert not there(replace(PLAN, cache_dir=str(tmp_path)))


def test_the_settings_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glmlint.toml").write_text('jobs = 3\ncache = false\ncache-dir = "here"\n')
    shown = CliRunner().invoke(cli, ["check", "--show-settings", "."]).output
    assert "jobs = 3" in shown and "cache = false" in shown and "engine = " in shown
    wrong = CliRunner().invoke(cli, ["check", "--jobs", "0", "."])
    assert wrong.exit_code == 2 and json.dumps(wrong.output)
