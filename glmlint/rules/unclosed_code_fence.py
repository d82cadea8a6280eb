"""An answer opens a code block with three backticks and does not close it.

Most often the answer was cut: by a limit of the model that wrote it, or by an export. The model
learns to stop in the middle of code, and whatever reads the answer takes the rest of the page for
code. Blocks inside blocks, which Markdown does not have but models write, are not told: a fence
too few is, a pair too many is not.

Evidence: what `max_tokens` of a teacher model leaves behind in distilled data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.rules.base import Fact, Problem, Row, Rule, Text

rule = Rule(
    name="unclosed-code-fence",
    family="content",
    severity="warning",
    when=Fact.FENCE,
    text=Text(
        "messages[{index}] opens a code block in its line {line} and does not close it: "
        "the model learns to stop in the middle of code",
        "messages[{index}] 在其第 {line} 行打开了代码块却没有关闭：模型会学到在代码中途停下",
    ),
    help=Text(
        "Close the block with ```; where the answer was cut, write the rest or drop the row.",
        "用 ``` 关闭代码块；如果回答被截断，请补全或删除这一行。",
    ),
    bad=(
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
    ),
)

# A fence is the first thing on its line; an info string has no backtick (CommonMark 4.5).
_FENCE: Final = re.compile(r"^[ \t>]*(?:[-*+] +)?(`{3,})([^`\n]*)$", re.MULTILINE)


def check(row: Row) -> Iterator[Problem]:
    for index, role, text in row.texts:
        if role == "assistant" and "```" in text and (at := _unclosed(text)) is not None:
            line = text.count("\n", 0, at) + 1
            yield rule.problem(("messages", index, "content"), index=index, line=line)


def _unclosed(text: str) -> int | None:
    """Where the fence stands that nothing closes."""
    opened: int | None = None
    longest = fences = 0
    for found in _FENCE.finditer(text):
        fences += 1
        if opened is None:
            opened, longest = found.start(1), len(found[1])
        elif len(found[1]) >= longest and not found[2].strip():
            opened = None
    # Blocks inside blocks close each other's fences; their number is even all the same.
    return opened if fences % 2 else None
