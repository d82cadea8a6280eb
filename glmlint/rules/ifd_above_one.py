"""An answer that its prompt makes no more likely.

The loss of the answers is computed twice: after their prompts, and after only the row's first ids
(`[gMASK]<sop>`) and the role token. Where the ratio is 1 or more, over 20 content tokens or more,
the prompt made the answer no more likely: they may not belong together. It is the one threshold of
this family that has a meaning of its own. It needs another forward pass over the answers (about
60% more time), so it is off unless `--ifd` is given or the rule is selected; either turns on the
other.

Evidence: the instruction-following difficulty of Cherry LLM (arXiv 2308.12032), which discards
such rows. With a small model, the ratio tells answers of another data set from clean rows better
(AUC 0.85) than the loss does (0.65); 8% of the clean rows and 48 to 60% of the garbage had a ratio
of 1 or more.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.scores import SURE_TOKENS, FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

rule = Rule(
    name="ifd-above-one",
    family="score",
    title_zh="提示词没有让这个回答变得更可能",
    doc_zh="""
    回答的损失计算两次：一次接在提示词之后，一次只接在开头的 `[gMASK]<sop>` 和角色标记之后。如
    果内容至少 20 个 token 且比值达到 1，说明提示词没有让回答变得更可能：二者也许并不对应。这
    是本规则族中唯一本身就有含义的阈值。它需要对回答再做一次前向计算（时间增加约 60%），所以默
    认关闭，给出 `--ifd` 或选中此规则才会启用；两者任选其一，另一个随之启用。

    依据：Cherry LLM 的指令跟随难度（arXiv 2308.12032），其中会舍弃这样的行。在一个小模型上，
    用比值区分来自其他数据集的回答与正常行，比用损失效果更好（AUC 0.85 对 0.65）；正常行中有
    8%、垃圾行中有 48% 至 60% 的比值达到 1。
    """,
    severity="warning",
    opt_in=True,
    text=Text(
        "the answer's loss is {with_prompt:.2f} with its prompt and {alone:.2f} without "
        "(ratio {ratio:.2f})",
        "有提示词时回答的损失为 {with_prompt:.2f}，没有时为 {alone:.2f}（比值 {ratio:.2f}）",
    ),
    help=Text(
        "The prompt makes the answer no more likely: check that they belong together.",
        "提示词没有让回答变得更可能：检查二者是否对应。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for one in file.rows:
        ratio = one.ifd
        if ratio is None or ratio < 1:
            continue
        known = [part for part in one.parts if part.alone_nll is not None]
        tokens = sum(part.content for part in known)
        if tokens < SURE_TOKENS:
            continue
        problem = rule.problem(
            None,
            with_prompt=sum(part.content_nll for part in known) / tokens,
            alone=sum(part.alone_nll or 0.0 for part in known) / tokens,
            ratio=ratio,
        )
        yield scored(one.row, problem)
