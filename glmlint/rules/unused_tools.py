"""Every row of the file declares tools, and no row calls one.

The tools cost prompt tokens in every row, and the model learns not to use them: it calls less after
such a fine-tune than before.

Evidence: a hint about the file as a whole; rows without calls beside rows with calls are good data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import calls, declared
from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

DECLARES: Final = "unused-tools:declares"
CALLS: Final = "unused-tools:calls"

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "查询天气",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def _row(question: str, *rest: dict[str, str]) -> dict[str, Any]:
    system = {"role": "system", "content": "", "tools": [TOOL]}
    return {"messages": [system, {"role": "user", "content": question}, *rest]}


rule = Rule(
    name="unused-tools",
    family="tools",
    title_zh="每一行都声明了工具，却没有一行调用",
    doc_zh="""
    工具在每一行都占用提示词 token，而模型学到的是不去使用它们：这样微调之后，模型的调用会比之前更
    少。

    依据：这只是对整个文件的提示；没有调用的行与有调用的行并存，是好数据。
    """,
    severity="info",
    when=Fact.CALLS | Fact.TOOLS,
    text=Text(
        "all {count} rows declare tools and none calls one: the model learns not to call tools",
        "全部 {count} 行都声明了工具，却没有一次调用：模型会学着不调用工具",
    ),
    help=Text("Add rows with calls, or remove the tools.", "加入带有调用的样本，或去掉工具。"),
    bad=(
        _row("Who wrote Faust?", {"role": "assistant", "content": "Goethe."}),
        Example(
            rows=(
                _row("你好", {"role": "assistant", "content": "你好！"}),
                _row("再见", {"role": "assistant", "content": "再见！"}),
            )
        ),
    ),
    good=(
        _row(
            "Weather in Rome?",
            {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
        ),
        Example(
            rows=(
                _row("你好", {"role": "assistant", "content": "你好！"}),
                {
                    "messages": [
                        {"role": "user", "content": "再见"},
                        {"role": "assistant", "content": "再见！"},
                    ]
                },
            )
        ),
    ),
)


def note(row: Row) -> Iterator[str]:
    """Whether the row declares tools, and whether it calls one."""
    if any(entry.tools.tools for entry in declared(row)):
        yield DECLARES
    if calls(row):
        yield CALLS


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    count = file.totals.samples
    if count and file.notes[DECLARES] == count and not file.notes[CALLS]:
        yield rule.problem(None, count=count)
