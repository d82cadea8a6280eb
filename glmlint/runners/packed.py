"""The part of a report as bytes, and back: plain data in MessagePack, which runs no code when read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from glmlint.evidence import report
from glmlint.evidence.duplicates import Rows
from glmlint.evidence.ignored import IgnoredRows, Ignores
from glmlint.finding import Defect, Excerpt, Finding, Location
from glmlint.loader import Cut, ShapeForm, Shapes
from glmlint.loader.facts import Node
from glmlint.loader.shapes import Segment
from glmlint.text import Text
from glmlint.trainer.loaded import LoadedPart, Parts

_STRUCTS: Final[dict[str, Any]] = {
    one.__name__: one
    for one in (
        report.FileStats, report.Totals, report.Places, report.Curve, report.Once, report.Habit,
        Ignores, report.Held, report.Kept, Rows, Parts, LoadedPart, ShapeForm, Cut, Defect,
        Excerpt, Finding, Location,
    )
}  # fmt: skip
_STATES: Final[dict[str, Any]] = {one.__name__: one for one in (Shapes, Segment, Node, IgnoredRows)}
"""Classes that say themselves what is to be kept of them."""

_FINDINGS: Final = msgspec.msgpack.Decoder(list[Finding])

_BIG: Final = 1 << 63

_LIST, _TUPLE, _SET, _FROZEN, _DICT, _COUNTER, _ARRAY, _STRUCT, _STATE, _TEXT, _FOUND, _INT = range(
    12
)


class Unpackable(Exception):
    """Something in it is no plain data."""


def pack(value: Any) -> bytes:
    """Bytes that `unpack` makes the same of. Raises Unpackable."""
    try:
        return msgspec.msgpack.encode(_plain(value))
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError, TypeError) as error:
        raise Unpackable(str(error)) from None


def unpack(data: bytes) -> Any:
    """What was packed. Raises Unpackable for any other bytes."""
    try:
        return _made(msgspec.msgpack.decode(data))
    except Exception as error:  # whatever damaged data leads to
        raise Unpackable(str(error)) from None


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, float, str, bytes):
        return value
    if kind is int:
        return value if -_BIG <= value < _BIG else [_INT, str(value)]
    if kind is list:
        if value and all(type(one) is Finding for one in value):
            return [_FOUND, msgspec.msgpack.encode(value)]
        return [_LIST, *map(_plain, value)]
    if kind is tuple:
        return [_TUPLE, *map(_plain, value)]
    if kind in (set, frozenset):
        return [_SET if kind is set else _FROZEN, *map(_plain, value)]
    if kind in (dict, Counter):
        flat = (_plain(one) for pair in value.items() for one in pair)
        return [_DICT if kind is dict else _COUNTER, *flat]
    if kind is Text:
        return [_TEXT, *value]
    if kind is np.ndarray and not value.dtype.hasobject:
        form = value.dtype.descr if value.dtype.names else value.dtype.str
        whole = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return [_ARRAY, _plain(form), list(value.shape), whole.data]
    if isinstance(value, np.integer):
        return int(value)
    name = kind.__name__
    if _STRUCTS.get(name) is kind:
        return [_STRUCT, name, *(_plain(getattr(value, one)) for one in kind.__struct_fields__)]
    if _STATES.get(name) is kind:
        return [_STATE, name, _plain(value.__getstate__())]
    raise Unpackable(name)


def _made(plain: Any) -> Any:
    if type(plain) is not list:
        return plain
    tag, rest = plain[0], plain[1:]
    if tag == _LIST:
        return [*map(_made, rest)]
    if tag == _TUPLE:
        return (*map(_made, rest),)
    if tag == _SET:
        return {*map(_made, rest)}
    if tag == _FROZEN:
        return frozenset(map(_made, rest))
    if tag in (_DICT, _COUNTER):
        pairs: Iterable[Any] = zip(map(_made, rest[::2]), map(_made, rest[1::2]), strict=True)
        return dict(pairs) if tag == _DICT else Counter(dict(pairs))
    if tag == _FOUND:
        return _FINDINGS.decode(rest[0])
    if tag == _TEXT:
        return Text(*rest)
    if tag == _INT:
        return int(rest[0])
    if tag == _ARRAY:
        kind = np.dtype(_made(rest[0]))
        return np.frombuffer(rest[2], kind).reshape(rest[1]).copy()
    if tag == _STRUCT:
        made: type[Struct] = _STRUCTS[rest[0]]
        return made(**dict(zip(made.__struct_fields__, map(_made, rest[1:]), strict=True)))
    if tag == _STATE:
        one = _STATES[rest[0]].__new__(_STATES[rest[0]])
        state = _made(rest[1])
        if hasattr(one, "__setstate__"):
            one.__setstate__(state)
        else:
            one.__dict__.update(state)
        return one
    raise Unpackable(str(tag))
