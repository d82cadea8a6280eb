"""A role that GLM-4 does not have.

What happens depends on the script. In the current one only system, user and observation are masked,
so a message of any other role is trained, printed as plain text with `<|tool|>` before it instead
of a role token. With `combine: true` it is context in the same wrong form. The script of June 2024
raises AssertionError.

Where the message is a tool call (a name and arguments as JSON, under `function`, `function_call` or
`tool_call`), `--fix` rewrites it in GLM's form: the name to `metadata`, the arguments to `content`.

Evidence: LLaMA-Factory #9550, #3535 (role function for a call); recipes.md, sections 0.4 and 2.1
(run against the script); mistral-finetune raises at such rows too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.turns import fate, shown
from glmlint.read.formats import role_in
from glmlint.read.sample import ROLES
from glmlint.read.spoken import spoken
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.other_format import converted, quoted
from glmlint.text import nearest

rule = Rule(
    name="unknown-role",
    family="structure",
    form="glm",
    title_zh="GLM-4 没有的角色",
    doc_zh="""
    结果取决于脚本。当前版本只屏蔽 system、user 和 observation，所以其他角色的消息都参与训练，并且输
    出为普通文本，前面是 `<|tool|>` 这样的文本而不是角色标记。在 `combine: true` 下，它以同样错误的
    形式成为上文。2024 年 6 月的脚本抛出 AssertionError。

    如果消息是工具调用（以 JSON 写的名称和参数，角色为 `function`、`function_call` 或
    `tool_call`），`--fix` 会改成 GLM 的形式：名称写进 `metadata`，参数写进 `content`。

    依据：LLaMA-Factory #9550、#3535（用角色 function 表示调用）；recipes.md 第 0.4、2.1 节（在该脚
    本上实际运行）；mistral-finetune 遇到这样的行也会报错。
    """,
    severity="error",
    after=("openai-tool-calls",),
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "messages[{index}].role is {role}, which GLM-4 does not have: printed as plain text",
        "messages[{index}].role 是 {role}，GLM-4 没有这个角色：会当作普通文本输出",
    ),
    variants={
        "raises": Text(
            "messages[{index}].role is {role}, which GLM-4 does not have: the trainer raises "
            "{exception}",
            "messages[{index}].role 是 {role}，GLM-4 没有这个角色：训练框架会抛出 {exception}",
        ),
        "trained": Text(
            "messages[{index}].role is {role}, which GLM-4 does not have: printed as plain "
            "text and trained",
            "messages[{index}].role 是 {role}，GLM-4 没有这个角色：会当作普通文本输出，并且参与训"
            "练",
        ),
        "unseen": Text(
            "messages[{index}].role is {role}, which GLM-4 does not have",
            "messages[{index}].role 是 {role}，GLM-4 没有这个角色",
        ),
    },
    help=Text(
        "Use one of system, user, assistant, observation.",
        "请使用 system、user、assistant、observation 之一。",
    ),
    bad=(
        {"messages": [{"role": "human", "content": "Hi"}, {"role": "gpt", "content": "Hello"}]},
        {"messages": [{"role": "用户", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {"messages": [{"role": "User", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]},
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "bot", "content": "你好！"},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
        {"messages": [{"role": None, "content": "Hi"}, {"role": "assistant", "content": "Yo"}]},
        {
            "messages": [
                {"role": "user", "content": "罗马天气？"},
                {
                    "role": "function",
                    "content": '{"name": "weather", "arguments": {"city": "罗马"}}',
                },
                {"role": "observation", "content": "22"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "human or gpt?"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)

_MEANT: Final = Text("Did you mean {known}?", "是否想写 {known}？")

_FORM: Final = Text(
    "Did you mean {known}? {form} uses this role; for a whole file in that form, run: glmlint "
    "convert {path} --to glm4 -o {out}",
    "是否想写 {known}？{form}使用这个角色；如果整个文件都是这种格式，请运行：glmlint convert "
    "{path} --to glm4 -o {out}",
)

_CALL: Final = Text(
    "In {form} this is a tool call. In GLM-4: an assistant message with the name in `metadata` "
    "and the arguments as content; for a whole file, run: glmlint convert {path} --to glm4 -o "
    "{out}",
    "这是 {form}的工具调用写法。GLM-4 的写法：一条 assistant 消息，函数名放在 `metadata`，参数作"
    "为 content；整个文件请运行：glmlint convert {path} --to glm4 -o {out}",
)

_FORMS: Final = {
    **dict.fromkeys(("human", "gpt"), "ShareGPT"),
    **dict.fromkeys(("tool_call", "tool_response", "function_response"), "ms-swift"),
    **dict.fromkeys(("function_call", "observations"), "LLaMA-Factory"),
    **dict.fromkeys(("tool", "developer"), "OpenAI"),
    "prompter": "OpenAssistant",
    "model": "Gemma",
    "ipython": "Llama 3",
    "tool_use": "Anthropic",
}
"""Role -> whose form has it."""


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    for index, message in row.good_messages:
        if "role" not in message or _known(message["role"]):
            continue
        role = message["role"]
        at = ("messages", index, "role")
        if (
            role in ("tool", "function") and at in row.said.places
        ):  # `openai-tool-calls` has said it
            continue
        meant, form, edits = _meant(row, index, message)
        text: str | None = None
        severity = "error"
        match fate(row, index):
            case "raises":
                text = "raises"
            case "trained":
                text = "trained"
            case "printed":
                severity = "warning"
            case _:
                text, severity = "unseen", "warning"
        help_ = None if meant is None else _MEANT
        if form is not None:
            help_ = _CALL if meant == "call" else _FORM
        yield rule.problem(
            at,
            text=text,
            severity=severity,
            raises=text == "raises",
            trains=text == "trained",
            help=help_,
            edits=edits,
            index=index,
            role=shown(json.dumps(role, ensure_ascii=False)),
            known=meant,
            form=form,
            path=quoted(row.path),
            out=quoted(converted(row.path)),
            exception=row.error.exception if row.error else "",
        )


def _known(role: Any) -> bool:
    return isinstance(role, str) and role in ROLES


def _meant(
    row: Row, index: int, message: dict[str, Any]
) -> tuple[str | None, Text | None, tuple[Edit, ...]]:
    """The intended role ("call" for a tool call), whose form it is, and the repair if it is certain."""
    role = message["role"]
    if not isinstance(role, str):
        return None, None, ()
    name = role.strip().lower()
    means = role_in(message)
    if means is None:
        return nearest(name, ROLES), None, ()
    form = _FORMS.get(name)
    told = None if form is None else Text(form, form + " ")
    if means == "call":
        told = told or Text("LLaMA-Factory", "LLaMA-Factory ")
        return "call", told, _as_call(row, index, message)
    return means, told, (Edit("replace", ("messages", index, "role"), means),)


def _as_call(row: Row, index: int, message: dict[str, Any]) -> tuple[Edit, ...]:
    """Edits that make the message GLM's call; none where something would be lost or separated."""
    said = spoken(message.get("content"))
    if said is None or len(said.calls) > 1 or message.get("metadata") not in (None, ""):
        return ()
    beside = row.messages[max(index - 1, 0) : index + 2 : 2] if index else row.messages[1:2]
    if any(isinstance(other, dict) and role_in(other) == "call" for other in beside):
        return ()  # calls at once: their results have to be moved, which `convert` does
    [call] = said.calls
    if not call.whole or call.id is not None:
        return ()
    at = ("messages", index)
    edits = [
        Edit("replace", (*at, "role"), "assistant"),
        Edit("add", (*at, "metadata"), call.name),
        Edit("replace", (*at, "content"), call.arguments or "{}"),
    ]
    if said.before:
        edits.append(Edit("add", at, {"role": "assistant", "content": said.before}))
    return tuple(edits)
