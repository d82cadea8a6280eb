"""A row that is nearly the same as another row.

Templates with one word changed, the same answer to rephrased questions, a second export with other
punctuation: for the model these are repeats, though no byte comparison finds them. Rows are
compared by MinHash over word trigrams; `--near-duplicates 0.9` reports rows that share nine
trigrams of ten with an earlier row. The answers must be similar on their own, and so must
everything beside the system message and, where the answer is short, both ends of the question: rows
that share a long prompt but differ in question and answer are not repeats. Identical rows are left
to `exact-duplicate`.

Needs the package rensa (`pip install rensa`, or the extra `dedup`); without it, a warning says that
near duplicates were not checked.

Evidence: MinHash deduplication is common practice for training data; here it is done with `rensa`.
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
    doc_zh="""
    模板只换了一个词、问题换了说法而回答相同、两次导出只差标点：对模型来说这些都是重复，但逐字节比较
    发现不了。这里用 MinHash 比较各行的三词组；`--near-duplicates 0.9` 会报告与前面某一行有九成三词
    组相同的行。两行的回答本身也必须相似，system 消息之外的其余内容也是如此；回答较短时，问题的首尾
    两端也要相似：长提示词相同而问题和回答不同的行不算重复。完全相同的行由 `exact-duplicate` 报告。

    需要 rensa 包（`pip install rensa`，或可选部分 `dedup`）；没有安装时，会给出一条警告，说明未检查
    近似重复。

    依据：用 MinHash 去重是处理训练数据的通行做法，这里使用 `rensa`。
    """,
    severity="info",
    limit=Limit("near-duplicates", None, Text(
        "Report rows that are at least this similar.",
        "报告相似度不低于此值的数据行。",
    )),
    opt_in=True,
    hashes="signatures",
    text=Text(
        "{share:.0%} similar to line {first}: a repeat for the model",
        "与第 {first} 行的相似度为 {share:.0%}：对模型来说等于重复",
    ),
    variants={
        "elsewhere": Text(
            "{share:.0%} similar to {path}:{first}: a repeat for the model",
            "与 {path}:{first} 的相似度为 {share:.0%}：对模型来说等于重复",
        ),
        "missing": Text(
            "near duplicates were not checked: rensa is not installed",
            "未检查近似重复：没有安装 rensa",
        ),
    },
    help=Text(
        "Keep one of them, or replace it with more varied data.",
        "只保留其中一行，或换成更多样的数据。",
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
    f"To check for them: {install('dedup').en}.", f"如需检查，请先运行 {install('dedup').zh}。"
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
    # Of identical rows, only the first is compared.
    _, firsts = np.unique(rows["key"], return_index=True)
    firsts.sort()
    found = similar_pairs(rows["signature"][firsts], least)
    for number, earlier, share in found:
        row, first = rows[firsts[number]], rows[firsts[earlier]]
        path, first_path = paths[files[firsts[number]]], paths[files[firsts[earlier]]]
        problem = rule.problem(
            text=None if path == first_path else "elsewhere",
            share=min(share, 0.99),  # identical rows are reported by `exact-duplicate`
            first=int(first["line"]) >> 1,
            path=first_path,
        )
        line = int(row["line"])
        yield Placed(
            path, line >> 1, problem, row["key"].tobytes(), bool(line & 1),
            partner=first["key"].tobytes(),
        )  # fmt: skip
