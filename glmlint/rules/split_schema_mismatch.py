"""The validation file has a key or a type that the training file does not have.

`datasets` casts every split to the types of the split that it loads first. A validation row with
one more key, or with another type at some path, makes the load fail before the first step:
`TypeError: Couldn't cast array of type …`, or a `CastError` for a column. A validation file of a
few hundred rows is often made by another script than the training file, so this is found only on
the machine with the GPU. Where the cast succeeds but changes values, it is a warning. The rule runs
where `--eval` names the file and one training file is checked with it.

Evidence: datasets #7222 #7092; datasets 2.20 to 5.2 by running them (docs/loader.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.report import Report
from glmlint.finding import file_identity
from glmlint.loader import OF_FORM, Conflict, Shapes
from glmlint.plan import Plan
from glmlint.rules.base import Example, Placed, Rule, Text
from glmlint.trainer.base import get_trainer

MOST: Final = 20
"""Paths of one file that are reported."""

_PLAIN: Final = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
}
_中文: Final = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
}
_CALL: Final = {
    "messages": [
        {"role": "user", "content": "北京天气？"},
        {"role": "assistant", "content": '{"city": "北京"}', "metadata": "get_weather"},
    ]
}

rule = Rule(
    name="split-schema-mismatch",
    family="loader",
    title_zh="验证文件里有训练文件没有的键或类型",
    doc_zh="""
    `datasets` 会把每个 split 转换成最先加载的那个 split 的类型。验证数据里某一行多一个键，或某个路
    径上类型不同，都会在第一步之前让加载失败：`TypeError: Couldn't cast array of type …`，列不同则是
    `CastError`。几百行的验证文件往往由另一个脚本生成，所以这个问题到了 GPU 机器上才会发现。转换成功
    但值有变化时，级别是警告。用 `--eval` 指定验证文件、并同时检查一个训练文件时，本规则才会运行。

    依据：datasets #7222 #7092；datasets 2.20 至 5.2 的实际运行结果（docs/loader.md）。
    """,
    severity="error",
    applies=lambda recipe, plan: recipe.through_datasets and bool(plan.eval_files),
    text=Text(
        "`{where}` (line {line}) is in no row of {train}: datasets {datasets} fails to cast this "
        "file to that one's keys ({error}; {keys:key})",
        "`{where}`（第 {line} 行）在 {train} 中不存在：datasets {datasets} 无法把本文件转换成它的"
        "结构（{error}；这样的键共 {keys} 个）",
    ),
    variants={
        "types": Text(
            "`{where}` (line {line}) has another type in {train}: datasets {datasets} fails to "
            "cast this file to it ({error})",
            "`{where}`（第 {line} 行）的类型与 {train} 中不同：datasets {datasets} 无法把本文件转"
            "换成该类型（{error}）",
        ),
        "changes": Text(
            "`{where}` (line {line}) has another type in {train}: datasets {datasets} loads "
            "values that differ from the file",
            "`{where}`（第 {line} 行）的类型与 {train} 中不同：datasets {datasets} 加载到的值与文"
            "件中的不同",
        ),
        "missing-key": Text(
            "`{where}` of {train} is missing here (line {line}): datasets {datasets} fails to "
            "load this file ({error})",
            "{train} 中的 `{where}` 在这里缺失（第 {line} 行）：datasets {datasets} 无法加载本文件"
            "（{error}）",
        ),
    },
    help=Text(
        "Give both files the same types, and every key of this file a value in some row of the "
        "training file; or read both with json.loads instead of load_dataset.",
        "让两个文件的类型一致，并让本文件的每个键在训练文件的某一行中也有值；或在脚本中用 "
        "json.loads 而不是 load_dataset 读取两个文件。",
    ),
    bad=(
        Example(rows=(_PLAIN,), eval_rows=(_CALL,)),
        Example(rows=(_中文, _中文), eval_rows=({**_中文, "题目": "问候"},)),
        Example(rows=({**_PLAIN, "id": 1},), eval_rows=({**_PLAIN, "id": "one"},)),
    ),
    good=(
        Example(rows=(_CALL,), eval_rows=(_中文,)),
        Example(rows=(_PLAIN,), eval_rows=(_中文,)),
        Example(rows=({**_PLAIN, "id": 1},), eval_rows=({**_中文, "id": 2},)),
    ),
)  # fmt: skip


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    if not get_trainer(plan.recipe).through_datasets:
        return
    trained = [path for path in report.files if path not in plan.eval_files]
    before = report.files[trained[0]].shapes.whole if len(trained) == 1 else None
    if before is None or any(conflict.fails for conflict in before.conflicts(plan.datasets)):
        return
    for path in plan.eval_files:
        shapes = report.files[path].shapes.whole if path in report.files else None
        if shapes is None:
            continue
        told = _told(shapes, before, plan.datasets)
        late = [conflict for conflict in told if conflict.reason == "late-key"]
        # Keys that the other split lacks are one problem: a single new tool brings many.
        others = [conflict for conflict in told if conflict.reason != "late-key"]
        for conflict in (late[:1] + others)[:MOST]:
            yield _placed(path, trained[0], conflict, plan.datasets, len(late))


def _told(shapes: Shapes, before: Shapes, datasets: str) -> list[Conflict]:
    """What the cast of one split to another's types changes, except what JSON keeps."""
    conflicts = shapes.conflicts(datasets, after=before)
    return [
        conflict
        for conflict in conflicts
        if conflict.outcome != "loads-as-json" and conflict.reason not in OF_FORM
    ]


def _placed(path: str, train: str, conflict: Conflict, datasets: str, keys: int) -> Placed:
    text: str | None = "types"
    if not conflict.fails:
        text = "changes"
    elif conflict.reason in ("late-key", "missing-key"):
        text = None if conflict.reason == "late-key" else "missing-key"
    problem = rule.problem(
        None,
        text=text,
        severity=None if conflict.fails else "warning",
        where=conflict.where,
        line=conflict.line,
        train=train,
        keys=keys,
        datasets=datasets,
        error=conflict.error,
    )
    identity = file_identity(path) + conflict.where.encode()
    return Placed(path, conflict.line, problem, identity, clean=False)
