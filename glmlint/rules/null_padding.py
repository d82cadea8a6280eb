"""Messages carry each other's keys as null: the file was written from a table.

`Dataset.to_json`, `Dataset.to_parquet` and pandas write rows this way, since a table gives all
messages the same keys and all tools the same properties: `"metadata": null`, `"tools": null`, and
in each tool the parameters of all other tools as null. It is reported once per file, instead of
once per null. Which of these nulls are printed depends on the versions: transformers below 5.24
prints the word None for `metadata: null`, and every version prints the nulls in tool lists. (The
official script leaves out those directly under `properties`, and prints all others.)

`--fix` removes all of them, but keeps a null that may be intended:
- a null in a list (`"enum": ["a", null]`), and a key that is null everywhere in the file;
- `default`, `const` and `examples` of a schema, unless the file shows that a table wrote them: all
  objects at one place have the same keys, and whole properties are null;
- an argument that its function requires, or that may be null by its schema; without a schema, an
  argument that has a value in another call of the same function. (GLM's own calls are text, so a
  table does not pad them.)

`--fix` does not change Parquet files; `glmlint convert` reads them and writes rows without the
padding.

Evidence: files written with datasets 4.0.0 and 5.2.0; 20 rows with tools gave 272 findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.padded import padding
from glmlint.evidence.targets import target
from glmlint.finding import Pointer
from glmlint.read.nulls import without
from glmlint.read.padding import row_padding
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.other_format import converted, quoted
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import Encoded, Layout

_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "查询天气",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "expression": None},
            "required": None,
        },
    },
}


def _row(tools: list[Any] | None) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "你是助手。", "tools": tools, "metadata": None},
            {"role": "user", "content": "你好", "tools": None, "metadata": None},
            {"role": "assistant", "content": "你好！", "tools": None, "metadata": None},
        ]
    }


rule = Rule(
    name="null-padding",
    family="structure",
    title_zh="每条消息都带有其他消息的键，值为 null：文件是从数据表写出的",
    doc_zh="""
    `Dataset.to_json`、`Dataset.to_parquet` 和 pandas 会这样写，因为数据表让所有消息的键相同、所有工
    具的属性相同：`"metadata": null`、`"tools": null`，每个工具里还有其他所有工具的参数，值都是
    null。每个文件只报告一次，而不是每个 null 报告一次。哪些 null 会输出取决于版本：5.24 之前的
    transformers 会把 `metadata: null` 输出为单词 None，而工具列表里的 null 在所有版本中都会输出（官
    方脚本会去掉直接位于 `properties` 下的 null，其余照常输出）。

    `--fix` 会去掉所有这些 null，但保留可能有意写下的：
    - 列表中的 null（`"enum": ["a", null]`），以及在整个文件中始终为 null 的键；
    - schema 中的 `default`、`const` 和 `examples`，除非能从文件看出它们是数据表写出的：同一位置的所
      有对象键都相同，而且整个属性为 null；
    - 函数必需的参数，或按 schema 可以为 null 的参数；没有 schema 时，在同一函数的其他调用中有值的参
      数（GLM 自己的调用是文本，数据表不会补键）。

    `--fix` 不修改 Parquet 文件；`glmlint convert` 可以读取它们，并写出不带这些 null 的行。

    依据：用 datasets 4.0.0 和 5.2.0 写出的文件；20 行带工具的数据曾给出 272 条问题。
    """,
    severity="warning",
    when=Fact.NULLS,
    fix="safe",
    text=Text(
        "messages carry each other's keys as null, as Dataset.to_json writes them ({rows:row}): "
        "not printed with these versions",
        "消息里补有其他消息的键，值为 null（Dataset.to_json 的写法，共 {rows} 行）：按这里采用的版"
        "本不会输出",
    ),
    variants={
        "printed": Text(
            "messages and tools carry each other's keys as null, as Dataset.to_json writes them "
            "({rows:row}): some of these nulls are printed",
            "消息和工具里补有彼此的键，值为 null（Dataset.to_json 的写法，共 {rows} 行）：其中一部"
            "分 null 会输出到提示词里",
        ),
        "unlabelled": Text(
            "messages carry each other's keys as null, as Dataset.to_json writes them "
            "({rows:row}): {trainer} takes some for a switch and does not train those messages",
            "消息里补有其他消息的键，值为 null（Dataset.to_json 的写法，共 {rows} 行）：{trainer}"
            "会把其中一些当作开关，不训练这些消息",
        ),
        "foreign": Text(
            "messages, tools and calls carry each other's keys as null, as Dataset.to_json writes "
            "them ({rows:row}): a trainer that reads this form gets them all",
            "消息、工具和调用里补有彼此的键，值为 null（Dataset.to_json 的写法，共 {rows} 行）：读"
            "取这种格式的训练框架会收到所有这些 null",
        ),
        "raises": Text(
            "messages carry each other's keys as null, as Dataset.to_json writes them "
            "({rows:row}): the trainer raises {exception} at such a null",
            "消息里补有其他消息的键，值为 null（Dataset.to_json 的写法，共 {rows} 行）：训练框架遇"
            "到这样的 null 会抛出 {exception}",
        ),
    },
    help=Text(
        "Remove the nulls with `glmlint check --fix`; for Parquet or another format, run: glmlint "
        "convert {path} --to {to} -o {out}",
        "用 `glmlint check --fix` 去掉这些 null；Parquet 文件或其他格式的文件请运行：glmlint "
        "convert {path} --to {to} -o {out}",
    ),
    bad=(
        _row(None),
        _row([_TOOL]),
        Example(rows=(_row(None), _row(None)), plan={"transformers": "5.23.0"}),
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Hi", "metadata": None},
                {"role": "assistant", "content": "reported by metadata-not-string"},
            ]
        },
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
    ),
)


def check(row: Row) -> Iterator[Problem]:
    places = padding(row)
    if not places:
        return
    survey = None if row.survey is None else row.survey()
    sure = places if survey is None else row_padding(row.value, survey)
    text = _effect(row, places)
    to = target(row.context, with_calls=True) or row.context.trainer.convert_to[0]
    yield rule.problem(
        places[0],
        text=text,
        severity="error" if text in ("printed", "raises", "unlabelled") else None,
        once="padding",
        raises=text == "raises",
        edits=tuple(Edit("remove", at) for at in sure),
        exception=row.error.exception if row.error else "",
        path=quoted(row.path),
        to=to,
        out=quoted(converted(row.path, to)),
    )


def _effect(row: Row, places: tuple[Pointer, ...]) -> str | None:
    """What the nulls do: the row is laid out again without them, and compared."""
    if row.foreign is not None:
        return "foreign"
    if row.dropped is not None:
        return None
    try:
        cleaned = row.context.trainer.lay_out(without(row.value, places), row.context)
        written = row.layout
        if row.loaded is not None:
            written = row.context.trainer.lay_out(row.value, row.context)
    except (TrainerError, Dropped):
        return None  # it is not the nulls, or not they alone
    if row.error is not None or written is None:
        return "raises"
    if _pieces(written) != _pieces(cleaned):
        return "printed"
    labels = written.first, written.rest
    return None if labels == (cleaned.first, cleaned.rest) else "unlabelled"


def _pieces(layout: Layout) -> list[Any]:
    return [p.ids.tolist() if isinstance(p, Encoded) else p for p in layout.pieces]
