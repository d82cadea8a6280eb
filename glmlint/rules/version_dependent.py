"""The ids of this row change with the version of transformers or datasets.

From 5.24 on, top-level keys of a message that are null are dropped before the template sees them;
below, `metadata: null` prints the word None in the header and `tools: null` may end the run. Below
4.42 the tool list is printed with sorted keys and with Chinese as escapes. The same file then trains
other tokens on another machine, and nobody is told. Below 4.7 `datasets` pads tools with the keys of
other tools, as null (`arrow-null-padding`), and messages with `metadata: null` (`metadata-null-padding`).
Say with `--pin transformers=…` and `--pin datasets=…` which versions the trainer has: what only other
versions do is then not told.

Evidence: docs/recipes.md and docs/loader.md, each version checked by running it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, Final

from msgspec import UNSET

from glmlint.evidence.padded import padded
from glmlint.evidence.report import FileStats
from glmlint.evidence.teaching import prints_tools
from glmlint.loader import Padding, Shapes
from glmlint.plan import Plan, version
from glmlint.read.sample import read_strictly
from glmlint.rules import arrow_null_padding
from glmlint.rules.arrow_null_padding import printed
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text
from glmlint.rules.metadata_null_padding import DROPS, padded_metadata, prints_null
from glmlint.trainer.base import Context, get_trainer
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import Encoded
from glmlint.trainer.loaded import NEWEST_PADDING, OLDEST_JSON
from glmlint.trainer.template import ChatTemplate, dumps_tool, dumps_tool_html

NULLS = ("5.23.0", "5.24.0")
TOOLS = ("4.41.2", "4.42.0")
"""The last version of the old behaviour and the first of the new."""

PIN_HELP = Text(
    "Nothing is wrong with the rows: name what the training machine has (`pip list` there) with "
    "--pin datasets=VERSION --pin transformers=VERSION, and the ids are those of these versions.",
    "这些行本身没有问题：用 --pin datasets=版本号 --pin transformers=版本号 指明训练机器上的版本"
    "（在那里运行 `pip list` 查看），得到的 token id 即与这些版本一致。",
)

LOADED_HELP = Text(
    "`glmlint show` prints such a row as the trainer gets it; a script that reads the file with "
    "json.loads in place of load_dataset gets the rows as written.",
    "`glmlint show` 会显示训练脚本实际得到的内容；若脚本用 json.loads 而不是 load_dataset 读取文件，得到的就是原样。",
)

SERVE_HELP = Text(
    "Train with transformers 4.42 or newer, or serve the model with the same old version.",
    "请用 transformers 4.42 及以上版本训练，或在部署时使用同样的旧版本。",
)

REMOVABLE = ("metadata", "tools")
"""Keys whose absence says the same as null."""

rule = Rule(
    name="version-dependent",
    family="mask",
    form="glm",
    title_zh="这一行的 token id 随 transformers 或 datasets 的版本而变",
    severity="warning",
    when=Fact.ODD | Fact.TOOLS | Fact.LOADED,
    fix="safe",
    text=Text(
        "`{key}: null` is printed by transformers {old} and older, and dropped from {new} on: "
        "the ids differ ({rows:row})",
        "`{key}: null` 在 transformers {old} 及更早版本中会被输出，从 {new} 起会被去掉："
        "token id 因版本而异（共 {rows} 行）",
    ),
    variants={
        "raises": Text(
            "`{key}: null` makes transformers {old} and older raise {exception}, "
            "and is dropped from {new} on ({rows:row})",
            "`{key}: null` 在 transformers {old} 及更早版本中会抛出 {exception}，从 {new} 起会被去掉"
            "（共 {rows} 行）",
        ),
        "tools": Text(
            "the tool list is printed otherwise by transformers {old} and older (keys sorted, "
            "non-ASCII letters as escapes) than from {new} on: the ids differ ({rows:row})",
            "transformers {old} 及更早版本输出的工具列表（键排序、非 ASCII 字符转义）与 {new} 起不同："
            "{rows} 行的 token id 因版本而异",
        ),
        "loaded": Text(
            "datasets {datasets} hands rows over otherwise than they are written ({rows:row}; nulls, "
            "numbers or dates): ids and counts are of what it hands over",
            "datasets {datasets} 交给训练脚本的 {rows} 行与文件中所写不同（null、数字或日期）："
            "token id 与各项计数均按其交付的内容",
        ),
        "datasets": Text(
            "the package datasets loads the file for the trainer: below {new} it adds keys as null to "
            "tools that do not have them ({keys:key}, such as `{where}`: in line {line}, not in line "
            "{absent}), from {new} on tools are as written: the ids differ",
            "训练脚本用 datasets 包加载文件：{new} 之前的版本会给没有某些键的工具补上 null"
            "（共 {keys} 个键，如 `{where}`：第 {line} 行有，第 {absent} 行没有），"
            "从 {new} 起工具保持原样：token id 因版本而异",
        ),
        "metadata": Text(
            "the package datasets loads the file for the trainer: as line {line} has `metadata`, below "
            "{new} it adds `metadata: null` to every other message, which is printed as the word None: "
            "the ids differ",
            "训练脚本用 datasets 包加载文件：因为第 {line} 行有 `metadata`，{new} 之前的版本会给其他每条消息"
            "补上 `metadata: null`，输出时成为单词 None：token id 因版本而异",
        ),
        "metadata-old": Text(
            "the package datasets loads the file for the trainer: as line {line} has `metadata`, below "
            "{new} it adds `metadata: null` to every other message, which transformers below {drops} "
            "prints as the word None: the ids differ",
            "训练脚本用 datasets 包加载文件：因为第 {line} 行有 `metadata`，{new} 之前的版本会给其他每条消息"
            "补上 `metadata: null`，而 transformers {drops} 之前的版本会把它输出为单词 None："
            "token id 因版本而异",
        ),
    },
    help=Text(
        "Leave the key out where it has no value; name the trainer's version with "
        "--pin transformers=VERSION.",
        "没有值时不要写这个键；用 --pin transformers=版本号 指明训练机器上的版本。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！", "metadata": None},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi", "tools": None},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"recipe": "glm4-combine", "transformers": "5.23.0"},
        ),
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "weather",
                                "description": "查询天气",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        Example(rows=arrow_null_padding.EXAMPLE),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "北京天气？"},
                        {"role": "assistant", "content": "{}", "metadata": "get_weather"},
                    ]
                },
            ),
        ),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Hi", "tools": None},
                {"role": "assistant", "content": "Hello"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi", "metadata": None},
                        {"role": "assistant", "content": "Hello", "metadata": None},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
    ),
)


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    shapes = file.shapes.whole
    pinned = "datasets" in plan.pinned or version(plan.datasets) < version(OLDEST_JSON)
    if shapes is None or pinned:
        return
    recipe = get_trainer(plan.recipe)
    if not recipe.through_datasets or printed(shapes, plan.datasets, recipe):
        return  # the plan's own version pads them, too
    if padded := printed(shapes, NEWEST_PADDING, recipe):
        yield rule.problem(
            None,
            text="datasets",
            help=PIN_HELP,
            keys=len(padded),
            where=padded[0].where,
            line=padded[0].line,
            absent=padded[0].absent,
            new=OLDEST_JSON,
        )
    elif metadata := _printed_metadata(shapes, plan):
        prints = prints_null(plan)
        yield rule.problem(
            None,
            text="metadata" if prints else "metadata-old",
            help=PIN_HELP,
            severity=None if prints else "info",
            line=metadata.line,
            new=OLDEST_JSON,
            drops=DROPS,
        )


def _printed_metadata(shapes: Shapes, plan: Plan) -> Padding | None:
    """The `metadata` that older versions of datasets make every message print."""
    if not prints_null(plan) and "transformers" in plan.pinned:
        return None
    if padded_metadata(shapes, plan.datasets):
        return None  # told by metadata-null-padding
    return padded_metadata(shapes, NEWEST_PADDING)


def check(row: Row) -> Iterator[Problem]:
    if row.facts & Fact.LOADED:
        yield rule.problem(
            text="loaded",
            help=LOADED_HELP,
            severity="info",
            once="loaded",
            datasets=row.plan.datasets,
        )
    if row.context.trainer.template_name is not None:
        return  # no template of transformers
    if row.sample is None:
        yield from _nulls(row)
    if row.facts & Fact.TOOLS and _tools_differ(row):
        # No pointer: to look up its column in every row with tools costs more than the rest.
        old, new = TOOLS
        is_old = version(row.plan.transformers) < version(new)
        if "transformers" in row.plan.pinned and not is_old:
            return
        yield rule.problem(
            text="tools",
            help=SERVE_HELP if is_old else PIN_HELP,
            severity="warning" if is_old else "info",
            once="tools",
            old=old,
            new=new,
        )


def _nulls(row: Row) -> Iterator[Problem]:
    old, new = NULLS
    places: dict[str, list[int]] = {}
    for index, message in row.good_messages:
        for key, value in message.items():
            if value is None and ("messages", index, key) not in padded(row):
                places.setdefault(key, []).append(index)
    if not places or _outcome(row, row.messages, old) == _outcome(row, row.messages, new):
        return
    for key, indexes in places.items():
        alone = [
            {k: v for k, v in message.items() if k == key or v is not None}
            if isinstance(message, dict)
            else message
            for message in row.messages
        ]
        before = _outcome(row, alone, old)
        if before == _outcome(row, alone, new):
            continue
        yield rule.problem(
            ("messages", indexes[0], key),
            text="raises" if isinstance(before, str) else None,
            once=f"null {key}",
            edits=tuple(Edit("remove", ("messages", index, key)) for index in indexes)
            if key in REMOVABLE
            else (),
            key=key,
            old=old,
            new=new,
            exception=before if isinstance(before, str) else "",
        )


def _outcome(row: Row, messages: list[Any], transformers: str) -> Hashable:
    """What the recipe makes of the messages with that version: its pieces, or its exception's name."""
    base = row.context
    context = Context(base.plan, base.tokenizer, _template(base.template, transformers))
    try:
        layout = base.trainer.lay_out({"messages": messages}, context)
    except TrainerError as error:
        return error.exception
    except Dropped as reason:
        return f"dropped: {reason.reason}"
    return tuple(
        tuple(piece.ids.tolist()) if isinstance(piece, Encoded) else piece
        for piece in layout.pieces
    )


_PRINTED: Final = ("role", "metadata", "tools")


@cache
def _template(template: ChatTemplate, transformers: str) -> ChatTemplate:
    return replace(template, transformers=transformers)


def _tools_differ(row: Row) -> bool:
    if row.layout is None:
        return False
    if row.sample is not None and row.context.template.known:
        return any(
            message.tools is not UNSET
            and prints_tools(row, index)
            and _printed_otherwise(bytes(message.tools))
            for index, message in enumerate(row.sample.messages)
        )
    if row.context.template.known and not any("tools" in m for _, m in row.good_messages):
        return False
    old, new = TOOLS
    return _outcome(row, row.messages, old) != _outcome(row, row.messages, new)


@lru_cache(4096)
def _printed_otherwise(tools: bytes) -> bool:
    """Whether the two `tojson` print a tool list of good shape otherwise."""
    return any(
        dumps_tool(tool["function"]) != dumps_tool_html(tool["function"])
        for tool in read_strictly(tools) or ()
        if tool["type"] == "function"
    )
