"""Whatever a rule quotes and whatever a diff shows: secrets and persons' numbers stay hidden."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import LIMIT

from glmlint.engine.redact import redacted_line

KEY = "AKIA" + "Q3EGRLK7W2ZVX5TN"
CARD = "4539 7120 6384 9170"
KINDS = {"secret": KEY, "card": CARD, "id": "11010219020914208X", "iban": "GB95ZZYX99310174628305"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "glmlint", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


def conversation(first: dict[str, Any], said: Any, **more: Any) -> dict[str, Any]:
    answer = {"role": "assistant", "content": said, **more}
    return {"messages": [first, {"role": "user", "content": "?"}, answer]}


def system(**parameter: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"a": parameter}, "required": ["a"]}
    function = {"name": "f", "description": "F.", "parameters": schema}
    return {"role": "system", "content": "", "tools": [{"type": "function", "function": function}]}


def quoting_rows(hidden: str) -> list[str]:
    """Rows of which some rule quotes just the text that it finds wrong."""
    plain = {"role": "system", "content": "Be brief."}
    rows = [
        conversation(system(enum=["x"]), json.dumps({"a": hidden}), metadata="f"),
        conversation(system(type="integer"), json.dumps({"a": hidden}), metadata="f"),
        conversation(system(type="string"), "{}", metadata=hidden),
        conversation(system(type=hidden), '{"a": 1}', metadata="f"),
        conversation({"role": hidden, "content": "Hi"}, "Yes"),
        conversation({**plain, hidden: 1}, "Yes"),
        {**conversation(plain, "Yes"), hidden: 2},
        conversation(plain, " ".join([hidden] * 40)),
    ]
    broken = f'{{"messages": [], "{hidden}": 1, "{hidden}": 2}}'
    return [*(json.dumps(row) for row in rows), broken]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["text", "json", "jsonl", "github"])
def test_no_message_quotes_it(tmp_path: Path, kind: str, form: str) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(quoting_rows(KINDS[kind])) + "\n")
    done = run(tmp_path, "check", "a.jsonl", "--select", "ALL", "--format", form)
    assert done.returncode == 1, done.stderr
    assert KINDS[kind] not in done.stdout + done.stderr
    for rule in ("arguments-schema", "unknown-role", "unknown-tool", "duplicate-key"):
        assert rule in done.stdout
    if form == "text":
        assert done.stdout.count("[HIDDEN]") >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_json_in_a_text_of_json_hides_nothing_from_us(kind: str) -> None:
    said = f"one\n{KINDS[kind]}\ntwo"
    for _ in range(3):
        said = json.dumps({"text": said})
        line = json.dumps({"messages": [{"role": "assistant", "content": said}]})
        shown = redacted_line(line.encode()).decode()
        assert KINDS[kind] not in shown and "[HIDDEN]" in shown
        inside = json.loads(json.loads(shown)["messages"][0]["content"])
        assert "two" in str(inside)


def test_other_numbers_are_quoted(tmp_path: Path) -> None:
    row = conversation(system(type="string"), '{"a": 4539712063849171}', metadata="f")
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert "4539712063849171" in run(tmp_path, "check", "a.jsonl").stdout


def test_a_diff_shows_the_repair_and_not_the_secret(tmp_path: Path) -> None:
    hidden = conversation({"role": "human", "content": f"Key:\n{KEY}"}, f"Card:\n{CARD}")
    other = conversation({"role": "human", "content": "你好"}, "Fine")
    escaped = json.dumps(hidden).replace(KEY, KEY.replace("Q", "\\u0051"))
    file = tmp_path / "a.jsonl"
    before = f"{escaped}\n{json.dumps(other, ensure_ascii=False)}\n".encode()
    file.write_bytes(before)
    for more in ((), ("--unsafe-fixes",)):
        done = run(tmp_path, "check", "a.jsonl", "--diff", *more)
        assert done.returncode == 1, done.stderr
        assert KEY[6:] not in done.stdout and CARD not in done.stdout
        removed, *_ = (line for line in done.stdout.splitlines() if line.startswith("-{"))
        assert removed == "-" + json.dumps(hidden).replace(KEY, "[HIDDEN]").replace(
            CARD, "[HIDDEN]"
        )
        assert done.stdout.count("[REDACTED]") == (2 if more else 0)
        assert "-" + json.dumps(other, ensure_ascii=False) in done.stdout.splitlines()
        assert "--fix can" in done.stderr
    assert file.read_bytes() == before
