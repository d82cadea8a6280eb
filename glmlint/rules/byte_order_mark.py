"""The file starts with a byte order mark.

The mark is not part of JSON. The newest `datasets` skips it at the start of a file, but not in the
middle, where files were joined (there it is `invalid-json`); many other readers take it for a
broken first line, and drop that row or stop.

Evidence: four of six peer validators call such a file invalid JSON; `datasets` 5.2 reads it.
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
    name="byte-order-mark",
    family="structure",
    title_zh="文件以字节顺序标记（BOM）开头",
    doc_zh="""
    BOM 不属于 JSON。最新的 `datasets` 会跳过文件开头的 BOM，但不会跳过文件拼接后出现在中间的
    BOM（那时由 `invalid-json` 报告）；许多其他程序会把它当作损坏的第一行，丢弃这一行或直接停
    止。

    依据：试过的六个同类校验工具中有四个认为这样的文件不是合法的 JSON；`datasets` 5.2 可以读
    取。
    """,
    severity="warning",
    fix="safe",
    text=Text(
        "the file starts with a byte order mark: many readers take its first row for invalid JSON",
        "文件以字节顺序标记（BOM）开头：许多程序会把第一行当作损坏的 JSON",
    ),
    help=Text(
        "Save the file as UTF-8 without a byte order mark.",
        "把文件保存为不带 BOM 的 UTF-8。",
    ),
    bad=(
        Example(file=b"\xef\xbb\xbf" + _ROW.encode()),
        Example(
            file=b'\xef\xbb\xbf{"messages": [{"role": "user", "content": "Hi"}, '
            b'{"role": "assistant", "content": "Hello"}]}'
        ),
    ),
    good=(
        Example(file=_ROW.encode()),
        {
            "messages": [
                {"role": "user", "content": "What is U+FEFF?"},
                {"role": "assistant", "content": "A byte order mark."},
            ]
        },
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    if any(defect.rule == "byte-order-mark" for defect in file.defects):
        edits = (Edit("rewrite", ()),) if file.totals.samples else ()
        yield rule.problem(None, line=1, column=1, edits=edits)
