"""Rows of several formats in one file, where the trainer reads a file in one.

A data set of LLaMA-Factory has one format and one set of columns for all its rows. A row of
another format has none of these columns: it ends the run or is left out. Where no format was
given, glmlint reads each row in its own, so the counts match no run.

Evidence: LLaMA-Factory 0.9.5, `src/llamafactory/data/converter.py`: one converter for each data
set.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.other_format import converted, quoted

_OPENAI = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
}
_SHAREGPT = {"conversations": [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "好"}]}
_ALPACA = {"instruction": "Say bye", "input": "", "output": "Bye"}

rule = Rule(
    name="mixed-forms",
    family="structure",
    title_zh="同一文件里有多种格式的行，而训练框架只按一种格式读取",
    doc_zh="""
    LLaMA-Factory 的一个数据集，所有行只有一种格式和一组列。其他格式的行没有这些列：会让训练中
    止，或者被丢弃。如果没有指定格式，glmlint 会按每一行各自的格式读取，所以这里的计数与任何一
    次训练都不相符。

    依据：LLaMA-Factory 0.9.5 的 `src/llamafactory/data/converter.py`：每个数据集只用一个转换
    器。
    """,
    severity="error",
    when=Fact.LOOKED | Fact.ODD | Fact.KEYS | Fact.FOREIGN,
    applies=lambda trainer, _: trainer.one_form,
    text=Text(
        "the file has rows of several formats ({forms}), but {trainer} reads a data set in one: other rows "
        "end the run or are left out (here each row was counted in its own format)",
        "文件里有多种格式的行（{forms}），而{trainer}对一个数据集只按一种格式读取：其他格式的行会让训练中止或被丢弃"
        "（这里的计数按每行各自的格式得出）",
    ),
    help=Text(
        "Convert them to one format: glmlint convert {path} --to sharegpt -o {out}; or give each format its "
        "own file and data set.",
        "统一成一种格式：glmlint convert {path} --to sharegpt -o {out}；或者让每种格式单独成为一个文件和数据集。",
    ),
    bad=(
        Example(rows=(_OPENAI, _ALPACA), plan={"recipe": "llamafactory"}),
        Example(rows=(_SHAREGPT, _OPENAI), plan={"recipe": "llamafactory"}),
    ),
    good=(
        Example(rows=(_OPENAI, _OPENAI), plan={"recipe": "llamafactory"}),
        Example(rows=(_SHAREGPT, _OPENAI), plan={"recipe": "swift"}),
    ),
)

NOTE = "form "


def note(row: Row) -> Iterator[str]:
    """The form in which the row was read."""
    if row.foreign is None and row.layout is not None and isinstance(row.value, dict):
        name = row.context.trainer.form_read(row.value, row.context)
        if name is not None:
            yield NOTE + name


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    names = sorted(name.removeprefix(NOTE) for name in file.notes if name.startswith(NOTE))
    if len(names) > 1:
        yield rule.problem(
            None,
            forms=", ".join(names),
            path=quoted(file.path),
            out=quoted(converted(file.path, "sharegpt")),
        )
