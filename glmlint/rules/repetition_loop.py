"""An answer ends in a loop: the same words again and again, to its last letter.

Such answers come from a model that wrote the data and was stuck. A model that is trained on them
learns to get stuck: each round of the loop makes the next one more likely, and there is no end
token until the cut. A loop is told when its unit has letters, stands there at least three times,
and the whole is long enough to be no refrain, no laughter and no table. Where the question asks
for repetition, nothing is told.

Evidence: filters on repeated n-grams are in every published pipeline of pre-training data; of
fine-tuning data a validator rarely looks at the end of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.read.textfacts import LONGEST_UNIT, SHORTEST_LOOP, TAIL
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="repetition-loop",
    family="content",
    title_zh="回答以循环结尾：同样的词句反复出现，直到最后一个字",
    severity="warning",
    when=Fact.LOOP,
    text=Text(
        "{where} ends in “{unit}” {times} times in a row: the model learns to loop",
        "{where} 结尾处“{unit}”连续重复了 {times} 次：模型会学到复读",
    ),
    help=Text(
        "Cut the answer after the first round, or drop the row.",
        "保留第一遍，删除其余重复，或删除这一行。",
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
                {"role": "user", "content": "Repeat 'I will not be late' twenty times."},
                {"role": "assistant", "content": "I will not be late. " * 20},
            ]
        },
    ),
)  # fmt: skip

_WINDOW: Final = 4 * LONGEST_UNIT
_ROUNDS: Final = 16
"""How many places of the tail are tried as the round before."""
_letter: Final = re.compile(r"[^\W\d_]").search
_asked: Final = re.compile(
    r"repeat|\btimes\b|over and over|重复|复读|[遍次]|循环", re.IGNORECASE
).search


def check(row: Row) -> Iterator[Problem]:
    asked = False
    for index, role, text in row.texts:
        if role != "assistant":
            asked = bool(_asked(text)) if role == "user" else asked
        elif len(text) >= SHORTEST_LOOP and not asked and (loop := _loop(text)):
            size, times = loop
            unit = text.rstrip()[-size:].strip()
            shown = unit if len(unit) <= 40 else unit[:39] + "…"
            yield rule.problem(
                row.at(index, "content"),
                where=row.where(index), unit=shown.replace("\n", "⏎"), times=times,
            )  # fmt: skip


def _loop(text: str) -> tuple[int, int] | None:
    """(characters of the unit, times) of the loop in which a text ends; bounded work."""
    text = text[-2 * _WINDOW :].rstrip()[-_WINDOW:]
    end = len(text)
    at = end - TAIL
    for _ in range(_ROUNDS):
        at = text.rfind(text[-TAIL:], max(end - TAIL - LONGEST_UNIT, 0), at + TAIL - 1)
        if at < 0:
            return None
        size = end - TAIL - at
        length = size + _common_end(text[:-size], text)
        times = length // size
        if _is_loop(size, times, length) and _letter(text, end - size):
            return size, times
    return None


def _common_end(left: str, right: str) -> int:
    """How many characters two texts have in common at their ends."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[-middle:] == right[-middle:]:
            low = middle
        else:
            high = middle - 1
    return low


def _is_loop(size: int, times: int, length: int) -> bool:
    if size <= 3:
        return times >= 20 and length >= SHORTEST_LOOP
    if size < 80:
        return times >= 4 and length >= 120
    return times >= 3
