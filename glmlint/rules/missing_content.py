"""A message without `content`.

To the Jinja template, missing content is empty: the whole message vanishes with its role token,
and neighbouring turns run together. The script of June 2024 raises KeyError.

Evidence: LLaMA-Factory #4249; measured with the official script.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.turns import fate, says_nothing
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="missing-content",
    family="structure",
    form="glm",
    title_zh="消息缺少 `content`",
    doc_zh="""
    对 Jinja 模板来说，缺少 content 等于空：整条消息会连同角色标记一起消失，前后两轮连在一起。
    2024 年 6 月的脚本会抛出 KeyError。

    依据：LLaMA-Factory #4249；用官方脚本实测。
    """,
    severity="warning",
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "messages[{index}] has no content: the template leaves the whole message out",
        "messages[{index}] 没有 content：模板会跳过整条消息",
    ),
    variants={
        "raises": Text(
            "messages[{index}] has no content: the trainer raises {exception} at this row",
            "messages[{index}] 没有 content：训练框架在这一行抛出 {exception}",
        ),
        "nothing": Text(
            "messages[{index}] has no content: the template leaves it out, "
            "and the row teaches nothing",
            "messages[{index}] 没有 content：模板会跳过它，这一行学不到任何东西",
        ),
        "printed": Text(
            "messages[{index}] has no content: it is still printed, without text",
            "messages[{index}] 没有 content：仍会输出这条消息，但其中没有文本",
        ),
        "tools": Text(
            "messages[{index}] has tools and no content: other scripts raise KeyError here",
            "messages[{index}] 有 tools 但没有 content：其他脚本会在此抛出 KeyError",
        ),
    },
    help=Text(
        "Add text (an empty string beside tools), or delete the message.",
        "补上文本（只有 tools 时写空字符串），或删除这条消息。",
    ),
    bad=(
        {"messages": [{"role": "user"}, {"role": "assistant", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "text": "好"}]},
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "value": "Hello"},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
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
        if "content" in message or any(
            message.get(key) for key in row.context.trainer.message_keys
        ):
            continue
        at = ("messages", index)
        system = message.get("role") == "system"
        silent = system and says_nothing(message, "tools")
        edits = (Edit("add", (*at, "content"), ""),) if silent else ()
        match fate(row, index):
            case "raises":
                yield rule.problem(
                    at, text="raises", severity="error", raises=True, edits=edits, index=index,
                    exception=row.error.exception if row.error else "",
                )  # fmt: skip
            case "nothing":
                yield rule.problem(at, text="nothing", severity="error", index=index)
            case "printed" if system:
                yield rule.problem(at, text="tools", edits=edits, index=index)
            case "printed" | "trained":
                yield rule.problem(at, text="printed", edits=edits, index=index)
            case _:
                yield rule.problem(at, edits=edits, index=index)
