"""What differs between trainers, in words: which kinds each trains, its stops, its tools, its cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from glmlint.comparison.rows import Comparison, Side
from glmlint.text import Text

COLUMNS: Final = {
    "prompt": ("prefix", "system", "tools", "user"),
    "result": ("result",),
    "header": ("header",),
    "empty-thought": ("empty-thought",),
    "thought": ("thought",),
    "call": ("call",),
    "call-end": ("call-end",),
    "text": ("text",),
    "stop": ("stop",),
    "call-stop": ("call-stop",),
    "end": ("end",),
}
"""Columns of the table -> kinds of tokens."""

NAMES: Final = {
    "prompt": Text("prompt", "提示"),
    "result": Text("tool result", "工具结果"),
    "header": Text("header", "角色头"),
    "empty-thought": Text("empty thought", "空思考"),
    "thought": Text("thought", "思考"),
    "call": Text("call", "调用"),
    "call-end": Text("call's end", "调用的结束标签"),
    "text": Text("answer", "回答"),
    "stop": Text("stop after an answer", "回答后的停止符"),
    "call-stop": Text("stop after a call", "调用后的停止符"),
    "end": Text("last stop", "末尾停止符"),
}
"""How the columns are called."""

STATES: Final = {
    "trained": Text("trained", "训练"),
    "part": Text("in part", "部分"),
    "no": Text("no", "否"),
    "absent": Text("–", "–"),
    "other": Text("another token", "另一标记"),
    "missing": Text("missing", "缺失"),
}

_PLACES: Final = ("stop", "call-stop", "end")


def state(side: Side, column: str) -> str:
    """What a trainer does with a kind: "trained", "part", "no", "other", "absent", or "missing".

    "missing" is what belongs behind something that is in the input: the tag that closes a call, or a
    stop behind the last answer.
    """
    kinds = COLUMNS[column]
    taught = sum(side.taught[kind] for kind in kinds)
    if column in _PLACES:
        places = places_of(side, column)
        if not places:
            return "missing" if column == "end" and side.answers else "absent"
        labelled = {(shown, label): n for (shown, label), n in places.items() if label}
        if not labelled:
            return "no"
        if all(shown != label for shown, label in labelled):
            return "other"
        return "trained" if sum(labelled.values()) == places.total() else "part"
    if not sum(side.present[kind] for kind in kinds):
        return "missing" if column == "call-end" and side.unclosed else "absent"
    if not taught:
        return "no"
    # The first token of a row is in no loss, whatever its label is.
    first = side.rows if "prefix" in kinds else 0
    return "trained" if taught >= sum(side.places[kind] for kind in kinds) - first else "part"


def places_of(side: Side, column: str) -> Counter[tuple[str, str]]:
    """What stands, and what is taught, behind answers, behind calls, or behind the last of them."""
    return {"stop": side.stops, "call-stop": side.call_stops, "end": side.ends}[column]


def columns_of(result: Comparison) -> list[str]:
    """The columns that some row has something for."""
    return [
        column
        for column in COLUMNS
        if any(state(side, column) != "absent" for side in result.sides)
    ]


def sentences(result: Comparison) -> Iterator[Text]:
    """What differs between the sides, most important first."""
    sides = result.sides
    for side in sides:
        name = side.label
        if side.converted:
            form = sorted(side.context.trainer.reads)
            yield Text(
                f"{name} reads {', '.join(form)}: {_rows(side.converted)} handed over in its form",
                f"{name} 读取 {'、'.join(form)}：有 {side.converted} 行转换成它的格式后再比较",
            )
        if side.errors:
            yield Text(
                f"{name} raises an exception at {side.errors:,} of {side.rows:,} rows",
                f"{name} 在 {side.rows:,} 行中的 {side.errors:,} 行抛出异常",
            )
        if side.dropped:
            yield Text(
                f"{name} drops {side.dropped:,} of {side.rows:,} rows",
                f"{name} 丢弃 {side.rows:,} 行中的 {side.dropped:,} 行",
            )
    for side in sides:
        yield from _damage(side)
    for column in columns_of(result):
        if column not in _PLACES and len({state(side, column) for side in sides}) > 1:
            yield _states(result, column)
    for column in _PLACES:
        some = any(places_of(side, column) for side in sides)
        if some and len({_stop(side, column) for side in sides}) > 1:
            yield _stops(result, column)
    tools = [side.present["tools"] for side in sides]
    system = [side.present["system"] for side in sides]
    if any(tools) and len({(a, b) for a, b in zip(tools, system, strict=True)}) > 1:
        told = [
            f"{side.label} {side.present['tools'] + side.present['system']:,}" for side in sides
        ]
        yield Text(
            f"system text and tools are printed differently: in tokens {', '.join(told)}",
            f"系统文本与工具的写法不同，token 数：{'、'.join(told)}",
        )
    if any(side.kept < side.tokens for side in sides):
        words = {side.context.trainer.cut_words for side in sides}
        budgets = {side.context.plan.max_length for side in sides}
        if len(words) > 1 or len(budgets) > 1:
            en = "; ".join(
                f"{side.label} {side.context.trainer.cut_words.en} "
                f"({side.context.plan.max_length:,} tokens)"
                for side in sides
            )
            zh = "；".join(
                f"{side.label} {side.context.trainer.cut_words.zh}"
                f"（{side.context.plan.max_length:,} 个 token）"
                for side in sides
            )
            yield Text(f"rows over the budget: {en}", f"超出预算的行：{zh}")


def _rows(number: int) -> str:
    return "1 row was" if number == 1 else f"{number:,} rows were"


def _states(result: Comparison, column: str) -> Text:
    name = NAMES[column]
    by_state: dict[str, list[str]] = {}
    for side in result.sides:
        by_state.setdefault(state(side, column), []).append(side.label)
    en = {
        "trained": "is trained by",
        "part": "is trained in part by",
        "no": "is in the input but not trained under",
        "absent": "is not in the input of",
        "missing": "is missing in the input of",
    }
    zh = {
        "trained": "参与训练：",
        "part": "部分参与训练：",
        "no": "在输入中但不训练：",
        "absent": "不在输入中：",
        "missing": "输入中缺失：",
    }
    return Text(
        f"the {name.en} "
        + ", ".join(f"{en[key]} {_and(sides)}" for key, sides in by_state.items()),
        f"{name.zh}" + "；".join(f"{zh[key]}{'、'.join(s)}" for key, s in by_state.items()),
    )


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _stop(side: Side, which: str) -> tuple[str, ...]:
    """The tokens that are taught behind an answer, as they are told; () for none."""
    places = places_of(side, which)
    return tuple(sorted({label for (_, label) in places if label}))


def _stops(result: Comparison, which: str) -> Text:
    en, zh = [], []
    for side in result.sides:
        places = places_of(side, which)
        taught = _stop(side, which)
        if not taught:
            en.append(f"{side.label} trains none")
            zh.append(f"{side.label} 不训练")
            continue
        told = ", ".join(taught)
        others = sorted({shown for (shown, label) in places if label and shown != label})
        if others:
            where = ", ".join(others)
            en.append(f"{side.label} teaches {told} where the input holds {where}")
            zh.append(f"{side.label} 在输入为 {where} 处训练 {told}")
        else:
            en.append(f"{side.label} teaches {told}")
            zh.append(f"{side.label} 训练 {told}")
    head = {
        "stop": Text("stop after an answer: ", "回答之后的停止符："),
        "call-stop": Text("stop after a call: ", "调用之后的停止符："),
        "end": Text("stop after the last answer: ", "最后一个回答之后的停止符："),
    }[which]
    return Text(head.en + "; ".join(en), head.zh + "；".join(zh))


def _damage(side: Side) -> Iterator[Text]:
    """That the input is not what the template prints."""
    marks = ", ".join(sorted(side.marks))
    if lost := side.damaged["lost"]:
        what, was = (f"{marks} and what stands beside them", f"{marks} 及其附近的内容")
        if not marks:
            what, was = "text", "内容"
        yield Text(
            f"{side.label} cuts {what} out of the input of {lost} of {side.rows} rows",
            f"{side.label} 从 {side.rows} 行中 {lost} 行的输入里切掉了 {was}",
        )
    elif added := side.damaged["added"]:
        yield Text(
            f"{side.label} puts {marks} into the input of {added} of {side.rows} rows, "
            "where the template prints none",
            f"{side.label} 在 {side.rows} 行中 {added} 行的输入里多放了模板不会输出的 {marks}",
        )
    elif kept := side.damaged["text"]:
        yield Text(
            f"{side.label} keeps text in {kept} of {side.rows} rows that the template leaves out",
            f"{side.label} 在 {side.rows} 行中的 {kept} 行保留了模板会省略的文本",
        )
