"""One answer of a conversation has a far higher loss than comparable rows, while the whole row does
not.

A long conversation hides one bad answer: its mean stays normal. Each answer with 10 content tokens
or more gets the z of `high-loss`; one above 4 is reported where the row itself is not. Only the
worst answer of a row is named.

Evidence: the same statistic and limit as `high-loss`, computed for one message; the limit has not
been tried on a real 9B.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.scores import FileScores
from glmlint.rules.base import Placed, Rule, Text, scored
from glmlint.rules.high_loss import HIGH_Z

rule = Rule(
    name="turn-outlier",
    family="score",
    title_zh="整行正常，其中一个回答的损失却远高于同类样本",
    doc_zh="""
    长对话会掩盖一个糟糕的回答：整行的平均损失仍然正常。每个有 10 个以上内容 token 的回答都会计算
    `high-loss` 所用的 z 值；整行没有被报告时，z 值超过 4 的回答会被报告。每一行只指出最严重的一个回
    答。

    依据：与 `high-loss` 相同的统计量和上限，只是针对单条消息计算；该上限尚未在真实的 9B 模型上验
    证。
    """,
    severity="warning",
    text=Text(
        "messages[{message}] has loss {mean:.2f} over {tokens} content tokens (z {z:.1f}); the "
        "row as a whole is normal",
        "messages[{message}] 的 {tokens} 个内容 token 平均损失为 {mean:.2f}（z 值 {z:.1f}），而整"
        "行正常",
    ),
    help=Text(
        "Read this answer: it does not fit the rest of the conversation.",
        "请检查这一轮回答：它与对话其余部分不一致。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for one in file.rows:
        if len(one.parts) < 2 or one.z is None or one.z > HIGH_Z:
            continue
        odd = [part for part in one.parts if part.z is not None and part.z > HIGH_Z]
        if not odd:
            continue
        worst = max(odd, key=lambda part: part.z or 0.0)
        problem = rule.problem(
            ("messages", worst.message),
            message=worst.message,
            mean=worst.content_nll / worst.content,
            tokens=worst.content,
            z=worst.z,
        )
        yield scored(one.row, problem)
