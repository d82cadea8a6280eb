"""A message without `content`.

To the Jinja template a missing content is empty: the whole message vanishes, role token and all,
and neighbouring turns run together. The script of June 2024 raises KeyError.

Evidence: LLaMA-Factory #4249; recipes.md, section 0.4 (run against the script).
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
            "messages[{index}] 没有 content：训练脚本在这一行抛出 {exception}",
        ),
        "nothing": Text(
            "messages[{index}] has no content: the template leaves it out, "
            "and the row has nothing to learn",
            "messages[{index}] 没有 content：模板会跳过它，这一行没有任何可训练的内容",
        ),
        "printed": Text(
            "messages[{index}] has no content: it is printed all the same, without a text",
            "messages[{index}] 没有 content：仍会输出这条消息，但其中没有文本",
        ),
        "tools": Text(
            "messages[{index}] has tools and no content: other scripts raise KeyError here",
            "messages[{index}] 有 tools 但没有 content：其他脚本会在此抛出 KeyError",
        ),
    },
    help=Text(
        "Give it text, an empty one beside tools; or delete the message.",
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
