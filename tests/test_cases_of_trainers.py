"""Public reports of people who fine-tune chat models, under every trainer that they use.

`cases/said.json` holds what is said: trainer -> file -> [severity, rule, rows], each read against what the
package does with the row. `python tests/test_cases_of_trainers.py` writes it anew; then read the changes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glmlint.app.settings import resolve
from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.read.source import InputFile
from glmlint.trainer.base import open_context

CASES = Path(__file__).parent / "cases"
SAID = CASES / "said.json"
FILES = sorted(str(file.relative_to(CASES)) for file in CASES.glob("*/*"))
TRAINERS: dict[str, dict[str, Any]] = {
    "glm4": {},
    "llamafactory": {},
    "llamafactory glm-4.5": {"model": "glm-4.5"},
    "swift": {},
    "trl": {},
    "trl glm-4.5": {"model": "glm-4.5"},
    "axolotl": {},
    "unsloth": {},
    "template": {},
    "template glm-4.5": {"model": "glm-4.5"},
}
LAYOUT_ONLY = ("version-dependent", "not-jsonl")
"""Rules that speak of versions and of the file's name: their own tests hold them."""


def said(name: str) -> dict[str, list[list[Any]]]:
    """File -> what is said of it under a trainer, without the places."""
    plan = resolve({"recipe": name.split(" ")[0], "lang": "en", **TRAINERS[name]})
    context = open_context(plan)
    found = {}
    for file in FILES:
        report = Report()
        check_file(InputFile(str(CASES / file)), plan, context, report)
        told = finish(report, plan, context).findings
        found[file] = sorted(
            [one.severity, one.rule, one.rows] for one in told if one.rule not in LAYOUT_ONLY
        )
    return found


@pytest.mark.parametrize("name", TRAINERS)
def test_what_is_said_of_each_report(name: str) -> None:
    assert said(name) == json.loads(SAID.read_text())[name]


if __name__ == "__main__":
    lines = []
    for trainer in TRAINERS:
        of_files = ",\n".join(
            f"  {json.dumps(file)}: {json.dumps(told)}" for file, told in said(trainer).items()
        )
        lines.append(f" {json.dumps(trainer)}: {{\n{of_files}\n }}")
    SAID.write_text("{\n" + ",\n".join(lines) + "\n}\n")
