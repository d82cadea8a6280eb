"""Loops are found wherever the row lies among the others of its chunk."""

from __future__ import annotations

import json
import random

import pytest

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import Chunk
from glmlint.trainer.base import open_context

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def answer(unit: str, times: int, before: int, after: str, rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS + " ", k=before)) + "." + unit * times + after


def cases() -> list[str]:
    rng = random.Random(0)
    found = []
    for size in (*range(1, 25), 31, 40, 57, 79):
        for letters in (LETTERS, "的一是在不了有和人这中大为上个国我以要他"):
            unit = "".join(rng.sample(letters, min(size, 18))) + letters[0] * max(0, size - 18)
            enough = 60 // size + 20 if size <= 3 else 120 // size + 4
            for after in ("", "  ", " \n\n"):
                found.append(answer(unit, enough, rng.randrange(90), after, rng))
            inside = 100 // size + 30 if size <= 3 else 240 // size + 6
            found.append(answer(unit, inside, rng.randrange(200), ". " + LETTERS * 3, rng))
    return found


@pytest.mark.parametrize("offset", range(8))
def test_at_any_place_of_a_chunk(offset: int) -> None:
    plan = Plan(rules={"repetition-loop": "warning"})
    context = open_context(plan)
    lines = [b" " * offset + b"{}"]
    for text in cases():
        turns = [{"role": "user", "content": "Go on"}, {"role": "assistant", "content": text}]
        lines.append(json.dumps({"messages": turns}, ensure_ascii=offset % 2 == 0).encode())
    report: Report = check_lines([Chunk("a.jsonl", lines, range(1, len(lines) + 1))], plan, context)
    told = {f.line for f in finish(report, plan, context).findings}
    missed = [cases()[line - 2] for line in range(2, len(lines) + 1) if line not in told]
    assert missed == []
