"""A message without `role`.

The script asks every message for its role and raises KeyError where there is none. Where only the
template reads the messages (`combine: true`), it prints `<||>` as plain text, and the model reads
a turn without a speaker.

Evidence: measured with the official script; mistral-finetune stops at such rows too.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="missing-role",
    family="structure",
    form="glm",
    title_zh="消息缺少 `role`",
    doc_zh="""
    脚本会读取每条消息的 role，没有时抛出 KeyError。如果只有模板读取消息（`combine: true`），
    它会把 `<||>` 作为普通文本输出，模型读到的是没有说话人的一轮。

    依据：用官方脚本实测；mistral-finetune 遇到这样的行也会停止。
    """,
    severity="error",
    when=Fact.ODD,
    text=Text(
        "messages[{index}] has no role: the template prints <||> as text instead of a role token",
        "messages[{index}] 没有 role：模板会输出文本 <||>，而不是角色标记",
    ),
    variants={
        "raises": Text(
            "messages[{index}] has no role: the trainer raises {exception}",
            "messages[{index}] 没有 role：训练框架抛出 {exception}",
        ),
        "trained": Text(
            "messages[{index}] has no role: its text is trained, whoever wrote it",
            "messages[{index}] 没有 role：不管是谁写的，这段文本都会参与训练",
        ),
        "unseen": Text(
            "messages[{index}] has no role: it is unclear who speaks",
            "messages[{index}] 没有 role：无法知道是谁在说话",
        ),
    },
    help=Text(
        "Give it a role: system, user, assistant or observation.",
        "补上 role：system、user、assistant 或 observation。",
    ),
    bad=(
        {"messages": [{"content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": "你好"}, {"content": "你好！"}]},
        Example(
            rows=({"messages": [{"content": "Hi"}, {"role": "assistant", "content": "Hello"}]},),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    for index, message in row.good_messages:
        if "role" in message:
            continue
        at = ("messages", index)
        match fate(row, index):
            case "raises":
                yield rule.problem(
                    at, text="raises", raises=True, index=index,
                    exception=row.error.exception if row.error else "",
                )  # fmt: skip
            case "trained":
                yield rule.problem(at, text="trained", trains=True, index=index)
            case "printed":
                yield rule.problem(at, severity="warning", index=index)
            case _:
                yield rule.problem(at, text="unseen", severity="warning", index=index)
