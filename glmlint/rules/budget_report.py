"""How long the rows of the file are, and which budgets keep 95, 99 and 100% of what they teach.

The budget is guessed more often than measured. These numbers are exact: lengths in tokens under
the chosen recipe, quantiles by nearest rank, and for each share the smallest budget that keeps it.

Evidence: TRL #3449.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats, nearest_rank
from glmlint.plan import Plan
from glmlint.rules.base import Example, Problem, Rule, Text

rule = Rule(
    name="budget-report",
    family="budget",
    title_zh="各行的长度分布，以及保留 95%、99%、100% 训练内容所需的预算",
    doc_zh="""
    预算往往是猜的，而不是量出来的。这里的数字是精确的：在所用配方下以 token 计的长度、按最近
    秩计算的分位数，以及保留各个比例所需的最小预算。

    依据：TRL #3449。
    """,
    severity="info",
    text=Text(
        "lengths in tokens: median {p50}, 90% {p90}, 95% {p95}, 99% {p99}, longest {longest}; "
        "a budget of {most95} keeps 95% of the supervised tokens, {most99} 99%, {all} all of them",
        "长度（token）：中位数 {p50}，90% {p90}，95% {p95}，99% {p99}，最长 {longest}；"
        "预算 {most95} 可保留 95% 的受监督 token，{most99} 可保留 99%，{all} 可全部保留",
    ),
    variants={
        "nothing": Text(
            "lengths in tokens: median {p50}, 90% {p90}, 95% {p95}, 99% {p99}, longest {longest}; "
            "no token is supervised, whatever the budget",
            "长度（token）：中位数 {p50}，90% {p90}，95% {p95}，99% {p99}，最长 {longest}；"
            "无论预算多大，都没有受监督的 token",
        ),
    },
    help=Text(
        "In {trainer} the budget is {budget_means}; --max-length sets it here.",
        "{trainer}的预算是 {budget_means}；这里用 --max-length 设置。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        {"messages": [{"role": "user", "content": "你好"}]},
    ),
    good=(Example(rows=()), {"messages": "你好"}),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    if not len(file.lengths.at):
        return
    whole = file.curve.smallest(1)
    yield rule.problem(
        None,
        text="nothing" if whole is None else None,
        p50=nearest_rank(file.lengths, 0.5),
        p90=nearest_rank(file.lengths, 0.9),
        p95=nearest_rank(file.lengths, 0.95),
        p99=nearest_rank(file.lengths, 0.99),
        longest=int(file.lengths.at[-1]),
        most95=file.curve.smallest(0.95),
        most99=file.curve.smallest(0.99),
        all=whole,
    )
