"""Nearly every answer of a file begins or ends with the same odd text.

A mark that a tool left behind (`[END]`, `###`), a label ("Answer:", "答："), a watermark or a stray
word: each row looks fine on its own, and the model learns to write it in every answer. What answers
of one kind share by nature is not reported: the full stop of a sentence, a closing bracket, the
first brace of JSON, a code fence.

All answers of the first 1,024 rows are checked, and of the rows after them a share that halves each
time the file doubles. At least twenty answers are needed, and nine in ten must have the text.

Evidence: self-instruct #16 (each output of the data ends with `<|endoftext|>`); LMFlow #459 (`###`
after each answer, so that generation ends there).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final
from unicodedata import category

from glmlint.evidence.report import FileStats
from glmlint.evidence.turns import shown
from glmlint.patterns import Pattern
from glmlint.plan import Plan
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

_QUESTIONS: Final = ("说一个城市", "Name a sea", "说一种鸟", "Name a tree", "Name a tool")
_ANSWERS: Final = (
    "Rome",
    "the Baltic",
    "一只麻雀",
    "an oak",
    "a saw",
    "奥斯陆",
    "a lake",
    "a crow",
)


def _rows(begin: str, end: str) -> Example:
    return Example(
        rows=tuple(
            {
                "messages": [
                    {"role": "user", "content": f"{_QUESTIONS[n % 5]}, number {n}."},
                    {"role": "assistant", "content": f"{begin}{_ANSWERS[n % 8]}, {n * 7}{end}"},
                ]
            }
            for n in range(24)
        )
    )


rule = Rule(
    name="shared-affix",
    family="content",
    title_zh="几乎每个回答都以同样的异常文本开头或结尾",
    doc_zh="""
    工具留下的标记（`[END]`、`###`）、标签（“Answer:”“答：”）、水印或多余的词：每一行单独看都没有问
    题，模型却会学着在每个回答里写出它。同类回答自然共有的内容不报告：句末的句号、右括号、JSON 开头
    的大括号、代码围栏。

    前 1,024 行的所有回答都会检查；之后的行按比例抽查，文件每增大一倍，比例减半。至少要有二十个回
    答，并且九成都带有这段文本。

    依据：self-instruct #16（数据中每个输出都以 `<|endoftext|>` 结尾）；LMFlow #459（每个回答后面都
    有 `###`，用来让生成在那里停止）。
    """,
    severity="warning",
    when=Fact.LOOKED,
    text=Text(
        "{count:answer} of the {number} checked end with {shared}: the model learns to end every "
        "answer with it",
        "所检查的 {number} 个回答中有 {count} 个以{shared}结尾：模型会学着让每个回答都这样结尾",
    ),
    variants={
        "begin": Text(
            "{count:answer} of the {number} checked begin with {shared}: the model learns to "
            "begin every answer with it",
            "所检查的 {number} 个回答中有 {count} 个以{shared}开头：模型会学着让每个回答都这样开头",
        ),
    },
    help=Text(
        "Unless your program parses it, remove it from the whole file, and find what wrote it.",
        "如果没有程序需要解析它，请从整个文件中删掉，并找出它的来源。",
    ),
    bad=(
        _rows("", ". [END]"),
        _rows("答：", "。"),
        _rows("Answer: ", "."),
        _rows("", "。完"),
        _rows("", " done"),
    ),
    good=(_rows("", "."), _rows("", "。"), _rows('{"name": "', '"}'), _rows("The answer is ", ".")),
)

_REACH: Final = 40
"""Characters that are compared at each end."""

_LEAST: Final = 20
"""Fewest answers of which anything is reported."""

_SHARE: Final = 0.9

_LONG: Final = 12
"""Letters from which a text without a mark is reported; a Chinese character counts as three."""

_WIDE: Final = "\u2e80"
"""The first letter of Chinese, Japanese and their signs."""

_CLOSED: Final = Pattern(r"</([A-Za-z_][\w-]*)>\s*\Z")


def note(row: Row) -> Iterator[str]:
    for text in _answers(row):
        tail = text[-_REACH:]
        closing = _CLOSED.search(tail)
        if closing and f"<{closing[1]}>" in text:
            tail = ""  # the end of a block that the answer opens
        yield f"shared begin {text[:_REACH]}"
        yield f"shared end {tail}"


def _answers(row: Row) -> Iterator[str]:
    """The texts of answers, without white space at their ends; calls do not count."""
    talk = row.conversation
    for index, role, text in row.texts:
        if role != "assistant" or not text or text.isspace():
            continue
        if talk is not None:
            if talk.turns[index].calls:
                continue
        elif row.sample is not None:
            if isinstance(row.sample.messages[index].metadata, str):
                continue
        elif row.messages[index].get("metadata"):
            continue
        yield text.strip()


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    for side in ("begin", "end"):
        opening = f"shared {side} "
        edges: Counter[str] = Counter()
        for name, count in file.notes.items():
            if name.startswith(opening):
                text = name[len(opening) :]
                edges[text if side == "begin" else text[::-1]] += count
        number = edges.total()
        if number < _LEAST:
            continue
        shared, count = _common(edges, number)
        shared = shared if side == "begin" else shared[::-1]
        odd = (_odd_beginning if side == "begin" else _odd_end)(shared)
        if odd is None and _is_long(shared) and not _STRUCTURE.match(shared):
            odd, severity = shared.strip(), "info"
        else:
            severity = None
        if odd is not None:
            yield rule.problem(
                None,
                text="begin" if side == "begin" else None,
                severity=severity,
                count=count,
                number=number,
                shared=f"“{shown(odd)}”",
            )


def _common(edges: Counter[str], number: int) -> tuple[str, int]:
    """The longest text with which nine in ten begin, and how many of them do."""
    found, held = "", number
    for size in range(1, _REACH + 1):
        cut: Counter[str] = Counter()
        for text, count in edges.items():
            if len(text) >= size and text.startswith(found):
                cut[text[:size]] += count
        best, count = max(cut.items(), key=lambda one: (one[1], one[0]), default=("", 0))
        if count < _SHARE * number:
            break
        found, held = best, count
    return found, held


_MARK: Final = (
    r"\[/?[A-Z][A-Z0-9 _/-]{1,18}\]|<(?!\|)/?[A-Za-z][\w /-]{0,18}>|【[^【】\n]{1,12}】|#{3,}|={3,}|-{3,}"
    r"|\*{3,}|~{3,}|(?<!\w)(?:END|EOS|EOF|STOP|DONE|FIN)(?!\w)"
)
_MARK_AT_END: Final = Pattern(rf"(?:{_MARK})[.。!！\s]*\Z")
_MARK_AT_START: Final = Pattern(rf"\s*(?:{_MARK})")
_LABEL: Final = Pattern(
    r"\s*\W{0,2}(?:Final )?(?:Answer|Response|Output|Assistant|Reply|Bot|AI|ANSWER|A|"
    r"答案?|回答|回复|答复|输出|助手|解答?)\W{0,2}\s?[:：]"
)
_TOLD: Final = frozenset(("</s>", "<s>", "<unk>", "<UNK>", "<pad>", "<eos>", "<bos>"))
"""Marks that `special-token-in-content` reports, with their rows."""
_LONE_WORD: Final = Pattern(r"\s+([^\W\d_]{2,20})\Z")
"""A shared end that is a word, with no stop and without the text before it."""
_AFTER_A_STOP: Final = Pattern(r"[.!?。！？…][\"'”’)）]?\s*([^\W\d_][\w ]{0,20})\Z")
"""A word or two after the end of a sentence, without a stop of their own."""
_STRUCTURE: Final = Pattern(r"\s*(?:[\[{<`|#*\\-]|\d+[.)、]|SELECT\b|import\b|def\b|\"|“)")


def _odd_end(shared: str) -> str | None:
    """The odd part of a shared end; None where such an end is natural."""
    if mark := _MARK_AT_END.search(shared):
        return None if mark[0].strip() in _TOLD else mark[0].strip()
    word = _AFTER_A_STOP.search(shared) or _LONE_WORD.fullmatch(shared)
    return word[1].strip() if word else None


def _odd_beginning(shared: str) -> str | None:
    """The odd part of a shared beginning; None where such a beginning is natural."""
    if label := _LABEL.match(shared):
        return label[0].strip()
    if mark := _MARK_AT_START.match(shared):
        found = mark[0].strip()
        natural = found in _TOLD or found.startswith(("#", "-", "*", "<think", "="))
        return None if natural else found
    return None


def _is_long(text: str) -> bool:
    """Whether it is something that answers to different questions do not share: words, an emoji."""
    if any(category(char) == "So" for char in text):
        return True
    letters = [char for char in text if char.isalpha()]
    return len(letters) + 2 * sum(char >= _WIDE for char in letters) >= _LONG
