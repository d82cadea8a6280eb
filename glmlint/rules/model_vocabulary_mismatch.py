"""An id of the data is no row of the model's embedding.

Tokenizer and model belong to different generations. Training stops at this row with an index error,
on a GPU with a device-side assertion that ends the process. It is told before the model is loaded,
of the first such row; nothing is scored, and the exit code is 2 whatever severity the rule has.

Evidence: chatglm3 has 65,024 rows, GLM-4's tokenizer gives ids up to 151,342. An id past the end
raises IndexError on a CPU; on CUDA the assertion makes the context useless.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.scores import FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

rule = Rule(
    name="model-vocabulary-mismatch",
    family="score",
    title_zh="数据里有 token id 超出了模型的嵌入表",
    severity="error",
    text=Text(
        "id {token} of the data is not in the model's vocabulary of {vocab_size} rows",
        "数据中的 id {token} 超出模型词表（{vocab_size} 行）",
    ),
    help=Text(
        "Tokenizer and model belong to different generations; "
        "training would stop with an index error.",
        "分词器与模型不属于同一代；训练会因索引越界而中止。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for row, token in file.strange_ids:
        yield scored(row, rule.problem(None, token=token, vocab_size=file.vocab_size))
