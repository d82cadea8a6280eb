"""A row of the training data, or its prompt, is also in the validation data.

The validation loss then measures memorization: it keeps falling while the model gets worse on
everything else, early stopping stops too late, and the best checkpoint is the one that remembers
best. A whole row in both splits is an error. The same prompt with another answer is a warning: the
question is known, the answer is not.

The validation files are those of `--eval` or of the trainer's configuration; both of the official
script's configurations name one file for validation and test. Prompts of a few letters are ignored.

Evidence: none of six comparable validators reports such a row with its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.duplicates import shared
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.rules.base import Edit, Example, Placed, Rule, Text


def _asked(question: str, answer: str) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


_FRANCE = _asked("What is the capital of France?", "Paris.")
_长城 = _asked("长城有多长？请给出具体的数字和测量年份。", "21196.18 千米（2012 年）。")

rule = Rule(
    name="train-val-overlap",
    family="dataset",
    title_zh="训练数据的某一行或它的提示词也出现在验证数据里",
    doc_zh="""
    这样一来，验证损失衡量的是背诵：它会一直下降，而模型在其他数据上越来越差；早停停得太晚，选出的最
    佳检查点只是记得最牢的那个。整行同时出现在两个 split 里是错误。提示词相同而回答不同是警告：问题
    见过，回答没有。

    验证文件来自 `--eval` 或训练框架的配置；官方脚本的两个配置都用同一个文件作验证和测试。只有几个字
    符的提示词不检查。

    依据：六个同类校验工具都不能报告这样的行及其位置。
    """,
    severity="error",
    hashes="prompts",
    applies=lambda _, plan: bool(plan.eval_files),
    fix="unsafe",
    text=Text(
        "this row is also in the validation data, at {path}:{first}: the validation loss measures "
        "memorization",
        "这一行也在验证集中（{path}:{first}）：验证损失衡量的只是背诵",
    ),
    variants={
        "prompt": Text(
            "this prompt is also in the validation data, at {path}:{first}, with another answer",
            "这条提示词也在验证集中（{path}:{first}），只是回答不同",
        ),
    },
    help=Text(
        "Remove the row from one of the two files (`--unsafe-fixes` removes it from the training "
        "file).",
        "从其中一个文件里删除这一行（--unsafe-fixes 会从训练文件中删除）。",
    ),
    bad=(
        Example(rows=(_FRANCE, _长城), eval_rows=(_FRANCE,)),
        Example(rows=(_长城,), eval_rows=(_FRANCE, _长城)),
        Example(
            rows=(_长城,),
            eval_rows=(_asked("长城有多长？请给出具体的数字和测量年份。", "两万多千米。"),),
        ),
    ),
    good=(
        Example(rows=(_FRANCE,), eval_rows=(_长城,)),
        Example(rows=(_asked("你好", "你好！"),), eval_rows=(_asked("你好", "您好。"),)),
    ),
)


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    tables = {path: stats.rows.joined() for path, stats in report.files.items() if len(stats.rows)}
    train = {path: rows for path, rows in tables.items() if path not in plan.eval_files}
    held_out = {path: rows for path, rows in tables.items() if path in plan.eval_files}
    for place in shared(train, held_out, "key"):
        problem = rule.problem(
            path=place.first_path, first=place.first_line, edits=(Edit("drop-row", ()),)
        )
        yield Placed(place.path, place.line, problem, place.key, place.clean)
    for place in shared(train, held_out, "prompt", but="key"):
        problem = rule.problem(
            text="prompt", severity="warning", path=place.first_path, first=place.first_line
        )
        yield Placed(place.path, place.line, problem, place.key, place.clean)
