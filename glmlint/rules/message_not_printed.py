"""A message, or the calls of one, that the chat template does not print.

A template prints the roles and keys that it knows. GLM-4.5's and later ones know system, user,
assistant and tool, and of calls only `tool_calls`: an `observation`, a `developer` or a
`function_call` in the row never reaches the model, and nothing raises. What follows is then
trained as if they had never been said. Found by rendering: the message adds nothing to the output.
Reported once per file and role.

Evidence: the published templates of GLM-4.5, 4.6 and 4.7-Flash, GLM-4-0414 and GLM-Z1.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.printing import tools_unprinted, unprinted_calls, unprinted_turns
from glmlint.evidence.turns import shown
from glmlint.finding import value_at
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text, value_of
from glmlint.rules.other_format import cure

_GLM45 = {"recipe": "template", "tokenizer": "glm4.5", "template": "GLM-4.5"}

rule = Rule(
    name="message-not-printed",
    family="mask",
    title_zh="模板完全不输出的消息，或其中的工具调用",
    doc_zh="""
    模板只输出它认识的角色和键。GLM-4.5 及之后的模板认识 system、user、assistant 和 tool，调用
    只认 `tool_calls`：行中的 `observation`、`developer` 或 `function_call` 到不了模型，也不会
    报错。后面的内容会像它们从未出现过一样参与训练。判断方法是实际渲染：这条消息没有任何输出。
    每个文件、每个角色只报告一次。

    依据：GLM-4.5、4.6 和 4.7-Flash、GLM-4-0414 以及 GLM-Z1 公开发布的模板。
    """,
    severity="error",
    when=Fact.LABELS,
    text=Text(
        "this template does not print messages of the role {role!r} ({rows:row}): their text never "
        "reaches the model",
        "当前模板不会输出角色为 {role!r} 的消息（共 {rows} 行）：其内容到不了模型",
    ),
    variants={
        "calls": Text(
            "this template does not print calls under `{key}` ({rows:row}): the model sees no call",
            "当前模板不会输出 `{key}` 中的调用（共 {rows} 行）：模型看不到任何调用",
        ),
        "tools": Text(
            "this template does not print the tool list at {key} ({rows:row}): the model sees no tool",
            "当前模板不会输出 {key} 处的工具列表（共 {rows} 行）：模型看不到任何工具",
        ),
    },
    help=Text(
        "Give it a role that this template prints, or move its text into a message that is printed.",
        "改用当前模板会输出的角色，或把内容写进会输出的消息。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "developer", "content": "Be brief."},
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan=_GLM45,
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "查一下"},
                        {
                            "role": "assistant",
                            "content": "我来查",
                            "function_call": {"name": "weather", "arguments": "{}"},
                        },
                        {"role": "tool", "content": "晴天"},
                        {"role": "assistant", "content": "今天晴。"},
                    ]
                },
            ),
            plan=_GLM45,
        ),
    ),
    good=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan=_GLM45,
        ),
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)

_CONVERTED = ("observation", "function", "function_call", "tool_call", "tool_response", "ipython")
"""Roles that `glmlint convert` knows: it writes their messages in a format that is read."""


_BESIDE = Text(
    "A template that prints tools at all takes them from the row's own `tools`: move the list there "
    "(`glmlint convert --to glm4.5` does), or use a template that prints tools of messages.",
    "该模板即使输出工具，也只从行级 `tools` 读取：把列表移到那里（`glmlint convert --to glm4.5` 会这样写），"
    "或改用会输出消息级 tools 的模板。",
)
_OWN = Text(
    "Use a template that prints the row's `tools`; or move the list into a message, if one prints it.",
    "改用会输出行级 `tools` 的模板；如果模板读取消息级 tools，则把列表写进消息。",
)


def check(row: Row) -> Iterator[Problem]:
    talk = row.conversation
    if talk is None or row.foreign or row.layout is None:
        return
    for index in unprinted_turns(row):
        turn = talk.turns[index]
        written = value_at(row.value, turn.at)
        role = written.get("role") if isinstance(written, dict) else None
        role = role if isinstance(role, str) else turn.role
        yield rule.problem(
            turn.at, once=f"role {role}", role=shown(role),
            help=cure(row) if role in _CONVERTED else None,
            part=value_of(row, (*turn.at, "role")),
        )  # fmt: skip
    if tools_unprinted(row) and talk.tools_at is not None:
        key = "tools" if len(talk.tools_at) == 1 else "messages[].tools"
        yield rule.problem(
            talk.tools_at,
            text="tools",
            once=f"tools {key}",
            key=key,
            help=_OWN if len(talk.tools_at) == 1 else _BESIDE,
        )
    for call in unprinted_calls(row):
        key = next((part for part in reversed(call.at) if isinstance(part, str)), "")
        yield rule.problem(call.at, text="calls", once=f"calls {key}", key=key, help=cure(row))
