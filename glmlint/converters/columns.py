"""Columns of any names, by `--map COLUMN=TARGET`: which of them holds the question, the answer, …"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused, reader_of
from glmlint.converters.chat import assemble, history, load, pair, side
from glmlint.converters.dialogue import Dialogue, Utterance
from glmlint.read.formats import recognise
from glmlint.text import Text, Told, nearest

TARGETS: Final = ("user", "assistant", "system", "tools", "history", "messages")
"""What a column can be mapped to."""

_OPTIONAL: Final = ("system", "tools", "history")
"""What a row may lack, and is looked for under its own name where nothing is mapped to it."""

_SYNTAX: Final = Text(
    "--map {given}: write COLUMN=TARGET, where TARGET is one of {known}",
    "--map {given}：请写成 列名=目标，目标为 {known} 之一",
)
_UNKNOWN: Final = Text(
    "--map {given}: no target is named {name}; known are {known}",
    "--map {given}：没有名为 {name} 的目标；可用的有 {known}",
)
_NEAR: Final = Text(
    "--map {given}: no target is named {name}; did you mean {near}?",
    "--map {given}：没有名为 {name} 的目标；是否想写 {near}？",
)
_TWICE: Final = Text(
    "--map {given}: {name} has been mapped already", "--map {given}：{name} 已经映射过了"
)
_MISSING: Final = Text(
    "--map: name the columns of the question and of the answer (COLUMN=user, COLUMN=assistant), "
    "or that of the whole conversation (COLUMN=messages)",
    "--map：请指定问题列和回答列（列名=user、列名=assistant），或整段对话所在的列（列名=messages）",
)
_BOTH: Final = Text(
    "--map: messages holds the whole conversation, so nothing can be mapped to {name} beside it",
    "--map：messages 就是整段对话，不能再映射 {name}",
)


def mapped(given: Iterable[str]) -> Format:
    """The format of rows with these columns. Raises Told.

    Args:
        given: each COLUMN=TARGET. The column's name may hold a `=`.
    """
    columns: dict[str, str] = {}
    for one in given:
        column, _, target = one.rpartition("=")
        if not column or not target:
            raise Told(_SYNTAX, given=one, known=", ".join(TARGETS))
        if target not in TARGETS:
            near = nearest(target, TARGETS)
            if near:
                raise Told(_NEAR, given=one, name=target, near=near)
            raise Told(_UNKNOWN, given=one, name=target, known=", ".join(TARGETS))
        if target in columns or column in columns.values():
            raise Told(_TWICE, given=one, name=target if target in columns else column)
        columns[target] = column
    if "messages" in columns:
        for name in ("user", "assistant", "history"):
            if name in columns:
                raise Told(_BOTH, name=name)
    elif not {"user", "assistant"} <= columns.keys():
        raise Told(_MISSING)
    return Format(
        name="mapped",
        recognised=(),
        about="columns named by --map",
        read=partial(_read, columns),
    )


def _read(columns: Mapping[str, str], row: Any, notes: Notes) -> Dialogue:
    if not isinstance(row, dict):
        raise Refused(kinds.NO_COLUMN, detail=next(iter(columns.values())))
    for target, column in columns.items():
        if column not in row and target not in _OPTIONAL:
            raise Refused(kinds.NO_COLUMN, detail=column)
    beside = {name: columns.get(name, name) for name in _OPTIONAL}
    taken = [column for column in columns.values() if column in row]
    if "messages" in columns:
        turns = _conversation(row[columns["messages"]], columns["messages"], notes)
    else:
        asked, answered = columns["user"], columns["assistant"]
        turns = history(row.get(beside["history"]), notes, beside["history"])
        turns += _turns(row[asked], row[answered], asked, answered, notes)
        taken.append(beside["history"])
    tools = (beside["tools"],)
    return assemble(
        row, {name for name in taken if name in row}, turns, notes, beside["system"], tools
    )


def _turns(asked: Any, answered: Any, question: str, answer: str, notes: Notes) -> list[Utterance]:
    """A question and its answer, or as many of the one as of the other."""
    lists = isinstance(asked, list) and isinstance(answered, list)
    if lists and len(asked) == len(answered) and all(isinstance(text, str) for text in asked):
        return [
            turn
            for index, texts in enumerate(zip(asked, answered, strict=True))
            for turn in pair(texts, (answer, index))
        ]
    return side(asked, "user", question, notes) + side(answered, "assistant", answer, notes)


def _conversation(value: Any, column: str, notes: Notes) -> list[Utterance]:
    """A list of turns in any form that is known, or its JSON text."""
    if isinstance(value, str):
        try:
            value = load(value)
        except ValueError:
            raise Refused(kinds.NO_MESSAGES, column) from None
    name = recognise({"messages": value})
    reader = reader_of(name) if name else None
    if reader is None or not isinstance(value, list):
        raise Refused(kinds.NO_MESSAGES, column)
    inside = Notes(take=notes.take)
    try:
        found = reader.read({"messages": value}, inside)
    except Refused as error:
        raise Refused(error.kind, column, *error.pointer[1:], detail=error.detail) from None
    for loss in inside.losses:
        notes.add(loss.kind, column, *loss.pointer[1:])
    if found.tools:
        if found.turns[0].role != "system":
            found.turns.insert(0, Utterance("system", "", (column,)))
        found.turns[0].tools = found.tools
    return found.turns
