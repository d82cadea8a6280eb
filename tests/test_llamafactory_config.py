"""LLaMA-Factory's own rows and files by way of its YAML, as a user calls it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from test_cli import glmlint
from test_llamafactory import INFO, VOCABULARY, carried, read

from glmlint.app.settings import SettingsError, resolve
from glmlint.engine.check import check_file
from glmlint.engine.encode import EncodedRow, encode_rows
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import InputFile
from glmlint.trainer.base import open_context

GOLDEN = ("input_ids", "labels", "error", "dropped")


def plan_of(case: dict[str, Any], rows: list[Any], folder: Path, **flags: Any) -> Plan:
    """The plan of a run whose YAML and `dataset_info.json` say what the case says."""
    folder.mkdir()
    entry = {"file_name": "d.jsonl", "formatting": case["format"], **INFO[case["format"]]}
    (folder / "dataset_info.json").write_text(json.dumps({"d": entry}))
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "d.jsonl").write_text(data, encoding="utf-8")
    settings = {
        "stage": "sft", "do_train": True, "finetuning_type": "lora", "output_dir": "out",
        "dataset": "d", "dataset_dir": str(folder), "template": case["template"],
    }  # fmt: skip
    config = folder / "sft.yaml"
    config.write_text(yaml.safe_dump(settings | case["options"]))
    tokenizer = VOCABULARY[case["tokenizer"]]
    return resolve({"trainer-config": str(config), "tokenizer": tokenizer, **flags})


def golden(row: EncodedRow) -> dict[str, Any]:
    if row.error is not None:
        return {"error": row.error}
    if row.dropped is not None:
        return {"dropped": True}
    assert row.input_ids is not None and row.labels is not None
    return {"input_ids": row.input_ids.tolist(), "labels": row.labels.tolist()}


def test_rows_as_written(shared: Path, tmp_path: Path) -> None:
    """Each row a file of its own, and `datasets` 5.2.0, which changes none of them."""
    alike = defaultdict(list)
    for case in read(shared / "golden" / "trainers" / "llamafactory.jsonl"):
        setting = {k: case[k] for k in ("tokenizer", "format", "template", "options")}
        alike[json.dumps(setting)].append(case)
    rows = 0
    for number, cases in enumerate(alike.values()):
        plan = plan_of(cases[0], [], tmp_path / str(number), pin=("datasets=5.2.0",))
        context = open_context(plan)
        for case in cases:
            row = json.dumps(case["row"], ensure_ascii=False) + "\n"
            Path(plan.data[0]).write_text(row, encoding="utf-8")
            (found,) = encode_rows(plan.data, plan, context=context)
            assert golden(found) == {k: case[k] for k in GOLDEN if k in case}, case["row"]
            rows += 1
    assert rows == 400


def test_files_as_the_loader_hands_them_over(shared: Path, tmp_path: Path) -> None:
    """Of a file, the rows that are kept, in order; where the run ends, `check` says why."""
    cases = list(carried(read(shared / "golden" / "trainers" / "llamafactory_files.jsonl")))
    equal, ended = 0, []
    for number, case in enumerate(cases):
        try:
            plan = plan_of(case, case["rows"], tmp_path / str(number))
        except SettingsError as refused:
            assert case["error"] == "ValueError" and "train_on_prompt" in str(refused), number
            ended.append("refused")
            continue
        context = open_context(plan)
        found = [golden(row) for row in encode_rows(plan.data, plan, context=context)]
        if "out" in case:
            assert [row for row in found if row != {"dropped": True}] == case["out"], number
            equal += 1
            continue
        report = Report()
        check_file(InputFile(plan.data[0]), plan, context, report)
        result = finish(report, plan, context)
        raised = {f.rule for f in result.findings if f.severity == "error"}
        said = " ".join(f.message for f in result.findings if f.severity == "error")
        assert result.exit_code == 1 and raised, number
        if case["error"] == "DatasetGenerationError":
            assert "arrow-type-conflict" in raised and case["error"] in said, number
        else:
            assert {"error": case["error"]} in found and case["error"] in said, number
        ended.append(case["error"])
    assert equal + len(ended) == len(cases) == 80


def test_its_own_demo_files(shared: Path, tmp_path: Path) -> None:
    """As its users name them: no error but the calls that break their own tool's schema."""
    info: dict[str, Any] = {
        name: {"file_name": f"{name}.json"}
        for name in ("identity", "alpaca_en_demo", "alpaca_zh_demo")
    }
    for name in ("glaive_toolcall_en_demo", "glaive_toolcall_zh_demo"):
        columns = {"messages": "conversations", "tools": "tools"}
        info[name] = {"file_name": f"{name}.json", "formatting": "sharegpt", "columns": columns}
    for name in info:
        (tmp_path / f"{name}.json").symlink_to(shared / "data" / "llamafactory" / f"{name}.json")
    # A row that ends with the user: the package drops it, and says so in a warning.
    info["own"] = {"file_name": "own.json", "formatting": "sharegpt"}
    odd = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}]  # fmt: skip
    (tmp_path / "own.json").write_text(json.dumps([{"conversations": odd}]))
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    config = tmp_path / "sft.yaml"
    config.write_text(
        "### model\nmodel_name_or_path: THUDM/glm-4-9b-chat\ntrust_remote_code: true\n\n"
        "### method\nstage: sft\ndo_train: true\nfinetuning_type: lora\nlora_target: all\n\n"
        f"### dataset\ndataset: {','.join(info)}\ndataset_dir: {tmp_path}\ntemplate: glm4\n"
        "cutoff_len: 4096\npreprocessing_num_workers: 16\n\n"
        "### output\noutput_dir: saves/glm4/lora/sft\nlogging_steps: 10\n\n"
        "### train\nper_device_train_batch_size: 1\nlearning_rate: 1.0e-4\nbf16: true\n"
    )
    plan = resolve({"trainer-config": str(config), "lang": "en"})
    context = open_context(plan)
    report = Report()
    for path in plan.data:
        check_file(InputFile(path), plan, context, report)
    result = finish(report, plan, context)
    errors = [f for f in result.findings if f.severity == "error"]
    (dropped,) = (f for f in errors if f.rule != "arguments-schema")
    assert dropped.rule == "would-be-dropped" and dropped.path.endswith("own.json")
    assert "Invalid message count" in dropped.message  # the words of the package's warning
    totals = result.totals
    assert (totals.samples, totals.dropped, totals.unreadable) == (91 + 999 + 1000 + 600 + 1, 1, 0)


def test_a_config_without_data_checks_nothing_else(tmp_path: Path) -> None:
    """The current folder is not what the trainer reads."""
    (tmp_path / "other.jsonl").write_text('{"instruction": "a", "input": "", "output": "b"}\n')
    (tmp_path / "dataset_info.json").write_text('{"hub": {"hf_hub_url": "a/b"}}')
    for dataset, why in (("hub", "hub comes from hf_hub_url: it was not checked"), ("", "")):
        config = tmp_path / "sft.yaml"
        config.write_text(
            "stage: sft\ndo_train: true\nmodel_name_or_path: a\ntemplate: glm4\noutput_dir: o\n"
            f"dataset: {dataset}\ndataset_dir: .\n"
        )
        done = glmlint("check", "--trainer-config", "sft.yaml", "--lang", "en", cwd=tmp_path)
        told = done.stderr.decode()
        assert done.returncode == 2 and done.stdout == b""
        assert "sft.yaml names no data file on this machine: name the files to check" in told
        assert why in told and told.count("\n") == 1
        named = glmlint("check", "other.jsonl", "--trainer-config", "sft.yaml", cwd=tmp_path)
        assert named.returncode == 0
