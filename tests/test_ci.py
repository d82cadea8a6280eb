"""What runs in CI: the GitHub Action, the GitLab job and the hooks, as their systems run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from processes import LIMIT
from test_report_formats import read_as

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = (ROOT / "examples" / "train.jsonl").read_bytes()
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
JOB = yaml.safe_load((ROOT / "ci" / "glmlint.gitlab-ci.yml").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.mark.parametrize(("name", "value"), [("github-actions", ACTION), ("gitlab-ci", JOB)])
def test_the_files_have_the_shape_that_their_system_asks_for(name: str, value: Any) -> None:
    pytest.importorskip("check_jsonschema")
    file = resources.files("check_jsonschema.builtin_schemas.vendor") / f"{name}.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(value)] == []


def test_no_input_of_the_action_is_read_as_a_command() -> None:
    """An expression in a script would be pasted into it before bash reads it."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert not re.search(r"\beval\b|`", step.get("run", ""))
    named = set(re.findall(r"inputs\.([a-z-]+)", json.dumps(ACTION["runs"])))
    assert named == set(ACTION["inputs"])


@dataclass
class Job:
    """What a step of the action left behind."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str
    temp: Path


def run_check(folder: Path, inputs: Mapping[str, str], **environment: str) -> Job:
    """The action's own step, in a folder, as the runner starts it."""
    [step] = [step for step in ACTION["runs"]["steps"] if step.get("id") == "check"]
    given = {name: one.get("default", "") for name, one in ACTION["inputs"].items()}
    given |= inputs
    known = {f"inputs.{name}": value for name, value in given.items()}
    known["steps.install.outputs.python"] = sys.executable
    known["github.server_url"] = "https://github.com"
    known |= {"github.action_repository": "o/r", "github.action_ref": "v1"}
    temp = folder / "temp"
    temp.mkdir()
    files = {name: temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    told = {
        key: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], value)
        for key, value in step["env"].items()
    }
    work = folder / "work"
    script = temp / "script.sh"
    script.write_text(step["run"], encoding="utf-8")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
        capture_output=True, cwd=work, check=False, timeout=LIMIT,
        env={**os.environ, **told, **{name: str(file) for name, file in files.items()},
             "GITHUB_WORKSPACE": str(work), "RUNNER_TEMP": str(temp), "LANG": "C.UTF-8",
             "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    log = (done.stdout + done.stderr).decode()
    return Job(done.returncode, log, outputs, summary, temp)


@needs_bash
def test_the_action_annotates_sums_up_and_fails(tmp_path: Path) -> None:
    data = tmp_path / "work" / "my data"
    data.mkdir(parents=True)
    (data / "a.jsonl").write_bytes(EXAMPLE)
    job = run_check(tmp_path, {
        "paths": "my data\n\n", "recipe": "glm4", "args": "--max-length 2048\n--fail-on error",
    })  # fmt: skip
    assert job.code == 1, job.log
    assert "::error file=my data/a.jsonl,line=4," in job.log
    assert job.outputs["exit-code"] == "1"
    log = read_as("sarif", Path(job.outputs["sarif-file"]).read_text(encoding="utf-8"))
    [first, *_] = log["runs"][0]["tool"]["driver"]["rules"]
    assert first["helpUri"] == f"https://github.com/o/r/blob/v1/docs/rules/{first['id']}.md"
    assert job.summary.startswith("### ❌ glmlint: ") and "`my data/a.jsonl`" in job.summary
    assert "over-truncated" not in job.summary  # the budget of `args` counts


@needs_bash
def test_what_is_given_to_the_action_stays_data(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "*").mkdir()
    (tmp_path / "work" / "*" / "$(touch pwned).jsonl").write_bytes(EXAMPLE)
    evil = "$(touch pwned) `touch pwned`; touch pwned"
    job = run_check(tmp_path, {
        "paths": f"*/$(touch pwned).jsonl\n{evil}", "args": "--fail-on never", "annotations": "false",
        "summary": "false",
    })  # fmt: skip
    assert job.code == 2 and job.outputs["exit-code"] == "2" and job.summary == ""
    assert "touch pwned).jsonl:4:24: error unknown-role" in job.log
    assert "touch pwned: no such file or folder" in job.log
    assert not list(tmp_path.rglob("pwned"))


@needs_bash
def test_a_bad_flag_ends_the_action_without_reports(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    job = run_check(tmp_path, {"args": "--no-such-flag"})
    assert job.code == 2 and job.outputs == {"exit-code": "2"} and job.summary == ""


@needs_bash
def test_the_job_of_gitlab_leaves_its_artifacts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_bytes(EXAMPLE)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    command = bin_folder / "glmlint"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m glmlint "$@"\n')
    command.chmod(0o755)
    job = JOB["glmlint"]
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(job["script"])],
        capture_output=True, cwd=tmp_path, check=False, timeout=LIMIT,
        env={**os.environ, **job["variables"], "GLMLINT_PATHS": "data nowhere.jsonl",
             "GLMLINT_ARGS": "--max-length 2048", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
             "CI_PROJECT_DIR": str(tmp_path), "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    reports = job["artifacts"]["reports"]
    issues = read_as("gitlab", (tmp_path / reports["codequality"]).read_text(encoding="utf-8"))
    assert {issue["location"]["path"] for issue in issues} == {"data/a.jsonl", "nowhere.jsonl"}
    root = read_as("junit", (tmp_path / reports["junit"]).read_text(encoding="utf-8"))
    assert next(suite.get("name") for suite in root) == "data/a.jsonl"


def test_hooks_print_a_line_a_finding(tmp_path: Path) -> None:
    from test_gate import glmlint_here

    file = tmp_path / "a.jsonl"
    for hook in HOOKS:
        file.write_bytes(EXAMPLE)
        command, *words = hook["entry"].split()
        assert command == "glmlint"
        done = glmlint_here(*words, str(file))
        assert done.code == 1, done.err
        lines = done.out.splitlines()
        assert sum("a.jsonl" in line for line in lines) >= len(lines) - 1
