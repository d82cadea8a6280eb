"""An answer that the prompt does not help the model to.

The loss of the answers is computed twice: after their prompts, and after the row's own first ids
alone. Where the ratio is 1 or more, over 20 content tokens or more, the prompt made the answer no
more likely: they may not belong together. It is the one threshold of this family that has a meaning
of its own. It needs another forward of the answers (about 60% more time), so it is off unless
`--ifd` is given or the rule is selected; either brings the other.

Evidence: the instruction-following difficulty of Cherry LLM (arXiv 2308.12032), which throws such
rows out. With a small model, the ratio tells answers of another data set from clean rows better
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
    title_zh="提示对生成这个回答没有帮助",
    severity="warning",
    opt_in=True,
    text=Text(
        "the answer's loss is {with_prompt:.2f} with its prompt and {alone:.2f} without "
        "(ratio {ratio:.2f})",
        "有提示词时回答损失为 {with_prompt:.2f}，无提示词时为 {alone:.2f}（比值 {ratio:.2f}）",
    ),
    help=Text(
        "The prompt does not help the model to this answer: check that they belong together.",
        "提示词对回答没有帮助：请确认二者是否匹配。",
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
