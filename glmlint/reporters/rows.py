"""What `glmlint encode` prints: a line of JSON a row, or a packed sequence."""

from __future__ import annotations

from typing import Any

import msgspec

from glmlint.engine.encode import EncodedRow, PackedPart, PackedSequence
from glmlint.visible import json_text


def entry_of(row: EncodedRow | PackedSequence, several: bool) -> bytes:
    """One line, with its end.

    Args:
        row: what is told.
        several: rows of several files are told: each names its path.
    """
    entry: dict[str, Any]
    if isinstance(row, PackedSequence):
        parts = [
            {**_place(part, several), "start": part.start, "stop": part.stop} for part in row.rows
        ]
        entry = {"rows": parts, "input_ids": row.input_ids.tolist(), "labels": row.labels.tolist()}
        return msgspec.json.encode(entry) + b"\n"
    entry = _place(row, several)
    if row.error is not None:
        entry["error"] = msgspec.Raw(json_text(row.error).encode())
    elif row.dropped is not None:
        entry["dropped"] = True
        entry["reason"] = row.dropped
    else:
        if row.part is not None:
            entry["part"] = row.part
        entry["input_ids"] = row.input_ids.tolist()
        entry["labels"] = row.labels.tolist()
        if row.weights is not None:
            entry["loss_scale"] = row.weights.tolist()
    return msgspec.json.encode(entry) + b"\n"


def _place(row: EncodedRow | PackedPart, several: bool) -> dict[str, Any]:
    path = {"path": msgspec.Raw(json_text(row.path).encode())} if several else {}
    return {**path, "line": row.line, "index": row.index}
