"""One prompt has different answers in different rows.

Everything before the last answer is the same, and the answers differ. For open questions that is
variety; for facts, labels and tool calls the rows pull the model to both sides, and the loss on
them cannot go down. Told for every row that answers otherwise than the first one with its prompt.
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
    title_zh="同一个提示在不同的行里有不同的回答",
    severity="info",
    hashes="prompts",
    text=Text(
        "the prompt is that of line {first}, the answer is another one",
        "提示与第 {first} 行相同，回答却不同",
    ),
    variants={
        "elsewhere": Text(
            "the prompt is that of {path}:{first}, the answer is another one",
            "提示与 {path}:{first} 相同，回答却不同",
        ),
    },
    help=Text(
        "Where only one answer is right, keep that one; for open questions nothing is wrong.",
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
