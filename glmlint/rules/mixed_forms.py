"""Rows of several forms in one file, where the trainer reads a file by one.

A data set of LLaMA-Factory names one form and its columns for all of its rows. A row of another form has
none of these columns: it ends the run or is left out. Where nobody has named the form, glmlint reads each
row in its own, and so the counts hold for no run.

Evidence: LLaMA-Factory 0.9.5, `src/llamafactory/data/converter.py`: one converter for each data set.
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
    severity="error",
    when=Fact.LOOKED | Fact.ODD | Fact.KEYS | Fact.FOREIGN,
    applies=lambda trainer, _: trainer.one_form,
    text=Text(
        "the file has rows of several forms ({forms}), and {trainer} reads all rows of a data set by one: "
        "those of the others end the run or are left out, though each was counted here in its own form",
        "文件里有多种格式的行（{forms}），而{trainer}对一个数据集只按一种格式读取：其他格式的行会让训练中止或被丢弃，"
        "这里的计数则是每行按各自格式得出的",
    ),
    help=Text(
        "Bring them into one form: glmlint convert {path} --to sharegpt -o {out}; or give each form a file and "
        "a data set of its own.",
        "统一成一种格式：glmlint convert {path} --to sharegpt -o {out}；或者每种格式单独成文件、单独作为数据集。",
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
    """The form by which the row was read."""
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
