"""With `combine: true`, everything after the last `<|assistant|>` is trained, whoever wrote it.

The script looks for the last assistant token and trains all that follows. A row that ends with a
user or observation message teaches the model to write the user's or the tool's part. A row without
an assistant token raises ValueError, and the whole run ends.

Evidence: GLM-4 #438, #441, #544; docs/recipes.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.teaching import foreign_messages, supervised_in, written_role
from glmlint.evidence.turns import answer_at, shown
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="combine-spill",
    family="mask",
    title_zh="`combine: true` 时，最后一个 `<|assistant|>` 之后的内容无论出自谁都参与训练",
    doc_zh="""
    脚本会找到最后一个 assistant 标记，并训练其后的全部内容。以 user 或 observation 消息结尾的
    行，会让模型学着替用户或工具说话。没有 assistant 标记的行会抛出 ValueError，整个训练随之中
    止。

    依据：GLM-4 #438、#441、#544；docs/recipes.md。
    """,
    severity="error",
    when=Fact.ROLES | Fact.ODD | Fact.CONTROL | Fact.EMPTY | Fact.RAISES,
    fix="unsafe",
    applies=lambda recipe, _: recipe.trains_all_after_last,
    text=Text(
        "{where} (role {role!r}) follows the last answer and is trained: "
        "{count:supervised token} that no assistant wrote",
        "{where}（角色 {role!r}）位于最后一个回答之后，也参与训练："
        "{count} 个受监督 token 并非 assistant 所写",
    ),
    variants={
        "typed": Text(
            "{where} (role {role!r}) has the row's last <|assistant|> in its text: what follows it "
            "is trained, {count:supervised token} that no assistant wrote",
            "{where}（角色 {role!r}）的文本里出现了这一行最后一个 <|assistant|>：其后的内容都参与训练，"
            "共 {count} 个受监督 token 并非 assistant 所写",
        ),
        "raises": Text(
            "no <|assistant|> is printed for this row: the trainer raises {exception} and the run ends",
            "这一行没有输出任何 <|assistant|>：训练框架抛出 {exception}，整个训练中止",
        ),
    },
    help=Text(
        "End the row with an assistant message. (`--unsafe-fixes` deletes what follows the last one.)",
        "让这一行以 assistant 消息结尾。（`--unsafe-fixes` 会删除最后一条 assistant 消息之后的内容。）",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！"},
                        {"role": "user", "content": "再见，明天聊"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
        Example(
            rows=({"messages": [{"role": "user", "content": "Hi"}]},),
            plan={"recipe": "glm4-combine"},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Weather in Rome?"},
                        {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                        {"role": "observation", "content": "22 degrees"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
                {"role": "user", "content": "再见，明天聊"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                        {"role": "assistant", "content": "How are you?"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.error is not None:
        if row.error.exception == "ValueError" and row.error.detail.endswith("is not in list"):
            yield rule.problem(
                ("messages",), text="raises", raises=True, exception=row.error.exception
            )
        return
    spilt = supervised_in(row, foreign_messages(row))
    if not spilt:
        return
    assert row.layout is not None
    assistant = row.context.id("<|assistant|>")
    last = max(place for place, piece in enumerate(row.layout.pieces) if piece == assistant)
    start = row.layout.owners[last]
    typed = start in spilt  # the last assistant token is in a message that is not an answer
    # The last message first, so that a removal leaves the indexes before it as they are.
    cut = tuple(Edit("remove", ("messages", index)) for index in sorted(spilt, reverse=True))
    if answer_at(row) is not None:
        cut = ()  # what would go may be the answer itself
    for number, (index, count) in enumerate(spilt.items()):
        yield rule.problem(
            ("messages", index),
            text="typed" if index == start else None,
            edits=cut if number == 0 and not typed else (),
            where=f"messages[{index}]",
            role=shown(written_role(row, index)),
            count=count,
        )
