"""Rows of a Parquet file, a few at a time, and never more of them unpacked than fits the bounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import IO, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from glmlint.extras import install
from glmlint.finding import Defect
from glmlint.read.faults import SourceError
from glmlint.read.sample import MAX_VALUES, read
from glmlint.read.scan import Row, too_long
from glmlint.text import Text

BATCH_ROWS: Final = 256
_PARQUET_BYTES: Final = 4 << 20
"""Rows read together, and bytes and values of those that are made Python's together."""


def _json_opener(column: Any) -> Callable[[Any], Any] | None:
    """What makes the values of a Parquet column those that were written; None where they are already.

    `datasets` from 4.7 on keeps objects of different keys as JSON text, in columns that say so.
    """
    if getattr(column, "extension_name", None) == "arrow.json":
        return _written_json
    item = getattr(column, "value_type", None)
    if item is not None:
        opener = _json_opener(item)
        return None if opener is None else partial(_with_items, opener)
    if not getattr(column, "num_fields", 0) or not hasattr(column, "field"):
        return None
    fields = [column.field(index) for index in range(column.num_fields)]
    inside = {field.name: opener for field in fields if (opener := _json_opener(field.type))}
    return partial(_with_fields, inside) if inside else None


def _written_json(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    raw = text.encode()
    return text if read(raw).value is None and raw.strip() != b"null" else msgspec.Raw(raw)


def _with_fields(openers: dict[str, Callable[[Any], Any]], value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: openers[key](item) if key in openers else item for key, item in value.items()}


def _with_items(opener: Callable[[Any], Any], value: Any) -> Any:
    return [opener(item) for item in value] if isinstance(value, list) else value


_BOMB_BYTES: Final = 64 << 20
_BOMB_TIMES: Final = 500
"""A column of a row group that takes more bytes than this, and so many times those in the file, is
no data: texts shrink to a third or a tenth."""
_BOMB_VALUES: Final = 1 << 22
"""Values of a list column of which each takes less than half a bit, lengths of the lists included."""


_UNPACKED_MOST: Final = 256 << 20
_UNPACKED_TIMES: Final = 1000
"""Bytes of the rows of a small file, and how many times the file's they may be."""


def _bomb(packed: int) -> SourceError:
    return SourceError(
        Text(
            "the rows take more than {times:,} times the {packed:,} bytes of the file: only the "
            "rows before are read",
            "数据行已超过文件大小（{packed:,} 字节）的 {times:,} 倍：只读取了此前的行",
        ),
        times=_UNPACKED_TIMES,
        packed=packed,
    )


def _refuse_bombs(metadata: Any) -> None:
    """Raise SourceError where a small file says that it stands for gigabytes."""
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            whole, packed = column.total_uncompressed_size, column.total_compressed_size
            lists = metadata.schema.column(index).max_repetition_level > 0
            if (whole > _BOMB_BYTES and whole > _BOMB_TIMES * packed) or (
                lists and column.num_values > max(_BOMB_VALUES, 16 * whole)
            ):
                raise SourceError(
                    Text(
                        "the column {column} packs {values:,} values of {whole:,} bytes into "
                        "{packed:,}: this is hardly data, and it is not read",
                        "列 {column} 把 {values:,} 个值（{whole:,} 字节）压缩成了 {packed:,} 字节：这不像是数据，未读取",
                    ),
                    column=str(column.path_in_schema)[:200],
                    values=column.num_values,
                    whole=whole,
                    packed=packed,
                )


def _texts_of(schema: Any) -> list[str]:
    """Paths of the columns that hold texts."""
    columns = [schema.column(index) for index in range(len(schema.names))]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _small_parts(
    batch: Any, schema: Any, max_line: int
) -> Iterator[tuple[list[Any], Defect | None]]:
    """The rows of a batch as Python's values, a few at a time.

    Instead of a row that is too large comes None, with what is wrong with it.
    """
    sizes, values = np.zeros((2, batch.num_rows), np.int64)
    for column in batch.columns:
        size, number = _measured(column)
        sizes += size
        values += number
    begun = total = 0
    for row, (size, number) in enumerate(zip(sizes.tolist(), values.tolist(), strict=True)):
        too_large = size > max_line or number > MAX_VALUES
        if too_large or total + size + number > _PARQUET_BYTES:
            yield _records(batch, begun, row, schema), None
            begun, total = row, 0
        total += size + number
        if too_large:
            values_ = {"values": MAX_VALUES} if number > MAX_VALUES else None
            yield [None], Defect("line-too-long", values_ or {"bytes": size, "limit": max_line})
            begun, total = row + 1, 0
    yield _records(batch, begun, batch.num_rows, schema), None


def _records(batch: Any, begin: int, end: int, schema: Any) -> list[Any]:
    """Some rows of a batch as Python's values."""
    import pyarrow

    if (begin, end) != (0, batch.num_rows):  # a cast makes texts of all that a slice is a part of
        batch = batch.take(pyarrow.array(range(begin, end), pyarrow.int64()))
    try:  # texts that are no indices any more are made Python's faster
        columns = [
            column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)
        ]
        batch = pyarrow.RecordBatch.from_arrays(columns, schema=schema)
    except (pyarrow.ArrowException, ValueError):
        pass  # of a kind that this version can't cast
    rows: list[Any] = batch.to_pylist()
    return rows


def _measured(array: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each entry of a column, bytes of its texts and how many values it holds."""
    import pyarrow
    from pyarrow import compute

    kind = array.type
    ones = np.ones(len(array), np.int64)
    if pyarrow.types.is_dictionary(kind):
        lengths = _measured(array.dictionary)[0]
        chosen = compute.fill_null(array.indices, -1).to_numpy(zero_copy_only=False)
        return np.append(lengths, 0)[chosen], ones
    if hasattr(kind, "storage_type"):
        return _measured(array.storage)
    if pyarrow.types.is_struct(kind):
        sizes, values = np.zeros((2, len(array)), np.int64)
        for index, field in enumerate(array.flatten()):
            size, number = _measured(field)
            sizes += size + len(kind.field(index).name)
            values += number
        return sizes, values + 1
    if pyarrow.types.is_map(kind) or hasattr(kind, "value_type"):
        if pyarrow.types.is_fixed_size_list(kind):
            inside, ends = array.flatten(), np.arange(len(array) + 1) * kind.list_size
            if array.null_count:
                ends = np.cumsum([0, *np.where(array.is_valid(), kind.list_size, 0)])
        else:
            offsets = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
            ends = offsets - offsets[0]
            inside = (
                pyarrow.StructArray.from_arrays([array.keys, array.items], ["key", "value"]).slice(
                    offsets[0], ends[-1]
                )
                if pyarrow.types.is_map(kind)
                else array.values.slice(offsets[0], ends[-1])
            )
        sizes, values = (np.concatenate(([0], np.cumsum(each))) for each in _measured(inside))
        return np.diff(sizes[ends]), np.diff(values[ends]) + 1
    if pyarrow.types.is_binary(kind) or (
        hasattr(compute, "binary_length")
        and (
            pyarrow.types.is_string(kind)
            or pyarrow.types.is_large_string(kind)
            or pyarrow.types.is_large_binary(kind)
        )
    ):
        lengths = compute.fill_null(compute.binary_length(array), 0)
        return lengths.to_numpy(zero_copy_only=False).astype(np.int64), ones
    return 8 * ones, ones


def parquet_rows(handle: IO[bytes], max_line: int) -> Iterator[Row]:
    """Each row as JSON. Keys that are null are kept: which keys a row has matters to trainers."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SourceError(
            Text("a Parquet file; to read it: {how}", "这是 Parquet 文件；读取前请先运行 {how}"),
            how=install("parquet"),
        ) from None
    if not handle.seekable():
        raise SourceError(
            Text("a Parquet file cannot be read from a pipe", "无法从管道读取 Parquet 文件")
        )
    try:
        table = pyarrow.parquet.ParquetFile(handle)
        _refuse_bombs(table.metadata)
        plain = table.schema_arrow
        # Texts as indices into those that there are: a row that repeats one stays small.
        table = pyarrow.parquet.ParquetFile(handle, read_dictionary=_texts_of(table.schema))
        packed, unpacked = handle.seek(0, os.SEEK_END), 0
        batches = chain.from_iterable(
            table.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False)
            for group in range(table.num_row_groups)  # each has indices of its own
        )
        for row in batch_rows(batches, plain, max_line):
            unpacked += len(row[1])
            if unpacked > max(_UNPACKED_MOST, _UNPACKED_TIMES * packed):
                raise _bomb(packed)
            yield row
    except RecursionError:
        raise SourceError(
            Text("the Parquet columns nest too deeply", "Parquet 的列嵌套太深")
        ) from None
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        cause = str(error).partition("\n")[0].rstrip(".")
        raise SourceError(
            Text("the Parquet data cannot be read ({cause})", "无法读取 Parquet 数据（{cause}）"),
            cause=cause,
        ) from error


def batch_rows(batches: Iterable[Any], schema: Any, max_line: int) -> Iterator[Row]:
    """The rows of Arrow's record batches as JSON, each with its number from 1 on.

    Args:
        batches: of a Parquet file, or in memory.
        schema: the types of their columns, dictionaries of texts aside.
        max_line: bytes of a row; a larger one has the defect `line-too-long`.
    """
    encode = msgspec.json.Encoder(enc_hook=str).encode
    opened = {
        field.name: opener for field in schema if (opener := _json_opener(field.type)) is not None
    }
    number = 0
    for batch in batches:
        for records, defect in _small_parts(batch, schema, max_line):
            for record in records:
                number += 1
                if defect is not None:
                    yield number, b"", msgspec.structs.replace(defect, line=number)
                    continue
                for name, opener in opened.items():
                    record[name] = opener(record[name])
                line = encode(record)
                if len(line) > max_line:
                    yield number, b"", too_long(len(line), max_line, number)
                else:
                    yield number, line, None
