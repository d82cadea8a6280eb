"""An answer that is trained without a stop token after it.

The one token after an answer, the next role token or the appended end token, is what teaches the
model to stop. Where a message of an unknown role follows, the template prints its role as plain
text (`<|tool|>`), and the model learns to go on with that text instead of ending its turn.

Some trainers leave that token out in every row: TRL puts nothing after the last answer, axolotl
gives no label to a stop token that its template does not name, unsloth removes the markers. That is
reported once per file, as a warning, with the option that changes it; the rows themselves count as
clean.

Evidence: TRL #5988, ChatGLM3 #184.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from glmlint.evidence.teaching import last_pieces, unstopped_answers, written_role
from glmlint.evidence.turns import shown
from glmlint.patterns import Pattern
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.layout import Encoded

rule = Rule(
    name="stop-token-untrained",
    family="mask",
    title_zh="回答参与训练，但模型学不到在它之后停止",
    doc_zh="""
    回答之后的那一个 token，即下一个角色标记或追加的结束符，是模型学会停止的依据。如果后面是未知角色
    的消息，模板会把角色当作普通文本输出（`<|tool|>`），模型学到的就是接着写这段文本，而不是结束这一
    轮。

    有些训练框架在每一行都不训练这个 token：TRL 在最后一个回答之后不加任何内容，axolotl 不给模板未列
    出的停止符打标签，unsloth 会去掉标记。这种情况每个文件只报告一次，级别为警告，并给出可以改变它的
    选项；这些行本身视为没有问题。

    依据：TRL #5988、ChatGLM3 #184。
    """,
    severity="error",
    when=Fact.ROLES | Fact.ODD | Fact.CONTROL | Fact.EMPTY | Fact.LABELS,
    text=Text(
        "{where} is trained, but not the stop token after it: no role token and no end token "
        "follows",
        "{where} 参与训练，但其后没有停止符：后面既没有角色标记也没有结束符",
    ),
    variants={
        "role": Text(
            "{where} is trained, but no stop token follows: the next message's role {role!r} is "
            "printed as text, and the model learns to write it",
            "{where} 参与训练，但其后没有停止符：下一条消息的角色 {role!r} 会当作普通文本输出，模"
            "型学到的是接着写这段文本",
        ),
        "token": Text(
            "{where} is trained, but not the stop token after it ({rows:row}): {token} follows and "
            "carries no loss",
            "{where} 参与训练，但其后的停止符没有（共 {rows} 行）：后面的 {token} 不计入损失",
        ),
        "end": Text(
            "the last message, {where}, is trained, but no trained token follows it ({rows:row}): "
            "the model does not learn to stop there",
            "最后一条消息 {where} 参与训练，但其后没有计入损失的 token（共 {rows} 行）：模型学不到"
            "在此停止",
        ),
        "joined": Text(
            "{where} is trained, but no stop token follows: the text of the next message comes "
            "right after it ({rows:row})",
            "{where} 参与训练，但其后没有停止符：下一条消息的文本紧接在后面（共 {rows} 行）",
        ),
    },
    help=Text(
        "Give the next message one of the roles system, user, assistant, observation.",
        "把下一条消息的角色改为 system、user、assistant 或 observation。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "get_weather", "content": '{"city": "Rome"}'},
                {"role": "result", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！"},
                        {"role": "用户", "content": "再见"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "get_weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
                {"role": "assistant", "content": "今天想聊点什么？"},
            ]
        },
    ),
)

_HEADER: Final = 48
"""Tokens in which a role that is printed as text must appear."""
_AS_TEXT: Final = Pattern(r"\s*<\|([^|\n]{0,80})\|>")

_JOINED: Final = Text(
    "`glmlint show` prints the row as it is trained: there is no role token between the two "
    "messages.",
    "`glmlint show` 会按训练时的样子显示这一行：两条消息之间没有角色标记。",
)

_BY_DESIGN: Final = Text(
    "This is how {trainer} labels rows with these options: the model may not learn to stop.",
    "{trainer}在当前选项下就是这样打标签的：模型可能学不会停止。",
)


def check(row: Row) -> Iterator[Problem]:
    glm = "glm" in row.context.trainer.reads
    reads = row.context.trainer.reads
    if row.foreign == "swift" or (row.foreign and not glm and row.foreign not in reads):
        return  # `other-format` speaks of them all
    printed = sorted(set(row.layout.owners)) if row.layout is not None else []
    for index in unstopped_answers(row):
        where = row.where(index)
        role = _next_role(row, index, printed)
        once = f"role {role}" if row.foreign else None
        if (token := _next_token(row, index)) is not None:
            # A trainer that leaves it out does so in every row.
            yield _of_trainer(row, index, "stop", "token", token)
        elif role is None:
            if glm:
                yield rule.problem(row.at(index), where=where, once=once)
            else:
                yield _of_trainer(row, index, "end", "end")
        elif (said := _role_as_text(row, index)) is not None:
            yield rule.problem(row.at(index), text="role", where=where, role=said, once=once)
        elif role != "assistant":  # answers in a row are one answer, and end after the last
            yield rule.problem(
                row.at(index), text="joined", where=where, once="joined", severity="warning",
                help=_JOINED,
            )  # fmt: skip


def _of_trainer(row: Row, index: int, of: str, text: str, token: str = "") -> Problem:
    """What the trainer does with every row: reported once per file, not a fault of the rows."""
    context = row.context
    glm = "glm" in context.trainer.reads
    return rule.problem(
        row.at(index),
        text=text,
        once=f"{of} {token}",
        severity=None if glm else "warning",
        of_trainer=not glm,
        help=context.cure(of) or _BY_DESIGN,
        where=row.where(index),
        token=token,
    )


def _role_as_text(row: Row, index: int) -> str | None:
    """The role of the next message, where its header is printed as ordinary text."""
    assert row.layout is not None
    owners, pieces = row.layout.owners, row.layout.pieces
    place = len(owners) - owners[::-1].index(index)
    piece = pieces[place] if place < len(pieces) else None
    if isinstance(piece, Encoded):
        bytes_of = row.context.tokenizer.token_bytes
        piece = b"".join(bytes_of(int(token)) for token in piece.ids[:_HEADER]).decode(
            "utf-8", "replace"
        )
    found = _AS_TEXT.match(piece) if isinstance(piece, str) else None
    return shown(found[1]) if found else None


def _next_role(row: Row, index: int, printed: list[int]) -> str | None:
    """The role of the next message that is printed."""
    place = bisect_right(printed, index)
    role = written_role(row, printed[place]) if place < len(printed) else None
    return shown(role) if isinstance(role, str) else None


def _next_token(row: Row, index: int) -> str | None:
    """The control token right after a message; None where a text or nothing follows."""
    assert row.layout is not None
    pieces = row.layout.pieces
    place = last_pieces(row)[index] + 1
    piece = pieces[place] if place < len(pieces) else None
    return row.context.tokenizer.control_text.get(piece) if isinstance(piece, int) else None
