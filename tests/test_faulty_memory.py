"""What is kept of faulty rows does not grow with their number, whatever is wrong with them."""

from __future__ import annotations

import gc
import random
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence import ignored
from glmlint.evidence.duplicates import Rows, repeats, shared, table
from glmlint.evidence.ignored import IgnoredRows, Ignores
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import InputFile
from glmlint.rules.base import all_rules
from glmlint.runners.packed import pack, unpack
from glmlint.trainer.base import open_context

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

from make_faulty_rows import KINDS, lines

COSTLY = {"schema", "deep", "cut", "nothing-kept"}


def kept(root: Any) -> tuple[int, int]:
    """Objects below a report, and their bytes."""
    seen: set[int] = set()
    waiting, size = [root], 0
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, (type, np.dtype)):
            seen.add(id(one))
            size += sys.getsizeof(one)
            waiting += gc.get_referents(one)
    return len(seen), size


@pytest.mark.parametrize("recipe", ["glm4", "llamafactory"])
def test_ten_times_the_faulty_rows_are_hardly_more_to_keep(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glmlint.engine.check.MOST_ONCE", 20)
    monkeypatch.setattr("glmlint.evidence.report.MOST_ONCE", 20)
    monkeypatch.setattr("glmlint.loader.shapes.MAX_PATHS", 60)
    monkeypatch.setattr(ignored, "MOST", 10)
    rules = {
        name: one.rule.severity
        for name, one in all_rules().items()
        if not one.rule.opt_in
        and one.rule.family != "score"
        # It keeps the ends of 1,024 rows, and of half as many more with each doubling.
        and name != "shared-affix"
    }
    plan = Plan(recipe=recipe, rules=rules, max_findings=50, max_length=256)
    context = open_context(plan)
    kinds = [kind for kind in KINDS if kind not in COSTLY]
    file = tmp_path / "rows.jsonl"
    found = []
    for times in (6, 60):
        file.write_bytes(b"".join(islice(lines(kinds), times * len(kinds))))
        report = Report()
        check_file(InputFile(str(file)), plan, context, report)
        finish(report, plan, context)
        found.append(kept(report))
    rows = 54 * len(kinds)
    (few, small), (many, large) = found
    assert many - few < rows / 4, "objects"
    assert large - small < 60 * rows, "bytes"


def test_rows_that_ignore_rules_are_kept_in_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignored, "MOST", 3)
    across = frozenset(("exact-duplicate",))

    def one(*names: str, used: tuple[str, ...] = ()) -> Ignores:
        rules = {name: frozenset((name,)) for name in names}
        return Ignores(rules, [*names], used={*used})

    rows = [
        (5, b"\0" * 8, one("placeholder", used=("placeholder",))),
        (1, b"\1" * 8, one("exact-duplicate")),
        (2, b"\2" * 8, one("a")),
        *((line, bytes((line, *[9] * 7)), one(f"b{line}", "exact-duplicate")) for line in (7, 8)),
    ]

    def whole(cut: int) -> IgnoredRows:
        found, rest = IgnoredRows(), IgnoredRows()
        found.add(rows[:cut], across)
        rest.add(rows[cut:], across)
        found.merge(unpack(pack(rest)))
        return found

    def told(found: IgnoredRows) -> list[Any]:
        return [
            (line, content, [*one.names], one.judged, {*one.used})
            for line, content, one in found.rows()
        ]

    for cut in range(len(rows) + 1):
        found = whole(cut)
        assert [found.match(line, "exact-duplicate") for line in (1, 2, 3, 5, 7)] == [1, 0, 0, 0, 1]
        assert found.match(5, "placeholder") == 0, "the row has been checked"
        assert told(found) == [
            (1, b"\1" * 8, ["exact-duplicate"], ["exact-duplicate"], {"exact-duplicate"}),
            (2, b"\2" * 8, ["a"], ["a"], set()),
            (5, b"\0" * 8, ["placeholder"], ["placeholder"], {"placeholder"}),
            # past the third list, no name is called unused
            (7, bytes((7, *[9] * 7)), ["exact-duplicate"], [], {"exact-duplicate"}),
            (8, bytes((8, *[9] * 7)), ["exact-duplicate"], [], set()),
        ]


def test_repeats_are_found_as_a_table_of_all_rows_would_show_them() -> None:
    random_ = random.Random(3)
    asked = '{"messages":[{"role":"user","content":"%s"},{"role":"assistant","content":"%d"}]}'
    files = {
        path: [
            (
                asked % ("a question of some length, number " + str(random_.randrange(20)), answer),
                line,
                True,
            )
            for line in range(1, 60)
            for answer in (random_.randrange(4),)
        ]
        for path in ("b", "a")
    }
    tables = {}
    for path, rows in files.items():
        parts = Rows()
        for start in (20, 0, 40):  # parts come in any order
            parts.add(
                table(
                    [
                        (text.encode(), line, clean)
                        for text, line, clean in rows[start : start + 20]
                    ],
                    True,
                )
            )
        tables[path] = parts.joined()
    for by in ("key", "prompt"):
        first: dict[str, tuple[str, int, str]] = {}
        wanted = []
        for path in ("a", "b"):
            for text, line, _ in files[path]:
                same = text if by == "key" else text.partition('{"role":"assistant"')[0]
                known = first.setdefault(same, (path, line, text))
                if known[:2] != (path, line) and (by == "key" or known[2] != text):
                    wanted.append((path, line, *known[:2]))
        found = repeats(tables, by)
        assert [(one.path, one.line, one.first_path, one.first_line) for one in found] == wanted
    train, held_out = {"a": tables["a"]}, {"b": tables["b"]}
    texts = {text for text, _, _ in files["b"]}
    prompts = {text.partition('{"role":"assistant"')[0] for text in texts}
    assert [one.line for one in shared(train, held_out, "key")] == [
        line for text, line, _ in files["a"] if text in texts
    ]
    assert [one.line for one in shared(train, held_out, "prompt", but="key")] == [
        line
        for text, line, _ in files["a"]
        if text not in texts and text.partition('{"role":"assistant"')[0] in prompts
    ]
