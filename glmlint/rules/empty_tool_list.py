"""A tool list without a tool, for which the trainer prints a heading all the same.

`"tools": []` looks like "no tools". But a template asks whether the key is there, not whether a
tool is in it: GLM-4's prints its heading of the tool list, 45 tokens, with nothing under it. The
model learns that tools are announced and none comes; at inference, without the key, the prompt is
a different one. An empty string is iterated over like an empty list; a blank one, and "[]" as
text, end the run of the official script.

Evidence: LLaMA-Factory #7547; exports that give every row the same keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import Declared, declared
from glmlint.evidence.teaching import prints_tools
from glmlint.finding import Pointer, place, value_at
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import NONE, Layout, shifted
from glmlint.trainer.mask import sequence

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "now",
        "description": "现在几点",
        "parameters": {"type": "object", "properties": {}},
    },
}


def _row(question: str, answer: str, **system: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "你是助手。", **system},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


rule = Rule(
    name="empty-tool-list",
    family="tools",
    title_zh="工具列表里没有工具，提示词里却会出现它的标题",
    doc_zh="""
    `"tools": []` 看起来像是“没有工具”。但模板判断的是这个键是否存在，而不是里面有没有工具：
    GLM-4 的模板会输出工具列表的标题，共 45 个 token，下面却什么也没有。模型学到的是“说有工具
    却没有工具”；推理时不带这个键，提示词又不一样了。空字符串会像空列表一样被遍历；只有空白的
    字符串，以及写成文本的“[]”，会让官方脚本的训练中止。

    依据：LLaMA-Factory #7547；给每一行写上相同的键的导出程序。
    """,
    severity="warning",
    when=Fact.LISTS | Fact.ODD,
    fix="safe",
    text=Text(
        "{where} is {what}: the prompt gets the heading of a tool list ({tokens:token}) without a tool "
        "({rows:row})",
        "{where} 是{what}：提示词里会出现工具列表的标题（{tokens} 个 token），却没有工具（共 {rows} 行）",
    ),
    variants={
        "around": Text(
            "{where} is {what}: the prompt gets the text that announces tools, and no tool ({rows:row})",
            "{where} 是{what}：提示词里会出现介绍工具的文字，却没有工具（共 {rows} 行）",
        ),
        "raises": Text(
            "{where} is {what}, not a list of tools: {trainer} raises {exception} here ({rows:row})",
            "{where} 是{what}，不是工具列表：{trainer}在此抛出 {exception}（共 {rows} 行）",
        ),
    },
    help=Text(
        "Leave the key out where there are no tools.",
        "没有工具时不要写这个键。",
    ),
    bad=(
        _row("今年几岁？", "我没有年龄。", tools=[]),
        _row("What day is it?", "I cannot know.", tools=""),
        _row("在吗？", "在的。", tools=" "),
    ),
    good=(
        _row("现在几点？", "我不知道。"),
        _row("What time is it?", "I do not know.", tools=[TOOL]),
    ),
)  # fmt: skip

_WHAT: Final = (
    (lambda value: isinstance(value, list), Text("an empty list", "空列表")),
    (lambda value: isinstance(value, dict), Text("an empty object", "空对象")),
    (lambda value: value == "", Text("an empty string", "空字符串")),
    (lambda value: not str(value).strip(), Text("a blank string", "只有空白的字符串")),
    (lambda _: True, Text("text without a tool", "不含工具的文本")),
)


def check(row: Row) -> Iterator[Problem]:
    for entry in declared(row):
        if not entry.tools.empty:
            continue
        value = value_at(row.value, entry.at)
        what = next(name for fits, name in _WHAT if fits(value))
        edits = () if row.conversation is not None else (Edit("remove", entry.at),)
        where = place(entry.at)
        if row.layout is None:
            if row.error is not None and _without(row, entry) is not None:
                yield rule.problem(
                    entry.at, text="raises", once=f"raises {what.en}", severity="error", raises=True,
                    edits=edits, where=where, what=what, exception=row.error.exception,
                )  # fmt: skip
        elif row.conversation is None and entry.message is not None:
            if prints_tools(row, entry.message):
                yield rule.problem(
                    entry.at, once=f"heading {what.en}", edits=edits, where=where, what=what,
                    tokens=_heading(row, row.layout, entry.message),
                )  # fmt: skip
        else:
            without = _without(row, entry)
            if without is not None and _ids(row, without) != _ids(row, row.layout):
                yield rule.problem(
                    entry.at, text="around", once=f"around {what.en}", where=where, what=what
                )


def _heading(row: Row, layout: Layout, message: int) -> int:
    """Tokens of what is printed for a message's tools: from its first system token to the next."""
    system = row.context.id("<|system|>")
    pieces = [
        piece
        for piece, owner in zip(layout.pieces, layout.owners, strict=True)
        if owner == message
    ]  # fmt: skip
    headers = [at for at, piece in enumerate(pieces) if piece == system]
    pieces = pieces[: headers[1]] if len(headers) > 1 else pieces
    return len(_ids(row, shifted(pieces, [NONE] * len(pieces), [message] * len(pieces))))


def _ids(row: Row, layout: Layout) -> list[int]:
    ids: list[int] = sequence(layout, row.context).input_ids.tolist()
    return ids


def _without(row: Row, entry: Declared) -> Layout | None:
    """The layout of the row without that tool list; None where the trainer still raises."""
    value: Any = row.value if row.loaded is None else row.loaded
    if not isinstance(value, dict) or value_at(value, entry.at[:-1]) is None:
        return None
    try:
        return row.context.trainer.lay_out(_removed(value, entry.at), row.context)
    except (TrainerError, Dropped):
        return None


def _removed(value: Any, at: Pointer) -> Any:
    """A JSON value without what is at that place; unchanged parts are shared."""
    first, *rest = at
    if not rest:
        return {key: item for key, item in value.items() if key != first}
    changed = _removed(value[first], tuple(rest))
    if isinstance(value, list):
        return [changed if place == first else item for place, item in enumerate(value)]
    return {**value, first: changed}
