"""Every message has every key, null where it had none: the file was written from a table.

`Dataset.to_json`, `Dataset.to_parquet` and pandas write rows so, since a table gives all messages the
same keys and all tools the same properties: `"metadata": null`, `"tools": null`, and in each tool the
parameters of all others as null. Told once a file, in place of a finding for each null. What is printed
of them depends on the versions: below 5.24 transformers prints the word None for `metadata: null`, and
the nulls in tool lists are printed by every version. (The official script leaves out those directly
under `properties`, and prints all others.)

`--fix` takes all of them out. A null that somebody may have meant stays:
- one in a list (`"enum": ["a", null]`), and a key that is null wherever it stands in the file;
- `default`, `const` and `examples` of a schema, but where the file shows that a table wrote them: all
  objects at one place have the same keys, and properties are null as a whole;
- an argument that its function requires, or that may be null by its schema; without a schema, one that
  has a value in another call of the same function. (GLM's own calls are text, and no table looks inside.)

`--fix` leaves Parquet alone; `glmlint convert` reads it and writes rows without the padding.

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
    title_zh="每条消息都有所有的键，没有的写成 null：文件是从数据表写出的",
    severity="warning",
    when=Fact.NULLS,
    fix="safe",
    text=Text(
        "every message has the keys of all others, null where it has none of its own ({rows:row}), as "
        "Dataset.to_json and to_parquet write them: with the versions assumed here none of these nulls "
        "is printed",
        "每条消息都带有其他消息的键，自己没有的写成 null（共 {rows} 行），这是 Dataset.to_json 和 "
        "to_parquet 的写法：按这里采用的版本，这些 null 都不会输出",
    ),
    variants={
        "printed": Text(
            "every message and tool has the keys of all others, null where it has none of its own "
            "({rows:row}), as Dataset.to_json and to_parquet write them: some of these nulls are "
            "printed, and the model is trained on prompts with them",
            "每条消息、每个工具都带有其他消息或工具的键，自己没有的写成 null（共 {rows} 行），这是 "
            "Dataset.to_json 和 to_parquet 的写法：其中一部分 null 会被输出，模型训练时看到的提示中带有它们",
        ),
        "unlabelled": Text(
            "every message has the keys of all others, null where it has none of its own "
            "({rows:row}), as Dataset.to_json and to_parquet write them: {trainer} takes some of these "
            "nulls for a switch, and such messages are not trained",
            "每条消息都带有其他消息的键，自己没有的为 null（共 {rows} 行），这是 Dataset.to_json 和 "
            "to_parquet 的写法：{trainer} 把其中一些 null 当作开关，这些消息不参与训练",
        ),
        "foreign": Text(
            "messages, tools and calls have the keys of all others, null where they have none of their "
            "own ({rows:row}), as Dataset.to_json and to_parquet write them: a trainer that reads this "
            "form is handed them all",
            "消息、工具和调用都带有其他同类对象的键，自己没有的写成 null（共 {rows} 行），这是 "
            "Dataset.to_json 和 to_parquet 的写法：读取这种格式的训练工具会收到所有这些 null",
        ),
        "raises": Text(
            "every message has the keys of all others, null where it has none of its own ({rows:row}), "
            "as Dataset.to_json and to_parquet write them: the trainer raises {exception} at such a null",
            "每条消息都带有其他消息的键，自己没有的写成 null（共 {rows} 行），这是 Dataset.to_json 和 "
            "to_parquet 的写法：训练脚本遇到这样的 null 会抛出 {exception}",
        ),
    },
    help=Text(
        "Take the nulls out with `glmlint check --fix`; for a Parquet file, or one in another form: "
        "glmlint convert {path} --to {to} -o {out}",
        "用 `glmlint check --fix` 去掉这些 null；Parquet 文件或其他格式的文件请用："
        "glmlint convert {path} --to {to} -o {out}",
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
                {"role": "assistant", "content": "told by metadata-not-string"},
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
    """What the nulls do: the row is laid out once more without them."""
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
