"""What came from outside is printed through one gate: hostile values × commands × formats."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import LIMIT

import glmlint
from glmlint.app import process
from glmlint.app.cli import cli
from glmlint.read.schema import load_schema
from glmlint.reporters.base import names
from glmlint.reporters.tables import console_for
from glmlint.visible import diff_line, json_text, log_line, visible

PACKAGE = Path(glmlint.__file__).parent

HOSTILE: Final = (
    "x\t\x1b[31m\x07\x7f\x9b1m\u202e\u2066\n::error::pwned\r\n##[error]pwned\u2028\u200b\x85y"
)
"""A tab, escape sequences, C0 and C1 controls, bidi, line breaks, commands of CI systems."""

AT_START: Final = "::error::pwned"
"""A value that is a command where it stands at the start of a line."""

VALUES: Final = (HOSTILE, AT_START)
each_value = pytest.mark.parametrize("value", VALUES, ids=["unseen", "command"])

HIDDEN: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")
"""What rich writes of its own."""


@dataclass
class Done:
    code: int
    out: str
    err: str


def glmlint_here(*arguments: str, stdin: bytes = b"") -> Done:
    """A whole command line in this process, with the streams as pipes."""
    out, err = io.BytesIO(), io.BytesIO()
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv = ["glmlint", *arguments]
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    streams = sys.stdout, sys.stderr = (
        io.TextIOWrapper(out, "utf-8"),
        io.TextIOWrapper(err, "utf-8"),
    )
    try:
        code = process.run(cli)
        for stream in streams:
            stream.flush()
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    return Done(code, out.getvalue().decode("utf-8"), err.getvalue().decode("utf-8"))


def assert_safe(text: str, about: object, *, commands: bool = False) -> None:
    """Nothing in it acts on a terminal, and no line is a command but glmlint's own."""
    found = HIDDEN.search(text)
    assert found is None, (about, text[max(found.start() - 60, 0) : found.end() + 20])
    for line in text.split("\n"):
        own = commands and re.match(r"::(error|warning|notice) [a-z]+=", line)
        assert own or not line.lstrip().startswith("::"), (about, line)
        assert own or not re.search(r"##[a-z]*\[", line), (about, line)


def as_columns(text: str) -> str:
    """The text without the tabs of a table: as many in each line, whatever the data hold."""
    counts = {line.count("\t") for line in text.split("\n") if line}
    return text.replace("\t", " ") if len(counts) == 1 else text


def assert_done_safely(done: Done, *arguments: str) -> None:
    assert "bug in glmlint" not in done.err, (arguments, done.err)
    out = done.out.replace("\t", " ") if "--diff" in arguments else as_columns(done.out)
    assert_safe(out, arguments, commands="github" in arguments)
    assert_safe(done.err, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; the cache of scores is in it too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def rows_with(value: str) -> list[Any]:
    """Rows in which the value stands in every place that a message can quote."""
    answer = {"role": "assistant", "content": "Fine, thank you for asking."}
    user = {"role": "user", "content": "How are you today?"}
    tool = {"type": "function", "function": {"name": value, "description": value,
            "parameters": {"type": "object", "properties": {value: {"type": value}}}}}  # fmt: skip
    call = {"role": "assistant", "metadata": value, "content": json.dumps({value: value})}
    return [
        {"messages": [{"role": value, "content": "a"}, answer]},
        {"messages": [{"role": "user", value: "a", "content": "b"}, answer], value: 1},
        {"messages": [{"role": "user", "content": value}, {**answer, "content": value * 40}]},
        {"messages": [{"role": "system", "content": "", "tools": [tool]}, user, call]},
        {"messages": [user, {**call, "metadata": value, "content": value}]},
        {"messages": [user, answer], "glmlint": {"ignore": [value]}},
        {"messages": [user, answer], "glmlint": value, "tools": value},
        {"conversations": [{"from": value, "value": "a"}, {"from": "gpt", value: value}]},
        {"conversations": [{"from": "human", "value": value}, {"from": "gpt", "value": value}],
         value: value, "tools": json.dumps([tool])},
        {"messages": [user, {"role": "assistant", "tool_calls": [
            {"function": {"name": value, "arguments": "{" + value}, value: 1}]}]},
        {value: value},
        value,
        {"prompt": value, "response": value, value: {value: [value]}},
        {"instruction": value, "input": "", "output": value, value: 2},
        {"messages": value},
        {"messages": [{"role": "user", "content": {value: value}}, {"content": value}]},
    ]  # fmt: skip


def data_with(value: str, file: Path) -> str:
    lines = [json.dumps(row).encode() for row in rows_with(value)]
    raw = value.encode("utf-8", "surrogateescape").replace(b"\n", b"")
    lines += [b'{"messages": [' + raw, b'{"' + raw + b'": 1, "' + raw + b'": 2}', raw]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return str(file)


COMMANDS: Final = (
    *(("check", "--format", form) for form in sorted(names())),
    ("check", "--format", "text", "--lang", "zh"),
    ("check", "--statistics"),
    ("check", "--select", "ALL"),
    ("check", "--fix"),
    ("check", "--fix", "--unsafe-fixes", "--format", "github"),
    ("check", "--diff"),
    ("check", "--diff", "--unsafe-fixes"),
    ("check", "--add-ignores"),
    ("check", "--profile-rules", "--quiet"),
    ("check", "--baseline", "old.json", "--write-baseline"),
    ("show",), ("show", "--ids"),
    ("encode",),
    ("encode", "--no-truncate"),
    ("compare", "--recipe", "glm4", "--recipe", "glm4-combine", "--rows", "30"),
    ("compare", "--recipe", "glm4", "--recipe", "llamafactory", "--rows", "30", "--lang", "zh"),
    ("compare", "--recipe", "glm4", "--recipe", "llamafactory", "--rows", "30", "--format", "json"),
    ("compare", "--recipe", "glm4", "--recipe", "llamafactory", "--rows", "30", "--format", "html"),
    *(("convert", "--to", to, "--format", form) for to in ("glm4", "openai") for form in ("text", "json")),
)  # fmt: skip
"""Commands that read data, in every format."""

each_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@each_command
@each_value
def test_hostile_rows(value: str, command: tuple[str, ...], folder: Path) -> None:
    file = data_with(value, folder / "a.jsonl")
    places = [file]
    if command[0] == "show":
        places = [f"{file}:{line}" for line in range(1, len(rows_with(value)) + 1)]
    for place in places:
        done = glmlint_here(*command, place)
        # A converted row is data: JSON, one row a line.
        if command[0] == "convert":
            assert all(isinstance(json.loads(line), dict) for line in done.out.split("\n")[:-1])
            done.out = ""
        assert_done_safely(done, *command)


@each_command
@each_value
def test_hostile_names_of_files(value: str, command: tuple[str, ...], folder: Path) -> None:
    (folder / value).mkdir()
    name = f"{value}/{value}\udcff.jsonl"
    data_with("human", Path(os.fsencode(name).decode("utf-8", "surrogateescape")))
    for path in (name, f"./{name}:9999" if command[0] in ("show", "encode") else name):
        done = glmlint_here(*command, path)
        if command[0] == "convert":
            done.out = ""
        assert_done_safely(done, *command)
    missing = glmlint_here(*command, f"{value}.jsonl")
    assert missing.code == 2
    assert_done_safely(missing, *command)
    assert missing.err.startswith(("glmlint: ", log_line(visible(value)))), missing.err


def flags_of(command: click.Command) -> Iterator[str]:
    """The flags of a command that take a value."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            yield max(parameter.opts, key=len)


def flags() -> Iterator[tuple[str, str]]:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        found = cli.get_command(context, name)
        assert found is not None
        yield from ((name, flag) for flag in flags_of(found))


@pytest.mark.parametrize(("name", "flag"), list(flags()))
def test_hostile_values_of_flags(name: str, flag: str, folder: Path) -> None:
    data_with("human", folder / "a.jsonl")
    needs = {
        "convert": [] if flag == "--to" else ["--to", "glm4"],
        "score": ["--dry-run", *([] if flag == "--model" else ["--model", "nowhere"])],
        "compare": [] if flag == "--recipe" else ["--recipe", "glm4", "--recipe", "swift"],
    }.get(name, [])
    takes = {"check": ["a.jsonl"], "show": ["a.jsonl"], "encode": ["a.jsonl"],
             "convert": ["a.jsonl"], "score": ["a.jsonl"], "compare": ["a.jsonl"],
             "explain": ["null-content"]}  # fmt: skip
    for value in (
        *VALUES,
        f"null-content={HOSTILE}",
        f"{HOSTILE}={HOSTILE}",
        f"{HOSTILE}/x.json",
        "x" * 5000,
    ):
        done = glmlint_here(name, f"{flag}={value}", *needs, *takes.get(name, []))
        if name == "convert":
            done.out = ""
        assert_done_safely(done, name, flag)


@each_value
def test_words_that_click_refuses(value: str, folder: Path) -> None:
    data_with("human", folder / "a.jsonl")
    for arguments in (
        (value,), (f"--{value}",), ("check", f"--{value}"), ("check", f"-{value}"),
        ("explain", value), ("explain", "null-content", value), ("convert", "a.jsonl", value),
        ("rules", value), ("rules", f"--format={value}"), ("recipes", f"--lang={value}"),
        ("check", "a.jsonl", f"--max-length={value}"), ("check", "a.jsonl", f"--fail-on={value}"),
        ("check", "a.jsonl", f"--quiet={value}"), ("encode",), ("convert", "a.jsonl"),
    ):  # fmt: skip
        done = glmlint_here(*arguments)
        assert done.code == 2 and done.out == "", arguments
        assert_done_safely(done, *arguments)
        assert done.err.count("\n") == 1, done.err


def test_hostile_values_of_settings(folder: Path) -> None:
    data_with("human", folder / "a.jsonl")
    quoted = json.dumps(HOSTILE)
    lines = [f"{key} = {quoted}" for key in load_schema("config")["properties"]]
    lines += [f"{key} = [{quoted}]" for key in load_schema("config")["properties"]]
    lines += [f"{quoted} = 1", f"[severity]\n{quoted} = {quoted}", f"[pin]\n{quoted} = {quoted}",
              f"[[per-file]]\nfiles = {quoted}\nselect = [{quoted}]", f"[{quoted}", f"max-length = {HOSTILE}"]  # fmt: skip
    for line in lines:
        (folder / "glmlint.toml").write_text(line, encoding="utf-8")
        for command in (
            ("check", "a.jsonl"),
            ("rules",),
            ("show", "a.jsonl"),
            ("check", "a.jsonl", "--format", "github"),
        ):
            done = glmlint_here(*command)
            assert_done_safely(done, line, *command)


@each_value
def test_hostile_files_beside_the_data(value: str, folder: Path) -> None:
    """Templates, vocabularies and baselines whose own text is quoted in a fault."""
    data_with("human", folder / "a.jsonl")
    (folder / "t.jinja").write_text(f"{{{{ raise_exception({json.dumps(value)}) }}}}")
    (folder / "u.jinja").write_text(f"{{% {value} %}}")
    (folder / "t.json").write_text(json.dumps({"model": {"type": value, "vocab": {}}}))
    (folder / "r.model").write_text(value)
    (folder / "b.json").write_text(json.dumps({value: value}))
    (folder / "r.txt").write_text(f"transformers=={value}")
    for flag in ("--template=t.jinja", "--template=u.jinja", "--tokenizer=t.json",
                 "--tokenizer=r.model", "--baseline=b.json", "--pin=r.txt"):  # fmt: skip
        for command in ("check", "show", "encode"):
            if command != "check" and "baseline" in flag:
                continue
            assert_done_safely(glmlint_here(command, flag, "a.jsonl"), command, flag)
    for form in names():
        done = glmlint_here("check", "--template=t.jinja", "a.jsonl", "--format", form)
        assert_done_safely(done, "--format", form)


@each_value
def test_json_keeps_the_value(value: str, folder: Path) -> None:
    (folder / value).mkdir()
    path = f"{value}/a.jsonl"
    data_with(value, folder / path)
    done = glmlint_here("check", path, f"{value}.jsonl", "--format", "json")
    report = json.loads(done.out)
    assert report["files"][0]["path"] == path
    assert report["problems"][0]["path"] == f"{value}.jsonl"
    pointers = [finding["pointer"] for finding in report["findings"] if finding["pointer"]]
    assert any(value in pointer for pointer in pointers)
    lines = glmlint_here("check", path, "--format", "jsonl").out.splitlines()
    assert {json.loads(line).get("path", path) for line in lines} == {path}
    (folder / "b").mkdir()
    data_with("human", folder / "b" / f"{value}.jsonl")
    rows = glmlint_here("encode", "b").out.splitlines()
    assert len(rows) > 10
    told = json.loads(glmlint_here("convert", path, "--to", "openai", "--format", "json").err)
    assert told["path"] == path


@each_value
@pytest.mark.parametrize("color", [False, True])
def test_a_terminal(value: str, color: bool, folder: Path) -> None:
    """What stands in tables and between colours."""
    from glmlint.app.settings import resolve
    from glmlint.engine.finish import finish
    from glmlint.reporters.base import ReporterOptions, get
    from glmlint.runners.local import check_files
    from glmlint.trainer.base import open_context

    (folder / value).mkdir()
    path = f"{value}/a.jsonl"
    data_with(value, folder / path)
    plan = resolve({"select": ["ALL"]}, (path,))
    context = open_context(plan)
    result = finish(check_files([path, f"{value}.jsonl"], plan, context), plan, context)
    for width in (40, 80, 200):
        out = io.StringIO()
        get("text").write(result, out, ReporterOptions(width=width, color=color, terminal=True))
        assert "role" in out.getvalue()
        assert_safe(COLOUR.sub("", out.getvalue()), width)


def test_a_console_lets_nothing_through_that_somebody_forgot() -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(Text(HOSTILE, style="red"))
    for color in (False, True):
        out = io.StringIO()
        with console_for(out, 60, color) as console:
            console.print(HOSTILE)
            console.print(Text(AT_START, style="bold"), soft_wrap=True)
            console.print(table)
        told = COLOUR.sub("", out.getvalue())
        assert HIDDEN.search(told) is None
        if not color:
            assert_safe(told, "console")


# --- nothing else prints -------------------------------------------------------------------------

PRINTERS: Final = {
    "print", "click.echo", "click.secho", "sys.stderr.write", "sys.stderr.buffer.write",
    "sys.stderr.flush", "Console", "rich.print", "warnings.warn", "traceback.print_exc",
}  # fmt: skip
ALLOWED: Final = {
    ("output", "sys.stderr.write"), ("output", "sys.stderr.flush"),
    ("progress", "Console"), ("scoring.command", "Console"),  # bars: numbers of their own
}  # fmt: skip
"""Modules that may, and what."""

OUT: Final = {
    "sys.stdout.write",
    "sys.stdout.buffer.write",
    "out.write",
    "json.dumps",
    "json.encode",
}
OUT_ALLOWED: Final = {
    "output", "visible", "reporters.json", "reporters.jsonl", "reporters.github", "reporters.tables",
}  # fmt: skip
"""What writes a report; no other module of `reporters` or `app` does it by itself."""


def called(module: Path) -> set[str]:
    """Dotted names of what a module calls."""
    found = set()
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Call):
            with contextlib.suppress(ValueError):
                found.add(ast.unparse(node.func))
    return found


def test_nothing_prints_beside_the_gate() -> None:
    for file in PACKAGE.rglob("*.py"):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        for call in called(file) & PRINTERS:
            assert (name, call) in ALLOWED, f"{name} calls {call}: use output.tell or console_for"
        if name.startswith(("reporters.", "app.", "convert.command", "scoring.command")):
            here = called(file) & OUT
            if name not in OUT_ALLOWED:
                assert here <= OUT_BESIDE.get(name, set()), f"{name} calls {here}: use output.put"


OUT_BESIDE: Final = {
    "reporters.catalogue": {"out.write", "json.dumps"},  # glmlint's own words, by `json_text`
    "reporters.html": {"out.write"},  # `page.render` escapes what it prints
    "app.init": {"out.write"},  # the settings file
    "scoring.command": {"sys.stdout.write"},  # a report that `score_text` has made
}  # fmt: skip


# --- the gate itself -----------------------------------------------------------------------------

ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\n\r\t:#[e\u202e\udcff\u200d")))


@given(ANY_TEXT)
def test_any_text_is_one_safe_line(text: str) -> None:
    line = log_line(visible(text))
    assert_safe(line, text)
    assert "\n" not in line
    assert log_line(visible(line)) == line


@given(st.one_of(ANY_TEXT, st.lists(ANY_TEXT), st.dictionaries(ANY_TEXT, ANY_TEXT)))
def test_any_json_reads_back_as_the_value(value: Any) -> None:
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert HIDDEN.search(text) is None
        assert json.dumps(json.loads(text)) == json.dumps(value)
        assert indent or not set(text) & set("\r\n\t")


@given(st.binary())
def test_a_line_of_a_diff_keeps_its_end_and_its_bytes_where_they_are_harmless(data: bytes) -> None:
    line = data.replace(b"\n", b"") + b"\n"
    shown = diff_line(line)
    assert shown.endswith(b"\n") and shown.count(b"\n") == 1
    assert HIDDEN.search(shown.decode("utf-8", "replace").strip("\r\n").replace("\t", "")) is None
    assert diff_line(b"+a\rb\r") == b"+a\\rb\\r"
    assert diff_line(b"+\tabc \xe4\xb8\xad \xff\r\n") == b"+\tabc \xe4\xb8\xad \xff\r\n"


def test_a_diff_into_a_file_is_a_patch_and_into_a_pipe_is_safe(folder: Path) -> None:
    row = {
        "messages": [
            {"role": "human", "content": "a\u202eb"},
            {"role": "assistant", "content": "c"},
        ]
    }
    (folder / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "glmlint",
        "check",
        "--diff",
        "--select",
        "unknown-role",
        "a.jsonl",
    ]
    environment = {**os.environ, "LANG": "C.UTF-8"}
    with open(folder / "fix.patch", "wb") as patch:  # noqa: PTH123
        done = subprocess.run(
            command,
            stdout=patch,
            stderr=subprocess.PIPE,
            check=False,
            env=environment,
            timeout=LIMIT,
        )
    assert done.returncode == 1 and b"escapes" not in done.stderr
    assert "a\u202eb" in (folder / "fix.patch").read_text("utf-8")
    piped = subprocess.run(
        command, capture_output=True, check=False, env=environment, timeout=LIMIT
    )
    assert b"a\\u202eb" in piped.stdout and b"are escaped in the diff" in piped.stderr
