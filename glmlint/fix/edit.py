"""JSON-pointer operations on a row's text: what no edit names keeps its bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from glmlint.finding import Pointer
from glmlint.patterns import Pattern
from glmlint.rules.base import Edit

_SPACE: Final = Pattern(r"[ \t\r\n]*+")
_COLON: Final = Pattern(r"[ \t\r\n]*+:[ \t\r\n]*+")
_STRING: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_ATOM: Final = Pattern(r"[^,\]}\s]++")
_BRACKET: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_SEPARATOR: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"|[:,][ \t\r\n]?', re.DOTALL)
_OUTER_SPACE: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"|([,:]?)([ \t\r\n]++)', re.DOTALL)
_HALF: Final = Pattern("[\ud800-\udfff]")


class Unfit(Exception):
    """An edit names a place that the row does not have, or a value that is not valid JSON."""


class Member(Struct):
    """One member of an object or element of an array, with the white space around it."""

    before: str
    key: str
    """The key as it is written, its quotes included; "" in an array."""
    colon: str
    """The colon and the white space around it; "" in an array."""
    value: str | Container
    """Text, until something inside it is edited."""
    after: str


class Container(Struct):
    """An object or an array, its members cut apart."""

    brackets: str
    members: list[Member]
    empty: str
    """The white space inside when there is no member."""


class Style(Struct, frozen=True):
    """How a row separates things."""

    comma: str
    colon: str


def style_of(text: str) -> Style:
    """What the row writes after its first comma and its first colon: a space, or nothing."""
    found: dict[str, str] = {}
    for match in _SEPARATOR.finditer(text):
        mark = match[0][0]
        if mark != '"' and mark not in found:
            found[mark] = mark + " " * (len(match[0]) > 1)
            if len(found) == 2:
                break
    # A row of one member shows one of the two: the other is taken to be like it.
    spaces = [len(mark) > 1 for mark in found.values()]
    default = " " if all(spaces) else ""
    return Style(found.get(",", "," + default), found.get(":", ":" + default))


def one_line(text: str) -> str:
    """The same JSON text without line breaks; strings and spaces within a line stay."""

    def joined(match: re.Match[str]) -> str:
        space = match[2]
        if space is None or ("\n" not in space and "\r" not in space):
            return match[0]
        return match[1] + " " if match[1] else ""

    return _OUTER_SPACE.sub(joined, text.strip(" \t\r\n"))


def apply(text: str, problems: Iterable[Sequence[Edit]]) -> tuple[str, int]:
    """Run the edits of several problems on one row.

    Args:
        text: a JSON value.
        problems: the edits of each, which run in order. All pointers are meant for the row as it
            is now. A problem whose places another one has touched is left for the next time, and
            so is one whose edits do not fit; no problem is applied in part.

    Returns:
        The new text, and how many problems were applied.
    """
    root = Member("", "", "", text, "")
    start = _SPACE.match(text)
    assert start is not None  # the pattern matches nothing at all, too
    root.before = start[0]
    root.value = text[start.end() :].rstrip(" \t\r\n")
    root.after = text[start.end() + len(root.value) :]
    style = style_of(text)
    taken = _Taken()
    applied: dict[Pointer, Sequence[Edit]] = {}
    count = 0
    # From the end: what comes in or goes there moves nothing that stands before it.
    for edits in sorted(problems, key=_place, reverse=True):
        if applied.get(edits[0].pointer) == edits:
            count += 1  # two problems with one cure
            continue
        if taken.conflicts(edits):
            continue
        undo: list[Callable[[], None]] = []
        try:
            for edit in edits:
                _run(root, edit, style, undo)
        except Unfit:
            for step in reversed(undo):
                step()
            continue
        taken.add(edits)
        applied[edits[0].pointer] = edits
        count += 1
    return _written(root), count


def _place(edits: Sequence[Edit]) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, p, "") if isinstance(p, int) else (1, 0, p) for p in edits[0].pointer)


class _Taken:
    """The places that edits have touched in this round."""

    def __init__(self) -> None:
        self.touched: set[Pointer] = set()
        self.above: set[Pointer] = set()
        """Containers of touched places."""
        self.moved: dict[Pointer, int] = {}
        """Array -> first index at which elements have moved."""

    def conflicts(self, edits: Sequence[Edit]) -> bool:
        """Whether one of the edits meets what was touched before."""
        for edit in edits:
            at = edit.pointer
            # A new element touches none of the old ones, it only moves them.
            old = at[:-1] if _is_insertion(edit) else at
            if old is at and at in self.above:
                return True
            if any(at[:depth] in self.touched for depth in range(len(old) + 1)):
                return True
            for depth, part in enumerate(old):
                if isinstance(part, int) and part >= self.moved.get(at[:depth], part + 1):
                    return True
            if old is not at and int(at[-1]) > self.moved.get(old, int(at[-1])):
                return True
        return False

    def add(self, edits: Sequence[Edit]) -> None:
        """Note what these edits have touched."""
        for edit in edits:
            at = edit.pointer
            self.above.update(at[:depth] for depth in range(len(at)))
            if not _is_insertion(edit):
                self.touched.add(at)
            if edit.op in ("add", "remove") and at and isinstance(at[-1], int):
                self.moved[at[:-1]] = min(at[-1], self.moved.get(at[:-1], at[-1]))


def _is_insertion(edit: Edit) -> bool:
    return edit.op == "add" and bool(edit.pointer) and isinstance(edit.pointer[-1], int)


# --- the tree ------------------------------------------------------------------------------------


def _run(root: Member, edit: Edit, style: Style, undo: list[Callable[[], None]]) -> None:
    if edit.op == "replace" or (edit.op == "add" and not edit.pointer):
        _set(_find(root, edit.pointer), _dumps(edit.value, style), undo)
        return
    if edit.op not in ("add", "remove") or not edit.pointer:
        raise Unfit(edit.op)
    inside = _open(_find(root, edit.pointer[:-1]))
    part = edit.pointer[-1]
    if edit.op == "remove":
        _remove(inside, _index(inside, part), undo)
        return
    value = _dumps(edit.value, style)
    if inside.brackets == "{}":
        if not isinstance(part, str):
            raise Unfit("an index into an object")
        try:
            _set(inside.members[_index(inside, part)], value, undo)
        except Unfit:
            colon = inside.members[0].colon if inside.members else style.colon
            new = Member("", _dumps(part, style), colon, value, "")
            _insert(inside, len(inside.members), new, style, undo)
        return
    if not isinstance(part, int) or not 0 <= part <= len(inside.members):
        raise Unfit("no such place in the array")
    _insert(inside, part, Member("", "", "", value, ""), style, undo)


def _set(member: Member, value: str, undo: list[Callable[[], None]]) -> None:
    old = member.value
    undo.append(lambda: setattr(member, "value", old))
    member.value = value


def _insert(
    inside: Container, index: int, new: Member, style: Style, undo: list[Callable[[], None]]
) -> None:
    """Put a member in, with white space like that of those around it."""
    members = inside.members
    spaces = [(member, member.before, member.after) for member in (*members[:1], *members[-1:])]
    if len(members) > 1:
        between = members[1].before
    elif members and "\n" in members[0].before:
        between = members[0].before
    else:
        between = style.comma[1:]
    if not members:
        new.before, new.after = inside.empty, ""
    elif index == len(members):
        last = members[-1]
        new.before, new.after = between, last.after
        last.after = members[-2].after if len(members) > 1 else ""
    elif index == 0:
        new.before, members[0].before = members[0].before, between
    else:
        new.before = members[index].before
    members.insert(index, new)

    def back() -> None:
        del members[index]
        for other, before, after in spaces:
            other.before, other.after = before, after

    undo.append(back)


def _remove(inside: Container, index: int, undo: list[Callable[[], None]]) -> None:
    members = inside.members
    gone = members[index]
    spaces = [
        (member, member.before, member.after) for member in members[max(index - 1, 0) : index + 2]
    ]
    if len(members) == 1:
        inside.empty = ""
    elif index == len(members) - 1:
        members[-2].after = gone.after
    elif index == 0:
        members[1].before = gone.before
    del members[index]

    def back() -> None:
        members.insert(index, gone)
        for other, before, after in spaces:
            other.before, other.after = before, after

    undo.append(back)


def _find(root: Member, pointer: Pointer) -> Member:
    member = root
    for part in pointer:
        inside = _open(member)
        member = inside.members[_index(inside, part)]
    return member


def _index(inside: Container, part: str | int) -> int:
    """Where a member stands; of a repeated key the last one counts, as in Python's `json`."""
    if inside.brackets == "[]":
        if isinstance(part, int) and 0 <= part < len(inside.members):
            return part
    elif isinstance(part, str):
        for index in range(len(inside.members) - 1, -1, -1):
            key = inside.members[index].key
            if (json.loads(key, strict=False) if "\\" in key else key[1:-1]) == part:
                return index
    raise Unfit("no such place")


def _open(member: Member) -> Container:
    """The members of a value, cut apart the first time that they are asked for."""
    if isinstance(member.value, str):
        if member.value[:1] not in ("{", "["):
            raise Unfit("neither object nor array")
        member.value = _cut(member.value)
    return member.value


def _cut(text: str) -> Container:
    is_object = text[0] == "{"
    members: list[Member] = []
    at = 1
    while True:
        before = _match(_SPACE, text, at)
        at += len(before)
        if text[at] in "]}":
            return Container("{}" if is_object else "[]", members, before)
        key = colon = ""
        if is_object:
            key = _match(_STRING, text, at)
            colon = _match(_COLON, text, at + len(key))
            at += len(key) + len(colon)
        value = text[at : _value_end(text, at)]
        at += len(value)
        after = _match(_SPACE, text, at)
        at += len(after)
        members.append(Member(before, key, colon, value, after))
        if text[at] != ",":
            return Container("{}" if is_object else "[]", members, "")
        at += 1


def _match(pattern: Pattern[str], text: str, at: int) -> str:
    match = pattern.match(text, at)
    if match is None:
        raise Unfit("not valid JSON")
    return match[0]


def _value_end(text: str, at: int) -> int:
    if text[at] == '"':
        return at + len(_match(_STRING, text, at))
    if text[at] not in "{[":
        return at + len(_match(_ATOM, text, at))
    depth = 0
    for match in _BRACKET.finditer(text, at):
        first = match[0]
        if first in "{[":
            depth += 1
        elif first in "}]":
            depth -= 1
            if not depth:
                return match.end()
    raise Unfit("not valid JSON")


def _written(member: Member) -> str:
    parts: list[str] = []
    _write(member, parts)
    return "".join(parts)


def _write(member: Member, parts: list[str]) -> None:
    parts += (member.before, member.key, member.colon)
    value = member.value
    if isinstance(value, str):
        parts.append(value)
    else:
        parts.append(value.brackets[0])
        for number, inner in enumerate(value.members):
            if number:
                parts.append(",")
            _write(inner, parts)
        if not value.members:
            parts.append(value.empty)
        parts.append(value.brackets[1])
    parts.append(member.after)


def _dumps(value: Any, style: Style) -> str:
    separators = (style.comma, style.colon)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=separators)
        if _HALF.search(text):  # UTF-8 has no halves of characters, JSON's escapes have
            text = json.dumps(value, allow_nan=False, separators=separators)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(str(error)) from None
    return text
