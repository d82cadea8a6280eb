"""A message whose content is empty, or nothing but white space.

Empty content is false to the template: the message vanishes with its role token. A question that
is not there, an answer that is not there: neighbouring turns run together. A system message with
tools and no text of its own is in order. White space alone is printed, and as an answer trained.

Evidence: LLaMA-Factory #4249; a published axolotl fixture has a blank answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate, says_nothing
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="empty-content",
    family="structure",
    form="glm",
    title_zh="消息内容为空，或只有空白字符",
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
            "{place} 为空：模板会跳过这个回答，训练脚本抛出 {exception}",
        ),
        "nothing": Text(
            "{place} is empty: the template leaves the answer out, and the row has nothing to learn",
            "{place} 为空：模板会跳过这个回答，这一行没有任何可训练的内容",
        ),
        "printed": Text(
            "{place} is empty: the {role} message is printed with nothing in it",
            "{place} 为空：这条 {role} 消息会照样输出，但没有内容",
        ),
        "blank": Text(
            "{place} is nothing but white space, and is printed so",
            "{place} 只有空白字符，会原样输出",
        ),
        "blank-answer": Text(
            "{place} is nothing but white space: the model is trained to answer with it",
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
    for index, message in row.good_messages:
        content = message.get("content")
        if not isinstance(content, str) or (content and not content.isspace()):
            continue
        if any(message.get(key) for key in row.context.trainer.message_keys):
            continue  # it says something else
        role = message.get("role")
        at = ("messages", index, "content")
        place = f"messages[{index}].content"
        if content:
            if role == "assistant":
                yield rule.problem(at, text="blank-answer", place=place)
            elif role == "user":
                yield rule.problem(at, text="blank", place=place)
        elif role == "system":
            if "tools" not in message:  # beside tools it is in order; alone it just is not there
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
