r"""An answer loops: the same words, symbols, digits or blank lines again and again.

Such answers come from a model that generated the data and got stuck, either at the end of the
answer or for a while in the middle. A model trained on them learns to get stuck: each round of the
loop makes the next one more likely, and no end token comes until the length limit. A loop is
reported when it is too long for what it is made of: a refrain, laughter, a rule between two parts,
the cells of a table and the zeros of a matrix may repeat. In the middle of an answer it takes more
rounds than at its end, and loops in code are ignored there. Where the question asks for repetition,
nothing is reported.

Evidence: GLM-4 #349, whose answers in LaTeX end in `\, \, \,` without end; filters on repeated
n-grams are in every published pipeline of pre-training data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.read.loops import SHORTEST_LOOP, Loop, kind_of, loops, shown
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, stretch_of

rule = Rule(
    name="repetition-loop",
    family="content",
    title_zh="回答陷入循环：同样的词句、符号、数字或空行反复出现",
    doc_zh=r"""
    这样的回答来自生成数据时陷入循环的模型，循环可能在回答末尾，也可能在中间持续一段。用它训练，模型
    会学到复读：每多一遍，再来一遍的概率就更高，直到长度上限都没有结束符。循环长度超过其内容的合理范
    围时才报告：副歌、笑声、分隔线、表格单元格和矩阵中的零都可以重复。在回答中间需要比末尾更多的重复
    次数，那里的代码循环也不检查。如果问题要求重复，则不报告。

    依据：GLM-4 #349，其 LaTeX 回答以无休止的 `\, \, \,` 结尾；已公布的预训练数据流程都会按重复的
    n-gram 过滤。
    """,
    severity="warning",
    when=Fact.LOOP,
    text=Text(
        "{where} ends in “{unit}” {times} times in a row: the model learns to loop",
        "{where} 结尾处“{unit}”连续重复了 {times} 次：模型会学到复读",
    ),
    variants={
        "inside": Text(
            "{where} repeats “{unit}” {times} times in a row: the model learns to loop",
            "{where} 中“{unit}”连续重复了 {times} 次：模型会学到复读",
        ),
    },
    help=Text(
        "Cut the answer after the first round, or delete the row.",
        "只保留第一遍，或删除这一行。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Tell me about the sea."},
                {"role": "assistant", "content": "It is vast. " + "The sea is very deep. " * 12},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "介绍一下北京。"},
                {"role": "assistant", "content": "北京是中国的首都，" + "是一座历史悠久的城市，" * 20},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "识别图中的公式。"},
                {"role": "assistant", "content": r"\frac{a}{b} " + r"\, " * 60},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Read the table in the picture."},
                {"role": "assistant", "content": r"\begin{array}{" + "c " * 40 + r"} 1 & 0 \end{array}"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "讲个笑话"},
                {"role": "assistant", "content": "从前有座山，山里有座庙。" + "哈" * 20},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Write a line of a table."},
                {"role": "assistant", "content": "| a | b |\n" + "-" * 200},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "写出十二阶零矩阵。"},
                {"role": "assistant", "content": ("0 & " * 11 + "0 \\\\ ") * 12},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Repeat 'I will not be late' twenty times."},
                {"role": "assistant", "content": "I will not be late. " * 20},
            ]
        },
    ),
)  # fmt: skip

_ASKED: Final = Pattern(r"repeat|\btimes\b|over and over|重复|复读|[遍次]|循环", re.IGNORECASE)
_NUMBERS_ASKED: Final = Pattern(
    r"zeros?\b|ones\b|matrix|digits?\b|decimal|binary|array|[零0]|矩阵|小数|进制|数组",
    re.IGNORECASE,
)


def check(row: Row) -> Iterator[Problem]:
    asked, question = False, ""
    for index, role, text in row.texts:
        if role != "assistant":
            asked, question = (
                (bool(_ASKED.search(text)), text) if role == "user" else (asked, question)
            )
        elif len(text) >= SHORTEST_LOOP and not asked and (found := _loop(text, question)):
            loop, at_end = found
            unit = shown(text[loop.start : loop.start + loop.size])
            start = text.find(unit.rstrip("…"), loop.start, loop.start + 2 * loop.size)
            yield rule.problem(
                row.at(index, "content"), text=None if at_end else "inside",
                where=row.where(index), times=loop.times,
                unit=unit,
                part=stretch_of(row, index, max(start, loop.start), loop.stop),
            )  # fmt: skip


def _loop(text: str, question: str) -> tuple[Loop, bool] | None:
    """The first loop to report, and whether the answer ends in it."""
    end = len(text.rstrip())
    fences = before = 0
    last_fence = text.rfind("```")
    for loop in loops(text):
        at_end = loop.stop >= end
        unit = text[loop.start : loop.start + loop.size]
        kind = kind_of(unit)
        if not _is_told(kind, loop, unit, at_end):
            continue
        fences, before = fences + text.count("```", before, loop.start), loop.start
        if not at_end and fences % 2 and loop.stop <= last_fence:
            continue  # code may well repeat itself
        if kind != "digits" or not _NUMBERS_ASKED.search(question):
            return loop, at_end
    return None


def _is_told(kind: str, loop: Loop, unit: str, at_end: bool) -> bool:
    """Whether a loop is too long for what it is made of.

    In the middle of an answer repetition may be intended, so it takes more there; so it does where it
    is normal for such a unit: rules between parts, cells of a table, zeros.
    """
    size, times, length = loop.size, loop.times, loop.length
    if kind == "blank":
        lines = unit.count("\n") * times
        return lines >= 30 if lines else length >= 400
    if kind == "separator":
        return length >= (400 if at_end else 1000)
    if kind == "table":
        return times >= 100 or (
            at_end and any(map(str.isalpha, unit)) and times >= 10 and length >= 200
        )
    if kind == "digits":
        return times >= 20 and length >= 100 if at_end else times >= 40 and length >= 150
    if kind == "symbols":
        if at_end:
            return times >= 20 and length >= (100 if size == 1 else SHORTEST_LOOP)
        return times >= 40 and length >= 100
    if at_end:
        if size <= 3:
            return times >= 20 and length >= SHORTEST_LOOP
        return times >= 4 and length >= 120 if size < 80 else times >= 3
    if size <= 3:
        return times >= 30 and length >= (100 if size == 1 else SHORTEST_LOOP)
    return times >= 6 and length >= 240 if size < 80 else times >= 4 and length >= 400
