"""An id of the data is outside the model's embedding.

Tokenizer and model belong to different generations. Training stops at this row with an index
error, on a GPU with a device-side assertion that ends the process. It is reported before the model
is loaded, for the first such row; nothing is scored, and the exit code is 2 whatever severity the
rule has.

Evidence: chatglm3 has 65,024 rows, GLM-4's tokenizer gives ids up to 151,342. An id beyond the end
raises IndexError on a CPU; on CUDA the assertion makes the context unusable.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.scores import FileScores
from glmlint.rules.base import Placed, Rule, Text, scored

rule = Rule(
    name="model-vocabulary-mismatch",
    family="score",
    title_zh="数据里有 token id 超出了模型的嵌入表",
    doc_zh="""
    分词器与模型不属于同一代。训练到这一行会因索引越界而停止，在 GPU 上则触发设备端断言，进程
    随之结束。本规则在加载模型之前就报告第一个这样的行；不会打分，无论规则的级别如何，退出码都
    是 2。

    依据：chatglm3 的嵌入表有 65,024 行，GLM-4 的分词器给出的 id 最大为 151,342。id 越界时，
    CPU 上抛出 IndexError；CUDA 上的断言会使上下文无法再用。
    """,
    severity="error",
    text=Text(
        "id {token} of the data is outside the model's vocabulary of {vocab_size} rows",
        "数据中的 id {token} 超出模型词表（{vocab_size} 行）",
    ),
    help=Text(
        "Use the tokenizer of this model: training would stop with an index error.",
        "使用该模型自己的分词器：否则训练会因索引越界而中止。",
    ),
)


def check_scores(file: FileScores) -> Iterator[Placed]:
    for row, token in file.strange_ids:
        yield scored(row, rule.problem(None, token=token, vocab_size=file.vocab_size))
