"""A message, or the calls of one, of which the chat template prints nothing.

A template prints the roles and keys that it knows. GLM-4.5's and later ones know system, user,
assistant and tool, and of a call `tool_calls` alone: an `observation`, a `developer`, a `function_call`
stand in the row and reach no model, and nothing raises. What follows is then trained as if they had
never been said. Found by rendering: nothing is laid out for the message. Told once a file and role.

Evidence: the published templates of GLM-4.5, 4.6 and 4.7-Flash, GLM-4-0414 and GLM-Z1.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.printing import tools_unprinted, unprinted_calls, unprinted_turns
from glmlint.evidence.turns import shown
from glmlint.finding import value_at
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.other_format import cure

_GLM45 = {"recipe": "template", "tokenizer": "glm4.5", "template": "GLM-4.5"}

rule = Rule(
    name="message-not-printed",
    family="mask",
    title_zh="模板完全不输出的消息，或其中的工具调用",
    severity="error",
    when=Fact.LABELS,
    text=Text(
        "in {rows:row}, nothing of a message of the role {role!r} is printed with this template: what it "
        "says never reaches the model",
        "有 {rows} 行，其中角色为 {role!r} 的消息在当前模板下完全不会输出：其内容不会进入训练",
    ),
    variants={
        "calls": Text(
            "calls under `{key}` are not printed with this template ({rows:row}): the model sees no call",
            "在当前模板下，`{key}` 中的调用不会输出（共 {rows} 行）：模型看不到任何调用",
        ),
        "tools": Text(
            "the tool list at {key} is not printed with this template ({rows:row}): the model sees no tool",
            "在当前模板下，{key} 处的工具列表不会输出（共 {rows} 行）：模型看不到任何工具",
        ),
    },
    help=Text(
        "Give it a role that is printed here, or write its text into a message that is.",
        "请改用这里会输出的角色，或把内容写进会输出的消息。",
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
"""Roles that `glmlint convert` knows: it writes their messages in the form that is read."""


_BESIDE = Text(
    "If this template prints tools at all, it takes them from the row's own `tools`: move the list there "
    "(`glmlint convert --to glm4.5` does), or take a template that prints tools of messages.",
    "如果该模板会输出工具，也只从行级 `tools` 读取：请把列表移到那里（`glmlint convert --to glm4.5` 会这样写），"
    "或改用会输出消息级 tools 的模板。",
)
_OWN = Text(
    "Take a template that prints a row's `tools`; or write the list into a message, where one prints it.",
    "请改用会输出行级 `tools` 的模板；若模板读取消息级 tools，则把列表写进消息。",
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
