"""Writes docs/parity.md: python docs/make_parity.py FOLDER, the folder with what the packages made of rows.

Every row is encoded as `glmlint encode` does, by the helpers of the tests that compare the same files.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import test_axolotl  # noqa: E402
import test_llamafactory  # noqa: E402
import test_llamafactory_config  # noqa: E402
import test_packing  # noqa: E402
import test_slime  # noqa: E402
import test_swift  # noqa: E402
import test_trl  # noqa: E402
import test_unsloth  # noqa: E402
import test_verl  # noqa: E402
import trainer_rows  # noqa: E402

from glmlint.app.settings import SettingsError, resolve  # noqa: E402
from glmlint.engine.check import check_file  # noqa: E402
from glmlint.engine.encode import encode_rows, packed_rows  # noqa: E402
from glmlint.engine.finish import finish  # noqa: E402
from glmlint.evidence.report import Report  # noqa: E402
from glmlint.read.source import InputFile  # noqa: E402
from glmlint.trainer.base import open_context  # noqa: E402

Outcome = dict[str, Any]
"""`input_ids` and `labels`, `parts`, `dropped`, or `error`; of a file, `out` or `error`."""


class Set(NamedTuple):
    """One file of the packages' outcomes."""

    file: str
    trainer: str
    version: str
    what: str
    outcome: Callable[[dict[str, Any]], Outcome]
    differ: dict[int, str] = {}  # noqa: RUF012
    """Line -> why its outcome is another."""


KEYS = ("input_ids", "labels", "loss_scale", "parts", "dropped", "error", "out")


def row_by_row(context_of: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Outcome]:
    """Outcomes of single rows."""
    return lambda line: trainer_rows.outcome(line["row"], context_of(line))


def of_llamafactory(line: dict[str, Any]) -> Outcome:
    names = {"formatting": line["format"], **test_llamafactory.INFO[line["format"]]}
    context = test_llamafactory.context_of(line, **names)
    return test_llamafactory.outcome(line["row"], context, test_llamafactory.by_bytes)


def of_file(line: dict[str, Any]) -> Outcome:
    """Outcome of a whole file, packed where the options say so."""
    with tempfile.TemporaryDirectory() as folder:
        file = test_packing.written(Path(folder) / "train.jsonl", line["rows"])
        flags, options = test_packing.settings_of(line)
        package, version = flags.pop("pin").split("=")
        plan = resolve({**flags, "pin": {package: version}, "set": options})
        context = open_context(plan)
        packs = context.trainer.packs(context.options)
        return outcome_of((packed_rows if packs else encode_rows)([file], plan, context=context))


def of_llamafactory_file(line: dict[str, Any]) -> Outcome:
    """Outcome of a whole file, by way of LLaMA-Factory's own YAML."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            plan = test_llamafactory_config.plan_of(line, line["rows"], Path(folder) / "set")
        except SettingsError:  # the trainer does not start
            return {"error": "ValueError"}
        context = open_context(plan)
        report = Report()
        check_file(InputFile(plan.data[0]), plan, context, report)
        found = finish(report, plan, context).findings
        if any(one.rule == "arrow-type-conflict" and one.severity == "error" for one in found):
            return {"error": "DatasetGenerationError"}
        return outcome_of(encode_rows(plan.data, plan, context=context))


def outcome_of(rows: Iterable[Any]) -> Outcome:
    """The sequences of a file, or the exception that ends the run."""
    found = list(rows)
    errors = [row.error for row in found if getattr(row, "error", None) is not None]
    if errors:
        return {"error": errors[0]}
    kept = [row for row in found if getattr(row, "dropped", None) is None]
    return {
        "out": [
            {"input_ids": row.input_ids.tolist(), "labels": row.labels.tolist()} for row in kept
        ]
    }


LLAMA, SWIFT, TRL, AXOLOTL, UNSLOTH = (
    ("LLaMA-Factory", "0.9.5"),
    ("ms-swift", "4.6.0"),
    ("TRL", "1.16.0"),
    ("axolotl", "0.19.0"),
    ("unsloth", "unsloth_zoo 2026.10.9"),
)
ROWS, FILES, PACKED = "single rows", "whole files", "whole files, packed"
SETS = (
    Set("llamafactory", *LLAMA, ROWS, of_llamafactory),
    Set("llamafactory_files", *LLAMA, FILES, of_llamafactory_file),
    Set("llamafactory_packed", *LLAMA, PACKED, of_file),
    Set("swift", *SWIFT, ROWS, test_swift.outcome),
    Set("swift_more", *SWIFT, ROWS, test_swift.outcome),
    Set("trl", *TRL, ROWS, row_by_row(test_trl.context_of)),
    Set("trl_more", *TRL, ROWS, row_by_row(test_trl.context_of)),
    Set("trl_packed", *TRL, PACKED, of_file),
    Set("axolotl", *AXOLOTL, ROWS, row_by_row(test_axolotl.context_of)),
    Set(
        "axolotl_more",
        *AXOLOTL,
        ROWS,
        row_by_row(test_axolotl.context_of),
        {44: test_axolotl.MIXED},
    ),
    Set("unsloth", *UNSLOTH, ROWS, row_by_row(test_unsloth.context_of)),
    Set("unsloth_more", *UNSLOTH, ROWS, row_by_row(test_unsloth.context_of)),
    Set("verl", "verl", "0.9.1", ROWS, row_by_row(test_verl.context_of)),
    Set("slime", "slime", "@624b824a, August 2026", ROWS, row_by_row(test_slime.context_of)),
)


def cases_of(one: Set, folder: Path) -> Iterable[dict[str, Any]]:
    lines: Iterator[dict[str, Any]] = trainer_rows.read(folder / f"{one.file}.jsonl")
    if one.file in ("llamafactory_files", "llamafactory_packed"):
        return test_llamafactory.carried(lines)
    return lines


def wanted(line: dict[str, Any]) -> Outcome:
    found = {key: line[key] for key in KEYS if key in line}
    if "loss_scale" in found or "parts" in found:
        found = {key: value for key, value in test_swift.wanted(line).items() if key in KEYS}
    return found


def counted(one: Set, folder: Path) -> tuple[Counter[str], list[str]]:
    """How many lines come out how, and the numbers and reasons of those that differ."""
    counts: Counter[str] = Counter()
    told: list[str] = []
    for number, line in enumerate(cases_of(one, folder), 1):
        right = wanted(line)
        found = {key: value for key, value in one.outcome(line).items() if key in KEYS}
        counts["rows"] += 1
        if found != right:
            counts["differ"] += 1
            why = one.differ.get(number, "not known")
            told.append(f"{one.file}.jsonl, line {number}: {why}.")
        elif "error" in right:
            counts["error"] += 1
        elif "dropped" in right:
            counts["dropped"] += 1
        else:
            counts["equal"] += 1
    return counts, told


def page(folder: Path) -> str:
    """The page."""
    lines = [
        "# Parity with the trainers' own packages",
        "",
        f"Generated by `python docs/make_parity.py FOLDER` on {date.today().isoformat()}. Rows were made "
        "by a program, odd ones among them, and encoded by the trainers' own packages with GLM's real "
        "tokenizer; here `glmlint encode` is compared with them, id by id and label by label, after "
        "truncation. “Same drop” and “same exception” are rows (or files) that the package leaves out, or "
        "at which it raises an exception of that name.",
        "",
        "| trainer | version | compared | of | equal | same drop | same exception | differ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    told: list[str] = []
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    for one in SETS:
        counts, more = counted(one, folder)
        told += more
        sums.setdefault((one.trainer, one.version, one.what), Counter()).update(counts)
    for names, counts in sums.items():
        numbers = [counts[key] for key in ("rows", "equal", "dropped", "error", "differ")]
        lines.append(f"| {' | '.join((*names, *map(str, numbers)))} |")
    lines += ["", "## What differs", "", *(f"- {text}" for text in told or ["Nothing."])]
    official = "The official scripts, 936 rows, and the loader of `datasets` are compared in"
    lines += ["", f"{official} `tests/test_golden.py` and [loader.md](loader.md)."]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    (HERE / "parity.md").write_text(page(Path(sys.argv[1])), encoding="utf-8")
