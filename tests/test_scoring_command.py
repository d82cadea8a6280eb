"""`glmlint score` as people call it: flags, files, exit codes, and no torch where none is needed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import OFFICIAL
from processes import LIMIT
from scoring_models import checkpoint

from glmlint.app.cli import cli
from glmlint.engine.check import check_lines
from glmlint.engine.encode import encode_rows
from glmlint.plan import Plan
from glmlint.read.source import InputFile, read_chunks
from glmlint.scoring.command import score
from glmlint.scoring.rows import collect
from glmlint.trainer.base import open_context

ROWS: list[list[tuple[str, str]]] = [
    [("user", "法国的首都是哪里？"), ("assistant", "法国的首都是巴黎。")],
    [("system", "Be brief."), ("user", "2 + 2?"), ("assistant", "4")],
    [
        ("user", "hi"),
        ("assistant", "Hello!"),
        ("user", "bye"),
        ("assistant", "Goodbye, and come back."),
    ],
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    lines = [
        json.dumps({"messages": [{"role": r, "content": c} for r, c in row]}, ensure_ascii=False)
        for row in ROWS
    ]
    path.write_text("\n".join([*lines, "{broken"]) + "\n", encoding="utf-8")
    return path


def invoke(file: Path, *flags: str, model: str | None = None) -> Result:
    store = file.with_name("scores.sqlite")
    return CliRunner().invoke(
        score,
        [str(file), "--model", model or str(checkpoint("glm4")), "--device", "cpu",
         "--store", str(store), *flags],
    )  # fmt: skip


def test_tables_on_standard_output(file: Path) -> None:
    result = invoke(file, "--fail-on", "never")
    assert result.exit_code == 0, result.output
    assert "Expected first loss" in result.stdout
    assert "3 of 4 rows scored" in result.stdout
    assert "1 at which the trainer raises" in result.stdout


def test_a_strange_layout_fails_the_gate(file: Path) -> None:
    assert invoke(file).exit_code == 1, "a random model knows no layout: template-mismatch"
    assert invoke(file, "--fail-on", "never").exit_code == 0
    gate = invoke(file, "--fail-on", "never", "--max-mean-loss", "0.5", "--format", "json")
    assert gate.exit_code == json.loads(gate.stdout)["exit_code"] == 1


@pytest.mark.parametrize("recipe", ["glm4", "glm4-combine", "glm4-2024-06"])
def test_tokens_and_losses_are_aligned_with_encode(file: Path, recipe: str) -> None:
    samples = file.with_name("samples.jsonl")
    result = invoke(
        file, "--recipe", recipe, "--max-length", "24", "--format", "json", "--fail-on", "never",
        "--per-sample", str(samples), "--per-token",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    encoded = list(encode_rows([str(file)], Plan(recipe=recipe, max_length=24)))
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    assert [line["line"] for line in lines] == [row.line for row in encoded]
    total = 0
    for row, line in zip(encoded, lines, strict=True):
        if row.error is not None or row.dropped:
            assert line["reason"] and line["nll"] == []
            continue
        wanted = [place for place, label in enumerate(row.labels) if place and label != -100]
        assert [place for place, nll in enumerate(line["nll"]) if nll is not None] == wanted
        assert len(line["nll"]) == len(row.labels)
        total += len(wanted)
    told = json.loads(result.stdout)["totals"]
    assert told["tokens"] == told["supervised_tokens"] == total > 0


@pytest.mark.parametrize("recipe", OFFICIAL)
def test_as_many_tokens_as_check_keeps(recipe: str) -> None:
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    names = (
        "glm_tools/glaive_zh.jsonl",
        "jarednie_glm4/dev.jsonl",
        "thudm_glm4_readme/samples.jsonl",
    )
    if not data.is_dir():
        pytest.skip("the shared folder with public data is not beside the repository")
    for name in names:
        path = str(data / name)
        plan = Plan(recipe=recipe, max_length=300)
        context = open_context(plan)
        checked = check_lines(read_chunks(InputFile(path)), plan, context).file(path).totals
        rows = collect(encode_rows([path], plan, context=context))
        assert rows.supervised_tokens == checked.kept_supervised_tokens > 0
        assert len(rows.rows) == checked.samples


def test_answers_alone_and_other_recipes(file: Path) -> None:
    result = invoke(
        file, "--ifd", "--probe", "glm4-combine", "--format", "json", "--fail-on", "never"
    )
    told = json.loads(result.stdout)
    assert [row["recipe"] for row in told["probe"]] == ["glm4", "glm4-combine"]
    assert told["probe"][0]["rows"] == 3
    assert all(row["ifd"] > 0 for row in told["highest"])


def test_limit_and_sample(file: Path) -> None:
    def rows(*flags: str) -> int:
        told: dict[str, Any] = json.loads(
            invoke(file, *flags, "--format", "json", "--fail-on", "never").stdout
        )
        return int(told["totals"]["rows"])

    assert (rows(), rows("--limit", "2"), rows("--sample", "3")) == (4, 2, 3)


def rules_told(file: Path, *flags: str) -> dict[str, str]:
    result = invoke(file, "--format", "json", "--fail-on", "never", *flags)
    assert result.exit_code == 0, result.output
    return {
        finding["rule"]: finding["severity"] for finding in json.loads(result.stdout)["findings"]
    }


def test_rules_are_chosen_as_for_check(file: Path) -> None:
    mismatch = "template-mismatch"
    assert rules_told(file) == {mismatch: "error"}
    assert rules_told(file, "--severity", f"{mismatch}=info") == {mismatch: "info"}
    assert rules_told(file, "--severity", f"{mismatch}=off") == {}
    assert rules_told(file, "--ignore", mismatch) == {}
    assert rules_told(file, "--select", "high-loss") == {}
    assert rules_told(file, "--select", "score") == {mismatch: "error"}
    config = file.with_name("glmlint.toml")
    config.write_text('select = ["structure"]\n')
    assert rules_told(file) == {mismatch: "error"}, "a selection for check"
    config.write_text(f'[[per-file]]\nfiles = "{file.name}"\nignore = ["{mismatch}"]\n')
    assert rules_told(file) == {}


def test_a_selection_without_a_rule_of_the_family_is_a_mistake(file: Path) -> None:
    for flag, told in (("null-content", "no rule of the family score"), ("high-los", "high-loss")):
        result = invoke(file, "--select", flag)
        assert result.exit_code == 2 and told in result.output


def test_the_rule_of_the_ratio_brings_the_ratio(file: Path) -> None:
    def ratios(*flags: str) -> list[float | None]:
        result = invoke(file, "--format", "json", "--fail-on", "never", *flags)
        return [row["ifd"] for row in json.loads(result.stdout)["highest"]]

    assert set(ratios()) == {None}
    assert None not in ratios("--extend-select", "ifd-above-one")
    assert None not in ratios("--ifd", "--ignore", "ifd-above-one")


def test_output_goes_to_a_file(file: Path) -> None:
    output = file.with_name("report.json")
    result = invoke(file, "--format", "json", "--output", str(output), "--fail-on", "never")
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(output.read_text())["schema_version"] == 1
    nowhere = invoke(file, "--output", str(file / "x"), "--fail-on", "never")
    assert nowhere.exit_code == 2 and "can't be written" in nowhere.output


@pytest.mark.parametrize(
    "flags",
    [
        ("--token-budget", "none"),
        ("--token-budget", "0"),
        ("--max-length", "9", "--max-input-length", "9"),
        ("--dtype", "int8"),
        ("--device", "tpu"),
        ("--sample", "0"),
    ],
)
def test_bad_flags_exit_with_2_and_one_sentence(file: Path, flags: tuple[str, ...]) -> None:
    result = invoke(file, *flags)
    assert result.exit_code == 2
    assert result.output.strip().splitlines()[-1].startswith(("Error: ", "glmlint: "))


def test_a_path_that_is_missing_does_not_stop_the_others(file: Path) -> None:
    result = invoke(file, "nowhere.jsonl", "--format", "json", "--fail-on", "never")
    assert result.exit_code == 2
    assert "nowhere.jsonl" in result.stderr
    told = json.loads(result.stdout)
    assert (told["totals"]["rows_scored"], told["exit_code"]) == (3, 2)


def test_unknown_recipes_are_told_with_the_known_ones(file: Path) -> None:
    for flag in ("--recipe", "--probe"):
        result = invoke(file, flag, "glm9")
        assert result.exit_code == 2 and "glm9" in result.output and "glm4" in result.output


def test_bad_models_exit_with_2_and_one_line(file: Path, tmp_path: Path) -> None:
    (tmp_path / "pickles").mkdir()
    (tmp_path / "pickles" / "pytorch_model.bin").write_bytes(b"\x80")
    (tmp_path / "pickles" / "config.json").write_text('{"model_type": "glm", "vocab_size": 151552}')
    for model in ("nowhere", str(tmp_path / "pickles")):
        result = invoke(file, model=model)
        assert result.exit_code == 2
        assert len(result.output.strip().splitlines()) == 1
        assert result.output.startswith("glmlint: ")


PROBE = """
import sys
from click.testing import CliRunner
from glmlint.scoring.command import score
result = CliRunner().invoke(score, sys.argv[1:])
assert result.exit_code == 0, result.output
heavy = {"torch", "transformers"} & set(sys.modules)
assert not heavy, heavy
print(result.output)
"""


@pytest.mark.parametrize("flag", ["--help", "--dry-run"])
def test_help_and_dry_run_import_no_torch(file: Path, flag: str) -> None:
    command = [sys.executable, "-c", PROBE, str(file), "--model", str(checkpoint("glm4")), flag]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert ("supervised tokens" if flag == "--dry-run" else "Usage") in done.stdout


def test_a_finished_run_imports_no_torch(file: Path) -> None:
    first = invoke(file, "--format", "json", "--fail-on", "never")
    flags = ["--device", "cpu", "--store", str(file.with_name("scores.sqlite"))]
    flags += ["--format", "json", "--fail-on", "never"]
    command = [sys.executable, "-c", PROBE, str(file), "--model", str(checkpoint("glm4")), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == first.stdout.strip()


def test_a_row_silences_a_score_rule_with_its_ignore_key(tmp_path: Path) -> None:
    """A random model gains nothing from prompts: `ifd-above-one` speaks of about half the rows."""
    file, draw = tmp_path / "train.jsonl", random.Random(1)

    def letters(count: int) -> str:
        return "".join(chr(draw.randrange(0x4E00, 0x9FA0)) for _ in range(count))

    rows: list[dict[str, Any]] = [
        {
            "messages": [
                {"role": "user", "content": letters(9)},
                {"role": "assistant", "content": letters(40)},
            ]
        }
        for _ in range(12)
    ]

    def told(*flags: str) -> dict[str, Any]:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        flags = ("--ifd", "--select", "ifd-above-one", "--format", "json", *flags)
        found: dict[str, Any] = json.loads(invoke(file, "--fail-on", "warning", *flags).stdout)
        return found

    before = told()
    lines = [finding["line"] for finding in before["findings"]]
    assert (
        len(lines) >= 2
        and before["exit_code"] == 1
        and before["suppressed"] == {"row": 0, "baseline": 0}
    )
    rows[lines[0] - 1]["glmlint"] = {"ignore": ["ifd-above-one"]}
    one = told()
    assert [finding["line"] for finding in one["findings"]] == lines[1:]
    assert one["suppressed"] == {"row": 1, "baseline": 0} and one["totals"] == before["totals"]
    for line, name in zip(lines[1:], ["score", "ALL"] * len(lines), strict=False):
        rows[line - 1]["glmlint"] = {"ignore": [name, "null-content"]}
    none = told()
    assert (none["findings"], none["exit_code"]) == ([], 0)
    assert none["suppressed"] == {"row": len(lines), "baseline": 0}
    text = invoke(file, "--ifd", "--select", "ifd-above-one", "--lang", "zh").stdout
    assert f"{len(lines)} 个由样本自身忽略" in text


def test_the_report_does_not_take_the_place_of_data(file: Path) -> None:
    data = file.read_bytes()
    for flags in (["--output"], ["--per-sample"], ["--write-baseline", "--baseline"]):
        result = invoke(file, *flags, str(file))
        assert result.exit_code == 2 and "is an input" in result.stderr
    assert file.read_bytes() == data


def test_a_baseline_holds_score_findings_and_leaves_those_of_check(
    file: Path, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.json"
    flags = ("--baseline", str(baseline), "--format", "json")
    checked = CliRunner().invoke(cli, ["check", str(file), *flags, "--write-baseline"])
    assert checked.exit_code == 0, checked.stderr
    missing = invoke(file, "--baseline", str(tmp_path / "none.json"))
    assert missing.exit_code == 2 and "no baseline" in missing.stderr

    before = json.loads(invoke(file, *flags).stdout)
    total = len(before["findings"])
    assert before["exit_code"] == 1 and before["finding_counts"]["template-mismatch"] == 1
    assert before["suppressed"] == {"row": 0, "baseline": 0}
    written = invoke(file, *flags, "--write-baseline")
    assert written.exit_code == 0 and f"{total} finding" in written.stderr
    after = json.loads(invoke(file, *flags).stdout)
    assert (after["findings"], after["finding_counts"], after["exit_code"]) == ([], {}, 0)
    assert after["suppressed"] == {"row": 0, "baseline": total}
    assert after["totals"] == before["totals"]

    again = json.loads(CliRunner().invoke(cli, ["check", str(file), *flags]).stdout)
    assert again["findings"] == [] and again["exit_code"] == 0
    CliRunner().invoke(cli, ["check", str(file), *flags, "--write-baseline"])
    assert json.loads(invoke(file, *flags).stdout)["findings"] == []
    settings = tmp_path / "glmlint.toml"
    settings.write_text('baseline = "baseline.json"\n')
    assert json.loads(invoke(file, "--format", "json").stdout)["exit_code"] == 0
    assert "1 in the baseline" in invoke(file, "--lang", "en").stdout


def test_a_run_that_could_not_be_done_writes_no_baseline(file: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    missing = str(tmp_path / "missing.jsonl")
    told = invoke(file, missing, "--baseline", str(baseline), "--write-baseline")
    assert told.exit_code == 2 and "not written" in told.stderr
    assert not baseline.exists()
