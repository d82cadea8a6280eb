"""A message whose content is empty, or only white space.

To the template, empty content is false: the message vanishes with its role token. A question or an
answer is missing then, and neighbouring turns run together. A system message with tools and no
text of its own is fine. White space is printed, and trained in an answer.

Evidence: LLaMA-Factory #4249; a published axolotl fixture has a blank answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate, says_nothing
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="empty-content",
    family="structure",
    title_zh="消息内容为空，或只有空白字符",
    doc_zh="""
    对模板来说，空内容等于假：消息会连同角色标记一起消失。于是缺了一个问题或一个回答，前后两轮
    连在一起。带工具而没有正文的 system 消息没有问题。空白字符会照样输出，写在回答里还会参与训
    练。

    依据：LLaMA-Factory #4249；axolotl 公开的测试数据中有一个空白回答。
    """,
    severity="warning",
    when=Fact.EMPTY,
    fix="safe",
    text=Text(
        "{place} is empty: the template leaves the whole {role} message out",
        "{place} 为空：模板会跳过这整条 {role} 消息",
    ),
    variants={
        "raises": Text(
            "{place} is empty: the template leaves the answer out, and the trainer raises {exception}",
            "{place} 为空：模板会跳过这个回答，训练框架抛出 {exception}",
        ),
        "nothing": Text(
            "{place} is empty: the template leaves the answer out, and the row teaches nothing",
            "{place} 为空：模板会跳过这个回答，这一行学不到任何东西",
        ),
        "printed": Text(
            "{place} is empty: the {role} message is printed with nothing in it",
            "{place} 为空：这条 {role} 消息会照样输出，但没有内容",
        ),
        "blank": Text(
            "{place} is only white space, and is printed as it is",
            "{place} 只有空白字符，会原样输出",
        ),
        "blank-answer": Text(
            "{place} is only white space: the model is trained to answer with it",
            "{place} 只有空白字符：模型会学着这样回答",
        ),
    },
    help=Text("Give it text, or delete the message.", "补上文本，或删除这条消息。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": ""},
                {"role": "user", "content": "Hello?"},
                {"role": "assistant", "content": "Yes."},
            ]
        },
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": ""}]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " \n"}]},
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": ""},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {"role": "system", "content": "", "tools": []},
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "好"},
            ]
        },
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
    if row.conversation is not None:
        yield from _in_other_forms(row)
        return
    for index, message in row.good_messages:
        content = message.get("content")
        if not isinstance(content, str) or (content and not content.isspace()):
            continue
        if any(message.get(key) for key in row.context.trainer.message_keys):
            continue  # it shows something: an image
        role = message.get("role")
        at = ("messages", index, "content")
        place = f"messages[{index}].content"
        if content:
            if role == "assistant":
                yield rule.problem(at, text="blank-answer", place=place)
            elif role == "user":
                yield rule.problem(at, text="blank", place=place)
        elif role == "system":
            if "tools" not in message:  # fine beside tools; without them it is just not printed
                edits = (Edit("remove", at[:2]),) if says_nothing(message) else ()
                text = "printed" if index in row.printed else None
                yield rule.problem(
                    at, text=text, severity="info", edits=edits, place=place, role=role
                )
        elif fate(row, index) == "raises":
            yield rule.problem(
                at, text="raises", severity="error", raises=True, place=place,
                exception=row.error.exception if row.error else "",
            )  # fmt: skip
        elif fate(row, index) == "nothing":
            yield rule.problem(at, text="nothing", severity="error", place=place)
        else:
            text = "printed" if index in row.printed else None
            yield rule.problem(
                at, text=text, place=place, role=role if isinstance(role, str) else ""
            )


def _in_other_forms(row: Row) -> Iterator[Problem]:
    """Questions and answers without text, call or thought."""
    assert row.conversation is not None
    if row.layout is None:
        return
    for index, turn in enumerate(row.conversation.turns):
        if turn.role not in ("user", "assistant") or turn.text is None or turn.text.strip():
            continue
        if turn.calls or (turn.reasoning or "").strip() or turn.loss in (False, 0):
            continue
        text: str | None
        if turn.text and index in row.printed:
            text = "blank-answer" if row.printed[index] and turn.role == "assistant" else "blank"
        else:
            text = "printed" if index in row.printed else None
        yield rule.problem(
            row.at(index, "content"), text=text, place=row.where(index, "content"), role=turn.role
        )
