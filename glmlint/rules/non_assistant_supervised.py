"""The recipe trains text that no assistant wrote.

The official script masks system, user and observation messages. A message with any other role is
trained, including the name of the role: with `"role": "tool"` the model learns to invent tool
results. (The one token after an answer is the answer's stop token and belongs to it.)

Where a more specific rule has reported the message as an error (`unknown-role`, `missing-role`,
`openai-tool-calls`) or the whole row (`other-format`), this rule reports nothing: it covers the
rest, and everything where those rules are off.

Other trainers train the questions (TRL, by default) or the tool results (unsloth) of every row.
That is reported once per file, as a warning, with the option that changes it; the rows themselves
count as clean.

Evidence: LLaMA-Factory #5866; recipes.md, section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.teaching import carries_loss, foreign_messages, supervised_in, written_role
from glmlint.evidence.turns import shown
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="non-assistant-supervised",
    family="mask",
    title_zh="配方训练了不是 assistant 写的文本",
    doc_zh="""
    官方脚本会屏蔽 system、user 和 observation 消息。其他角色的消息都参与训练，连角色名也不例外：若
    写成 `"role": "tool"`，模型就会学着编造工具结果（回答之后的那一个 token 是该回答的停止符，属于回
    答）。

    如果更具体的规则已把该消息报告为错误（`unknown-role`、`missing-role`、`openai-tool-calls`），或
    已报告整行（`other-format`），本规则就不再报告；它负责其余情况，以及那些规则关闭时的全部情况。

    有些训练框架会训练每一行的问题（TRL 默认如此）或工具结果（unsloth）。这种情况每个文件只报告一
    次，级别为警告，并给出可以改变它的选项；这些行本身视为没有问题。

    依据：LLaMA-Factory #5866；recipes.md 第 2.1 节。
    """,
    severity="error",
    after=("missing-role", "openai-tool-calls", "other-format", "unknown-role"),
    when=Fact.ROLES | Fact.ODD | Fact.CONTROL | Fact.EMPTY | Fact.LABELS,
    applies=lambda recipe, _: not recipe.trains_all_after_last,
    text=Text(
        "{where} (role {role!r}) is trained: {count:supervised token} not written by an assistant",
        "{where}（角色 {role!r}）参与训练：{count} 个受监督 token 不是 assistant 写的",
    ),
    variants={
        "prompts": Text(
            "prompts are trained, not only answers ({rows:row}): {where} (role {role!r}) carries "
            "loss",
            "不仅回答，提示词也参与训练（共 {rows} 行）：{where}（角色 {role!r}）计入损失",
        ),
        "results": Text(
            "tool results are trained ({rows:row}): {where} carries loss, and the model learns to "
            "write results itself",
            "工具结果参与训练（共 {rows} 行）：{where} 计入损失，模型会学着自己编造工具结果",
        ),
    },
    help=Text(
        "Give the message its proper role: system, user or observation.",
        "改成它真正对应的角色：system、user 或 observation。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "get_weather", "content": '{"city": "Rome"}'},
                {"role": "tool", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "人类", "content": "你好"},
                {"role": "assistant", "content": "你好！"},
            ]
        },
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
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "system", "content": ""},
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "你好！"},
                        {"role": "user", "content": "再见"},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
    ),
)

_KNOWN: Final = ("system", "user", "observation")

_BY_DESIGN: Final = Text(
    "This is how {trainer} labels rows with these options: `glmlint compare` shows what others "
    "train.",
    "{trainer}在当前选项下就是这样打标签的，用 `glmlint compare` 可查看其他训练框架训练哪些内容。",
)


def check(row: Row) -> Iterator[Problem]:
    told = row.said.trains
    glm = "glm" in row.context.trainer.reads
    if () in told or (row.foreign and not glm):
        return
    untold = [
        index
        for index in foreign_messages(row)
        if row.at(index) not in told and row.at(index, "role") not in told
    ]
    if not glm:  # a completion that is trained begins right after its prompt
        untold = [index for index in untold if carries_loss(row, index)]
    if not glm and any(written_role(row, index) in _KNOWN for index in untold):
        yield from _of_trainer(row, untold)
        return
    for index, count in supervised_in(row, untold).items():
        role = shown(written_role(row, index))
        yield rule.problem(
            row.at(index),
            once=f"role {role}" if row.foreign else None,
            where=row.where(index),
            role=role,
            count=count,
        )


def _of_trainer(row: Row, indexes: list[int]) -> Iterator[Problem]:
    """A known role that the trainer trains in every row: its design, not a fault of the rows."""
    context = row.context
    for of, is_result in (("prompts", False), ("results", True)):
        found = (i for i in indexes if (written_role(row, i) == "observation") == is_result)
        index = next(found, None)
        if index is not None:
            yield rule.problem(
                row.at(index),
                text=of,
                once=of,
                severity="warning",
                of_trainer=True,
                help=context.cure(of) or _BY_DESIGN,
                where=row.where(index),
                role=shown(written_role(row, index)),
            )
