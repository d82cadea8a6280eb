"""A row's ignore key that silences nothing.

`"glmlint": {"ignore": ["rule", …]}` in a row silences rules for that row; a family or ALL stands
for all of its rules. An entry that silences nothing was written for a problem that has since been
fixed, or is misspelt, and would hide the next problem of that kind. Entries for rules that are off
in this run are not reported. Training is not affected: no trainer reads the key.

Evidence: the same check exists for `noqa` comments (ruff, RUF100) and `type: ignore` (mypy,
`--warn-unused-ignores`), since stale ones pile up in every project that has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from glmlint.evidence.ignored import Ignores
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.rules.base import IGNORE_KEY, Example, Placed, Rule, Text, known_name, nearest_name

_GOOD = {
    "messages": [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
    ]
}
_空 = {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": ""}]}

rule = Rule(
    name="unused-ignore",
    family="structure",
    title_zh="行内的 ignore 键没有屏蔽任何问题",
    doc_zh="""
    写在一行里的 `"glmlint": {"ignore": ["rule", …]}` 会对该行屏蔽这些规则；规则族或 ALL 代表其中的
    所有规则。没有屏蔽任何问题的条目，要么针对的问题早已修复，要么拼写有误，而且会掩盖下一个同类问
    题。本次运行中关闭的规则对应的条目不报告。训练不受影响：没有训练框架读取这个键。

    依据：`noqa` 注释（ruff 的 RUF100）和 `type: ignore`（mypy 的 `--warn-unused-ignores`）都有同样
    的检查，因为过时的忽略标记在每个项目里都会越积越多。
    """,
    severity="info",
    text=Text(
        "the row ignores {name}, but there is no such finding",
        "这一行忽略了 {name}，但并没有对应的问题",
    ),
    variants={
        "unknown": Text(
            "the row ignores {name}: there is no such rule or family",
            "这一行忽略了 {name}：没有这样的规则或规则族",
        ),
        "nearest": Text(
            "the row ignores {name}: there is no such rule or family, did you mean {near}?",
            "这一行忽略了 {name}：没有这样的规则或规则族，是否想写 {near}？",
        ),
        "shape": Text(
            'the key "glmlint" of the row is not of the form {{"ignore": ["rule", …]}}',
            '这一行的 "glmlint" 键不是 {{"ignore": ["规则", …]}} 的形式',
        ),
    },
    help=Text(
        "Remove the entry, or write the name as `glmlint rules` lists it.",
        "删除该项，或改成 `glmlint rules` 列出的名称。",
    ),
    bad=(
        Example(rows=({**_GOOD, IGNORE_KEY: {"ignore": ["unused-ignroe"]}},)),
        Example(rows=({**_GOOD, IGNORE_KEY: "empty-content"},)),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！"},
                    ],
                    IGNORE_KEY: {"ignore": ["empty-contnet"]},
                },
            )
        ),
    ),
    good=(
        _GOOD,
        {**_空, IGNORE_KEY: {"ignore": []}},
        {**_GOOD, IGNORE_KEY: {"ignore": ["over-truncated"]}},
    ),
)


_nearest: Final = lru_cache(1024)(nearest_name)


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    del plan
    for path, stats in report.files.items():
        for line, content, ignores in stats.ignores.rows():
            yield from _told(path, line, content, ignores)


def _told(path: str, line: int, content: bytes, ignores: Ignores) -> Iterator[Placed]:
    if ignores.fault:
        problem = rule.problem((IGNORE_KEY,), text="shape")
        yield Placed(path, line, problem, content, ignores.clean)
    for index, name in enumerate(ignores.names):
        if name not in ignores.judged or name in ignores.used:
            continue
        text = None
        near = None
        if known_name(name) is None:
            near = _nearest(name)
            text = "nearest" if near else "unknown"
        problem = rule.problem((IGNORE_KEY, "ignore", index), text=text, name=name, near=near)
        yield Placed(path, line, problem, content, ignores.clean)
