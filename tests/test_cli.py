"""Whole commands, run as a user runs them: exit codes, streams, settings, bad input."""

from __future__ import annotations

import gzip
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import LIMIT, started, until

GOOD = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
}
LONG = {
    "messages": [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "word " * 3000},
    ]
}
RAISES = {"messages": [{"content": "x"}, {"role": "assistant", "content": "y"}]}


def write(file: Path, *rows: Any) -> str:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return str(file)


def glmlint(
    *arguments: str, stdin: bytes | None = None, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "glmlint", *arguments],
        capture_output=True, input=stdin, cwd=cwd, check=False,
        env={**os.environ, "LANG": "C.UTF-8", **environment}, timeout=LIMIT
    )  # fmt: skip


def report(*arguments: str, **more: Any) -> dict[str, Any]:
    done = glmlint("check", *arguments, "--format", "json", **more)
    assert b"Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode
    return found


def test_a_clean_file_exits_0(tmp_path: Path) -> None:
    found = report(write(tmp_path / "a.jsonl", GOOD, GOOD | {"id": 2}), "--ignore", "dataset")
    assert found["exit_code"] == 0
    assert found["totals"]["samples"] == found["totals"]["clean"] == 2


def test_findings_exit_1_and_the_level_can_be_chosen(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD, LONG)
    found = report(file)
    assert found["exit_code"] == 1
    assert [f["rule"] for f in found["findings"] if f["severity"] == "error"] == ["over-truncated"]
    assert report(file, "--fail-on", "never")["exit_code"] == 0
    assert report(file, "--severity", "over-truncated=warning")["exit_code"] == 0
    assert report(file, "--max-length", "9000")["exit_code"] == 0


def test_the_gate_says_by_how_much(tmp_path: Path) -> None:
    file = write(tmp_path / "train.jsonl", *[GOOD] * 9, LONG)
    done = glmlint(
        "check", file, "--max-lost-share", "0.05", "--max-truncated-samples", "0.01",
        "--ignore", "dataset",
    )  # fmt: skip
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "over-truncated" in text and "too-many-truncated" in text
    assert "10.0%" in text or "10%" in text
    loose = glmlint(
        "check",
        file,
        "--max-lost-share",
        "1",
        "--max-truncated-samples",
        "0.1",
        "--ignore",
        "dataset",
    )
    assert loose.returncode == 0, loose.stdout.decode()


def test_a_missing_path_exits_2_and_the_others_are_checked(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    done = glmlint("check", str(tmp_path / "nope.jsonl"), file, "--format", "json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["totals"]["samples"] == 1
    assert done.stderr.decode().startswith("glmlint: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("check", "--recipe", "glm4-combin"),
            "unknown recipe glm4-combin: did you mean glm4-combine?",
        ),
        (("check", "--recipe", "glm5"), "unknown recipe glm5: one of "),
        (("check", "--select", "nul-content"), "did you mean null-content?"),
        (("check", "--pin", "none.txt"), "nor a file: No such file or directory"),
        (("check", "--severity", "null-content=bad"), "unknown severity of null-content: bad"),
        (("check", "--pin", "datasts=1"), "did you mean datasets?"),
        (("check", "--format", "yaml"), "unknown format yaml"),
        (("check", "--max-length", "9", "--max-input-length", "3"), "can't be combined with"),
        (("check", "--tokenizer", "nowhere"), "no such tokenizer"),
        (("check", "--template", "nowhere"), "no template nowhere"),
        (("check", "--config", "nowhere.toml"), "no such settings file"),
        (("explain", "nul-content"), "null-content"),
        (("encode", "nowhere.jsonl"), "no such file"),
        (("show", "nowhere.jsonl"), "no such file"),
    ],
)
def test_a_wrong_word_exits_2_in_one_line(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.jsonl", GOOD)
    done = glmlint(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1 and done.stdout == b""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("check", "--recipe", "glm5"), "未知的配方 glm5：可用的有 "),
        (("check", "--recipe", "glm4-combin"), "未知的配方 glm4-combin（是否应为 glm4-combine？）"),
        (
            ("check", "--select", "nul-content"),
            "未知的规则或规则族 nul-content（是否应为 null-content？）",
        ),
        (("check", "--severity", "null-content=bad"), "null-content 的级别无效：bad"),
        (("check", "--format", "yaml"), "未知的格式 yaml：可用的有 "),
        (("check", "--unsafe-fixes"), "--unsafe-fixes 须与 --fix 或 --diff 一起使用"),
        (
            ("check", "--max-length", "9", "--max-input-length", "3"),
            "不能与 --max-input-length 同时",
        ),
        (("check", "--tokenizer", "nowhere"), "找不到 tokenizer：nowhere（"),
        (("check", "--template", "nowhere"), "找不到模板 nowhere"),
        (("check", "--config", "nowhere.toml"), "nowhere.toml: 配置文件不存在"),
        (("check", "--baseline", "nowhere.json"), "没有基线文件 nowhere.json"),
        (("check", "--output", "nowhere/x"), "--output nowhere/x: 文件或文件夹不存在"),
        (("rules", "--select", "x-y-z"), "未知的规则或规则族 x-y-z"),
        (("explain", "nul-content"), "未知的规则 nul-content（是否应为 null-content？）"),
        (("encode", "nowhere.jsonl"), "nowhere.jsonl: 文件或文件夹不存在"),
        (("encode", "a.jsonl:7"), "a.jsonl 的第 7 行没有样本"),
        (("show", "a.jsonl:7"), "a.jsonl 没有第 7 行：最后一个样本从第 1 行开始"),
        (("convert", "nowhere.jsonl", "--to", "openai"), "nowhere.jsonl: 文件或文件夹不存在"),
        (("score", "a.jsonl", "--model", "no", "--dry-run"), "no: 没有这个文件夹；"),
        (("score", "a.jsonl", "--model", "no", "--token-budget", "x"), "应为 auto 或 token 数"),
    ],
)
def test_a_wrong_word_is_told_in_chinese(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.jsonl", GOOD)
    done = glmlint(*arguments, "--lang", "zh", cwd=tmp_path)
    told = done.stderr.decode()
    assert done.returncode == 2
    assert sentence in told and told.count("\n") == 1
    assert glmlint(*arguments, cwd=tmp_path, LC_ALL="zh_CN.UTF-8").stderr == done.stderr


def test_the_settings_file_chooses_the_language_of_its_own_fault(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", GOOD)
    (tmp_path / "glmlint.toml").write_text('lang = "zh"\nrecipe = "glm5"\n')
    assert "未知的配方 glm5" in glmlint("check", cwd=tmp_path).stderr.decode()
    assert "unknown recipe" in glmlint("check", "--lang", "en", cwd=tmp_path).stderr.decode()


def test_a_missing_path_is_told_in_chinese_in_every_format(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    done = glmlint("check", "nope.jsonl", file, "--format", "json", "--lang", "zh", cwd=tmp_path)
    reason = json.loads(done.stdout)["problems"][0]["reason"]
    assert reason == "文件或文件夹不存在"
    assert f"glmlint: nope.jsonl: {reason}\n" == done.stderr.decode()


def english_left(line: str) -> list[str]:
    """Half-width punctuation beside Chinese text, code aside."""
    return re.findall(r"[\u4e00-\u9fff][ ]?[,;:?!()]|[,;:?!()][ ]?[\u4e00-\u9fff]", line)


def test_the_catalogue_speaks_chinese() -> None:
    done = glmlint("rules", "--lang", "zh")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "structure（结构）" in text and "消息的 `content` 为 null" in text
    assert [line for line in text.splitlines() if english_left(line)] == []
    assert glmlint("rules", LC_ALL="zh_CN.UTF-8").stdout == done.stdout
    named = json.loads(glmlint("rules", "--lang", "zh", "--format", "json").stdout)
    null = next(entry for entry in named if entry["name"] == "null-content")
    assert null["title"] == "A message whose `content` is null."
    assert null["title_zh"] == "消息的 `content` 为 null"


def test_explain_speaks_chinese() -> None:
    text = glmlint("explain", "blank-line", "--lang", "zh").stdout.decode()
    lines = text.splitlines()
    assert lines[0] == "blank-line  structure（结构）  提示"
    assert lines[2:4] == ["行与行之间有空行。", ""] and "依据：`datasets`" in text
    assert "建议：" in text and "不会报告" in text
    assert [line for line in lines if english_left(line)] == []
    assert "{role!r}" not in glmlint("explain", "combine-spill", "--lang", "zh").stdout.decode()


def test_standard_input() -> None:
    found = report("-", stdin=json.dumps(GOOD).encode())
    assert found["totals"]["samples"] == 1
    assert found["files"][0]["path"] == "-"


def test_settings_file_upwards_and_flags_win(tmp_path: Path) -> None:
    (tmp_path / "glmlint.toml").write_text(
        'max-length = 50\nselect = ["over-truncated"]\nlang = "zh"\n'
    )
    folder = tmp_path / "data"
    folder.mkdir()
    file = write(folder / "a.jsonl", LONG)
    found = report(file)
    assert found["budget"]["max_length"] == 50
    assert "超" in found["findings"][0]["message"] or "截" in found["findings"][0]["message"]
    assert report(file, "--max-input-length", "5000")["budget"]["max_length"] == 5513
    assert report(file, "--max-length", "77")["budget"]["max_length"] == 77


def test_pyproject_table_and_unknown_key(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    (tmp_path / "pyproject.toml").write_text("[tool.glmlint]\nmax-length = 64\n")
    assert report(file)["budget"]["max_length"] == 64
    (tmp_path / "pyproject.toml").write_text("[tool.glmlint]\nmax-lenght = 64\n")
    done = glmlint("check", file)
    assert done.returncode == 2
    assert "unknown key max-lenght: did you mean max-length?" in done.stderr.decode()


def test_per_file_rules(tmp_path: Path) -> None:
    (tmp_path / "glmlint.toml").write_text('[[per-file]]\nfiles = "*eval*"\nignore = ["budget"]\n')
    write(tmp_path / "train.jsonl", LONG)
    write(tmp_path / "eval.jsonl", LONG)
    found = report(str(tmp_path))
    cut = [f for f in found["findings"] if f["rule"] == "over-truncated"]
    assert [Path(f["path"]).name for f in cut] == ["train.jsonl"]


def test_a_severity_that_is_set_for_some_files_holds_there_only(tmp_path: Path) -> None:
    (tmp_path / "glmlint.toml").write_text(
        '[[per-file]]\nfiles = "old*"\nseverity = { null-content = "error" }\n'
        '[[per-file]]\nfiles = "odd*"\nseverity = { null-content = "info" }\n'
    )
    empty = {"messages": [{"role": "system", "content": None}, *GOOD["messages"]]}
    raises = {"messages": [{"role": "user", "content": None}, GOOD["messages"][1]]}
    for name in ("new.jsonl", "old.jsonl", "odd.jsonl"):
        write(tmp_path / name, empty, raises)

    def levels(*flags: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for finding in report(str(tmp_path), "--select", "null-content", *flags)["findings"]:
            found.setdefault(Path(finding["path"]).name, []).append(finding["severity"])
        return found

    by_recipe = levels("--recipe", "glm4")
    own = by_recipe["new.jsonl"]
    assert "warning" in own  # what the rule itself says of a message that only vanishes
    assert by_recipe == {"new.jsonl": own, "old.jsonl": ["error"] * 2, "odd.jsonl": ["info"] * 2}
    flag = levels("--severity", "null-content=warning")
    assert {level for found in flag.values() for level in found} == {"warning"}


def test_encode_prints_one_object_a_sample(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD, b"", b"{bad", RAISES, LONG)
    lines = glmlint("encode", file).stdout.split(b"\n")[:-1]
    rows = [json.loads(line) for line in lines]
    assert [(r["line"], r["index"], r.get("error")) for r in rows] == [
        (1, 0, None), (3, 1, "DatasetGenerationError"), (4, 2, "KeyError"), (5, 3, None),
    ]  # fmt: skip
    assert len(rows[3]["input_ids"]) == len(rows[3]["labels"]) == 1025
    whole = json.loads(glmlint("encode", f"{file}:5", "--no-truncate").stdout)
    assert len(whole["input_ids"]) > 3000
    done = glmlint("encode", f"{file}:2")
    assert done.returncode == 2 and b"no sample at line 2" in done.stderr


def test_counts_are_those_of_encode(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD, b"{bad", RAISES, LONG, {"messages": []}, 5)
    for recipe in ("glm4", "glm4-combine", "glm4-2024-06"):
        totals = report(file, "--recipe", recipe)["totals"]
        cut, whole = (
            [
                json.loads(line)
                for line in glmlint("encode", file, "--recipe", recipe, *more).stdout.split(b"\n")[
                    :-1
                ]
            ]
            for more in ((), ("--no-truncate",))
        )
        assert totals["samples"] == len(cut) == 6
        assert totals["unreadable"] == sum("error" in row for row in cut)
        assert totals["kept_tokens"] == sum(len(row.get("input_ids", [])) for row in cut)
        assert totals["tokens"] == sum(len(row.get("input_ids", [])) for row in whole)
        for key, rows in (("kept_supervised_tokens", cut), ("supervised_tokens", whole)):
            assert totals[key] == sum(
                label != -100 for row in rows for label in row.get("labels", [])[1:]
            )
        assert totals["clean"] + totals["with_findings"] + totals["unreadable"] == 6


def test_several_formats_with_their_outputs(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", LONG)
    out = tmp_path / "report.json"
    done = glmlint("check", file, "--format", "json", "--output", str(out), "--format", "github")
    assert json.loads(out.read_bytes())["exit_code"] == 1
    assert done.stdout.startswith(b"::error ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "report.json"]


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *[LONG] * 300)
    for command in (("encode",), ("check",), ("check", "--format", "json")):
        with started(
            "-m", "glmlint", *command, file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], LIMIT)[0]
            process.stdout.close()
            assert process.communicate(timeout=LIMIT)[1] == b""
            assert process.returncode in (0, 1)


def test_ctrl_c_prints_what_was_found_and_exits_130(tmp_path: Path) -> None:
    first = write(tmp_path / "first.jsonl", LONG)
    with started(
        "-m", "glmlint", "check", first, "-", "--format", "json",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        # More than a pipe holds is taken when standard input is read: the first file is done then.
        process.stdin.write(b" " * (1 << 20))
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        # A signal just before the blocking read waits for more input; its end is a row at most.
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    found = json.loads(out)
    assert found["exit_code"] == 130
    assert "over-truncated" in [f["rule"] for f in found["findings"]]
    assert [f["path"] for f in found["files"]] == [first]
    assert b"interrupted" in err and b"Traceback" not in err


BAD_LINES = {
    "binary": bytes(byte for byte in range(256) if byte != 10) * 4,
    "cut utf-8": '{"messages": [{"role": "user", "content": "你'.encode()[:-1],
    "gbk": '{"messages": [{"role": "user", "content": "你好"}]}'.encode("gbk"),
    "deep": b'{"messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep in a tool": b'{"messages": [{"role": "system", "content": "", "tools": '
    + b"[" * 600
    + b"]" * 600
    + b"}]}",
    "many digits": b'{"messages": [], "n": ' + b"7" * 5000 + b"}",
    "nan": b'{"messages": [{"role": "user", "content": NaN}]}',
    "repeated key": b'{"messages": [], "messages": [{"role": "user", "content": "x"}]}',
    "lone surrogate": b'{"messages": [{"role": "user", "content": "\\ud83d"}]}',
    "escapes": b'{"messages": [{"role": "user", "content": "\\u0000\\u001b[31m\\u202e"}]}',
    "a number": b"17",
    "an open string": b'{"messages": "',
    "nothing but brackets": b"[" * 5000,
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_a_finding_and_the_next_line_is_read(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD, BAD_LINES[name], LONG)
    found = report(file, "--select", "ALL")
    assert found["totals"]["samples"] == 3
    assert found["exit_code"] == 1
    assert [f for f in found["findings"] if f["line"] == 2 and f["severity"] != "info"], name
    assert [f for f in found["findings"] if f["line"] == 3 and f["rule"] == "over-truncated"]
    for command in (("check",), ("check", "--format", "github"), ("encode",), ("show",)):
        place = f"{file}:2" if command == ("show",) else file
        done = glmlint(*command, place)
        assert b"Traceback" not in done.stderr and b"bug in glmlint" not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 2)
        assert b"\x1b" not in done.stdout.replace(b"\x1b[0m", b"")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("empty.jsonl", b"", 1), ("blank.jsonl", b"\n \n", 1), ("utf16.jsonl", "\ufeff{}".encode("utf-16-le"), 1),
     ("broken.jsonl.gz", b"\x1f\x8b broken", 2), ("nul.jsonl", b"\0" * 100, 1)],
)  # fmt: skip
def test_bad_files(name: str, content: bytes, code: int, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    found = report(str(file))
    assert found["exit_code"] == code
    assert found["findings"] or code == 2


def test_a_folder_without_data_exits_2(tmp_path: Path) -> None:
    done = glmlint("check", str(tmp_path))
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1


def test_no_permission_exits_2(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    Path(file).chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    assert glmlint("check", file).returncode == 2


def test_the_validation_split_is_compared(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", GOOD, LONG)
    write(tmp_path / "dev.jsonl", GOOD)
    folder = f"{tmp_path}/."
    for paths in ((train,), (folder,)):
        found = report(*paths, "--eval", str(tmp_path / "*ev.jsonl"), "--max-length", "9999")
        assert found["finding_counts"]["train-val-overlap"] == 1
        assert [Path(f["path"]).name for f in found["files"]] == ["train.jsonl", "dev.jsonl"]
    assert report(train, "--eval", str(tmp_path / "none.jsonl"))["exit_code"] == 2


def test_an_ignored_score_rule_is_not_called_unused_by_check(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD | {"glmlint": {"ignore": ["high-loss"]}})
    assert "unused-ignore" not in report(file, "--select", "ALL")["finding_counts"]
    unused = write(tmp_path / "b.jsonl", GOOD | {"glmlint": {"ignore": ["null-content"]}})
    assert report(unused, "--select", "ALL")["finding_counts"]["unused-ignore"] == 1


TOOLS_OF_ROW = [
    {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}
]
ASKED = {"role": "user", "content": "你好"}
SAID = {"role": "assistant", "content": "你好！"}
FOREIGN = {
    "sharegpt": {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
    "alpaca": {"instruction": "翻译", "input": "你好", "output": "Hello"},
    "chatglm3": {"conversations": [ASKED, SAID]},
    "xtuner": {"conversation": [{"system": "s", "input": "a", "output": "b"}]},
    "prompt-response": {"prompt": "你好", "response": "你好！"},
    "preference": {"prompt": "a", "chosen": "b", "rejected": "c"},
    "preference of messages": {"chosen": [ASKED, SAID], "rejected": [ASKED, SAID]},
    "messages-list": [ASKED, SAID],
    "messages-list of turns": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
    "openai": {"messages": [{"role": "developer", "content": "s"}, ASKED, SAID]},
    "openai tools": {
        "messages": [
            ASKED,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "22"},
            SAID,
        ],
        "tools": TOOLS_OF_ROW,
    },
    "prompt-only": {"prompt": "你好"},
    "text": {"text": "你好"},
}
NAMES = ("data.jsonl", "my data's 数据.jsonl", "-x.jsonl")


def run_printed(help_: str, folder: Path) -> list[dict[str, Any]] | None:
    """The rows that the command of a help writes; None where it has none."""
    command = re.search(r"glmlint convert .*", help_)
    if command is None:
        return None
    program = f"{shlex.quote(sys.executable)} -m glmlint"
    done = subprocess.run(
        command[0].replace("glmlint", program, 1),
        shell=True, cwd=folder, capture_output=True, check=False, timeout=LIMIT
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    out = folder / shlex.split(command[0])[-1]
    return [json.loads(line) for line in out.read_bytes().splitlines()]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("form", FOREIGN)
def test_the_command_that_other_format_prints_works(form: str, lang: str, tmp_path: Path) -> None:
    name = NAMES[list(FOREIGN).index(form) % len(NAMES)]
    write(tmp_path / name, FOREIGN[form], FOREIGN[form])
    options = ("--select", "other-format", "--lang", lang, "--format", "json")
    done = glmlint("check", *options, "--", name, cwd=tmp_path)
    (finding,) = json.loads(done.stdout)["findings"]
    rows = run_printed(finding["help"], tmp_path)
    assert (rows is None) == (form in ("prompt-only", "text"))
    if rows is not None:
        assert len(rows) == 2
        write(tmp_path / "after.jsonl", *rows)
        assert report("after.jsonl", "--ignore", "dataset", cwd=tmp_path)["exit_code"] == 0


def test_the_command_works_where_a_file_mixes_formats(tmp_path: Path) -> None:
    mixed = [row for form, row in FOREIGN.items() if form.split()[0] in ("sharegpt", "alpaca")]
    file = write(tmp_path / "a.jsonl", *mixed, GOOD)
    found = report(file, "--select", "other-format", "--lang", "en")["findings"]
    assert len(found) == 2
    assert {len(run_printed(f["help"], tmp_path) or ()) for f in found} == {3}


def test_the_versions_are_told_with_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("transformers==4.51.3\ndatasets>=4.4\n")
    write(tmp_path / "a.jsonl", GOOD)
    for lang, words in (
        ("en", "transformers 4.51.3 (flag); datasets 5.2.0 (newest known)"),
        ("zh", "transformers 4.51.3（命令行参数）；datasets 5.2.0（已知最新版本）"),
    ):
        done = glmlint(
            "check", "a.jsonl", "--pin", "requirements.txt", "--lang", lang, cwd=tmp_path
        )
        assert words in done.stdout.decode()
    origins = report("a.jsonl", "--pin", "requirements.txt", cwd=tmp_path)["origins"]
    assert (origins["transformers"], origins["datasets"]) == ("flag", "default")


def test_no_repair_is_promised_where_fix_leaves_the_file_alone(tmp_path: Path) -> None:
    row = {"messages": [{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}]}
    file = Path(write(tmp_path / "a.jsonl", row))
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    train = write(tmp_path / "train.jsonl", GOOD)
    promise = b"`glmlint check --fix`"
    assert promise in glmlint("check", str(file)).stdout
    assert promise not in glmlint("check", str(packed)).stdout
    assert promise not in glmlint("check", "-", stdin=file.read_bytes()).stdout
    assert promise not in glmlint("check", train, "--eval", str(file)).stdout


def test_fixable_is_what_fix_repairs(tmp_path: Path) -> None:
    row = {"messages": [{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}]}
    file = Path(write(tmp_path / "a.jsonl", row, b"", row))
    packed, hidden = tmp_path / "b.jsonl.gz", tmp_path / "hidden.jsonl"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    hidden.write_bytes(packed.read_bytes())  # packed, whatever its name
    train = write(tmp_path / "train.jsonl", GOOD)
    link = tmp_path / "link.jsonl"
    link.symlink_to(file)

    def fixable(*arguments: str, **more: Any) -> set[str]:
        found = report(*arguments, "--select", "ALL", **more)["findings"]
        assert {"unknown-role", "blank-line", "exact-duplicate"} <= {f["rule"] for f in found}
        return {f["rule"] for f in found if f["fixable"]}

    whole = {"unknown-role", "blank-line", "exact-duplicate"}
    assert fixable(str(file)) == fixable(str(link)) == whole
    assert fixable(str(packed)) == fixable(str(hidden)) == set()
    assert fixable("-", stdin=file.read_bytes()) == set()
    assert fixable(train, "--eval", str(file)) == set()
    # A file of both splits is repaired, by whatever names the two have it.
    assert fixable(train, str(link), "--eval", str(file)) == whole
    code = "import os, sys; os.mkfifo(sys.argv[1]); open(sys.argv[1], 'wb').write(open(sys.argv[2], 'rb').read())"
    pipe = tmp_path / "pipe.jsonl"
    with started("-c", code, str(pipe), str(file)) as writing:
        until(pipe.exists, writing)
        assert fixable(str(pipe)) == set()
        assert writing.wait(LIMIT) == 0


def test_diff_of_a_packed_file_says_that_nothing_is_repaired(tmp_path: Path) -> None:
    row = {"messages": [{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}]}
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(row).encode()))
    done = glmlint("check", str(packed), "--diff")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.endswith(b"Nothing was fixed.\n")


def test_keys_that_the_training_split_lacks_are_one_finding(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", GOOD)
    dev = write(tmp_path / "dev.jsonl", GOOD | {"x": 1, "y": "a"}, GOOD | {"z": [1]})
    found = report(train, "--eval", dev, "--select", "loader")["findings"]
    assert [finding["rule"] for finding in found] == ["split-schema-mismatch"]
    assert "; 3 keys)" in found[0]["message"]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\xef\xbb\xbf\n", "byte-order-mark"),
        (b'[{"messages": [{"role": "user"}]},\n{"messages": [}\n]', "not-jsonl"),
        (b'{"messages": "\xe9\xff\xfe \xc0\n"}\n', "not-utf8"),
        (json.dumps({"messages": [{"role": "human"}]}).encode("utf-16"), "unknown-role"),
    ],
)
def test_what_fix_cannot_repair_is_not_called_fixable(
    tmp_path: Path, data: bytes, rule: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(data)
    options = ("--select", "ALL", *(["--ignore", "not-utf8"] if rule == "unknown-role" else []))
    found = report(str(file), "--fix", "--unsafe-fixes", *options)
    assert file.read_bytes() == data
    assert [f["fixable"] for f in found["findings"] if f["rule"] == rule] == [False]
    assert b"check --fix" not in glmlint("check", str(file), *options).stdout


def test_no_report_and_no_baseline_takes_the_place_of_data(tmp_path: Path) -> None:
    file = Path(write(tmp_path / "a.jsonl", GOOD))
    other = Path(write(tmp_path / "notes.txt", GOOD))
    link, data = tmp_path / "link.json", file.read_bytes()
    link.symlink_to(file)
    for target in (str(file), str(link)):
        for flags in (("--output", target), ("--write-baseline", "--baseline", target)):
            done = glmlint("check", str(tmp_path), *flags, "--format", "json")
            assert (done.returncode, done.stdout) == (2, b"") and b"is an input" in done.stderr
    held_out = write(tmp_path / "dev.jsonl", LONG)
    assert glmlint("check", str(file), "--eval", held_out, "--output", held_out).returncode == 2
    done = glmlint("check", str(file), "--write-baseline", "--baseline", str(other))
    assert done.returncode == 2 and b"is not a baseline of glmlint" in done.stderr
    assert file.read_bytes() == other.read_bytes() == data
    for _ in range(2):  # an empty file and an old baseline may go
        base = tmp_path / "base.json"
        base.touch()
        done = glmlint("check", str(file), "--write-baseline", "--baseline", str(base))
        assert done.returncode == 0 and json.loads(base.read_bytes())["version"] == 1


def test_a_report_leaves_a_link_and_the_files_beside_it_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    beside, real, link = tmp_path / "r.json.part", tmp_path / "real.json", tmp_path / "r.json"
    beside.write_text("mine")
    link.symlink_to(real)
    assert glmlint("check", file, "--format", "json", "--output", str(link)).returncode == 0
    assert link.is_symlink() and json.loads(real.read_bytes())["exit_code"] == 0
    assert beside.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.jsonl", "r.json", "r.json.part", "real.json",
    }  # fmt: skip


def test_a_baseline_that_is_not_written_yet_stops_only_those_who_read_it(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"messages": [{"role": "human", "content": "x"}]})
    (tmp_path / "glmlint.toml").write_text('baseline = "old.json"\n')
    for command in (["show", "a.jsonl"], ["encode", "a.jsonl"], ["rules"]):
        done = glmlint(*command, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, b""), command
    assert b"--write-baseline writes it" in glmlint("check", "a.jsonl", cwd=tmp_path).stderr
    assert glmlint("check", "a.jsonl", "--write-baseline", cwd=tmp_path).returncode == 0
    assert glmlint("check", "a.jsonl", cwd=tmp_path).returncode == 0
    assert b"unknown-role" in glmlint("show", "a.jsonl", cwd=tmp_path).stdout


def test_a_line_of_standard_input_is_named_like_one_of_a_file(tmp_path: Path) -> None:
    file = Path(write(tmp_path / "a.jsonl", GOOD, {"messages": [{"role": "user", "content": "x"}]}))
    for command in (["show", "-:2", "--ids"], ["encode", "--no-truncate", "-:2"]):
        told = glmlint(*command, stdin=file.read_bytes())
        named = glmlint(*(word.replace("-:2", f"{file}:2") for word in command))
        assert (told.returncode, told.stderr) == (0, b"")
        # A long path is wrapped: the lines may break elsewhere.
        words = [b"".join(run.stdout.split()) for run in (told, named)]
        assert words[0] == words[1].replace(str(file).encode(), b"-")


@pytest.mark.parametrize(
    "command", [("check",), ("encode",), ("show",), ("convert", "--to", "glm4")]
)
def test_a_link_to_itself_is_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "a.jsonl").symlink_to("b.jsonl")
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    name, *more = command
    done = glmlint(name, "a.jsonl", *more, cwd=tmp_path)
    assert done.returncode == 2
    assert b"too many levels of symbolic links" in done.stderr.lower()
    assert b"bug" not in done.stderr
