"""A row of which a smaller share is supervised than `--min-row-ratio` asks for.

A row with a long prompt and a one-word answer costs as much as any other of its length and teaches
one word. No share is wrong for every task, so the rule does nothing until a limit is set; the
ratio of the whole file is always in the summary.

Evidence: LLaMA-Factory #8349.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Example, Limit, Problem, Row, Rule, Text

rule = Rule(
    name="low-trainable-ratio",
    family="mask",
    title_zh="一行中受监督 token 的占比低于 `--min-row-ratio`",
    doc_zh="""
    提示词很长、回答只有一个词的行，与同样长度的其他行花费相同，却只教一个词。没有哪个比例对所
    有任务都算错，所以在设置下限之前本规则不起作用；整个文件的比例总会显示在摘要中。

    依据：LLaMA-Factory #8349。
    """,
    severity="warning",
    limit=Limit(
        "min-row-ratio",
        None,
        Text(
            "Report samples with a lower trainable-token ratio.",
            "报告可训练 token 占比更低的样本。",
        ),
    ),
    text=Text(
        "{supervised} of {kept} kept tokens are supervised ({ratio:.1%}), "
        "under the limit of {limit:.1%}",
        "保留的 {kept} 个 token 中有 {supervised} 个受监督（{ratio:.1%}），低于下限 {limit:.1%}",
    ),
    help=Text(
        "Shorten the text before the answers, or delete the row.",
        "缩短回答之前的内容，或删除这一行。",
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
            plan={"limits": {"min-row-ratio": 0.3}},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": "夏天晴朗的日子里，天空是什么颜色的？请用一个字回答。",
                        },
                        {"role": "assistant", "content": "蓝"},
                    ]
                },
            ),
            plan={"limits": {"min-row-ratio": 0.3}, "recipe": "glm4-2024-06"},
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
            plan={"limits": {"min-row-ratio": 0.3}},
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    limit = rule.limit_of(row.plan)
    if row.kept and row.kept_supervised / row.kept < limit:
        yield rule.problem(
            supervised=row.kept_supervised,
            kept=row.kept,
            ratio=row.kept_supervised / row.kept,
            limit=limit,
        )
