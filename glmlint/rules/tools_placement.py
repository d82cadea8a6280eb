"""`tools` are on a message other than the system message, or at the top of the row.

The official script deletes `tools` from every message but the system message, and reads nothing of
a row but its `messages`: the tools silently disappear, and the model learns to call tools that it
was never shown. With `combine: true` the template prints the tools of any message at the place of
that message, which is not where the model expects them.

Evidence: fw-ai/cookbook #442; process_message in finetune.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from glmlint.evidence.calls import Declared, declared, decode_whole, foreign, turns
from glmlint.evidence.teaching import prints_tools
from glmlint.finding import place
from glmlint.read.formats import ROLE_ALIASES
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.tool_shape import repaired

rule = Rule(
    name="tools-placement",
    family="tools",
    form="glm",
    title_zh="`tools` 写在了 system 以外的消息上，或写在了行的顶层",
    doc_zh="""
    官方脚本会删除 system 以外所有消息上的 `tools`，而且只读取一行中的 `messages`：工具会静默消失，
    模型会学着调用从未见过的工具。在 `combine: true` 下，模板会在每条消息所在的位置输出它的工具，那
    不是模型所熟悉的位置。

    依据：fw-ai/cookbook #442；finetune.py 中的 process_message。
    """,
    severity="error",
    when=Fact.LISTS,
    fix="safe",
    text=Text(
        "{place}: the trainer deletes tools that are not on the system message, the model does not "
        "see them",
        "{place}：训练框架会删除不在 system 消息上的 tools，模型看不到这些工具",
    ),
    variants={
        "row": Text(
            "`tools` at the top of the row is ignored: the model does not see the tools",
            "这一行顶层的 `tools` 会被忽略：模型看不到这些工具",
        ),
        "shown": Text(
            "{place}: the tools are printed in mid-conversation, where the model does not expect "
            "them; `combine: false` deletes them",
            "{place}：工具会出现在对话中间，而模型只见过它们在开头；`combine: false` 会将其删除",
        ),
    },
    help=Text(
        "Move `tools` to the system message at the start; `--fix` does it.",
        "把 `tools` 移到开头的 system 消息上；`--fix` 会这样做。",
    ),
    bad=(
        {
            "messages": [
                {
                    "role": "user",
                    "content": "What time is it?",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "now",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "assistant", "metadata": "now", "content": "{}"},
                {"role": "observation", "content": "12:00"},
                {"role": "assistant", "content": "Noon."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "现在几点？"},
                {"role": "assistant", "metadata": "now", "content": "{}"},
                {"role": "observation", "content": "12:00"},
                {"role": "assistant", "content": "中午。"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "now",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
        },
        Example(
            rows=(
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": "现在几点？",
                            "tools": [
                                {
                                    "type": "function",
                                    "function": {
                                        "name": "now",
                                        "parameters": {"type": "object", "properties": {}},
                                    },
                                }
                            ],
                        },
                        {"role": "assistant", "content": "中午。"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine"},
        ),
    ),
    good=(
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "now",
                                "description": "现在几点",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "现在几点？"},
                {"role": "assistant", "content": "中午。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Hi", "tools": []},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    lists = declared(row)
    if all(_in_place(entry) for entry in lists):
        return
    if foreign(row):
        return
    shown_names = {
        name for entry in lists if entry.role == "system" for name in entry.tools.by_name
    }
    edits = _moved(row, lists)
    for entry in lists:
        if _in_place(entry):
            continue
        if entry.message is None:
            names = entry.tools.by_name.keys()
            if not names or not names <= shown_names:
                yield rule.problem(entry.at, text="row", edits=edits)
                edits = ()
            continue
        shown = prints_tools(row, entry.message)
        yield rule.problem(
            entry.at,
            text="shown" if shown else None,
            severity="warning" if shown else None,
            edits=edits,
            place=place(entry.at),
        )
        edits = ()  # the first problem's edits move all of them


def _in_place(entry: Declared) -> bool:
    if entry.role == "system" or not entry.tools.tools:
        return True
    return isinstance(entry.role, str) and ROLE_ALIASES.get(entry.role.lower()) == "system"


def _moved(row: Row, lists: list[Declared]) -> tuple[Edit, ...]:
    """Edits that remove every misplaced list and put its tools on the system message."""
    system = next((turn for turn in turns(row) if turn.role == "system"), None)
    tools: list[Any] = []
    if system is not None and system.tools is not None:
        home = next((entry for entry in lists if entry.message == system.message), None)
        if home is not None:
            if home.tools.in_string or not isinstance(home.tools.value, list):
                return ()
            tools += home.tools.value
    seen = {_identity(tool) for tool in tools}
    edits = []
    for entry in lists:
        if _in_place(entry):
            continue
        if not _readable(row, entry):
            return ()
        for tool in entry.tools.tools:
            if tool.fault is not None and repaired(tool.value) is None:
                return ()  # on the system message the trainer would read it, and raise
            if (identity := _identity(tool.value)) not in seen:
                seen.add(identity)
                tools.append(tool.value)
        edits.append(Edit("remove", entry.at))
    if not all(isinstance(tool, dict) for tool in tools):
        return ()
    if system is not None:
        edits.append(Edit("add", ("messages", system.message, "tools"), tools))
    else:
        start = {"role": "system", "content": "", "tools": tools}
        edits.append(Edit("add", ("messages", 0), start))
    return tuple(edits)


def _readable(row: Row, entry: Declared) -> bool:
    """Whether what the list has as JSON text can be written as JSON itself with nothing lost."""
    holder = row.value if entry.message is None else row.messages[entry.message]
    written = holder["tools"]
    if isinstance(written, str):
        written = decode_whole(written)
    entries = written if isinstance(written, list) else [written]
    return all(
        (decode_whole(part) if isinstance(part, str) else part) is not UNSET for part in entries
    )


def _identity(tool: Any) -> str:
    return json.dumps(tool, sort_keys=True)
