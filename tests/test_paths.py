"""Which files a run reads: excludes, what git ignores, and files that are plainly no data."""

from __future__ import annotations

import os
import pickle
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import LIMIT

from glmlint.app.cli import cli
from glmlint.app.settings import resolve
from glmlint.plan import FileChoice
from glmlint.read.faults import SourceError
from glmlint.read.paths import find_inputs, look_up
from glmlint.read.source import InputFile, read_chunks

ROW = b'{"messages": []}\n'


def made(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(ROW)


def read(*paths: str, choice: FileChoice | None = None) -> list[str]:
    found, problems = find_inputs(paths, choice)
    assert problems == []
    return [os.path.normpath(file.path).replace(os.sep, "/") for file in found]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made(
        tmp_path, "a.jsonl", "b.tmp.jsonl", "data/c.jsonl", "data/raw/d.jsonl", "data/raw/e/f.jsonl",
        "venv/lib/g.jsonl", "node_modules/h.jsonl", "data/keep.tmp.jsonl",
    )  # fmt: skip
    return tmp_path


def choice_of(settings: str, tree: Path, **flags: object) -> FileChoice:
    (tree / "glmlint.toml").write_text(settings)
    return resolve(flags, (str(tree),)).choice


def test_folders_of_tools_are_left_out(tree: Path) -> None:
    assert "venv/lib/g.jsonl" not in read(".") and "node_modules/h.jsonl" not in read(".")
    assert read("node_modules") == ["node_modules/h.jsonl"]  # what is named is read
    everything = choice_of("exclude = []", tree)
    assert len(read(".", choice=everything)) == 8


def test_patterns_are_names_or_paths_from_the_settings_file(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        '["raw"]': ["a.jsonl", "b.tmp.jsonl", "data/c.jsonl", "data/keep.tmp.jsonl"],
        '["data/raw/"]': ["a.jsonl", "b.tmp.jsonl", "data/c.jsonl", "data/keep.tmp.jsonl"],
        '["*.tmp.jsonl", "./data/raw/e"]': ["a.jsonl", "data/c.jsonl", "data/raw/d.jsonl"],
        '["**/raw", "b*"]': ["a.jsonl", "data/c.jsonl", "data/keep.tmp.jsonl"],
        '["raw/d.jsonl", "/data"]': [
            "a.jsonl", "b.tmp.jsonl", "data/c.jsonl", "data/keep.tmp.jsonl", "data/raw/d.jsonl",
            "data/raw/e/f.jsonl",
        ],
    }  # fmt: skip
    for patterns, files in expected.items():
        assert read(".", choice=choice_of(f"extend-exclude = {patterns}", tree)) == files, patterns
    # From another folder the file's patterns mean the same, and a flag's begin where one stands.
    choice = choice_of('extend-exclude = ["data/raw"]', tree)
    monkeypatch.chdir(tree / "data")
    assert read("..", choice=choice)[-2:] == ["../data/c.jsonl", "../data/keep.tmp.jsonl"]
    by_flag = choice_of("", tree, **{"extend-exclude": ("raw/d.jsonl,keep*",)})
    assert read(".", choice=by_flag) == ["c.jsonl", "raw/e/f.jsonl"]


def test_named_files_are_left_out_by_force_alone(tree: Path) -> None:
    patterns = 'extend-exclude = ["data/raw"]\n'
    named = "data/raw/e/f.jsonl"
    assert read(named, choice=choice_of(patterns, tree)) == [named]
    forced = choice_of(patterns + "force-exclude = true", tree)
    found = look_up([named, "a.jsonl", "data/raw"], forced)
    assert [file.path for file in found.inputs] == ["a.jsonl"]
    assert found.excluded == [named, "data/raw"] and found.problems == []
    done = CliRunner().invoke(cli, ["check", "--force-exclude", named, "--lang", "en"])
    assert done.exit_code == 0
    assert done.output == (
        "glmlint: nothing to check: 1 named file excluded "
        "(exclude, extend-exclude, force-exclude)\n"
    )


GIT = shutil.which("git")


def test_git_ignores_what_git_ignores(tree: Path) -> None:
    for name, lines in {
        ".gitignore": "*.tmp.jsonl\n/data/raw/*\n!/data/raw/e\n# a comment\n!\nabc[\n\\!x\n",
        "data/.gitignore": "!keep.tmp.jsonl\r\nsub dir/\n",
        "data/raw/e/.gitignore": "f.jsonl\n!f.jsonl\n",
        ".git/info/exclude": "local.jsonl\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(lines.encode())
    made(
        tree,
        "local.jsonl",
        "data/local.jsonl",
        "data/sub dir/x.jsonl",
        "data/other/sub dir/y.jsonl",
    )
    made(tree, "nested/z.tmp.jsonl", "nested/z.jsonl")
    (tree / "nested" / ".git").mkdir()  # a repository of its own, with its own patterns
    (tree / "nested" / ".gitignore").write_text("z.jsonl\n")
    expected = ["a.jsonl", "data/c.jsonl", "data/keep.tmp.jsonl", "data/raw/e/f.jsonl"]
    assert read(".") == [*expected, "nested/z.tmp.jsonl"]
    if GIT is not None:
        shutil.rmtree(tree / "nested")
        made(tree, ".git/HEAD")
        (tree / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (tree / ".git" / "objects").mkdir()
        (tree / ".git" / "refs").mkdir()
        told = subprocess.run(
            [GIT, "ls-files", "-o", "--exclude-standard", "*.jsonl"],
            capture_output=True, text=True, timeout=LIMIT, check=True,
        ).stdout.split()  # fmt: skip
        assert [one for one in told if not one.startswith(("venv", "node_modules"))] == expected
    assert "b.tmp.jsonl" in read(".", choice=FileChoice(gitignore=False))
    assert read("data/raw") == ["data/raw/e/f.jsonl"]
    assert read("b.tmp.jsonl", "data/sub dir") == ["b.tmp.jsonl", "data/sub dir/x.jsonl"]


def test_ignored_data_are_told_once(tree: Path) -> None:
    (tree / ".git").mkdir()
    (tree / ".gitignore").write_text("data/\nvenv/\n*.tmp.jsonl\nlogs/\n")
    (tree / "logs").mkdir()
    found = look_up(["."])
    assert found.ignored == ["./b.tmp.jsonl", "./data"]
    done = CliRunner().invoke(cli, ["check", ".", "--lang", "en", "--max-findings", "0"])
    line = "./b.tmp.jsonl and 1 more are ignored by git and were not read; --no-respect-gitignore"
    assert done.stderr.count(line) == 1
    assert look_up(["data"]).ignored == []


def test_outside_of_a_repository_a_gitignore_means_nothing(tree: Path) -> None:
    (tree / ".gitignore").write_text("*\n")
    assert "a.jsonl" in read(".")


def test_a_worktree_takes_the_excludes_of_its_repository(tree: Path) -> None:
    made(tree, "main/.git/info/x", "main/.git/worktrees/w/x", "w/a.jsonl", "w/b.jsonl")
    (tree / "main/.git/info/exclude").write_text("b.jsonl\n")
    (tree / "main/.git/worktrees/w/commondir").write_text("../..\n")
    (tree / "w/.git").write_text("gitdir: ../main/.git/worktrees/w\n")
    assert read("w") == ["w/a.jsonl"]


def test_a_folder_whose_data_are_all_left_out_fails_and_says_why(tree: Path) -> None:
    (tree / ".git").mkdir()
    (tree / "data" / ".gitignore").write_text("*.jsonl\n")
    (problem,) = find_inputs(["data"])[1]
    assert problem.say("en") == (
        "every data file in it is left out by .gitignore (4); a file that is named is read"
    )
    (problem,) = find_inputs(["data"], choice_of('exclude = ["*"]', tree))[1]
    assert "exclude" in problem.say("zh")


def test_json_files_of_a_folder_are_told_once(tree: Path) -> None:
    for name in ("data/x.json", "data/raw/y.json.gz", "venv/z.json"):
        (tree / name).write_bytes(b"{}")
    done = CliRunner().invoke(cli, ["check", "data", "--lang", "en", "--max-findings", "0"])
    assert done.output.count("2 files with the ending .json skipped") == 1
    assert look_up(["data/c.jsonl", "data/x.json"]).json_files == 0


@pytest.mark.usefixtures("tree")
def test_show_files_lists_what_would_be_read() -> None:
    done = CliRunner().invoke(cli, ["check", "--show-files", "data", "none", "--lang", "en"])
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        "data/c.jsonl",
        "data/keep.tmp.jsonl",
        "data/raw/d.jsonl",
        "data/raw/e/f.jsonl",
    ]
    assert done.stderr == "glmlint: none: no such file or folder\n"  # fmt: skip


# --- no data -------------------------------------------------------------------------------------

ZIP = b"PK\x03\x04\x14\0\0\0\x08\0"
HEADER = b'{"__metadata__":{}}'
FOREIGN = {
    "train.csv": (b"messages,id\nhello,1\n", "looks like CSV"),
    "train.tsv": (b"a\tb\n", "looks like TSV"),
    "README.md": (b"# Data\n\n```\n" + ROW + b"```\n" * 4, "looks like Markdown"),
    "config.yaml": (b"a: 1\n", "looks like YAML"),
    "prepare.py": (b"import os\n", "looks like Python"),
    "notes.txt": ("你好\n".encode() * 9, "looks like plain text"),
    "notes_gbk": ("你好\n".encode("gbk"), "looks like plain text"),
    "notes16.txt": ("hello\n".encode("utf-16"), "looks like plain text"),
    "demo.ipynb": (b'{\n "cells": []\n}\n', "looks like a notebook"),
    "a.png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "looks like a picture"),
    "renamed.jsonl": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "looks like a picture"),
    "paper.pdf": (b"%PDF-1.7\n\xe2\xe3\n\0", "looks like a PDF document"),
    "train.zip": (ZIP, "looks like an archive"),
    "train.xlsx": (ZIP, "looks like an Excel workbook"),
    "train.tar": (b"a.jsonl".ljust(257, b"\0") + b"ustar\0", "looks like an archive"),
    "data.arrow": (b"ARROW1\0\0\xff\xff\xff\xff", "looks like an Arrow file"),
    "stream.arrow": (b"\xff\xff\xff\xff\xa8\0\0\0\x10\0\0\0", "looks like an Arrow file"),
    "rows.pkl": (pickle.dumps([{"a": 1}]), "looks like a pickle"),
    "rows.db": (b"SQLite format 3\0\x10\0", "looks like an SQLite database"),
    "model.safetensors": (struct.pack("<Q", len(HEADER)) + HEADER, "looks like weights"),
    "blob": (b"\x01\0\x02\0\xff", "looks like a binary file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_data_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, looks = FOREIGN[name]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(SourceError, match=looks) as caught:
        list(read_chunks(InputFile(str(file))))
    assert "不是 JSON Lines" in caught.value.say("zh")


def test_the_command_says_it_in_one_line_and_reports_the_others(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(FOREIGN["train.csv"][0])
    (tmp_path / "a.jsonl").write_bytes(ROW)
    csv = str(tmp_path / "train.csv")
    done = CliRunner().invoke(cli, ["check", csv, "--lang", "en"])
    assert done.exit_code == 2 and done.output.count("\n") == 1 and csv in done.output
    done = CliRunner().invoke(cli, ["check", csv, str(tmp_path / "a.jsonl"), "--lang", "en"])
    assert done.exit_code == 2 and "empty-messages" in done.output
    assert "looks like CSV" in done.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"hello\nworld\n"),
        ("a.json", b"hello\n"),
        ("a.ndjson", b"\x01\0\xff\n" + ROW),
        ("rows.txt", b"broken\n" * 40 + ROW),
        ("rows", b'{"a": 1\n'),
        ("rows.txt", "\ufeff".encode() + ROW),
        ("rows.txt", ROW.decode().encode("utf-16-le")),
        ("rows.md", ROW * 3),
        ("rows.log", b"{\n" + ROW),
        ("rows.txt", b"{'messages': []}\n"),
        ("rows.txt", b"[\n" + ROW),
        ("empty.csv", b""),
    ],
)
def test_what_may_be_rows_is_read(name: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    list(read_chunks(InputFile(str(file))))


def test_an_archive_inside_gzip_is_seen(tmp_path: Path) -> None:
    import gzip

    file = tmp_path / "train.jsonl.gz"
    file.write_bytes(gzip.compress(b"a.jsonl".ljust(257, b"\0") + b"ustar\0"))
    with pytest.raises(SourceError, match="an archive"):
        list(read_chunks(InputFile(str(file))))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(SourceError, match="NumPy"):
        list(read_chunks(InputFile(str(tmp_path / "a.npz"))))
