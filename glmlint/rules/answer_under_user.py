"""An answer under the role user, or under another role that is not the assistant's.

Where a conversation ends with two user messages in a row, its last answer has the wrong role or is
missing. Where most rows of a file end like this, it is the wrong role: whoever wrote the file gave
the answer the role of the question. The last answer is then not learned, and in rows of one turn
nothing is. A thought (`<think>`) at the start of the message shows the same for a single row.

`--unsafe-fixes` gives such an answer the role assistant where most rows of the file end like this
or where it begins with a thought. It never removes the message.

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
    title_zh="回答写在了 user 或其他非 assistant 角色下",
    doc_zh="""
    对话以连续两条 user 消息结尾，说明最后的回答写错了角色，或者缺少回答。如果文件中大多数行都
    这样结尾，那就是写错了角色：生成文件的程序把问题的角色给了回答。这样最后的回答学不到，只有
    一轮的行则什么都学不到。对单独一行来说，消息以思考内容（`<think>`）开头也说明同样的问题。

    如果文件中大多数行都这样结尾，或消息以思考内容开头，`--unsafe-fixes` 会把该回答的角色改为
    assistant。它从不删除这条消息。

    依据：smol-course #260。
    """,
    severity="warning",
    when=Fact.ROLES | Fact.RAISES,
    fix="unsafe",
    text=Text(
        "the conversation ends with {role} after a user question ({rows:row}): the answer has the wrong "
        "role or is missing, and is not learned",
        "对话在 user 的提问之后以 {role} 结尾（共 {rows} 行）：回答写错了角色或缺少回答，学不到这部分内容",
    ),
    variants={
        "thought": Text(
            "the last message begins with a thought but has the role {role} ({rows:row}): it is an "
            "answer under the wrong role, and is not learned",
            "最后一条消息以思考内容开头，角色却是 {role}（共 {rows} 行）：这是写错了角色的回答，不会被学习",
        ),
    },
    help=Text(
        "Give the answer the role assistant, or add the missing answer. (`--unsafe-fixes` changes the "
        "role where most rows of the file end like this.)",
        "把回答的角色改为 assistant，或补上缺少的回答。（文件中大多数行都这样结尾时，`--unsafe-fixes` 会修改角色。）",
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
    "in {rows} of {samples} rows the answer has the role {role}: the last message follows a user "
    "question and is not the assistant's, so the last answer is never learned",
    "{samples} 行中有 {rows} 行的回答写在了角色 {role} 下：最后一条消息紧跟 user 的提问，却不是 assistant "
    "消息，最后的回答因此学不到",
)
_HABIT_HELP = Text(
    "Give these messages the role assistant: `glmlint check --fix --unsafe-fixes` changes only the role.",
    "把这些消息的角色改为 assistant：`glmlint check --fix --unsafe-fixes` 只改角色，不动其他内容。",
)


_WRONG: Final = Text(
    "the conversation ends with {role} after a user question ({rows:row}): the answer has the wrong "
    "role or is missing",
    "对话在 user 的提问之后以 {role} 结尾（共 {rows} 行）：回答写错了角色或缺少回答",
)
_WRONG_HABIT: Final = Text(
    "in {rows} of {samples} rows the last message follows a user question and has the role {role}: "
    "answers under the wrong role",
    "{samples} 行中有 {rows} 行的最后一条消息紧跟 user 的提问，角色却是 {role}：这是写错了角色的回答",
)
_ROLE: Final = Text(
    "Give the answer the assistant's role, or add the missing answer.",
    "把回答的角色改为 assistant 对应的角色，或补上缺少的回答。",
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
    """The same for rows whose roles have other names: no fix writes those."""
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
