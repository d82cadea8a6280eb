"""Loads small files with the `datasets` of the interpreter that runs it: `python loader_real.py`.

As a program it answers JSON lines on standard input, `{"data": text, "chunk": bytes or null, "name":
the file's}`, one JSON line each, so that one process of an older version serves a whole test. A
`.gz` in the name has the text compressed. With `"rows": false` rows are counted, not printed.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")


def load(
    data: bytes, chunk: int | None = None, name: str = "rows.jsonl", rows: bool = True
) -> dict[str, Any]:
    """`{"rows": […], "features": text}` (without `rows` their number), or `{"errors": [class, class of its cause, …]}`."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    folder = tempfile.mkdtemp()
    try:
        path = Path(folder) / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        options = {} if chunk is None else {"chunksize": chunk}
        try:
            train = datasets.load_dataset(
                "json", data_files={"train": str(path)}, cache_dir=folder, **options
            )["train"]
            return {
                "features": repr(dict(train.features)),
                "rows": [train[i] for i in range(len(train))] if rows else len(train),
            }
        except Exception as error:
            chain: list[str] = []
            text = ""
            cause: BaseException | None = error
            while cause is not None:
                chain.append(type(cause).__name__)
                text = str(cause)
                cause = cause.__cause__
            return {"errors": chain, "text": text[:200]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plain(value: object) -> object:
    """What JSON can't spell: a time as an object with one key."""
    return {"$time": value.isoformat()} if isinstance(value, datetime) else str(value)


def main() -> None:
    """Answer every line; other output goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        data = asked.pop("data").encode()
        answer = load(data, **asked)
        print(json.dumps(answer, default=plain), file=answers, flush=True)


if __name__ == "__main__":
    main()
