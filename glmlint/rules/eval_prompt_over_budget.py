"""The prompt of a validation row is longer than `max_input_length`: it is cut, or left out.

The official script has two ways to build the prompts from which it generates in evaluation:

- `combine: false`, and the script of June 2024: one prompt for each answer, made of all tokens
  before it. At the first message that starts at `max_input_length` or later, the script stops
  reading the row: the answers from there on are missing from ROUGE and BLEU, without a message.
  Where no answer of the file is left, the script ends before training: `UnboundLocalError` on
  `output_prompt`, or in June 2024 an `IndexError`. That is the error; the rest are warnings.
- `combine: true`: the ids of the whole row, cut at `max_input_length`. Where the last answer
  starts after the cut, the model sees half a question.

`max_input_length` is the script's own default, 512, where neither a flag nor the settings name it.
Only rows of `--eval` files are checked.

Evidence: GLM-4 finetune/finetune.py, `process_batch_eval` (2024-06-07 and 2025-04-16); GLM-4 #143,
#327, #347; LLaMA-Factory #6094.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from glmlint.evidence.report import FileStats
from glmlint.evidence.teaching import written_role
from glmlint.plan import DEFAULT_MAX_INPUT, Plan
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.row import per_row

_SHORT = {
    "messages": [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
    ]
}
_LONG = {
    "messages": [
        {"role": "user", "content": "What is the capital of France? " + "Think it over. " * 5},
        {"role": "assistant", "content": "Paris."},
    ]
}
_短 = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
}
_长 = {
    "messages": [
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好！"},
        {"role": "user", "content": "请用一句话介绍长城的历史，并说明它有多长、有多少年了、经过哪些省份。"},
        {"role": "assistant", "content": "两千多年。"},
    ]
}  # fmt: skip

rule = Rule(
    name="eval-prompt-over-budget",
    family="budget",
    title_zh="验证集某一行的提示词超过 `max_input_length`：会被截断，或被跳过",
    doc_zh="""
    官方脚本在评测时有两种构造提示词的方式：

    - `combine: false` 以及 2024 年 6 月的脚本：每个回答对应一个提示词，由它之前的全部 token
    组成。遇到第一条起点达到或超过 `max_input_length` 的消息，脚本就不再读取这一行：此后的回答
    都不计入 ROUGE 和 BLEU，也没有任何提示。如果文件中一个回答都不剩，脚本在训练之前就会结束：
    `output_prompt` 的 `UnboundLocalError`，2024 年 6 月的脚本则为 `IndexError`。这种情况为错
    误，其余为警告。
    - `combine: true`：整行的 id 在 `max_input_length` 处截断。如果最后一个回答在截断处之后才
    开始，模型只看到半个问题。

    如果命令行和设置文件都没有指定，`max_input_length` 取脚本自己的默认值 512。只检查 `--eval`
    文件中的行。

    依据：GLM-4 finetune/finetune.py 的 `process_batch_eval`（2024-06-07 和 2025-04-16）；
    GLM-4 #143、#327、#347；LLaMA-Factory #6094。
    """,
    severity="warning",
    when=Fact.ANY,
    applies=lambda trainer, plan: trainer.evaluates is not None and bool(plan.eval_files),
    text=Text(
        "the prompt of messages[{index}] has {size} tokens, max_input_length is {limit}: "
        "{trainer} leaves out {count} of the row's answers when it evaluates",
        "messages[{index}] 的提示词有 {size} 个 token，而 max_input_length 为 {limit}："
        "{trainer}评测时会漏掉该行的 {count} 个回答",
    ),
    variants={
        "cut": Text(
            "with combine: true the evaluation prompt is cut at max_input_length ({limit}), but the last "
            "answer's prompt has {size} tokens: the model sees half a question",
            "combine: true 时评测提示词在 max_input_length（{limit}）处截断，而最后一个回答的提示词有 {size} 个"
            " token：模型只看到半个问题",
        ),
        "none": Text(
            "no prompt of all {rows} rows is shorter than max_input_length ({limit}): {trainer} ends with "
            "an exception before training",
            "全部 {rows} 行的提示词都不短于 max_input_length（{limit}）：{trainer}在训练开始前就会异常退出",
        ),
    },
    help=Text(
        "Raise max_input_length, or use shorter validation rows.",
        "提高 max_input_length，或换用较短的验证数据。",
    ),
    bad=(
        Example(rows=(_短,), eval_rows=(_LONG, _SHORT), plan={"max_input_length": 20}),
        Example(rows=(_SHORT,), eval_rows=(_长,), plan={"max_input_length": 16}),
        Example(rows=(_短,), eval_rows=(_LONG,), plan={"max_input_length": 20}),
        Example(
            rows=(_短,), eval_rows=(_LONG,), plan={"max_input_length": 20, "recipe": "glm4-combine"}
        ),
    ),
    good=(
        Example(rows=(_LONG,), eval_rows=(_SHORT,), plan={"max_input_length": 20}),
        Example(rows=(_短,), eval_rows=(_LONG, _长)),
        Example(rows=(_LONG, _长), plan={"max_input_length": 16}),
    ),
)

_ASKED: Final = f"{rule.name}: answers that are evaluated"
_LEFT_OUT: Final = f"{rule.name}: rows of which none is"


def _limit(plan: Plan) -> int:
    return plan.max_input_length or DEFAULT_MAX_INPUT


def note(row: Row) -> Iterator[str]:
    by_answer = row.context.trainer.evaluates == "each-answer"
    if by_answer and row.path in row.plan.eval_files and row.layout is not None:
        prompts = _prompts(row)
        if prompts:
            yield _ASKED if min(prompts.values()) < _limit(row.plan) else _LEFT_OUT


def check(row: Row) -> Iterator[Problem]:
    if row.path not in row.plan.eval_files or row.layout is None:
        return
    limit = _limit(row.plan)
    if row.tokens <= limit:
        return
    if row.context.trainer.evaluates == "each-answer":
        over = {index: size for index, size in _prompts(row).items() if size >= limit}
        for index, size in list(over.items())[:1]:
            at = ("messages", index)
            yield rule.problem(at, index=index, size=size, limit=limit, count=len(over))
        return
    # The rendered ids end before the appended <|user|>; the prompt is what the last answer follows.
    ids = row.all_tokens.input_ids[:-1]
    size = int(np.flatnonzero(ids == row.context.id("<|assistant|>"))[-1])
    if size > limit:
        yield rule.problem(("messages",), text="cut", size=size, limit=limit)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    if file.notes[_LEFT_OUT] and not file.notes[_ASKED]:
        yield rule.problem(
            None, text="none", severity="error", rows=file.notes[_LEFT_OUT], limit=_limit(plan)
        )


@per_row
def _prompts(row: Row) -> dict[int, int]:
    """Assistant messages -> tokens of the row before each, in order."""
    answers = [i for i in range(_size(row)) if written_role(row, i) == "assistant"]
    if row.tokens <= _limit(row.plan):  # how long they are does not matter
        return dict.fromkeys(answers, 0)
    # Messages follow each other; the prefix and the appended end belong to none.
    places = np.searchsorted(row.all_tokens.owners[:-1], answers).tolist()
    return dict(zip(answers, places, strict=True))


def _size(row: Row) -> int:
    return len(row.sample.messages) if row.sample is not None else len(row.messages)
