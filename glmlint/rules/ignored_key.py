"""A key that nothing reads.

The official script reads `messages` of a row and `role`, `content`, `metadata` and `tools` of a
message. Any other key is dropped without a message, and its content never reaches the model: a
system prompt in its own column, a misspelled key, an image. Reported once per file and key.
Metadata (`id`, `source`, `label`, …) is no mistake and is not reported; any other column of the
row that does not look like text to train on is an info, since most are metadata too; keys that
other rules report are left to them.

Evidence: ms-swift drops such keys too; GLM-4's process_batch reads only `batch["messages"]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from glmlint.evidence.calls import Declared, declared
from glmlint.evidence.padded import padded
from glmlint.evidence.teaching import whole_text
from glmlint.evidence.turns import shown
from glmlint.finding import Pointer
from glmlint.read.sample import MESSAGE_KEYS, SILENT_KEYS
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, key_of
from glmlint.rules.ignored_loss_field import LOSS_FIELDS
from glmlint.text import LONGEST_NAME, nearest

rule = Rule(
    name="ignored-key",
    family="structure",
    title_zh="没有程序会读取的键",
    doc_zh="""
    官方脚本只读取一行的 `messages`，以及消息的 `role`、`content`、`metadata` 和 `tools`。其他
    键会被悄悄丢弃，内容到不了模型：单独一列的系统提示词、拼错的键、图像。每个文件、每个键只报
    告一次。附加信息（`id`、`source`、`label` 等）不是错误，不报告；行内其他看起来不像训练文本
    的列只作为提示，因为它们大多也是附加信息；其他规则负责的键由那些规则报告。

    依据：ms-swift 同样会丢弃这些键；GLM-4 的 process_batch 只读取 `batch["messages"]`。
    """,
    severity="warning",
    when=Fact.KEYS,
    text=Text(
        "nothing reads the key {key}{in_en} ({rows:row}): its content is not trained",
        "没有程序读取{in_zh}键 {key}（共 {rows} 行）：其内容不会进入训练",
    ),
    variants={
        "image": Text(
            "nothing reads the key {key}{in_en} ({rows:row}): this recipe trains only on text, "
            "and the model does not see it",
            "没有程序读取{in_zh}键 {key}（共 {rows} 行）：这个配方只训练文本，模型看不到它",
        ),
        "system": Text(
            "nothing reads the key {key}{in_en} ({rows:row}): the system prompt in it is not used",
            "没有程序读取{in_zh}键 {key}（共 {rows} 行）：其中的系统提示词不会生效",
        ),
    },
    help=Text(
        "Delete the key, or move its text into a message.",
        "删除这个键，或把内容写进某条消息。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello", "reasoning": "A greeting."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "好"},
            ],
            "lable": "问候",
        },
        {
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ],
        },
        {
            "messages": [
                {"role": "user", "content": "图里有什么？", "image": "猫.jpg"},
                {"role": "assistant", "content": "一只猫。"},
            ]
        },
    ),
    good=(
        {
            "id": 7,
            "source": "人工",
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "好"},
            ],
            "label": "问候",
        },
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello", "loss": True},
            ]
        },
    ),
)

_TOOL_KEYS: Final = ("tools", "functions", "tool_calls", "function_call", "tool_call_id")
_OTHER_RULES: Final = frozenset((*LOSS_FIELDS, *_TOOL_KEYS, "reasoning_content"))
"""Keys that other rules report."""

_ROW_NAMES: Final = ("messages", "tools", "label", "source", "id")
_MESSAGE_NAMES: Final = (*sorted(MESSAGE_KEYS), "tool_calls", "reasoning_content", "loss", "weight")
"""Names that a misspelled key may stand for."""

_IMAGES: Final = frozenset(
    ("image", "images", "image_path", "img", "video", "videos", "audio", "audios")
)

_COLUMNS: Final = frozenset(
    ("prompt", "input", "output", "response", "answer", "question", "query", "completion", "text",
     "context", "history", "knowledge", "reasoning", "thinking", "thought", "think", "chosen")
)  # fmt: skip
"""Columns of other formats whose text may be meant to be trained on."""

_MOST_NEAR: Final = 100
"""Keys of a row for which a name like it is looked for."""

_NEAR: Final = Text("Did you mean {near}?", "是否想写 {near}？")
_VISION: Final = Text(
    "Train images with the vision script (finetune_vision.py); drop the row or the key here.",
    "图像要用视觉微调脚本（finetune_vision.py）训练；这里删除该行或该键。",
)
_FIRST: Final = Text(
    "{trainer} reads one image per row: its path, under image of the first message.",
    "{trainer}每行只读取一张图像：路径写在第一条消息的 image 键下。",
)
_OTHER_VISION: Final = Text(
    "Train images with a vision model and its template; drop the row or the key here.",
    "图像要用视觉模型及其模板训练；这里删除该行或该键。",
)
_SYSTEM: Final = Text(
    "Write it as the first message, with the role system.",
    "写成第一条消息，role 为 system。",
)


def check(row: Row) -> Iterator[Problem]:
    if row.foreign:
        return
    if row.conversation is not None:
        yield from _in_other_forms(row)
        return
    told: set[str] = set()
    reads_image = "image" in row.context.trainer.message_keys
    if row.beside is not None:  # its messages have no key that nothing reads
        owner = {**row.beside, "messages": None}
        for key in row.beside:
            yield from _told(row, (), key, owner, told, reads_image=reads_image)
        return
    if not row.messages:
        return
    for key in row.value:
        if key == "tools" and any(_is_no_list(entry) for entry in declared(row)):
            yield rule.problem(
                (key,), once="row tools", key='"tools"', near="", in_en="", in_zh="",
                part=key_of(row, (key,)),
            )  # fmt: skip
        yield from _told(row, (), key, row.value, told, reads_image=reads_image)
    for index, message in row.good_messages:
        for key in message:
            if key in row.context.trainer.message_keys:
                continue  # another rule reports it
            if ("messages", index, key) not in padded(row):
                yield from _told(
                    row, ("messages", index), key, message, told, reads_image=reads_image
                )


def _in_other_forms(row: Row) -> Iterator[Problem]:
    """Images and system prompts that a trainer of another format than GLM's does not read; its other
    keys are not checked."""
    assert row.conversation is not None
    if row.layout is None:
        return
    named = getattr(row.context.options, "columns", None) or {}
    for key in row.conversation.unread:
        if (
            key.lower() in _IMAGES
            and key not in named.values()
            and row.value.get(key) not in (None, "", [])
        ):
            yield rule.problem(
                (key,), text="image", help=_OTHER_VISION, once=f"row {key}", key=f'"{shown(key)}"',
                part=key_of(row, (key,)), near="", in_en="", in_zh="",
            )  # fmt: skip
    for key in _SYSTEM_KEYS:
        text = row.value.get(key)
        if isinstance(text, str) and text.strip() and text.strip() not in whole_text(row):
            yield rule.problem(
                (key,), text="system", help=_SYSTEM, once=f"row {key}", key=f'"{shown(key)}"',
                part=key_of(row, (key,)), near="", in_en="", in_zh="",
            )  # fmt: skip


_SYSTEM_KEYS: Final = ("system", "system_prompt")


def _is_no_list(entry: Declared) -> bool:
    """Whether it is the row's own `tools` without a tool: `tools-placement` does not report it."""
    return entry.message is None and not entry.tools.tools


_nearest: Final = lru_cache(1024)(nearest)
"""Rows of a file mostly have the same keys."""


def _told(
    row: Row, at: Pointer, key: str, owner: dict[str, Any], told: set[str], *, reads_image: bool
) -> Iterator[Problem]:
    known = MESSAGE_KEYS | SILENT_KEYS if at else SILENT_KEYS
    once = f"{'message' if at else 'row'} {key}"
    if key in known or key in _OTHER_RULES or once in told:
        return
    told.add(once)
    names = _MESSAGE_NAMES if at else _ROW_NAMES
    look = _nearest if len(key) <= LONGEST_NAME else nearest
    near = look(key, names) if len(told) < _MOST_NEAR else None
    text, help_, severity = None, None, None
    if key.lower() in _IMAGES:
        text, help_ = (None, _FIRST) if reads_image else ("image", _VISION)
    elif not at and key.lower() in ("system", "system_prompt", "instruction"):
        text, help_ = "system", _SYSTEM
    elif near and near not in owner:
        help_ = _NEAR
    elif not at and key.lower() not in _COLUMNS:
        severity = "info"
    yield rule.problem(
        (*at, key),
        text=text,
        help=help_,
        severity=severity,
        once=once,
        key=f'"{shown(key)}"',
        near=near or "",
        in_en=" of messages" if at else "",
        in_zh="消息中的" if at else "",
        part=key_of(row, (*at, key)),
    )
