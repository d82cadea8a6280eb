"""A smaller share of the file's kept tokens is supervised than `--min-trainable-ratio` asks for.

The share says how much of the computing is spent on what the model learns. A file of long prompts
and short answers, or a recipe that leaves most answers out, trains slowly for its cost. The limit
is broken when the ratio is below it, not when it is met.

Evidence: LLaMA-Factory #8349.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Limit, Problem, Rule, Text

rule = Rule(
    name="file-trainable-ratio",
    family="mask",
    title_zh="文件保留的 token 中，受监督的占比低于 `--min-trainable-ratio`",
    doc_zh="""
    这个比例说明有多少计算用在模型真正学习的内容上。提示词长、回答短的文件，或不训练大多数回答
    的配方，花费高而收效慢。低于下限才算不合格，等于下限不算。

    依据：LLaMA-Factory #8349。
    """,
    severity="error",
    limit=Limit(
        "min-trainable-ratio",
        None,
        Text(
            "Fail when a file's trainable-token ratio is lower.",
            "文件的可训练 token 占比低于此值时运行失败。",
        ),
    ),
    text=Text(
        "{supervised} of {kept} kept tokens are supervised ({ratio:.1%}), "
        "under the limit of {limit:.1%}",
        "保留的 {kept} 个 token 中有 {supervised} 个受监督（{ratio:.1%}），低于下限 {limit:.1%}",
    ),
    help=Text(
        "Look for long prompts, cut answers and answers that the recipe does not train; "
        "`glmlint show` colours what is trained.",
        "检查过长的提示词、被截断的回答以及配方不训练的回答；`glmlint show` 会标出参与训练的部分。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Is the sky blue on a clear day in summer?"},
                        {"role": "assistant", "content": "Yes"},
                    ]
                },
            ),
            plan={"limits": {"min-trainable-ratio": 0.5}},
        ),
        Example(
            rows=({"messages": [{"role": "user", "content": "你好"}]},),
            plan={"limits": {"min-trainable-ratio": 0.01}},
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
            ),
            plan={"limits": {"min-trainable-ratio": 0.5}},
        ),
        {"messages": [{"role": "user", "content": "你好"}]},
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    ratio, limit = file.totals.trainable_ratio, rule.limit_of(plan)
    if ratio is not None and ratio < limit:
        yield rule.problem(
            None,
            supervised=file.totals.kept_supervised_tokens,
            kept=file.totals.kept_tokens,
            ratio=ratio,
            limit=limit,
        )
