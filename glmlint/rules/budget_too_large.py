"""No row of the file needs half of the budget.

A trainer that pads every row to the budget pays memory and time for padding that no row needs. One
that pads to the longest row of a batch, as the official script does, pays nothing, but a smaller
budget would still guard against a single overlong row. Nothing is learned otherwise: an info.

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
    severity="info",
    text=Text(
        "the longest row has {longest} tokens, less than half of the budget of {budget}: "
        "where rows are padded to the budget, most of the memory holds padding",
        "最长的一行只有 {longest} 个 token，不到预算 {budget} 的一半：如果按预算填充，大部分显存都用在填充上",
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
