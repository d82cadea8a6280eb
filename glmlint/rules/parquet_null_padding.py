"""In Parquet, every call and tool gets the keys of all others, and the template prints the nulls.

A table gives all objects at one place the same keys, null where they had none. So every call of a
file gets the arguments of every other call, and every tool the properties of every other tool.
GLM-4.5's template prints an argument that is null as `null`, and the model learns to write it. A
column that a row does not have is null there as well, and since NA in pandas is not None, verl
raises at such a list of tools. It is reported once per file, for rows that are written from JSON to
Parquet because the trainer reads nothing else; nulls that are already in a Parquet file are
reported by `null-padding`.

Evidence: pyarrow 26.0.1 and pandas 3.1.1 as verl 0.9.1 reads them; ms-swift #6467, #10110 for the
same nulls by way of `datasets`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.finding import Pointer, value_at
from glmlint.loader import as_table
from glmlint.rules.base import Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.errors import Dropped, TrainerError


def _calling(question: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {"type": "function", "function": {"name": "weather", "arguments": one}} for one in arguments
    ]
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "", "tool_calls": calls},
        ]
    }


_PLAN = {"recipe": "verl", "template": "GLM-4.5"}

rule = Rule(
    name="parquet-null-padding",
    family="loader",
    title_zh="写成 Parquet 后，每个调用和工具都会带上其他调用和工具的键，值为 null",
    doc_zh="""
    数据表让同一位置的所有对象键都相同，没有的补 null。因此文件里每个调用都会得到其他所有调用的参
    数，每个工具都会得到其他所有工具的属性。GLM-4.5 的模板把值为 null 的参数输出为 `null`，模型会学
    着写出它。某一行没有的列在这一行也为 null；pandas 的 NA 不是 None，所以 verl 遇到这样的工具列表
    会报错。每个文件只报告一次，针对因训练框架只读 Parquet 而从 JSON 转写的行；Parquet 文件里已有的
    null 由 `null-padding` 报告。

    依据：verl 0.9.1 使用 pyarrow 26.0.1 和 pandas 3.1.1 读取的结果；经由 `datasets` 产生的同样的
    null 见 ms-swift #6467、#10110。
    """,
    severity="error",
    applies=lambda recipe, _: recipe.through_parquet,
    when=Fact.LOADED | Fact.KEYS | Fact.RAISES,
    text=Text(
        "{trainer} reads Parquet, where calls and tools get each other's keys as null ({keys}): "
        "the template prints them ({rows:row})",
        "{trainer}读取的是 Parquet，其中各调用和工具会互相补上对方的键，值为 null（{keys}）：模板"
        "会输出它们（共 {rows} 行）",
    ),
    variants={
        "column": Text(
            "{trainer} reads Parquet, where this row gets the column `{key}` of other rows as "
            "null, and raises {exception} ({rows:row})",
            "{trainer}读取的是 Parquet，其他行的 `{key}` 列在这一行为 null，因此抛出 {exception}"
            "（共 {rows} 行）",
        ),
    },
    help=Text(
        "Give all calls the same arguments, or train with a data set class of your own that "
        "removes the nulls.",
        "让所有调用的参数键一致，或在训练时使用自己的数据集类去掉这些 null。",
    ),
    bad=(
        Example(rows=(_calling("Weather?", {"city": "Paris"}, {"days": 3}),), plan=_PLAN),
        Example(rows=(_calling("天气怎么样？", {"城市": "北京"}, {"天数": 3}),), plan=_PLAN),
    ),
    good=(
        Example(rows=(_calling("Weather?", {"city": "Paris"}, {"city": "Rome"}),), plan=_PLAN),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "你好"},
                        {"role": "assistant", "content": "好", "reasoning_content": "打招呼"},
                    ]
                },
            ),
            plan=_PLAN,
        ),
    ),
)

_GIVE_ALL = Text(
    "Give every row the column: an empty list where there are no tools.",
    "让每一行都有这一列：没有工具时写空列表。",
)


def check(row: Row) -> Iterator[Problem]:
    value = row.value
    if not isinstance(value, dict):
        return
    handed = as_table(value if row.loaded is None else row.loaded)
    if row.error is not None and row.layout is None:
        if (key := _column(value, handed, row)) is not None:
            yield rule.problem(
                (), text="column", once=f"column {key}", raises=True, help=_GIVE_ALL,
                key=key, exception=row.error.exception,
            )  # fmt: skip
        return
    added = list(_added(value, handed, ()))
    names = {str(at[-1]): None for at in added if "arguments" in at or "properties" in at}
    if names and _printed(value, row) != _printed(handed, row):
        told = [f"`{name}`" for name in list(names)[:3]]
        yield rule.problem(
            row.turns_at,
            once="keys",
            keys=", ".join(told) + (", …" if len(names) > len(told) else ""),
        )


def _column(value: dict[str, Any], handed: dict[str, Any], row: Row) -> str | None:
    """The column that other rows have, without which the trainer would not raise."""
    for key in handed.keys() - value.keys():
        try:
            without = {name: item for name, item in handed.items() if name != key}
            row.context.trainer.lay_out(without, row.context)
        except (TrainerError, Dropped):
            continue
        return key
    return None


def _added(value: Any, handed: Any, at: Pointer) -> Iterator[Pointer]:
    """Where a null was put in."""
    if isinstance(value, dict) and isinstance(handed, dict):
        for key, item in handed.items():
            if key not in value:
                yield (*at, key)
            else:
                yield from _added(value[key], item, (*at, key))
    elif isinstance(value, list) and isinstance(handed, list):
        for index, (one, other) in enumerate(zip(value, handed, strict=True)):
            yield from _added(one, other, (*at, index))


def _printed(value: dict[str, Any], row: Row) -> str | None:
    """What the template prints of a row's messages and tools."""
    turns = value_at(value, row.turns_at)
    conversation = row.conversation
    tools_at = conversation.tools_at if conversation is not None else None
    names = {} if tools_at is None else {"tools": value_at(value, tools_at)}
    try:
        return row.context.template.render(turns, **names)
    except Exception:  # whatever the template raises on these messages
        return None
