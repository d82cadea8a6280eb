"""No line, no file and no setting gives a traceback or a wrong exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glmlint.app.cli import cli

TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["<|user|>", "<think>", "{}", '{"name": "f", "arguments": {}}', "\x1b[31m", "\ud83d", " "]
    ),
)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=5,
)
KEYS = ("role", "content", "metadata", "tools", "tool_calls", "loss", "from", "value")
MESSAGE = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "observation", "tool"]),
            "content": TEXT,
        }
    ),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
    JSON,
)
ROW = st.one_of(
    st.fixed_dictionaries({"messages": st.lists(MESSAGE, max_size=4)}),
    st.dictionaries(
        st.sampled_from(["messages", "conversations", "tools", "prompt", "glmlint"]),
        JSON,
        max_size=3,
    ),
    JSON,
)


@st.composite
def line(draw: st.DrawFn) -> bytes:
    """A row as JSON, now and then damaged, or any bytes at all."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=40))
    text = json.dumps(draw(ROW), ensure_ascii=draw(st.booleans()))
    raw = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0 and raw:
        at = draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + draw(st.integers(0, 2)) :]
    return raw


FILE = st.tuples(
    st.lists(line(), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"["]),
).map(lambda parts: parts[2] + parts[1].join(parts[0]))
SETTINGS = st.lists(
    st.sampled_from([
        ["--recipe", "glm4-combine"], ["--recipe", "glm4-2024-06"], ["--max-length", "7"],
        ["--select", "ALL"], ["--lang", "zh"], ["--template", "GLM-4"], ["--pin", "transformers=4.41.2"],
        ["--pin", "transformers=5.23.0"], ["--pin", "datasets=4.6.0"], ["--max-findings", "1"],
        ["--max-truncated-samples", "0"], ["--min-trainable-ratio", "0.5"],
    ]),
    max_size=4,
    unique_by=lambda flags: flags[0],
).map(lambda groups: [word for group in groups for word in group])  # fmt: skip


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_check_and_encode_survive_any_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"any{suffix}"

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(FILE, SETTINGS)
    def holds(content: bytes, flags: list[str]) -> None:
        file.write_bytes(content)
        result = run("check", str(file), "--format", "json", *flags)
        report: dict[str, Any] = json.loads(result.stdout)
        errors = report["severity_counts"]["error"]
        assert result.exit_code == report["exit_code"] == (1 if errors else 0)
        totals = report["totals"]
        assert totals["samples"] == totals["clean"] + totals["with_findings"] + totals["unreadable"]
        keep = [word for pair in zip(flags[::2], flags[1::2], strict=True) for word in pair
                if pair[0] in ("--recipe", "--max-length", "--template", "--pin", "--lang")]  # fmt: skip
        encoded = run("encode", str(file), *keep)
        rows = [json.loads(row) for row in encoded.stdout.split("\n") if row]
        assert encoded.exit_code == 0
        assert len(rows) == totals["samples"]
        assert sum("error" in row for row in rows) == totals["unreadable"]
        assert sum(len(row.get("input_ids", ())) for row in rows) == totals["kept_tokens"]
        for form in ("text", "github", "jsonl"):
            assert run("check", str(file), "--format", form, *flags).exit_code == result.exit_code

    holds()


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.text(max_size=80), st.sampled_from([
    "max-length = 0", "recipe = 5", "select = ['x']", "[[per-file]]", "lang = 'fr'", "severity = {a = 'error'}",
])))  # fmt: skip
def test_any_settings_file_is_used_or_refused_in_one_line(
    content: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("settings")
    file = folder / "glmlint.toml"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    (folder / "a.jsonl").write_text('{"messages": []}\n')
    result = CliRunner().invoke(cli, ["check", str(folder / "a.jsonl"), "--config", str(file)])
    if result.exit_code == 2:
        assert result.stderr.count("\n") == 1 and "Traceback" not in result.output
    else:
        assert result.exit_code == 1
