"""The data passed to a function -> inputs of the engine: paths, or rows in memory under a name."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from glmlint.api.errors import WrongType
from glmlint.extras import install
from glmlint.plan import FileChoice
from glmlint.read.faults import SourceError
from glmlint.read.memory import RowsInMemory, json_lines, loaded_rows
from glmlint.read.parquet import BATCH_ROWS, batch_rows
from glmlint.read.paths import find_inputs
from glmlint.read.scan import Row
from glmlint.read.source import InputFile
from glmlint.text import Text, Told

SPLITS: Final = frozenset(("train", "validation", "valid", "val", "dev", "eval", "test"))
"""Keys of a dict of data sets; any other dict is one row."""


class DataError(Told):
    """Data that does not exist or can't be read; the message is one sentence for the user."""


class HandedOver(msgspec.Struct, frozen=True):
    """The data passed: paths as they were written, or rows in memory."""

    paths: tuple[str, ...] = ()
    memory: tuple[InputFile, ...] = ()

    def files(
        self, paths: Iterable[str] | None = None, choice: FileChoice | None = None
    ) -> list[InputFile]:
        """The inputs, in order; `paths` are read in place of those that were written.

        Args:
            choice: what folders leave out.

        Raises:
            DataError: there is no such file.
        """
        found, missing = find_inputs(self.paths if paths is None else tuple(paths), choice)
        for problem in missing:
            raise DataError(
                Text("{path}: {why}", "{path}：{why}"), path=problem.path, why=problem.reason
            )
        return [*self.memory, *found]


def given(data: Any, name: str = "rows") -> HandedOver:
    """Tell paths from rows.

    Args:
        data: a path or a list of paths; a list, an iterator or any iterable of rows, or one row as a
            dict; a Dataset, IterableDataset, DatasetDict or dict of splits; a frame of pandas or
            polars; a table of pyarrow. None is nothing.
        name: used in findings as the path of rows in memory; a split has its own.

    Raises:
        WrongType: data of another kind.
    """
    if data is None:
        return HandedOver()
    if isinstance(data, str | os.PathLike):
        return HandedOver((os.fspath(data),))
    if isinstance(data, list | tuple) and data and all(map(_is_path, data)):
        return HandedOver(tuple(map(os.fspath, data)))
    if isinstance(data, Mapping) and _is_splits(data):
        return HandedOver(memory=tuple(_split(str(key), value) for key, value in data.items()))
    return HandedOver(memory=(InputFile(name, memory=_rows(data)),))


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


def _is_splits(data: Mapping[Any, Any]) -> bool:
    if _is(data, "datasets", "DatasetDict", "IterableDatasetDict"):
        return True
    return bool(data) and (data.keys() <= SPLITS or all(map(_is_table, data.values())))


def _split(name: str, data: Any) -> InputFile:
    if _is_path(data) or isinstance(data, Mapping):
        raise WrongType(
            Text(
                "{name}: a split is a list of rows or a table, not {kind}",
                "{name}：数据划分应为行的列表或表，而不是 {kind}",
            ),
            name=name,
            kind=type(data).__name__,
        )
    return InputFile(name, memory=_rows(data))


def _is(value: Any, package: str, *names: str) -> bool:
    """Whether a value is of a package's classes; the package is not imported for that."""
    module = sys.modules.get(package)
    kinds = tuple(kind for name in names if (kind := getattr(module, name, None)) is not None)
    return bool(kinds) and isinstance(value, kinds)


def _is_table(value: Any) -> bool:
    return (
        _is(value, "datasets", "Dataset", "IterableDataset")
        or _is(value, "pandas", "DataFrame")
        or _is(value, "polars", "DataFrame", "LazyFrame")
        or _is(value, "pyarrow", "Table", "RecordBatch", "RecordBatchReader")
    )


def _rows(data: Any) -> RowsInMemory:
    if _is(data, "datasets", "Dataset"):
        return _of_dataset(data)
    if _is(data, "datasets", "IterableDataset"):
        return RowsInMemory(table=lambda limit: loaded_rows(data, limit))
    if _is_table(data):
        return _of_table(lambda: _arrow(data))
    if isinstance(data, Mapping):
        return RowsInMemory(lines=lambda: json_lines((data,)))
    if isinstance(data, io.IOBase | bytes | bytearray | memoryview) or not (
        isinstance(data, Iterable) or hasattr(data, "__getitem__")
    ):
        raise WrongType(
            Text(
                "{kind} is not supported as data: pass a path, rows as dicts, a Dataset, a DataFrame or a Table",
                "不支持把 {kind} 作为数据：请传入路径、由 dict 组成的行、Dataset、DataFrame 或 Table",
            ),
            kind=type(data).__name__,
        )
    return RowsInMemory(lines=lambda: json_lines(data), once=isinstance(data, Iterator))


def _of_dataset(data: Any) -> RowsInMemory:
    """A Dataset's rows came through Arrow already: they are what a trainer gets of them."""
    if data.format["type"] == "custom":  # `set_transform`: rows are made when they are asked for
        return RowsInMemory(table=lambda limit: loaded_rows(data, limit))
    plain = data.with_format("arrow")
    schema = data.data.schema

    def batches() -> Iterator[Any]:
        for table in plain.iter(BATCH_ROWS):
            yield from table.to_batches()

    return RowsInMemory(table=lambda limit: _guarded(batches, schema, limit))


def _of_table(table: Callable[[], Any]) -> RowsInMemory:
    def rows(limit: int) -> Iterator[Row]:
        found = table()
        return _guarded(lambda: found.to_batches(BATCH_ROWS), found.schema, limit)

    return RowsInMemory(table=rows)


def _arrow(data: Any) -> Any:
    """A frame or a batch as a table of pyarrow. Raises SourceError."""
    try:
        import pyarrow
    except ImportError:
        raise SourceError(
            Text("to check a DataFrame: {how}", "检查 DataFrame 前请先运行 {how}"),
            how=install("parquet"),
        ) from None
    try:
        if _is(data, "pandas", "DataFrame"):
            return pyarrow.Table.from_pandas(data, preserve_index=False)
        if _is(data, "polars", "LazyFrame"):
            data = data.collect()
        if _is(data, "polars", "DataFrame"):
            import polars

            return data.to_arrow(compat_level=polars.CompatLevel.oldest())
        if isinstance(data, pyarrow.RecordBatch):
            return pyarrow.Table.from_batches([data])
        return data.read_all() if isinstance(data, pyarrow.RecordBatchReader) else data
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise _unreadable(error) from None


def _guarded(batches: Callable[[], Iterable[Any]], schema: Any, limit: int) -> Iterator[Row]:
    """The rows of batches; what pyarrow can't make Python's values of is one sentence."""
    import pyarrow

    try:
        yield from batch_rows(batches(), schema, limit)
    except (pyarrow.ArrowException, ValueError, RecursionError, MemoryError) as error:
        raise _unreadable(error) from error


def _unreadable(error: BaseException) -> SourceError:
    cause = (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
    return SourceError(
        Text("the columns cannot be read ({cause})", "无法读取表中的列（{cause}）"), cause=cause
    )
