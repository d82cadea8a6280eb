"""Python's values -> rows as bytes: rows that are in no file, written as JSON Lines would have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from glmlint.finding import Pointer, place
from glmlint.read.sample import MAX_VALUES
from glmlint.read.scan import Row, too_long
from glmlint.text import Text, Told

_BLOCK: Final = 1 << 18
"""Bytes of rows that are yielded together."""

_DEEPEST: Final = 100
"""Levels of a row in which values that are not JSON are looked for."""

_UNCLEAR: Final = frozenset("MmSV")
"""Kinds of numpy's types that JSON can't hold: times, bytes."""


class NotJson(Told):
    """A row in memory that can't be written as JSON: one sentence with its row and key."""


class RowsInMemory(msgspec.Struct, frozen=True):
    """Rows that are in no file. One of `lines` and `table` is set."""

    lines: Callable[[], Iterator[bytes]] | None = None
    """JSON Lines in blocks, as a file of them would be read; each call begins anew unless `once`."""
    table: Callable[[int], Iterator[Row]] | None = None
    """Rows as a trainer gets them, which no loader changes any more; called with the limit of a row."""
    once: bool = False
    """Whether the rows can be had only once, as of a generator."""


def json_lines(rows: Iterable[Any]) -> Iterator[bytes]:
    """Rows as the standard json module writes them, a line each, in blocks.

    Raises:
        NotJson: a row that is none.
    """
    encode = json.JSONEncoder(ensure_ascii=False, default=plain).encode
    held: list[bytes] = []
    size = 0
    for number, row in enumerate(rows, 1):
        try:
            line = encode(row).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON has as an escape
            line = json.dumps(row, default=plain).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _not_json(row, number, error) from None
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            held.append(b"")
            yield b"\n".join(held)
            held, size = [], 0
    if held:
        held.append(b"")
        yield b"\n".join(held)


def loaded_rows(rows: Iterable[Any], max_line: int) -> Iterator[Row]:
    """Rows that a trainer gets as they are: of a stream of `datasets`, say. A null stays one.

    Raises:
        NotJson: a row that is none.
    """
    encode = msgspec.json.Encoder(enc_hook=_plain_or_text).encode
    for number, row in enumerate(rows, 1):
        try:
            line = encode(row)
        except UnicodeEncodeError:
            line = json.dumps(row, default=_plain_or_text).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _not_json(row, number, error) from None
        if len(line) > max_line:
            yield number, b"", too_long(len(line), max_line, number)
        else:
            yield number, line, None


def plain(value: Any) -> Any:
    """A value of numpy, torch or pandas as plain Python. Raises TypeError for what JSON can't hold."""
    kind = type(value)
    if kind.__name__ in ("NAType", "NaTType") and kind.__module__.startswith("pandas."):
        return None
    if isinstance(value, Mapping):
        return dict(value)
    dtype = getattr(value, "dtype", None)
    if dtype is not None and callable(getattr(value, "tolist", None)):
        if getattr(dtype, "kind", "") in _UNCLEAR and not isinstance(value, str):
            raise TypeError(f"{kind.__name__} of {dtype}")
        return value.tolist()
    raise TypeError(kind.__name__)


def _plain_or_text(value: Any) -> Any:
    try:
        return plain(value)
    except TypeError:
        return str(value)  # as `read.parquet` has them


def _not_json(row: Any, number: int, error: Exception) -> NotJson:
    if isinstance(error, RecursionError):
        return NotJson(Text("row {row} nests too deeply", "第 {row} 行嵌套太深"), row=f"{number:,}")
    path, why = _culprit(row) or ((), Text(str(error), str(error)))
    return NotJson(
        Text(
            "row {row}, {place}: {why} can't be written as JSON; turn it into text, numbers, "
            "lists or dicts first",
            "第 {row} 行 {place}：{why} 不能写成 JSON；请先转换成文本、数字、列表或字典",
        ),
        row=f"{number:,}",
        place=place(path) if path else Text("the row", "整行"),
        why=why,
    )


def _culprit(value: Any) -> tuple[Pointer, Text] | None:
    """Where in a row a value is that JSON can't hold, and what it is."""
    waiting: list[tuple[Pointer, Any]] = [((), value)]
    for _ in range(MAX_VALUES):
        if not waiting:
            break
        path, one = waiting.pop()
        if len(path) > _DEEPEST:
            continue
        if isinstance(one, dict):
            for key, item in one.items():
                if not isinstance(key, str | int | float | None):
                    name = type(key).__name__
                    return path, Text(f"a key of type {name}", f"类型为 {name} 的键")
                waiting.append(((*path, str(key)), item))
        elif isinstance(one, list | tuple):
            waiting += (((*path, at), item) for at, item in enumerate(one))
        elif one is not None and not isinstance(one, str | int | float):
            try:
                waiting.append((path, plain(one)))
            except TypeError as error:
                name = str(error)
                return path, Text(f"a value of type {name}", f"类型为 {name} 的值")
    return None
