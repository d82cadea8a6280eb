"""The trainer leaves this row out: it is not trained at all, and the run goes on.

Some trainers skip a row that they can't use, with a warning in a long log or none at all. The run
succeeds, but what the row was meant to teach is missing. The report counts such rows by reason
(`dropped_by_reason`).

Evidence: LLaMA-Factory #9600 and #9618 (rows dropped for their roles); TRL #6668 (rows without a
label).
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import shown
from glmlint.read.formats import TURN_KEYS, role_in
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.other_format import cure, turns_in

rule = Rule(
    name="would-be-dropped",
    family="mask",
    title_zh="训练框架会丢弃这一行",
    doc_zh="""
    有些训练框架会跳过无法使用的行，只在很长的日志里给出一条警告，甚至没有。训练顺利结束，但这一行要
    教的内容缺失了。报告按原因统计这样的行（`dropped_by_reason`）。

    依据：LLaMA-Factory #9600 和 #9618（因角色被丢弃的行）；TRL #6668（没有标签的行）。
    """,
    severity="error",
    when=Fact.RAISES,
    after=("*",),
    text=Text(
        "{trainer} leaves this row out: {why}",
        "{trainer}会丢弃这一行：{why}",
    ),
    help=Text(
        "Repair the row or delete it: in this form it is not trained.",
        "请修复或删除这一行：按现在的形式它不会参与训练。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "conversations": [
                        {"from": "human", "value": "Hi"},
                        {"from": "human", "value": "Are you there?"},
                        {"from": "gpt", "value": "Hello"},
                    ]
                },
            ),
            plan={"recipe": "llamafactory"},
        ),
        Example(
            rows=(
                {
                    "conversations": [
                        {"from": "human", "value": "你好"},
                        {"from": "gpt", "value": "你好！"},
                        {"from": "human", "value": "再见"},
                    ]
                },
            ),
            plan={"recipe": "llamafactory"},
        ),
    ),
    good=(
        Example(
            rows=(
                {
                    "conversations": [
                        {"from": "human", "value": "Hi"},
                        {"from": "gpt", "value": "Hello"},
                    ]
                },
            ),
            plan={"recipe": "llamafactory"},
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.dropped is not None and not row.said.raises:
        yield rule.problem(
            row.dropped.at or (),
            why=shown(row.dropped.say(row.plan.lang), 160),
            help=_help(row),
        )


def _help(row: Row) -> Text | None:
    """What to do where a turn of role `function` is a call, for which this trainer has another role."""
    value = row.value
    turns = (
        [turn for key in TURN_KEYS for turn in turns_in(value.get(key))]
        if isinstance(value, dict)
        else []
    )
    for turn in turns:
        if "function" in (turn.get("role"), turn.get("from")) and role_in(turn) == "call":
            told = cure(row)
            return Text(f"{_CALL.en}{told.en}", f"{_CALL.zh}{told.zh}")
    return None


_CALL = Text(
    "Here the role function is a tool call, for which {trainer} uses another role. ",
    "这里的角色 function 是一次调用，而{trainer}要求使用另一个角色名。",
)
