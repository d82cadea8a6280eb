"""Rows that share a sequence: `encode --packed`, and what `check` says of the packer."""

from __future__ import annotations

import io
import json
import random
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import glmlint, report
from test_llamafactory import INFO, carried
from test_real_data import OPTIONS
from trainer_rows import HERE, read

from glmlint.app.settings import resolve
from glmlint.engine.check import check_file, check_lines
from glmlint.engine.encode import EncodedRow, PackedSequence, packed_rows
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import Chunk, InputFile
from glmlint.reporters.base import get
from glmlint.reporters.figures import packing
from glmlint.trainer.base import open_context
from glmlint.trainer.packing import LEFT_OUT, Lengths

VOCABULARY = {"glm4": "glm4", "glm45": "glm4.5"}
TEMPLATE = {"glm4": "ChatGLM", "glm45": "GLM-4.5"}
OWN = [c for c in read(HERE / "llamafactory_loaded.jsonl") if c["options"].get("packing")
       or c["options"].get("neat_packing")]  # fmt: skip
OWN_TRL = [c for c in read(HERE / "trl_packed.jsonl") if c["options"].get("packing")]


def settings_of(case: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The flags of the command that stand for a golden file's settings, and its options."""
    options = dict(case["options"])
    flags = {"tokenizer": VOCABULARY[case["tokenizer"]]}
    if "format" in case:
        options |= {"template": case["template"], "formatting": case["format"]}
        options |= INFO[case["format"]]
        return flags | {"recipe": "llamafactory", "pin": "datasets=4.0.0"}, options
    template = TEMPLATE[case["tokenizer"]]
    return flags | {"recipe": "trl", "template": template, "pin": "transformers=5.24.0"}, options


def flags_of(case: dict[str, Any]) -> list[str]:
    flags, options = settings_of(case)
    given = [part for name, value in flags.items() for part in (f"--{name}", value)]
    for key, value in options.items():
        given += ["--set", f"{key}={json.dumps(value)}"]
    return given


def lines(done: Any) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def written(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def expected(case: dict[str, Any], found: list[dict[str, Any]], told: dict[str, Any]) -> None:
    """The sequences equal what came out of the trainer; `check` counts the same."""
    if "error" in case:
        assert {row["error"] for row in found} == {case["error"]}
        return
    out = [{key: row[key] for key in ("input_ids", "labels")} for row in found]
    assert out == case["out"]
    size = sum(part["stop"] - part["start"] for row in found for part in row["rows"])
    budget = told["budget"]["max_length"]
    assert told["packing"] == {
        "sequences": len(found),
        "fill": size / (len(found) * budget) if found else None,
    }


def compare(case: dict[str, Any], folder: Path) -> None:
    """The commands, as processes."""
    file = written(folder / "train.jsonl", case["rows"])
    flags = flags_of(case)
    expected(case, lines(glmlint("encode", file, "--packed", *flags)), report(file, *flags))


def plain(row: PackedSequence | EncodedRow) -> dict[str, Any]:
    if isinstance(row, EncodedRow):
        return {"error": row.error}
    parts = [{"start": part.start, "stop": part.stop} for part in row.rows]
    return {"input_ids": row.input_ids.tolist(), "labels": row.labels.tolist(), "rows": parts}


def compare_here(case: dict[str, Any], folder: Path) -> None:
    """What the commands call, in this process."""
    file = written(folder / "train.jsonl", case["rows"])
    flags, options = settings_of(case)
    package, version = flags.pop("pin").split("=")
    plan = resolve({**flags, "pin": {package: version}, "set": options})
    context = open_context(plan)
    out = io.StringIO()
    report = Report()
    check_file(InputFile(file), plan, context, report)
    get("json").write(finish(report, plan, context), out, OPTIONS)
    found = [plain(row) for row in packed_rows([file], plan, context=context)]
    expected(case, found, json.loads(out.getvalue()))


@pytest.mark.parametrize("number", range(len(OWN)))
def test_llamafactory(number: int, tmp_path: Path) -> None:
    compare(OWN[number], tmp_path)


@pytest.mark.parametrize("number", range(len(OWN_TRL)))
def test_trl(number: int, tmp_path: Path) -> None:
    compare(OWN_TRL[number], tmp_path)


def test_whole_sets(shared: Path, tmp_path: Path) -> None:
    folder = shared / "golden" / "trainers"
    cases = [
        *carried(read(folder / "llamafactory_packed.jsonl")),
        *read(folder / "trl_packed.jsonl"),
    ]
    cases = [case for case in cases if case["options"].get("packing", "format" in case)]
    for case in cases:
        compare_here(case, tmp_path)
    assert len(cases) == 47


def row(size: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"},
                         {"role": "assistant", "content": "yes " * size}]}  # fmt: skip


LLAMA = ("--recipe", "llamafactory", "--set", "template=glm4", "--set", "packing=true",
         "--set", "cutoff_len=64")  # fmt: skip


def test_data_sets_of_the_yaml_are_one(tmp_path: Path) -> None:
    """LLaMA-Factory joins them in the order of the YAML, which is not that of their names."""
    parts = {"z": [row(40), row(10)], "a": [row(12), row(30)]}
    for name, rows in parts.items():
        written(tmp_path / f"{name}.jsonl", rows)
    columns = {"formatting": "openai", "columns": {"messages": "messages"}, "tags": INFO["openai"]["tags"]}  # fmt: skip
    info = {name: {"file_name": f"{name}.jsonl", **columns} for name in parts}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    config = tmp_path / "sft.yaml"
    config.write_text(
        f"stage: sft\ndo_train: true\nmodel_name_or_path: THUDM/glm-4-9b-chat\ntemplate: glm4\ndataset: z,a\n"
        f"dataset_dir: {tmp_path}\ncutoff_len: 64\npacking: true\noutput_dir: out\n"
    )
    found = lines(glmlint("encode", "--trainer-config", str(config), "--packed"))
    whole = written(tmp_path / "whole.jsonl", [*chain(*parts.values())])
    alone = lines(glmlint("encode", whole, "--packed", *LLAMA))
    assert [one["input_ids"] for one in found] == [one["input_ids"] for one in alone]
    assert [[Path(part["path"]).stem for part in one["rows"]] for one in found] == [
        ["z"], ["a"], ["a", "z"]
    ]  # fmt: skip
    told = report("--trainer-config", str(config))["packing"]
    assert told == report(whole, *LLAMA)["packing"]
    assert told["sequences"] == len(found)


def test_standard_input(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [row(n) for n in (5, 40, 9)])
    piped = glmlint("encode", "-", "--packed", *LLAMA, stdin=Path(file).read_bytes())
    assert piped.stdout and piped.stdout == glmlint("encode", file, "--packed", *LLAMA).stdout


def test_each_token_of_a_kept_row_is_in_one_sequence(tmp_path: Path) -> None:
    """More rows than a packer looks at together."""
    draw = random.Random(7)
    file = written(tmp_path / "a.jsonl", [row(draw.randrange(1, 70)) for _ in range(1100)])
    for flags in (LLAMA, ("--recipe", "trl", "--set", "packing=true", "--set", "max_length=64",
                          "--set", "packing_strategy=wrapped"),
                  ("--recipe", "trl", "--set", "packing=true", "--set", "max_length=64",
                   "--set", "packing_strategy=bfd_split")):  # fmt: skip
        kept = {r["index"]: r["input_ids"] for r in lines(glmlint("encode", file, *flags))}
        found = lines(glmlint("encode", file, "--packed", *flags))
        pieces: dict[int, dict[int, list[int]]] = {}
        for one in found:
            at = 0
            for part in one["rows"]:
                size = part["stop"] - part["start"]
                pieces.setdefault(part["index"], {})[part["start"]] = one["input_ids"][
                    at : at + size
                ]
                at += size
            assert at <= len(one["input_ids"]) <= 64
        joined = {n: [*chain(*(part for _, part in sorted(p.items())))] for n, p in pieces.items()}
        assert joined == kept
        assert report(file, *flags)["packing"]["sequences"] == len(found)


def test_a_row_that_stops_the_trainer(tmp_path: Path) -> None:
    """No sequence comes out of the trainer then; `check` counts the other rows and says so."""
    broken = {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None}]
    }
    file = written(tmp_path / "a.jsonl", [row(5), broken, row(6)])
    (found,) = lines(glmlint("encode", file, "--packed", *LLAMA))
    assert found["line"] == 2 and found["error"]
    assert report(file, *LLAMA)["packing"]["sequences"] == 1
    for lang, told in (("en", "once the rows that stop the trainer are gone: 1 sequence of at most 64"),
                       ("zh", "打包（去掉使训练终止的数据行之后）：1 个序列")):  # fmt: skip
        done = glmlint("check", file, *LLAMA, "--lang", lang)
        assert told in done.stdout.decode()


def test_the_line_of_the_report(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [row(5), row(40), row(30)])
    packed = report(file, *LLAMA)["packing"]
    told = glmlint("check", file, *LLAMA).stdout.decode()
    assert f"packing: {packed['sequences']} sequences of at most 64 tokens" in told
    assert f"{packed['fill']:.1%} full" in told
    # A file of the validation split is packed for itself.
    assert (
        report(file, *LLAMA, "--eval", written(tmp_path / "v.jsonl", [row(50)]))["packing"]
        == packed
    )
    without = report(file, "--recipe", "llamafactory", "--set", "template=glm4")
    assert "packing" not in without


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((*LLAMA, "--no-truncate"), "can't be combined with --no-truncate"),
        (("--recipe", "glm4"), "doesn't pack rows with these options"),
        (("--recipe", "trl"), "doesn't pack rows with these options"),
    ],
)
def test_refusals(more: tuple[str, ...], says: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [row(5)])
    done = glmlint("encode", file, "--packed", *more)
    assert (done.returncode, done.stdout) == (2, b"") and says in done.stderr.decode()


def test_a_line_is_refused(tmp_path: Path) -> None:
    done = glmlint("encode", written(tmp_path / "a.jsonl", [row(5)]) + ":1", "--packed", *LLAMA)
    assert done.returncode == 2 and b"combined with --no-truncate or a line" in done.stderr


def test_parts_of_a_file_merge_in_any_order() -> None:
    options = {"template": "glm4", "packing": True, "cutoff_len": 64}
    plan = Plan(recipe="llamafactory", options=options, max_length=64)
    context = open_context(plan)
    draw = random.Random(3)
    raw = [json.dumps(row(draw.randrange(1, 50))).encode() for _ in range(60)]
    chunks = [Chunk("a", raw[n : n + 7], range(n + 1, n + 1 + len(raw[n : n + 7])))
              for n in range(0, 60, 7)]  # fmt: skip
    whole = packing(
        finish(check_lines([Chunk("a", raw, range(1, 61))], plan, context), plan, context)
    )
    assert whole is not None and whole.sequences > 10
    for _ in range(3):
        draw.shuffle(chunks)
        merged = Report()
        for chunk in chunks:
            merged.merge(check_lines([chunk], plan, context), plan.max_findings)
        assert packing(finish(merged, plan, context)) == whole


def test_lengths() -> None:
    found = Lengths(np.array([3, LEFT_OUT, 0], np.int32))
    assert [*found] == [3, None, 0] and [*found[1:]] == [None, 0]
