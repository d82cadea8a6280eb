"""An answer opens a code block with three backticks and does not close it.

Most often the answer was cut: by a limit of the model that wrote it, or by an export. The model
learns to end inside a code block. Where the answer goes on with text, the fence was forgotten: the
model learns to leave blocks open, and the text is displayed as code. Blocks inside blocks, which
Markdown does not have but models write, are not reported: one fence too few is, a pair too many is
not. Nor is an answer that was asked to continue and whose first fence closes the code that it
continues.

Evidence: what `max_tokens` of a teacher model leaves behind in distilled data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, stretch_of

rule = Rule(
    name="unclosed-code-fence",
    family="content",
    title_zh="回答用三个反引号开启代码块，却没有关闭",
    doc_zh="""
    多数情况下是回答被截断了：生成它的模型达到了长度上限，或导出时被截断。模型会学着在代码块里结束回
    答。如果后面接着写正文，说明忘了写结尾的围栏：模型会学着不关闭代码块，正文也会显示为代码。代码块
    里套代码块（Markdown 不支持，但模型会这样写）不报告：少一个围栏会报告，多一对不会。按要求续写、
    第一个围栏用来关闭上一段代码的回答也不报告。

    依据：蒸馏数据中因教师模型的 `max_tokens` 留下的残缺回答。
    """,
    severity="warning",
    when=Fact.FENCE,
    text=Text(
        "{where} opens a code block in its line {line} and does not close it: the model learns to "
        "end inside a code block",
        "{where} 在其第 {line} 行打开了代码块却没有关闭：模型会学着在代码块里结束回答",
    ),
    variants={
        "prose": Text(
            "{where} opens a code block in its line {line}, does not close it and goes on with "
            "text: all that follows is shown as code",
            "{where} 在其第 {line} 行打开了代码块，没有关闭就接着写正文：其后的内容都会显示为代码",
        ),
        "stray": Text(
            "{where} ends with a code fence that closes nothing (its line {line}): "
            "the model learns to write it",
            "{where} 以一个没有对应开头的代码围栏结尾（第 {line} 行）：模型会学着写出它",
        ),
    },
    help=Text(
        "Close the block with ```; where the answer was cut, complete it or delete the row.",
        "用 ``` 关闭代码块；如果回答被截断，请补全或删除这一行。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "怎么用 Python 打印？"},
                {
                    "role": "assistant",
                    "content": "这样写：\n```python\nprint('你好')\n\n"
                    "这段代码会在屏幕上输出“你好”，其中的引号可以是单引号，也可以是双引号。",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Print hello in Python."},
                {"role": "assistant", "content": "Here it is:\n```python\nprint('hello')"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "写一个快速排序"},
                {"role": "assistant", "content": "好的：\n\n```c\nvoid sort(int *a) {\n"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "写一个快速排序"},
                {
                    "role": "assistant",
                    "content": "```python\nsorted(a)\n```\n这就是快速排序。\n```",
                },
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "写一个快速排序"},
                {"role": "assistant", "content": "好的：\n```python\nsorted(a)\n```\n完成。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "How do I write a code block?"},
                {"role": "assistant", "content": "Three backticks, ```like this```."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "写一个快速排序"},
                {"role": "assistant", "content": "```python\ndef sort(a):\n```"},
                {"role": "user", "content": "继续"},
                {"role": "assistant", "content": "    return sorted(a)\n```\n完成。"},
            ]
        },
    ),
)

# A fence is the first thing on its line; an info string has no backtick (CommonMark 4.5).
_FENCE: Final = Pattern(r"^[ \t>]*(?:[-*+] +)?(`{3,})([^`\n]*)$", re.MULTILINE)

_GO_ON: Final = Pattern(
    r"\W*(?:please\W+)?(?:continue|go on|keep going|carry on)\b|\W*(?:请|請)?(?:继续|繼續|接着|接上)",
    re.IGNORECASE,
)


def check(row: Row) -> Iterator[Problem]:
    asked = ""
    for index, role, text in row.texts:
        if role == "user":
            asked = text
        if role != "assistant" or "```" not in text:
            continue
        fence = _unclosed(text)
        if fence is None or (_GO_ON.match(asked) and _first_is_bare(text)):
            continue
        at = fence.start(1)
        rest = text[fence.end() :]
        stray = not fence[2].strip() and not rest.strip()
        kind = "stray" if stray else "prose" if _ends_in_prose(rest) else None
        yield rule.problem(
            row.at(index, "content"), text=kind,
            where=row.where(index), line=text.count("\n", 0, at) + 1,
            part=stretch_of(row, index, *fence.span(1)),
        )  # fmt: skip


_LINE: Final = Pattern(r"(?:#{2,6} |\d{1,2}[.)] |[-*•] )?(?=[^\W\d_\s]|[“\"'(（《*`])")
"""How a line of text begins, and most lines of code do not."""
_CODE: Final = Pattern(r"[;{}<>|\\_$]|==|\w[(=]|[)\]:,]$|^(?://|#|--|/\*)")
_STOPS: Final = Pattern(r"[.!?。！？][\"'”’)）]*(?:\s|$)|[，。；：？！]")


def _ends_in_prose(rest: str) -> bool:
    """Whether the last line after an open fence is a sentence, not code."""
    code, _, line = rest.rstrip()[-2000:].rpartition("\n")
    if not code.strip() or not _LINE.match(line):
        return False
    words = len(re.findall(r"[A-Za-z]{2,}", line))
    letters = len(re.findall("[\u3400-\u9fff]", line))
    if words + letters < 6:
        return False
    return bool(_STOPS.search(line)) and 12 * len(_CODE.findall(line)) < words + letters


def _first_is_bare(text: str) -> bool:
    """Whether the first fence may close the code that the answer before left open."""
    first = _FENCE.search(text)
    return first is not None and not first[2].strip()


def _unclosed(text: str) -> re.Match[str] | None:
    """The fence that nothing closes."""
    opened: re.Match[str] | None = None
    longest = fences = 0
    for found in _FENCE.finditer(text):
        fences += 1
        if opened is None:
            opened, longest = found, len(found[1])
        elif len(found[1]) >= longest and not found[2].strip():
            opened = None
    # Blocks inside blocks close each other's fences; the number of fences is still even.
    return opened if fences % 2 else None
