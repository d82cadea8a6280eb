"""On every real file: a valid report, an honest exit code, and counts that are those of encode."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from glmlint.app.settings import resolve
from glmlint.engine.check import check_file
from glmlint.engine.encode import encode_rows
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.schema import validator
from glmlint.read.source import InputFile
from glmlint.reporters.base import ReporterOptions, get
from glmlint.trainer.base import Context, open_context

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
OPTIONS = ReporterOptions(
    width=80, color=False, terminal=False, quiet=False, statistics=False, max_findings=100_000
)


def data_files(shared: Path) -> list[str]:
    return sorted(
        str(file) for file in (shared / "data").rglob("*") if file.suffix in (".json", ".jsonl")
    )


def checked(path: str, plan: Plan, context: Context) -> dict[str, Any]:
    """The JSON report of one file."""
    report = Report()
    check_file(InputFile(path), plan, context, report)
    out = io.StringIO()
    get("json").write(finish(report, plan, context), out, OPTIONS)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.mark.parametrize("recipe", RECIPES)
def test_reports_are_valid_and_count_what_encode_prints(shared: Path, recipe: str) -> None:
    plan = resolve({"recipe": recipe, "lang": "en", "config": None})
    context = open_context(plan)
    valid = validator("report")
    files = data_files(shared)
    assert len(files) > 80
    for path in files[:: 2 if recipe == "glm4" else 6]:
        report = checked(path, plan, context)
        assert list(valid.iter_errors(report)) == [], path
        errors = [f for f in report["findings"] if f["severity"] == "error"]
        assert report["exit_code"] == (1 if errors else 0), path
        totals = report["totals"]
        assert totals == report["files"][0]["totals"]
        summed = {key: 0 for key in totals if key != "dropped_by_reason"}
        for whole, cut in zip(
            encode_rows([path], plan, context=context, truncate=False),
            encode_rows([path], plan, context=context),
            strict=True,
        ):
            assert (whole.labels[:1] == -100).all() or not len(whole.labels)
            supervised, kept = (int((row.labels[1:] != -100).sum()) for row in (whole, cut))
            summed["samples"] += 1
            summed["unreadable"] += whole.error is not None
            summed["tokens"] += len(whole.input_ids)
            summed["kept_tokens"] += len(cut.input_ids)
            summed["supervised_tokens"] += supervised
            summed["kept_supervised_tokens"] += kept
            summed["lost_supervised_tokens"] += supervised - kept
            summed["truncated_samples"] += len(whole.input_ids) > plan.max_length
            summed["fully_truncated_samples"] += supervised > 0 and kept == 0
        for key in summed:
            if key not in ("clean", "with_findings", "trainable_ratio", "lost_share"):
                assert totals[key] == summed[key], (path, key)
        assert (
            sum(totals[key] for key in ("clean", "with_findings", "unreadable", "dropped"))
            == (totals["samples"])
        )


GLM_FILES = (
    "jarednie_glm4/train.jsonl",
    "jarednie_glm4/dev.jsonl",
    "leiqichn_glm4/dev.jsonl",
    "leiqichn_glm4/dev-checkpoint.jsonl",
    "xtuner/mllm_sft_text_example_data.jsonl",
    "thudm_glm4_readme/samples.jsonl",
)


@pytest.mark.parametrize("name", GLM_FILES)
def test_no_false_alarm_on_real_glm_files(shared: Path, name: str) -> None:
    plan = resolve({"max-length": 128_000, "lang": "en", "config": None})
    report = checked(str(shared / "data" / name), plan, open_context(plan))
    assert [f for f in report["findings"] if f["severity"] == "error"] == []


def test_only_true_errors_on_converted_tool_files(shared: Path) -> None:
    plan = resolve({"max-length": 128_000, "lang": "en", "config": None, "ignore": ["dataset"]})
    context = open_context(plan)
    # Each was read: the call really breaks the schema that its own row declares.
    wanted = {
        "glaive_en.jsonl": [260],
        "glaive_zh.jsonl": [6, 22, 103, 109, 109, 109, 145, 240],
    }
    for name, lines in wanted.items():
        report = checked(str(shared / "data" / "glm_tools" / name), plan, context)
        errors = [f for f in report["findings"] if f["severity"] == "error"]
        assert {f["rule"] for f in errors} == {"arguments-schema"}
        assert [f["line"] for f in errors] == lines


def test_a_foreign_file_gives_one_finding_of_its_format(shared: Path) -> None:
    plan = resolve({"lang": "en", "config": None, "ignore": ["dataset"]})
    context = open_context(plan)
    for name, besides in {
        "llamafactory/alpaca_zh_demo.json": {"unclosed-code-fence": 1},
        "llamafactory/glaive_toolcall_zh_demo.json": {
            "arguments-schema": 8, "observation-without-call": 2, "unclosed-code-fence": 1,
        },
        "fastchat/dummy_conversation.json": {},
        "mlx/wwdc25_train.jsonl": {},
        "chatglm3/cognition_train.json": {},
    }.items():  # fmt: skip
        report = checked(str(shared / "data" / name), plan, context)
        assert report["finding_counts"]["other-format"] == 1, name
        found = next(f for f in report["findings"] if f["rule"] == "other-format")
        assert found["rows"] == report["totals"]["samples"]
        of_the_file = {"other-format": 1} | ({"not-jsonl": 1} if name.endswith(".json") else {})
        assert report["finding_counts"] == of_the_file | besides, name
