"""No row of the file needs half of the budget.

A trainer that pads every row to the budget spends memory and time on padding that no row needs.
One that pads to the longest row of a batch, as the official script does, loses nothing, but a
smaller budget would still guard against a single overlong row. What is learned stays the same: an
info.

Evidence: TRL #3449.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Problem, Rule, Text

rule = Rule(
    name="budget-too-large",
    family="budget",
    title_zh="文件里没有一行用到预算的一半",
    doc_zh="""
    如果训练框架把每一行都填充到预算长度，显存和时间就浪费在没有一行需要的填充上。像官方脚本那
    样只填充到 batch 内最长一行的，没有损失，但较小的预算仍能防住个别超长的行。学到的内容不
    变，所以只是提示。

    依据：TRL #3449。
    """,
    severity="info",
    text=Text(
        "the longest row has {longest} tokens, less than half of the budget of {budget}: "
        "if rows are padded to it, most of the memory is padding",
        "最长的一行只有 {longest} 个 token，不到预算 {budget} 的一半：如果按预算填充，大部分显存都是填充",
    ),
    help=Text(
        "A budget of {longest} keeps every row whole.", "预算设为 {longest} 即可完整保留每一行。"
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
    good=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"max_length": 18},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！很高兴见到你，今天想聊点什么？"},
                    ]
                },
            ),
            plan={"max_length": 12},
        ),
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    if not len(file.lengths.at):
        return
    longest = int(file.lengths.at[-1])
    if 2 * longest < plan.max_length:
        yield rule.problem(None, longest=longest, budget=plan.max_length)
