"""One answer of a conversation is far above rows like it, while the whole row is not.

A long conversation hides one bad answer: its mean stays usual. Each answer with 10 content tokens
or more gets the z of `high-loss`; one above 4 is reported where the row itself is not. Only the
worst answer of a row is named.

Evidence: the same statistic and limit as `high-loss`, taken of one message; the limit has not been
tried on a real 9B.
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
    severity="warning",
    text=Text(
        "messages[{message}] has loss {mean:.2f} over {tokens} content tokens (z {z:.1f}); "
        "the row as a whole is usual",
        "messages[{message}] 的 {tokens} 个内容 token 平均损失为 {mean:.2f}（z 值 {z:.1f}），而整行正常",
    ),
    help=Text(
        "Read this answer: one turn of the conversation does not fit the rest.",
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
