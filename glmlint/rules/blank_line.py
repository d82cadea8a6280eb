"""Blank lines between rows.

Loaders skip them, so nothing is lost; but line numbers no longer match row numbers, and small
scripts that call `json.loads` on every line fail at the first blank one.

Evidence: `datasets` 5.2 skips them; LLaMA-Factory's own demo data has one.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Edit, Example, Problem, Rule, Text

_ROW = (
    '{"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]}\n'
)

rule = Rule(
    name="blank-line",
    family="structure",
    title_zh="行与行之间有空行",
    doc_zh="""
    加载器会跳过空行，数据没有损失；但文件行号与样本序号从此对不上，逐行调用 `json.loads`
    的小脚本会在第一个空行处报错。

    依据：`datasets` 5.2 会跳过空行；LLaMA-Factory 自带的示例数据中就有一处。
    """,
    severity="info",
    fix="safe",
    text=Text(
        "{blank:blank line} from here on: loaders skip them, scripts that read lines may not",
        "共有 {blank} 个空行，这里是第一个：加载器会跳过，但逐行读取的脚本可能出错",
    ),
    help=Text("Delete the blank lines.", "删除空行。"),
    bad=(
        Example(file=f"{_ROW}\n{_ROW}".encode()),
        Example(
            file=b'{"messages": [{"role": "user", "content": "Hi"},'
            b' {"role": "assistant", "content": "Hello"}]}\n \n'
        ),
    ),
    good=(
        Example(file=f"{_ROW}{_ROW}".encode()),
        {
            "messages": [
                {"role": "user", "content": "Hi\n\nthere"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    if file.blank_lines and file.totals.samples:
        yield rule.problem(
            None,
            column=1,
            edits=(Edit("rewrite", ()),),
            line=file.first_blank,
            blank=file.blank_lines,
        )
