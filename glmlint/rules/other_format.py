"""The rows are in another trainer's format.

The official script reads `messages` with `role` and `content`. ShareGPT, Alpaca, prompt and
response have no `messages`: the trainer raises KeyError at the first row. OpenAI's form has, and
so it gets through in part: tool calls are left out, tool results are trained as text, lists of
content parts are printed as Python writes them. Told once a file and format, in place of a finding
a row.

Evidence: LLaMA-Factory #2529, #2381; fw-ai/cookbook #394.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.turns import content_of, fate, role_of
from glmlint.read.formats import TURN_KEYS
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

_NAMES: Final = {
    "sharegpt": ("ShareGPT (from and value)", "ShareGPT（from 和 value）"),
    "alpaca": ("Alpaca (instruction, input, output)", "Alpaca（instruction、input、output）"),
    "chatglm3": ("ChatGLM3 (conversations)", "ChatGLM3（conversations）"),
    "xtuner": ("XTuner (input and output)", "XTuner（input 和 output）"),
    "pairs": ("turns of a question and an answer", "由一问一答组成的轮次"),
    "prompt-response": ("question and answer columns", "问题列加回答列"),
    "prompt-only": ("prompts without answers", "只有提示、没有回答"),
    "preference": ("preference pairs (chosen and rejected)", "偏好数据（chosen 和 rejected）"),
    "messages-list": ("bare lists of messages", "不带外层对象的消息列表"),
    "text": ("plain text", "纯文本"),
}
"""Format, as `formats.recognise` names it -> how a sentence calls it."""

_RESULT_ROLES: Final = ("tool", "function")

_CONVERTED_ROLES: Final = ("tool_call", "tool_response", "function_call", "function_response")
"""Roles of ms-swift's own form, by either of its spellings."""

_CONVERT: Final = Text(
    "Run: glmlint convert {path} --to glm4 -o {out}",
    "运行：glmlint convert {path} --to glm4 -o {out}",
)

rule = Rule(
    name="other-format",
    family="structure",
    title_zh="数据是其他训练工具的格式",
    severity="error",
    when=Fact.ODD | Fact.KEYS,
    text=Text(
        "not GLM messages but {en} ({rows:row}): parts of them never reach the model",
        "不是 GLM 的 messages，而是 {zh}，共 {rows} 行：其中一部分内容不会进入训练",
    ),
    variants={
        "raises": Text(
            "not GLM messages but {en} ({rows:row}): the trainer raises {exception}",
            "不是 GLM 的 messages，而是 {zh}，共 {rows} 行：训练脚本抛出 {exception}",
        ),
        "nothing": Text(
            "not GLM messages but {en} ({rows:row}): nothing in them is trained",
            "不是 GLM 的 messages，而是 {zh}，共 {rows} 行：没有任何内容参与训练",
        ),
        "python": Text(
            "not GLM messages but {en} ({rows:row}): "
            "the prompt has lists of parts as Python prints them",
            "不是 GLM 的 messages，而是 {zh}，共 {rows} 行：提示里会出现 Python 打印出来的分段列表",
        ),
        "wrong": Text(
            "not GLM messages but {en} ({rows:row}): text that no assistant wrote is trained",
            "不是 GLM 的 messages，而是 {zh}，共 {rows} 行：并非 assistant 所写的文本参与了训练",
        ),
    },
    help=_CONVERT,
    bad=(
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"instruction": "翻译成英文", "input": "你好", "output": "Hello"},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {"prompt": "你好", "response": "你好！"},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "tool_call",
                    "content": '{"name": "weather", "arguments": {"city": "Rome"}}',
                },
                {"role": "tool_response", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {"massages": [{"role": "user", "content": "told by missing-messages"}]},
    ),
)

_OTHER_HELP: Final = {
    "preference": Text(
        "This trainer learns one answer. To take the chosen one, run: "
        "glmlint convert {path} --take chosen --to glm4 -o {out}",
        "这个训练脚本只学习一个回答。要取被选中的回答，请运行："
        "glmlint convert {path} --take chosen --to glm4 -o {out}",
    ),
    "text": Text(
        "This trainer learns answers to questions; plain text is for pre-training scripts.",
        "这个训练脚本学习的是问答；纯文本请用预训练脚本。",
    ),
    "prompt-only": Text(
        "Rows without an answer cannot be trained: add the answers.",
        "没有回答的数据无法训练：请补上回答。",
    ),
}


def check(row: Row) -> Iterator[Problem]:
    name = row.foreign
    if name is None:
        return
    severity, text = "warning", None
    # Where the form is read as such, it is not what the trainer stops at.
    raised = row.error is not None and name not in row.context.trainer.reads
    if raised:
        severity, text = "error", "raises"
    elif row.error is None and row.supervised == 0:
        severity, text = "error", "nothing"
    elif any(_trains_wrong(row, index) for index in range(len(row.messages))):
        severity, text = "error", "wrong"
    elif any(isinstance(content_of(message), list) for message in row.messages):
        text = "python"
    if name == "openai":
        en, zh = _openai_name(row)
    elif name == "swift":
        en, zh = _swift_name(row)
    else:
        en, zh = _NAMES.get(name, (name, name))
    yield rule.problem(
        text=text,
        severity=severity,
        once=f"{name} {severity}",
        raises=raised,
        trains=text == "wrong",
        help=_OTHER_HELP.get(name),
        en=en,
        zh=zh,
        exception=row.error.exception if row.error else "",
        path=quoted(row.path),
        out=quoted(converted(row.path)),
    )


def converted(path: str) -> str:
    """A name beside the file for its rows as GLM messages."""
    if path == "-":
        return "train.glm4.jsonl"
    return re.sub(r"(?i)(\.(jsonl|ndjson|json|parquet))?(\.(gz|zst))?$", "", path) + ".glm4.jsonl"


def quoted(path: str) -> str:
    """The path as a shell takes it for a file."""
    return shlex.quote(path if path == "-" or not path.startswith("-") else f"./{path}")


def _trains_wrong(row: Row, index: int) -> bool:
    """Whether the message is trained and is no text of an assistant's."""
    message = row.messages[index]
    if fate(row, index) != "trained":
        return False
    return role_of(message) != "assistant" or isinstance(content_of(message), list | dict)


def _openai_name(row: Row) -> tuple[str, str]:
    """OpenAI's form, and the signs by which this row is known for it."""
    turns = [turn for key in TURN_KEYS for turn in _turns(row.value.get(key))]
    signs = [
        (
            any(turn.get("tool_calls") or turn.get("function_call") for turn in turns),
            ("tool_calls", "tool_calls"),
        ),
        (
            any(turn.get("role") in _RESULT_ROLES for turn in turns),
            ("tool results", "tool 结果"),
        ),
        (
            any(isinstance(turn.get("content"), list) for turn in turns),
            ("content parts", "分段内容"),
        ),
        (
            bool(row.value.get("tools") or row.value.get("functions")),
            ("tools of the row", "行级 tools"),
        ),
    ]
    found = [words for holds, words in signs if holds]
    en = ", ".join(words[0] for words in found)
    zh = "、".join(words[1] for words in found)
    return (f"OpenAI ({en})", f"OpenAI（{zh}）") if found else ("OpenAI", "OpenAI")


def _swift_name(row: Row) -> tuple[str, str]:
    """ms-swift's form, and the roles by which this row is known for it."""
    turns = [turn for key in TURN_KEYS for turn in _turns(row.value.get(key))]
    said = {str(turn.get("role")).lower(): turn for turn in turns}
    roles = [role for role in _CONVERTED_ROLES if role in said]
    if roles:
        return (f"ms-swift (roles {', '.join(roles)})", f"ms-swift（角色 {'、'.join(roles)}）")
    return (
        "LLaMA-Factory (role function for a tool call)",
        "LLaMA-Factory（用角色 function 表示工具调用）",
    )


def _turns(value: Any) -> list[dict[str, Any]]:
    return [turn for turn in value if isinstance(turn, dict)] if isinstance(value, list) else []
