"""The evaluation prompt that the official script builds contains the answer.

With `combine: true` the script takes the ids of the whole validation row, the answer included,
cuts them at `max_input_length` and appends `[gMASK]`: that is the prompt from which it generates.
The model continues after the text that it is compared with, so ROUGE and BLEU mean nothing.

Evidence: GLM-4 finetune/finetune.py, `process_batch_eval` (2025-04-16); docs/recipes.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.plan import DEFAULT_MAX_INPUT
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

_GOOD = {
    "messages": [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
    ]
}
_好 = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
}

rule = Rule(
    name="eval-prompt-contains-answer",
    family="dataset",
    title_zh="官方脚本构造的评测提示词里含有答案",
    doc_zh="""
    `combine: true` 时，脚本取整个验证行的 id，包括回答，在 `max_input_length` 处截断并追加
    `[gMASK]`：这就是它用来生成的提示词。模型是在参考答案之后继续写，所以 ROUGE 和 BLEU 没有意
    义。

    依据：GLM-4 finetune/finetune.py 的 `process_batch_eval`（2025-04-16）；docs/recipes.md。
    """,
    severity="warning",
    when=Fact.ANY,
    applies=lambda trainer, plan: trainer.evaluates == "whole-row" and bool(plan.eval_files),
    text=Text(
        "with combine: true the evaluation prompt contains the answer ({rows:row}): "
        "ROUGE and BLEU of this file mean nothing",
        "combine: true 时有 {rows} 行的评测提示词含有答案：该文件的 ROUGE 和 BLEU 没有意义",
    ),
    help=Text(
        "Evaluate with combine: false, or with your own script.",
        "用 combine: false 评测，或使用自己的评测脚本。",
    ),
    bad=(
        Example(rows=(_GOOD,), eval_rows=(_好,), plan={"recipe": "glm4-combine"}),
        Example(rows=(_好,), eval_rows=(_GOOD, _好), plan={"recipe": "glm4-combine"}),
    ),
    good=(
        Example(rows=(_GOOD,), eval_rows=(_好,)),
        Example(rows=(_GOOD, _好), plan={"recipe": "glm4-combine"}),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.path not in row.plan.eval_files or row.layout is None or not row.supervised:
        return
    limit = row.plan.max_input_length or DEFAULT_MAX_INPUT
    # Every supervised token but the appended end is the answer's; the prompt is the row's start.
    if row.tokens - row.supervised < limit:
        yield rule.problem(("messages",), once="file")
