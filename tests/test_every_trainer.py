"""Every command works for every trainer, on one conversation with a tool in a form that it reads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from test_one_conversation import ROW

from glmlint.app.cli import cli
from glmlint.trainer.base import all_trainers

GLM: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief.", "tools": ROW["tools"]},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Weather in Paris?"},
        {"role": "assistant", "metadata": "get_weather", "content": '{"city": "Paris"}'},
        {"role": "observation", "content": "18 degrees"},
        {"role": "assistant", "content": "Mild, 18 degrees."},
    ]
}


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code in (0, 1), done.output
    return done


@pytest.mark.parametrize("name", sorted(all_trainers()))
def test_every_command(name: str, tmp_path: Path) -> None:
    scoring_models = pytest.importorskip("scoring_models")
    glm = "glm" in all_trainers()[name].reads
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(GLM if glm else ROW) + "\n", encoding="utf-8")
    model = ("--tokenizer", "glm4") if glm else ("--tokenizer", "glm4.5", "--template", "GLM-4.5")
    flags = ("--recipe", name, *model)
    if name == "llamafactory":
        flags += ("--set", "template=glm4_moe")

    checked = json.loads(run("check", str(file), "--format", "json", *flags).output)
    totals = checked["totals"]
    assert (totals["samples"], totals["unreadable"], totals["dropped"]) == (1, 0, 0)
    # axolotl hands the template no calls, in whatever form.
    foreign = any(one["rule"] == "other-format" for one in checked["findings"])
    assert foreign == (name == "axolotl")
    taught = totals["kept_supervised_tokens"]
    assert taught > 0

    (line,) = run("encode", str(file), *flags).output.splitlines()
    labels = json.loads(line)["labels"]
    assert sum(label != -100 for label in labels[1:]) == taught

    shown = run("show", str(file), *flags).output
    assert "Mild, 18 degrees." in shown and re.search(rf"Total\s+\d+\s+{taught}\s", shown)

    sides = ("--recipe", "template", "--format", "json")
    own = [flag.replace("template=", "1:template=") for flag in flags]
    compared = json.loads(run("compare", str(file), *own, *sides).output)
    assert compared["sides"][0]["kept_supervised_tokens"] == taught
    assert compared["sides"][0]["converted"] == 0

    checkpoint = str(scoring_models.checkpoint("glm4"))
    dry = ("--model", checkpoint, "--dry-run", "--device", "cpu")
    scored = run("score", str(file), *dry, *flags).output
    assert re.search(rf"supervised tokens +{taught}\n", scored), scored
