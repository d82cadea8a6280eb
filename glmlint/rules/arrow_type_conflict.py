"""A path with two types in one file, of which the loader can keep only one.

The trainer reads the file through `datasets`, which gives every path one type. Below 4.7 the load
fails where a path has two (a `content` that is text in one row and a list in another), and
training does not start. From 4.7 on such a path is kept as JSON if both types occur in the first
10 MiB; where the second one comes in a later block of 10 MiB, the load still fails, hours of
copying later. Some pairs load with other values than the file has: numbers become strings, strings
get quotes, objects become null. What each version does, and how that was checked, is in
docs/loader.md.

Evidence: axolotl #3136; datasets #7322; datasets 2.20 to 5.2 by running them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from glmlint.evidence.report import FileStats
from glmlint.loader import MAX_PATHS, OF_FORM, Conflict
from glmlint.plan import Plan, version
from glmlint.rules.base import Example, Problem, Rule, Text
from glmlint.trainer.loaded import NEWEST_PADDING, OLDEST_JSON

LATE: Final = ("late-key", "missing-key")
"""Reasons of conflicts that `late-schema-key` reports."""

_APART: Final = (*LATE, *OF_FORM)
"""Those that other rules report: `not-jsonl` has the latter."""

MOST: Final = 20
"""Paths of one file that are reported."""

_TEXT: Final = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
}
_PARTS: Final = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "你好"}]},
        {"role": "assistant", "content": "你好！"},
    ]
}
_NUMBERED: Final = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    "id": 7,
}
_NAMED: Final = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}],
    "id": "甲七",
}

rule = Rule(
    name="arrow-type-conflict",
    family="loader",
    title_zh="同一路径在文件里有两种类型，加载器只能统一成一种",
    doc_zh="""
    训练框架通过 `datasets` 读取文件，而它给每个路径只定一种类型。在 4.7 之前，如果一个路径有
    两种类型（某一行的 `content` 是文本，另一行是列表），加载就会失败，训练无法开始。从 4.7
    起，如果两种类型都出现在最初的 10 MiB 内，这样的路径会以 JSON 保存；如果第二种类型在后面的
    10 MiB 数据块里才出现，加载仍会失败，而这时可能已经复制了几个小时。有些类型组合可以加载，
    但值与文件不同：数字变成字符串，字符串多出引号，对象变成 null。各版本的行为以及核对方法见
    docs/loader.md。

    依据：axolotl #3136；datasets #7322；实际运行 datasets 2.20 至 5.2 得出。
    """,
    severity="error",
    applies=lambda recipe, _: recipe.through_datasets,
    text=Text(
        "`{where}` is {first} first and {second} in line {line}: "
        "datasets {datasets} fails to load the file ({error})",
        "`{where}` 先是 {first}，第 {line} 行却是 {second}：datasets {datasets} 无法加载该文件（{error}）",
    ),
    variants={
        "old": Text(
            "`{where}` is {first} first and {second} in line {line}: datasets below {new} fails to load "
            "the file ({error}), from {new} on it loads ({paths:path} with two types)",
            "`{where}` 先是 {first}，第 {line} 行却是 {second}：datasets {new} 之前的版本无法加载该文件"
            "（{error}），从 {new} 起可以加载（有两种类型的路径共 {paths} 个）",
        ),
        "old-other": Text(
            "datasets below {new} fails to load the file (line {line}: {error}), from {new} on it loads",
            "datasets {new} 之前的版本无法加载该文件（第 {line} 行：{error}），从 {new} 起可以加载",
        ),
        "crashes": Text(
            "`{where}` is {first} first and {second} in line {line}: "
            "datasets {datasets} crashes while loading the file (segmentation fault)",
            "`{where}` 先是 {first}，第 {line} 行却是 {second}："
            "datasets {datasets} 加载该文件时进程崩溃（段错误）",
        ),
        "row-not-object": Text(
            "line {line} is not an object: datasets {datasets} fails to load the file ({error})",
            "第 {line} 行不是对象：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "null-row": Text(
            "the first row is null: datasets {datasets} crashes while loading the file (segmentation fault)",
            "第一行是 null：datasets {datasets} 加载该文件时进程崩溃（段错误）",
        ),
        "no-columns": Text(
            "the rows have no keys: datasets {datasets} fails to load the file ({error})",
            "各行都没有键：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "blank-line": Text(
            "line {line} is blank, in a file with columns that are kept as JSON: "
            "datasets {datasets} fails to load the file ({error})",
            "第 {line} 行是空行，而文件中有以 JSON 保存的列：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "byte-order-mark": Text(
            "the file starts with a byte order mark: "
            "datasets {datasets} fails to load it ({error})",
            "文件以 BOM 开头：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "integer-too-big": Text(
            "line {line} has an integer of more than 64 bits: "
            "datasets {datasets} fails to load the file ({error})",
            "第 {line} 行有超过 64 位的整数：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "agent-trace": Text(
            "datasets {datasets} takes the columns of this file for a coding assistant's log and fails "
            "to load it ({error})",
            "datasets {datasets} 把该文件的列当成编程助手的日志，无法加载（{error}）",
        ),
        "loads-as-text": Text(
            "`{where}` is {first} first and {second} in line {line}: "
            "datasets {datasets} turns the latter into strings",
            "`{where}` 先是 {first}，第 {line} 行却是 {second}：datasets {datasets} 会把后者变成字符串",
        ),
        "loads-quoted": Text(
            "`{where}` is {first} first and mixed from line {line} on: "
            "datasets {datasets} puts every later string in quotes",
            "`{where}` 先是 {first}，从第 {line} 行起混有其他类型："
            "datasets {datasets} 会给之后的每个字符串加上引号",
        ),
        "loads-cast": Text(
            "`{where}` is {first} first and {second} in line {line}: "
            "datasets {datasets} converts the latter to the type of the former",
            "`{where}` 先是 {first}，第 {line} 行却是 {second}："
            "datasets {datasets} 会把后者转换成前者的类型",
        ),
        "loses-values": Text(
            "`{where}` is {first} first and {second} in line {line}: "
            "datasets {datasets} turns the latter into null",
            "`{where}` 先是 {first}，第 {line} 行却是 {second}：datasets {datasets} 会把后者变成 null",
        ),
        "loads-garbled": Text(
            "a list at `{where}` begins with null (line {line}): "
            "datasets {datasets} shifts its items, or crashes",
            "`{where}` 处的列表以 null 开头（第 {line} 行）：datasets {datasets} 会使其元素错位，甚至崩溃",
        ),
        "loads-reread": Text(
            "a list at `{where}` begins with null (line {line}): "
            "datasets {datasets} reads the rows one by one, and fails where their keys differ",
            "`{where}` 处的列表以 null 开头（第 {line} 行）："
            "datasets {datasets} 会逐行读取，若各行的键不同则加载失败",
        ),
        "more": Text(
            "{paths} more paths have two types",
            "另有 {paths} 个路径有两种类型",
        ),
        "overflow": Text(
            "the file has more than {limit} different paths; from line {line} on they are not tracked, "
            "and rows are shown as written",
            "文件中的不同路径超过 {limit} 个，从第 {line} 行起不再跟踪：各行按原样显示",
        ),
    },
    help=Text(
        "Give the path one type in all rows; name the trainer's version with "
        "--pin datasets=VERSION.",
        "让该路径在所有行中类型一致；用 --pin datasets=版本号 指定训练所用的版本。",
    ),
    bad=(
        Example(rows=(_TEXT, _PARTS), plan={"datasets": "4.6.1"}),
        Example(rows=(_TEXT, _PARTS)),
        Example(rows=(_NAMED, _NUMBERED), plan={"datasets": "4.6.1"}),
        Example(rows=(_NUMBERED, _NUMBERED, _NAMED), loader_bytes=150),
    ),
    good=(
        Example(rows=(_TEXT, _TEXT)),
        Example(rows=({"messages": _PARTS["messages"][:1]},) * 2),
        Example(rows=(_NAMED, _NAMED), plan={"datasets": "4.6.1"}),
    ),
)  # fmt: skip


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    shapes = file.shapes.whole
    if shapes is None:
        return
    found = [c for c in shapes.conflicts(plan.datasets) if c.reason not in _APART]
    told = [c for c in found if c.outcome != "loads-as-json"]
    yield from (_problem(conflict, plan) for conflict in told[:MOST])
    if len(told) > MOST:
        yield rule.problem(
            None,
            text="more",
            severity="error" if told[MOST].fails else "warning",
            paths=len(told) - MOST,
        )
    if old := failing_below(OLDEST_JSON, shapes.conflicts(NEWEST_PADDING), plan, _APART, told):
        old.sort(key=lambda conflict: conflict.reason != "types")
        yield rule.problem(
            None,
            text="old" if old[0].reason == "types" else "old-other",
            severity="warning",
            paths=len(old),
            **_values(old[0], OLDEST_JSON),
        )
    if shapes.overflow is not None and shapes.load(plan.datasets) is None:
        yield rule.problem(
            None, text="overflow", severity="info", limit=MAX_PATHS, line=shapes.overflow
        )


def failing_below(
    new: str,
    conflicts: Iterable[Conflict],
    plan: Plan,
    apart: tuple[str, ...],
    told: list[Conflict],
) -> list[Conflict]:
    """Conflicts that end the load in an older version only, where the user names none.

    Args:
        new: the version from which on it loads.
        conflicts: those of a version below it.
        apart: reasons that are left out.
        told: what is reported for the plan's own version.
    """
    if "datasets" in plan.pinned or version(plan.datasets) < version(new):
        return []
    known = {conflict.path for conflict in told if conflict.fails}
    return [c for c in conflicts if c.fails and c.reason not in apart and c.path not in known]


def _problem(conflict: Conflict, plan: Plan) -> Problem:
    text: str | None = None
    if conflict.outcome != "load-fails" and conflict.reason != "null-row":
        text = conflict.outcome
    elif conflict.reason != "types":
        text = conflict.reason
    return rule.problem(
        None,
        text=text,
        severity=None if conflict.fails else "warning",
        **_values(conflict, plan.datasets),
    )


def _values(conflict: Conflict, datasets: str) -> dict[str, Any]:
    types = [_NAMES.get(kind, kind) for kind, _ in conflict.types]
    numbers = {"int64": "integer", "double": "fraction"}
    if len(set(types)) == 1:  # two kinds of numbers
        types = [numbers.get(kind, kind) for kind, _ in conflict.types]
    others = [kind for kind in types[1:] if kind != types[0]]
    there = [
        kind
        for kind, (_, line) in zip(types, conflict.types, strict=True)
        if line == conflict.line and kind != types[0]
    ]
    return {
        "where": conflict.where,
        "line": conflict.line,
        "first": types[0] if types else "",
        "second": (there or others or ["another type"])[-1],
        "datasets": datasets,
        "new": datasets,
        "error": conflict.error,
    }


_NAMES: Final = {
    "int64": "number",
    "double": "number",
    "bool": "boolean",
    "timestamp": "string (all dates)",
}
"""Arrow's types in the words of JSON."""
