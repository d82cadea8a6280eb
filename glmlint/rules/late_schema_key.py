"""A key that appears for the first time after the loader has fixed the schema.

`datasets` reads the file in blocks of 10 MiB and takes the keys of every object from the first
one. An object of a later block with one more key ends the load with `TypeError: Couldn't cast
array of type struct<…>` (a new column with `CastError`), minutes after the start and far from the
row at fault. From 4.7 on, only objects that all have the same keys in the first block are bound to
them.

Evidence: datasets #7222; datasets 2.20 to 5.2 by running them (docs/loader.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.arrow_type_conflict import LATE, MOST, failing_below
from glmlint.rules.base import Example, Problem, Rule, Text
from glmlint.trainer.loaded import NEWEST_PADDING, OLDEST_JSON

_PLAIN: Final = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
}
_CALL: Final = {
    "messages": [
        {"role": "user", "content": "北京天气？"},
        {"role": "assistant", "content": '{"city": "北京"}', "metadata": "get_weather"},
    ]
}
_TAGGED: Final = {**_PLAIN, "topic": "greeting"}

rule = Rule(
    name="late-schema-key",
    family="loader",
    title_zh="加载器确定 schema 之后才首次出现的键",
    doc_zh="""
    `datasets` 以 10 MiB 为一块读取文件，每个对象有哪些键由第一块决定。后面的数据块中，只要有
    一个对象多出一个键，加载就会以 `TypeError: Couldn't cast array of type struct<…>` 失败（多
    出一列则为 `CastError`），这时已经过去了几分钟，报错的位置也离出问题的行很远。从 4.7 起，
    只有在第一块中键完全相同的对象才受此限制。

    依据：datasets #7222；实际运行 datasets 2.20 至 5.2 得出（docs/loader.md）。
    """,
    severity="warning",
    applies=lambda recipe, _: recipe.through_datasets,
    text=Text(
        "`{where}` first appears in line {line}, after the block from which datasets {datasets} takes the "
        "keys: the load fails ({error})",
        "`{where}` 第一次出现在第 {line} 行，而 datasets {datasets} 只从第一个数据块确定键：加载失败（{error}）",
    ),
    variants={
        "missing-key": Text(
            "`{where}` is missing in a later block (line {line}): "
            "datasets {datasets} fails to load the file ({error})",
            "后面的数据块缺少 `{where}`（第 {line} 行）：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "old": Text(
            "`{where}` first appears in line {line}, after the first 10 MiB: datasets below {new} fails "
            "to load the file ({error}), from {new} on it loads ({paths:late key})",
            "`{where}` 第一次出现在第 {line} 行，已在最初的 10 MiB 之外：datasets {new} 之前的版本无法加载该文件"
            "（{error}），从 {new} 起可以加载（这样的键共 {paths} 个）",
        ),
        "more": Text("{paths} more keys appear too late", "另有 {paths} 个键出现得太晚"),
    },
    help=Text(
        "Move a row with the key to the front of the file; "
        "name the trainer's version with --pin datasets=VERSION.",
        "把含有该键的行移到文件开头；用 --pin datasets=版本号 指定训练所用的版本。",
    ),
    bad=(
        Example(rows=(_PLAIN, _PLAIN, _PLAIN, _CALL), loader_bytes=150),
        Example(rows=(_PLAIN, _PLAIN, _TAGGED), loader_bytes=150),
        Example(rows=(_PLAIN, _CALL, {**_CALL, "题目": "天气"}), loader_bytes=150),
    ),
    good=(
        Example(rows=(_CALL, _PLAIN, _PLAIN, _PLAIN), loader_bytes=150),
        Example(rows=(_PLAIN, _PLAIN, _PLAIN, _CALL)),
        Example(rows=(_TAGGED, _PLAIN, _PLAIN), loader_bytes=150),
    ),
)  # fmt: skip


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    shapes = file.shapes.whole
    if shapes is None:
        return
    told = [c for c in shapes.conflicts(plan.datasets) if c.reason in LATE]
    for conflict in told[:MOST]:
        yield rule.problem(
            None,
            text=None if conflict.reason == "late-key" else conflict.reason,
            severity="error",
            where=conflict.where,
            line=conflict.line,
            datasets=plan.datasets,
            error=conflict.error,
        )
    if len(told) > MOST:
        yield rule.problem(None, text="more", severity="error", paths=len(told) - MOST)
    old = failing_below(OLDEST_JSON, shapes.conflicts(NEWEST_PADDING), plan, (), told)
    if old := [conflict for conflict in old if conflict.reason in LATE]:
        yield rule.problem(
            None,
            text="old",
            where=old[0].where,
            line=old[0].line,
            paths=len(old),
            new=OLDEST_JSON,
            error=old[0].error,
        )
