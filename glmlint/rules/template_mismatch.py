"""The layout of the rows is unfamiliar to the model.

The line after a role and the token that ends an answer are the same in every row; a chat model in
its own layout gives them nearly 0 nats. Where they cost more than 2 in the median of a file's first
200 rows, the model is a base model or of another generation, or the recipe or template is not the
one that it was trained with: training would be spent on the layout. `--probe RECIPE` scores the
first rows under another recipe too, and names the one that costs least.

Evidence: the newline after a role cost a small trained model 0.00 nats. It stayed so with the ids
of the roles swapped: the rule finds only layout errors. The limit has not been tried on a real 9B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.scores import FileScores, format_median
from glmlint.finding import file_identity
from glmlint.rules.base import Placed, Rule, Text

FORMAT_NATS: Final = 2.0
"""Median over rows of the mean loss of format tokens, in nats."""

rule = Rule(
    name="template-mismatch",
    family="score",
    title_zh="样本的排版对模型来说很陌生",
    doc_zh="""
    角色之后的换行和结束回答的 token 在每一行都相同；使用自己的排版时，对话模型在这些位置的损失接近
    0 nat。如果文件前 200 行的损失中位数超过 2，说明模型是基座模型或属于另一代，或者配方、模板不是它
    训练时使用的：训练会浪费在学习排版上。`--probe RECIPE` 会用另一个配方再对前几行评分，并指出损失
    最低的配方。

    依据：角色之后的换行在一个训练好的小模型上损失为 0.00 nat。把各角色的 id 互换后仍然如此：本规则
    只能发现排版错误。该上限尚未在真实的 9B 模型上验证。
    """,
    severity="error",
    text=Text(
        "format tokens (role line, stop token) cost {median:.1f} nats in the median row: this "
        "model does not know the layout",
        "格式 token（角色行、停止符）的损失中位数为 {median:.1f}：模型不熟悉这种排版",
    ),
    help=Text(
        "A base model, another generation, or the wrong recipe or template: check --recipe against "
        "the model.",
        "可能是基座模型、代际不符，或配方、模板选错：请核对 --recipe 与模型。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    median = format_median(file.rows)
    if median is not None and median > FORMAT_NATS:
        problem = rule.problem(None, median=median)
        yield Placed(file.path, None, problem, file_identity(file.path), clean=False)
