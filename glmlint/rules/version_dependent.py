"""The ids of this row change with the version of transformers or datasets.

From 5.24 on, top-level keys of a message that are null are dropped before the template sees them;
below, `metadata: null` prints the word None in the header and `tools: null` may end the run. Below
4.42, the tool list is printed with sorted keys and with Chinese as escapes. The same file then
silently trains other tokens on another machine. Below 4.7, `datasets` pads tools with the keys of
other tools, as null (`arrow-null-padding`), and messages with `metadata: null`
(`metadata-null-padding`). Name the trainer's versions with `--pin transformers=…` and `--pin
datasets=…`: what only other versions do is then not reported.

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
    "The rows are valid: name the versions of the training machine (from `pip list`) with --pin "
    "datasets=VERSION --pin transformers=VERSION to get their ids.",
    "这些行本身没有问题：用 --pin datasets=版本号 --pin transformers=版本号 指明训练机器上的版本"
    "（在那里运行 `pip list` 查看），即可得到这些版本的 token id。",
)

LOADED_HELP = Text(
    "`glmlint show` prints the row as the trainer gets it; json.loads instead of load_dataset "
    "gives the rows as written.",
    "`glmlint show` 会显示训练框架实际得到的内容；脚本若用 json.loads 而不是 load_dataset 读取文"
    "件，得到的就是原样。",
)

SERVE_HELP = Text(
    "Train with transformers 4.42 or newer, or serve the model with the same old version.",
    "请用 transformers 4.42 及以上版本训练，或在部署时使用同样的旧版本。",
)

REMOVABLE = ("metadata", "tools")
"""Keys that mean the same when absent as when null."""

rule = Rule(
    name="version-dependent",
    family="mask",
    form="glm",
    title_zh="这一行的 token id 随 transformers 或 datasets 的版本而变",
    doc_zh="""
    从 5.24 起，消息顶层为 null 的键在模板读取之前就会去掉；之前的版本会把 `metadata: null` 在消息头
    输出为单词 None，`tools: null` 则可能使训练中止。4.42 之前，工具列表输出时键会排序，中文会转义。
    于是同一个文件在另一台机器上会静默训练不同的 token。4.7 之前的 `datasets` 会给工具补上其他工具的
    键，值为 null（`arrow-null-padding`），并给消息补上 `metadata: null`
    （`metadata-null-padding`）。用 `--pin transformers=…` 和 `--pin datasets=…` 指明训练机器上的版
    本后，只在其他版本中出现的情况就不再报告。

    依据：docs/recipes.md 和 docs/loader.md，每个版本都经过实际运行验证。
    """,
    severity="warning",
    when=Fact.ODD | Fact.TOOLS | Fact.LOADED,
    fix="safe",
    text=Text(
        "transformers up to {old} prints `{key}: null`, {new} and newer drop it: the ids differ "
        "({rows:row})",
        "transformers {old} 及更早版本会输出 `{key}: null`，从 {new} 起会去掉它：token id 因版本而"
        "异（共 {rows} 行）",
    ),
    variants={
        "raises": Text(
            "`{key}: null` makes transformers up to {old} raise {exception}, {new} and newer drop "
            "it ({rows:row})",
            "`{key}: null` 在 transformers {old} 及更早版本中会抛出 {exception}，从 {new} 起会被去"
            "掉（共 {rows} 行）",
        ),
        "tools": Text(
            "transformers up to {old} prints the tool list with sorted keys and escaped non-ASCII "
            "letters, unlike {new} and newer: the ids differ ({rows:row})",
            "transformers {old} 及更早版本输出工具列表时会对键排序、转义非 ASCII 字符，{new} 起不"
            "再如此：token id 因版本而异（共 {rows} 行）",
        ),
        "loaded": Text(
            "datasets {datasets} changes nulls, numbers or dates of these rows as it loads them "
            "({rows:row}): ids and counts are of the loaded rows",
            "datasets {datasets} 加载时会改变这些行里的 null、数字或日期（共 {rows} 行）：token "
            "id 与各项计数均按加载后的内容",
        ),
        "datasets": Text(
            "datasets below {new} adds null keys to tools that lack them ({keys:key}, such as "
            "`{where}`: in line {line}, not in line {absent}), {new} and newer do not: the ids "
            "differ",
            "{new} 之前的 datasets 会给没有某些键的工具补上 null（共 {keys} 个键，如 `{where}`："
            "第 {line} 行有，第 {absent} 行没有），从 {new} 起工具保持原样：token id 因版本而异",
        ),
        "metadata": Text(
            "since line {line} has `metadata`, datasets below {new} adds `metadata: null` to "
            "every other message, printed as the word None: the ids differ",
            "因为第 {line} 行有 `metadata`，{new} 之前的 datasets 会给其他每条消息补上 "
            "`metadata: null`，输出时成为单词 None：token id 因版本而异",
        ),
        "metadata-old": Text(
            "since line {line} has `metadata`, datasets below {new} adds `metadata: null` to "
            "every other message, and transformers below {drops} prints it as None: the ids differ",
            "因为第 {line} 行有 `metadata`，{new} 之前的 datasets 会给其他每条消息补上 "
            "`metadata: null`，而 {drops} 之前的 transformers 会把它输出为单词 None：token id 因版"
            "本而异",
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
        return None  # reported by metadata-null-padding
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
    known = row.context.template.known
    for index, message in row.good_messages:
        for key, value in message.items():
            # A known template prints a null content like a missing one, and reads no other key.
            if value is not None or (known and key not in _PRINTED):
                continue
            if ("messages", index, key) not in padded(row):
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
        lists = iter(row.tools)
        for index, message in enumerate(row.sample.messages):
            if message.tools is UNSET:
                continue
            if _printed_otherwise(next(lists)) and prints_tools(row, index):
                return True
        return False
    if row.context.template.known:
        return any(
            "tools" in message and _list_differs(row, message) and prints_tools(row, index)
            for index, message in row.good_messages
        )
    old, new = TOOLS
    return _outcome(row, row.messages, old) != _outcome(row, row.messages, new)


def _list_differs(row: Row, message: dict[str, Any]) -> bool:
    """Whether the two `tojson` print a message's tool list differently, whatever its shape."""
    tools = message["tools"]
    cleans = row.context.trainer.cleans_properties and message.get("role") == "system"
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict) or tool.get("type") != "function" or "function" not in tool:
            continue
        function = tool["function"]
        if cleans and isinstance(function, dict):
            parameters = function.get("parameters")
            properties = parameters.get("properties") if isinstance(parameters, dict) else None
            if isinstance(parameters, dict) and isinstance(properties, dict):
                kept = {key: part for key, part in properties.items() if part is not None}
                function = {**function, "parameters": {**parameters, "properties": kept}}
        if dumps_tool(function) != dumps_tool_html(function):
            return True
    return False


@lru_cache(4096)
def _printed_otherwise(tools: bytes) -> bool:
    """Whether the two `tojson` print a valid tool list differently."""
    return any(
        dumps_tool(tool["function"]) != dumps_tool_html(tool["function"])
        for tool in read_strictly(tools) or ()
        if tool["type"] == "function"
    )
