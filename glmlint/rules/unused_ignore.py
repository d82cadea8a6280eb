"""A row's ignore key silences nothing.

`"glmlint": {"ignore": ["rule", …]}` in a row silences rules for that row; families and ALL stand
for all of their rules. An entry that silences nothing was meant for a fault that has been repaired
since, or is misspelt, and would hide the next fault of that kind. Entries for rules that are off
in this run are left alone. Training is not touched: no trainer reads the key.

Evidence: the same check exists for `noqa` comments (ruff, RUF100) and `type: ignore` (mypy,
`--warn-unused-ignores`), since stale ones pile up in every project that has them.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import Ignores, Report
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
    severity="info",
    text=Text(
        "the row ignores {name}, but nothing was found that this would silence",
        "该行忽略了 {name}，但没有任何对应的问题",
    ),
    variants={
        "unknown": Text(
            "the row ignores {name}: there is no such rule or family",
            "该行忽略了 {name}：没有这样的规则或类别",
        ),
        "nearest": Text(
            "the row ignores {name}: there is no such rule or family, did you mean {near}?",
            "该行忽略了 {name}：没有这样的规则或类别，是否想写 {near}？",
        ),
        "shape": Text(
            'the key "glmlint" of the row is not of the form {{"ignore": ["rule", …]}}',
            '该行的 "glmlint" 键不是 {{"ignore": ["规则", …]}} 的形式',
        ),
    },
    help=Text(
        "Take the entry out, or write the name as `glmlint rules` prints it.",
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


def check_run(report: Report, plan: Plan) -> Iterator[Placed]:
    del plan
    for path, stats in report.files.items():
        for line in sorted(stats.ignores):
            for ignores in stats.ignores[line]:
                yield from _told(path, line, ignores)


def _told(path: str, line: int, ignores: Ignores) -> Iterator[Placed]:
    if ignores.fault:
        problem = rule.problem((IGNORE_KEY,), text="shape")
        yield Placed(path, line, problem, ignores.content, ignores.clean)
    for index, name in enumerate(ignores.names):
        if name not in ignores.judged or name in ignores.used:
            continue
        text = None
        near = None
        if known_name(name) is None:
            near = nearest_name(name)
            text = "nearest" if near else "unknown"
        problem = rule.problem((IGNORE_KEY, "ignore", index), text=text, name=name, near=near)
        yield Placed(path, line, problem, ignores.content, ignores.clean)
