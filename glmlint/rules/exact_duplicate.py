"""The same conversation occurs twice in the data.

A repeated row is trained twice an epoch: the model learns it by heart before it has learned the
rest, and the share of every other row shrinks. Repeats come from joining exports, from shards
copied into one another, and from templates filled with the same values. Roles, contents, function
names and tool lists are compared, through a hash; ids and other metadata of the row are not.

Evidence: 437 of the 1,800 rows of one published training file repeat an earlier row; hashes as
described in `glmlint/evidence/duplicates.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.duplicates import LIMIT, repeats
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.rules.base import Edit, Example, Placed, Rule, Text

_HELLO = {
    "messages": [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
    ]
}
_你好 = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
}

rule = Rule(
    name="exact-duplicate",
    family="dataset",
    title_zh="同一段对话在数据里出现了不止一次",
    doc_zh="""
    重复的行每个 epoch 会训练两次：模型还没学会其他内容，就先把它背了下来，其他各行的占比也随
    之变小。重复来自合并导出文件、分片之间互相复制，以及用相同的值填写模板。比较的是角色、内
    容、函数名和工具列表，通过哈希进行；行内的 id 等附加信息不参与比较。

    依据：某个公开训练文件的 1,800 行中有 437 行与前面的行重复；哈希的算法见
    `glmlint/evidence/duplicates.py`。
    """,
    severity="warning",
    hashes="rows",
    fix="unsafe",
    text=Text(
        "the same conversation as line {first}: it is trained more than once an epoch",
        "与第 {first} 行的对话完全相同：每个 epoch 会被重复训练",
    ),
    variants={
        "elsewhere": Text(
            "the same conversation as {path}:{first}: it is trained more than once an epoch",
            "与 {path}:{first} 的对话完全相同：每个 epoch 会被重复训练",
        ),
        "bounded": Text(
            "the hashes of all rows take more than {limit} MB: "
            "only one conversation in {share} was checked for duplicates",
            "所有行的哈希超过 {limit} MB：只检查了 {share} 分之一的对话是否重复",
        ),
    },
    help=Text(
        "Keep the first one (`--unsafe-fixes` drops the other rows, along with their other keys). "
        "For intended repeats, use weights or epochs.",
        "只保留第一条（`--unsafe-fixes` 会删除其余各行，连同行内的其他字段）；如果是有意重复，请改用权重或 epoch 数。",
    ),
    bad=(
        Example(rows=(_HELLO, _你好, _HELLO)),
        Example(rows=(_你好, {"id": 7, **_你好})),
    ),
    good=(
        Example(rows=(_HELLO, _你好)),
        Example(
            rows=(
                _你好,
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "您好，有什么可以帮您？"},
                    ]
                },
            )
        ),
    ),
)


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    for split in (False, True):
        tables = {
            path: stats.rows.joined()
            for path, stats in report.files.items()
            if (path in plan.eval_files) is split
        }
        for place in repeats(tables):
            elsewhere = place.path != place.first_path
            problem = rule.problem(
                text="elsewhere" if elsewhere else None,
                first=place.first_line,
                path=place.first_path,
                edits=(Edit("drop-row", ()),),
            )
            yield Placed(place.path, place.line, problem, place.key, place.clean)
    if report.level:
        problem = rule.problem(
            None, text="bounded", severity="info", limit=LIMIT >> 20, share=1 << report.level
        )
        yield Placed(min(report.files), None, problem, b"", False)
