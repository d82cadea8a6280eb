"""The same prompt has different answers in different rows.

Everything before the last answer is the same, and the answers differ. For open questions that is
variety; for facts, labels and tool calls the rows pull the model both ways, and the loss on them
cannot go down. Reported for every row whose answer differs from the first one with its prompt.
Prompts of a few letters ("Hello") are left out.

Evidence: what annotators' disagreement and two merged versions of one data set look like.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.duplicates import repeats
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.rules.base import Example, Placed, Rule, Text


def _asked(question: str, answer: str) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="conflicting-answers",
    family="dataset",
    title_zh="同一个提示词在不同的行里有不同的回答",
    doc_zh="""
    最后一个回答之前的内容完全相同，回答却不同。对开放式问题来说这是多样性；对事实、标签和工具
    调用来说，这些行会把模型拉向不同方向，损失降不下去。凡是回答与同一提示词的第一行不同的行，
    都会报告。只有几个字的提示词（“你好”）不检查。

    依据：标注者意见不一致，或同一数据集的两个版本合并之后，就是这个样子。
    """,
    severity="info",
    hashes="prompts",
    text=Text(
        "the prompt is the same as in line {first}, but the answer differs",
        "提示词与第 {first} 行相同，回答却不同",
    ),
    variants={
        "elsewhere": Text(
            "the prompt is the same as in {path}:{first}, but the answer differs",
            "提示词与 {path}:{first} 相同，回答却不同",
        ),
    },
    help=Text(
        "If only one answer is right, keep that one; open questions can be left as they are.",
        "如果只有一个答案正确，请只保留它；开放式问题可以忽略。",
    ),
    bad=(
        Example(
            rows=(
                _asked("Is the review positive or negative? 'Great film.'", "positive"),
                _asked("Is the review positive or negative? 'Great film.'", "negative"),
            )
        ),
        Example(
            rows=(
                _asked("判断这条评论的情感是正面还是负面：电影很好看", "正面"),
                _asked("判断这条评论的情感是正面还是负面：电影很好看", "负面"),
            )
        ),
    ),
    good=(
        Example(rows=(_asked("Hello", "Hi!"), _asked("Hello", "Hello!"))),
        Example(
            rows=(
                _asked("判断这条评论的情感是正面还是负面：电影很好看", "正面"),
                _asked("判断这条评论的情感是正面还是负面：电影很难看", "负面"),
                _asked("判断这条评论的情感是正面还是负面：电影很好看", "正面"),
            )
        ),
    ),
)


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    tables = {
        path: stats.rows.joined()
        for path, stats in report.files.items()
        if path not in plan.eval_files
    }
    for place in repeats(tables, "prompt"):
        elsewhere = place.path != place.first_path
        problem = rule.problem(
            text="elsewhere" if elsewhere else None, first=place.first_line, path=place.first_path
        )
        yield Placed(place.path, place.line, problem, place.key, place.clean, group=place.shared)
