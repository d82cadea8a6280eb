"""A role that GLM-4 does not have.

What happens depends on the script. At HEAD the role is masked only if it is system, user or
observation, and so a message of any other role is trained, printed as plain text with `<|tool|>`
before it in place of a role token. With `combine: true` it is context in the same wrong form. The
script of June 2024 raises AssertionError.

Evidence: recipes.md, sections 0.4 and 2.1 (run against the script); mistral-finetune stops at such
rows too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from glmlint.evidence.turns import fate, shown
from glmlint.read.formats import ROLE_ALIASES
from glmlint.read.sample import ROLES
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="unknown-role",
    family="structure",
    form="glm",
    title_zh="GLM-4 没有的角色",
    severity="error",
    after=("openai-tool-calls",),
    when=Fact.ODD,
    fix="safe",
    text=Text(
        "messages[{index}] has the role {role}, which GLM-4 has not: it is printed as plain text",
        "messages[{index}] 的角色是 {role}，GLM-4 没有这个角色：会当作普通文本输出",
    ),
    variants={
        "raises": Text(
            "messages[{index}] has the role {role}, which GLM-4 has not: "
            "the trainer raises {exception}",
            "messages[{index}] 的角色是 {role}，GLM-4 没有这个角色：训练脚本抛出 {exception}",
        ),
        "trained": Text(
            "messages[{index}] has the role {role}, which GLM-4 has not: "
            "it is printed as plain text, and trained",
            "messages[{index}] 的角色是 {role}，GLM-4 没有这个角色：会当作普通文本输出，并且参与训练",
        ),
        "unseen": Text(
            "messages[{index}] has the role {role}, which GLM-4 has not",
            "messages[{index}] 的角色是 {role}，GLM-4 没有这个角色",
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
        meant, sure = _meant(role)
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
        yield rule.problem(
            at,
            text=text,
            severity=severity,
            raises=text == "raises",
            trains=text == "trained",
            help=_MEANT if meant else None,
            edits=(Edit("replace", at, meant),) if sure else (),
            index=index,
            role=shown(json.dumps(role, ensure_ascii=False)),
            known=meant,
            exception=row.error.exception if row.error else "",
        )


def _known(role: Any) -> bool:
    return isinstance(role, str) and role in ROLES


def _meant(role: Any) -> tuple[str | None, bool]:
    """The role that is meant, and whether it is sure: another trainer's name for it, or its case."""
    if not isinstance(role, str):
        return None, False
    name = role.strip().lower()
    alias = ROLE_ALIASES.get(name)
    if alias is not None:
        return (alias, True) if alias in ROLES else ("assistant", False)
    close = get_close_matches(name, ROLES, 1, 0.7)
    return (close[0], False) if close else (None, False)
