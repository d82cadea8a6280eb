"""The budget cuts a larger share of the file's rows than `--max-truncated-samples` allows.

The limit is meant for CI gates: a file whose answers have grown longer than the training run was
sized for should not pass unnoticed. The share is of readable rows; a file is reported when it
exceeds the limit, not when it meets it.

Evidence: LLaMA-Factory #3995, axolotl #1731.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Limit, Problem, Rule, Text

rule = Rule(
    name="too-many-truncated",
    family="budget",
    title_zh="文件里被截断的行超过了 `--max-truncated-samples` 允许的比例",
    doc_zh="""
    这个上限用于 CI 门禁：如果回答变长，超出了训练所按的长度，文件不应悄悄通过。比例按可读的行计算；
    超过上限才报告，等于上限不报告。

    依据：LLaMA-Factory #3995、axolotl #1731。
    """,
    severity="error",
    limit=Limit(
        "max-truncated-samples",
        None,
        Text(
            "Fail when a larger share of samples is cut at all.",
            "被截断的样本超过这一比例时运行失败。",
        ),
    ),
    text=Text(
        "the budget of {budget} cuts {rows} of {readable} rows ({share:.1%}), "
        "over the limit of {limit:.1%}",
        "预算 {budget} 截断了 {readable} 行中的 {rows} 行（{share:.1%}），超过上限 {limit:.1%}",
    ),
    help=Text(
        "Raise the budget ({longest} keeps every row whole), shorten the long rows, "
        "or raise --max-truncated-samples.",
        "提高预算（{longest} 可完整保留每一行），缩短过长的行，或调高 --max-truncated-samples。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello, how are you today?"},
                    ]
                },
            ),
            plan={"max_length": 9, "limits": {"max-truncated-samples": 0.5}},
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
            plan={"max_length": 12, "limits": {"max-truncated-samples": 0.0}},
        ),
    ),
    good=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello, how are you today?"},
                    ]
                },
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"max_length": 9, "limits": {"max-truncated-samples": 0.5}},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "好"},
                    ]
                },
            ),
            plan={"limits": {"max-truncated-samples": 0.0}},
        ),
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    totals, limit = file.totals, rule.limit_of(plan)
    if not totals.truncated_samples:
        return
    share = totals.truncated_samples / file.measured
    if share > limit:
        yield rule.problem(
            None,
            budget=plan.max_length,
            rows=totals.truncated_samples,
            readable=file.measured,
            share=share,
            limit=limit,
            longest=int(file.lengths.at[-1]),
        )
