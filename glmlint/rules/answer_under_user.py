"""An answer that stands under the role user, or under another one that is not the assistant's.

A conversation that ends with two messages of the user's in a row has its last answer under the wrong
role, or none at all. Where most rows of a file end so, it is the first: whoever wrote the file has given
the answer the question's role. Nothing is learned from it then, and in rows of one turn nothing at all.
A thought (`<think>`) at the beginning says the same of a single row.

`--unsafe-fixes` gives such an answer the role assistant, where most rows of the file end so or it begins
with a thought. It never cuts it off.

Evidence: smol-course #260.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.report import Habit
from glmlint.evidence.teaching import written_role
from glmlint.evidence.turns import answer_at, speakers
from glmlint.read.formats import role_in
from glmlint.read.survey import is_habit
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

_DINNER = {
    "messages": [
        {"role": "user", "content": "Hi, how are you?"},
        {"role": "assistant", "content": "Fine. How can I help?"},
        {"role": "user", "content": "What should I cook tonight?"},
        {"role": "user", "content": "How about a tomato soup with bread?"},
    ]
}

rule = Rule(
    name="answer-under-user",
    family="structure",
    title_zh="回答写在了 user（或其他非 assistant）角色下",
    severity="warning",
    when=Fact.ROLES | Fact.RAISES,
    fix="unsafe",
    text=Text(
        "the conversation ends with {role} right after a question of the user's ({rows:row}): an answer "
        "under the wrong role, or a question without one; either way nothing is learned from it",
        "对话在 user 的提问之后以 {role} 结尾（共 {rows} 行）：可能是回答写错了角色，也可能是缺少回答；"
        "无论哪种情况都学不到这部分内容",
    ),
    variants={
        "thought": Text(
            "the last message begins with a thought and stands under {role} ({rows:row}): it is an "
            "answer under the wrong role, and nothing is learned from it",
            "最后一条消息以思考内容开头，角色却是 {role}（共 {rows} 行）：这是写错了角色的回答，学不到任何内容",
        ),
    },
    help=Text(
        "Give the answer the role assistant, or add the answer that is missing. (`--unsafe-fixes` changes "
        "the role where most rows of the file end so.)",
        "把回答的角色改为 assistant，或补上缺少的回答。（文件中大多数行都这样结尾时，--unsafe-fixes 会修改角色。）",
    ),
    bad=(
        _DINNER,
        Example(rows=(_DINNER,) * 3),
        {
            "messages": [
                {"role": "user", "content": "晚饭吃什么？"},
                {"role": "user", "content": "<think>\n要简单的。\n</think>\n番茄汤怎么样？"},
            ]
        },
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "user", "content": "Are you there?"},
                {"role": "assistant", "content": "Yes."},
            ]
        },
    ),
)

_HABIT = Text(
    "in {rows} of {samples} rows the answer stands under the role {role}: the last message follows a "
    "question of the user's and is no assistant's, so that the last answer is never learned",
    "{samples} 行中有 {rows} 行的回答写在了角色 {role} 下：最后一条消息紧跟 user 的提问，却不是 assistant "
    "所说，最后的回答因此学不到",
)
_HABIT_HELP = Text(
    "Write these messages with the role assistant: `glmlint check --fix --unsafe-fixes` changes the role "
    "and nothing else.",
    "把这些消息的角色改为 assistant：`glmlint check --fix --unsafe-fixes` 只改角色，不动其他内容。",
)


_WRONG: Final = Text(
    "the conversation ends with {role} right after a question of the user's ({rows:row}): an answer "
    "under the wrong role, or a question without one",
    "对话在 user 的提问之后以 {role} 结尾（共 {rows} 行）：可能是回答写错了角色，也可能是缺少回答",
)
_WRONG_HABIT: Final = Text(
    "in {rows} of {samples} rows the last message follows a question of the user's and has the role "
    "{role}: answers under the wrong role",
    "{samples} 行中有 {rows} 行的最后一条消息紧跟 user 的提问，角色却是 {role}：这是写错了角色的回答",
)
_ROLE: Final = Text(
    "Give the answer the role of the assistant, or add the answer that is missing.",
    "把回答的角色改为 assistant 一方，或补上缺少的回答。",
)


def check(row: Row) -> Iterator[Problem]:
    index = answer_at(row)
    if index is None:
        return
    if row.conversation is not None:
        yield from _in_other_forms(row, index)
        return
    thought = row.messages[index]["content"].lstrip().startswith("<think>")
    known = row.survey() if row.survey is not None else None
    role = role_in(row.messages[index]) or ""
    habit = known is not None and is_habit(known.misplaced[role], known.rows)
    alone = "assistant" not in speakers(row)
    severity = "error" if alone or row.dropped else "warning"
    edits = (Edit("replace", ("messages", index, "role"), "assistant"),)
    yield rule.problem(
        ("messages", index, "role"),
        text="thought" if thought else None,
        severity=severity,
        once=f"{'thought' if thought else 'tail'} {role}",
        edits=edits if thought or habit else (),
        habit=Habit(_HABIT, _HABIT_HELP, "error", True),
        role=str(written_role(row, index)),
        help=_HABIT_HELP if thought else None,
    )


def _in_other_forms(row: Row, index: int) -> Iterator[Problem]:
    """The same of rows whose roles have other names: no repair writes them."""
    assert row.conversation is not None
    turn = row.conversation.turns[index]
    trained = row.printed.get(index, False)
    thought = (turn.text or "").lstrip().startswith("<think>")
    alone = "assistant" not in speakers(row)
    yield rule.problem(
        row.at(index),
        text=_WRONG if trained else "thought" if thought else None,
        severity="error" if alone or row.dropped else "warning",
        once=f"{'thought' if thought else 'tail'} {turn.role}",
        habit=Habit(_WRONG_HABIT if trained else _HABIT, _ROLE, "error", False),
        role=turn.role,
        help=_ROLE,
    )
