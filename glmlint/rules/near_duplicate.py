"""A row that says nearly what another row says.

Templates with one word changed, the same answer under rephrased questions, a second export with
other punctuation: for the model these are repeats, though no byte comparison sees them. The words
of a row are compared by MinHash, in triples; `--near-duplicates 0.9` tells rows that share nine
triples of ten with an earlier one. Their answers must be alike for themselves, and so must what stands
beside the system message and, where the answer is short, the two ends of the question: rows that share
a long prompt and differ in question and answer are no repeat. Rows that are wholly the same are left
to `exact-duplicate`.

Needs the package rensa (`pip install rensa`, or the extra `dedup`); without it a warning says that
nobody looked.

Evidence: deduplication by MinHash is the common practice for training data; here with `rensa`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from glmlint.evidence.near_duplicates import installed, similar_pairs
from glmlint.evidence.report import Report
from glmlint.extras import install
from glmlint.plan import Plan
from glmlint.rules.base import Example, Limit, Placed, Rule, Text


def _asked(question: str, answer: str) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


_RIVER = (
    "The river rises in the mountains of the north, crosses the great plain with its three old "
    "towns, and reaches the sea after nine hundred kilometres of slow and quiet flow"
)
_长江 = "长江发源于青藏高原的唐古拉山脉，自西向东流经十一个省区市，全长约六千三百公里，在上海注入东海，是亚洲第一长河"

rule = Rule(
    name="near-duplicate",
    family="dataset",
    title_zh="与另一行内容几乎相同的行",
    severity="info",
    limit=Limit("near-duplicates", None, Text("Report rows that are at least this similar.", "报告相似度不低于此值的数据行。")),
    opt_in=True,
    hashes="signatures",
    text=Text(
        "{share:.0%} like line {first}: a repeat for the model",
        "与第 {first} 行有 {share:.0%} 相似：对模型来说等于重复",
    ),
    variants={
        "elsewhere": Text(
            "{share:.0%} like {path}:{first}: a repeat for the model",
            "与 {path}:{first} 有 {share:.0%} 相似：对模型来说等于重复",
        ),
        "missing": Text(
            "near duplicates were not looked for: rensa is not installed",
            "未查找近似重复：没有安装 rensa",
        ),
    },
    help=Text(
        "Keep one of them, or more varied ones.",
        "只保留其中一条，或换成更多样的数据。",
    ),
    bad=(
        Example(
            rows=(_asked("Where does it flow?", _RIVER), _asked("Where does it flow?", _RIVER + ".")),
            plan={"limits": {"near-duplicates": 0.8}},
        ),
        Example(
            rows=(_asked("介绍长江", _长江), _asked("介绍一下长江", _长江 + "。")),
            plan={"limits": {"near-duplicates": 0.8}},
        ),
    ),
    good=(
        Example(
            rows=(_asked("Where does it flow?", _RIVER), _asked("介绍长江", _长江)),
            plan={"limits": {"near-duplicates": 0.8}},
        ),
        Example(rows=(_asked("介绍长江", _长江), _asked("介绍一下长江", _长江 + "。"))),
    ),
)  # fmt: skip

_INSTALL: Final = Text(
    f"To look for them: {install('dedup').en}.", f"如需查找，请先运行 {install('dedup').zh}。"
)


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    least = rule.limit_of(plan)
    if not report.files:
        return
    if not installed():
        yield Placed(
            min(report.files),
            None,
            rule.problem(None, text="missing", severity="warning", help=_INSTALL),
            b"",
            False,
        )
        return
    paths = sorted(path for path in report.files if len(report.files[path].rows))
    tables = [report.files[path].rows.joined() for path in paths]
    if not tables:
        return
    rows = np.concatenate(tables)
    files = np.repeat(np.arange(len(paths)), [len(table) for table in tables])
    # Of rows that are the same, only the first is compared.
    _, firsts = np.unique(rows["key"], return_index=True)
    firsts.sort()
    found = similar_pairs(rows["signature"][firsts], least)
    for number, earlier, share in found:
        row, first = rows[firsts[number]], rows[firsts[earlier]]
        path, first_path = paths[files[firsts[number]]], paths[files[firsts[earlier]]]
        problem = rule.problem(
            text=None if path == first_path else "elsewhere",
            share=min(share, 0.99),  # what is wholly the same is told by `exact-duplicate`
            first=int(first["line"]) >> 1,
            path=first_path,
        )
        line = int(row["line"])
        yield Placed(
            path, line >> 1, problem, row["key"].tobytes(), bool(line & 1),
            partner=first["key"].tobytes(),
        )  # fmt: skip
