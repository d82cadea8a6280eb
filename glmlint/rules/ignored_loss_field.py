"""A message or a row has a key that turns its loss on or off, and the recipe does not read it.

`loss`, `loss_mask`, `weight`, `train`, `trainable` work in other trainers. The official scripts
mask only by role: an answer marked as bad is learned like any other. Where the mask happens to be
what the key asks for, nothing is lost, and it is an info. Reported once per file and key.

Evidence: verl #5316, LLaMA-Factory #8802.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.teaching import trained_messages
from glmlint.finding import Pointer, value_at
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text, member_of

LOSS_FIELDS = (
    "loss", "loss_mask", "loss_scale", "loss_weight", "train", "trainable", "training", "weight",
)  # fmt: skip
"""Keys of a message or a row by which one trainer or another switches its loss."""

rule = Rule(
    name="ignored-loss-field",
    family="mask",
    title_zh="消息或行用某个键指定是否训练，而配方不读取这个键",
    doc_zh="""
    `loss`、`loss_mask`、`weight`、`train`、`trainable` 在其他训练框架中有效。官方脚本只按角色
    生成掩码：标为不好的回答照样会被学习。如果掩码恰好与这个键的要求一致，就没有损失，只作为提
    示。每个文件、每个键只报告一次。

    依据：verl #5316、LLaMA-Factory #8802。
    """,
    severity="warning",
    when=Fact.KEYS,
    text=Text(
        "{recipe} does not read the key {key!r}: it does not change what is trained ({rows:row})",
        "{recipe} 不读取键 {key!r}：它不会改变训练哪些内容（共 {rows} 行）",
    ),
    variants={
        "trained": Text(
            "{key!r} of {where} asks for no loss; {recipe} does not read that key and trains it "
            "({rows:row})",
            "{where} 用 {key!r} 要求不计入损失；{recipe} 不读取这个键，仍会训练它（共 {rows} 行）",
        ),
        "untrained": Text(
            "{key!r} of {where} asks for loss; {recipe} does not read that key and does not train it "
            "({rows:row})",
            "{where} 用 {key!r} 要求参与训练；{recipe} 不读取这个键，不会训练它（共 {rows} 行）",
        ),
        "agrees": Text(
            "{recipe} does not read the key {key!r}; it asks for what the mask does anyway "
            "({rows:row})",
            "{recipe} 不读取键 {key!r}；它的要求与掩码的实际结果一致（共 {rows} 行）",
        ),
    },
    help=Text(
        "Delete the key; delete or rewrite messages that should not be learned.",
        "删除这个键；不希望学习的消息，删除或改写。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "5", "loss": False},
                {"role": "user", "content": "No."},
                {"role": "assistant", "content": "4", "loss": True},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "一加一等于几？", "weight": 1},
                        {"role": "assistant", "content": "二"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
        {
            "weight": 0.5,
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ],
        },
        {
            "messages": [
                {"role": "user", "content": "Hi", "train": False},
                {"role": "assistant", "content": "Hello", "train": True},
            ]
        },
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ],
        },
    ),
)


_FIELDS: Final = frozenset(LOSS_FIELDS)


def check(row: Row) -> Iterator[Problem]:
    if row.beside is not None and _FIELDS.isdisjoint(row.beside):
        return
    unread = _FIELDS - row.context.trainer.loss_switches(row.context.options)
    trained: set[int] | None = None
    worst: dict[str, tuple[int, Pointer, str]] = {}
    for index, at, message in _written(row) if row.beside is None else ():
        if unread.isdisjoint(message):
            continue
        if trained is None:
            trained = set(trained_messages(row))
        for key in unread.intersection(message):
            verdict = _verdict(row, message[key], index in trained)
            if key not in worst or worst[key][2] == "agrees" != verdict:
                worst[key] = (index, at, verdict)
    beside: Any = row.value if row.beside is None else row.beside
    for key in sorted(unread.intersection(beside if isinstance(beside, dict) else ())):
        yield rule.problem(
            (key,), once=f"row {key}", key=key, recipe=row.context.trainer.name,
            part=member_of(row, (key,)),
        )  # fmt: skip
    for key, (index, at, verdict) in sorted(worst.items()):
        yield rule.problem(
            (*at, key),
            text=verdict or None,
            severity="info" if verdict == "agrees" else None,
            once=f"{key} {verdict}" if verdict == "agrees" else key,
            where=row.where(index),
            key=key,
            recipe=row.context.trainer.name,
            part=member_of(row, (*at, key)),
        )


def _written(row: Row) -> Iterator[tuple[int, Pointer, dict[str, Any]]]:
    """The turns that are written as objects: index, place, keys."""
    if row.conversation is None:
        for index, message in row.good_messages:
            yield index, ("messages", index), message
        return
    if row.foreign:
        return  # `other-format` reports them all
    for index, turn in enumerate(row.conversation.turns):
        if turn.at and isinstance(message := value_at(row.value, turn.at), dict):
            yield index, turn.at, message


def _verdict(row: Row, value: Any, trained: bool) -> str:
    """The variant that says it: what the value asks for beside what happens; "" where it is unclear."""
    if row.layout is None or not isinstance(value, bool | int | float) or value not in (0, 1):
        return ""
    if bool(value) == trained:
        return "agrees"
    return "trained" if trained else "untrained"
