"""A file without a single row.

The loader makes an empty table of it, or rejects the file; the trainer then has no batch and ends
with an exception that names neither the file nor the reason. White space and blank lines are not
rows. Where `not-jsonl` is selected too, it reports the file in place of this rule: it also says
what the file is (a Git LFS pointer, an empty file).

Evidence: GLM-4 #143: an empty split ends in `'NoneType' object has no attribute 'pop'`.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Problem, Rule, Text

rule = Rule(
    name="empty-dataset",
    family="dataset",
    title_zh="文件里一行数据也没有",
    doc_zh="""
    加载器会得到一个空表，或拒绝该文件；训练框架没有数据可组成 batch，会以一个既不提文件也不提
    原因的异常结束。空白字符和空行不算数据行。如果同时启用了 `not-jsonl`，则由它代为报告：它还
    会说明文件是什么（Git LFS 指针、空文件）。

    依据：GLM-4 #143：空的数据集划分以 `'NoneType' object has no attribute 'pop'` 结束。
    """,
    severity="error",
    text=Text(
        "the file has no rows: the trainer ends before the first step",
        "文件里没有任何数据行：训练在第一步之前就会中止",
    ),
    help=Text("Name a file that has rows.", "指定有数据的文件。"),
    bad=(
        Example(file=b"\n\n"),
        Example(file=b"  \n\r\n", name="数据.jsonl"),
        Example(file=b"[]", name="train.json"),
    ),
    good=(
        Example(file='{"messages": [{"role": "user", "content": "你好"}]}\n'.encode()),
        Example(file=b'\n{"messages": [{"role": "user", "content": "Hello"}]}\n'),
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    told = "not-jsonl" in plan.rules and any(d.rule == "not-jsonl" for d in file.defects)
    if file.totals.samples == 0 and not told:
        yield rule.problem(None)
