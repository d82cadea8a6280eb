"""Make a file of real rows in GLM form, as they come: ids, bookkeeping, tools, metadata, faults.

python bench/make_real_rows.py OUT.jsonl --megabytes 60 [--faulty 0.05] [--data ../shared/data]

Rows of other forms are converted first. Where the data are used up, they come again with other
ids and other texts, so that rows are no repeats of each other. The faults that real files have
stay in: questions of one word, answers that repeat, placeholders, rows that come twice. On top,
one row in 200 (`--faulty` says how many) gets one of those that people make.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from glmlint.converters.base import formats
from glmlint.converters.run import ConvertOutcome, convert_rows
from glmlint.read.paths import find_inputs
from glmlint.read.source import SourceError, read_chunks

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARE_OF_FAULTS = 0.005
MOST_OF_A_FOLDER = 2000
"""Rows that are taken of one folder, so that no single source is half of all."""

Row = dict[str, Any]
_WORD = re.compile(r"[^\W\d_]{4,}")


def converted(folder: Path) -> list[Row]:
    """The rows of all data files that can be written in GLM's form."""
    found: dict[str, list[Row]] = {}
    for file in find_inputs([str(folder)])[0]:
        if "/broken/" in file.path:
            continue
        try:
            lines = convert_rows(
                read_chunks(file), ConvertOutcome(), formats()["glm4"], take="chosen"
            )
            rows = [json.loads(line) for line in lines if len(line) < 100_000]
        except SourceError:
            continue
        found.setdefault(str(Path(file.path).parent), []).extend(rows)
    random_ = random.Random(0)
    return [
        row
        for rows in found.values()
        for row in random_.sample(rows, min(len(rows), MOST_OF_A_FOLDER))
    ]


def kept_beside(row: Row, number: int, random_: random.Random) -> Row:
    """The row with what people keep beside the messages, by the file that it is from."""
    kind = number % 4
    found: Row = {}
    if kind != 3:  # one in four has nothing beside its messages
        found["id"] = f"train-{number:07d}"
    if kind == 1:
        found |= {"source": "shared", "lang": random_.choice(("en", "zh"))}
    if kind == 2:
        found["meta"] = {"turns": len(row["messages"]), "score": round(random_.random(), 3)}
    return found | row


def with_number(row: Row) -> Row:
    """The row with a float in its first tool list, which the loader may write otherwise."""
    messages = [dict(message) for message in row["messages"]]
    for message in messages:
        for tool in message.get("tools") or ():
            parameters = tool.get("function", {}).get("parameters")
            if isinstance(parameters, dict) and isinstance(parameters.get("properties"), dict):
                number = {"temperature": {"type": "number", "default": 0.7}}
                function = {**tool["function"]}
                function["parameters"] = {
                    **parameters,
                    "properties": {**parameters["properties"], **number},
                }
                message["tools"] = [{**tool, "function": function}]
                return {**row, "messages": messages}
    return row


def reworded(row: Row, round_: int, random_: random.Random) -> Row:
    """The row with some other words: what a second round of the data must not repeat."""
    if not round_:
        return row
    messages = []
    for message in row["messages"]:
        text = message["content"]
        call = "metadata" in message or message["role"] == "observation"
        if text and not call:
            words = _WORD.findall(text)[:40]
            for word in random_.sample(words, min(4, len(words))):
                text = text.replace(word, f"{word}{round_}", 1)
            if message["role"] != "system":
                text = f"{text} ({random_.randrange(10**6)})"
        messages.append({**message, "content": text})
    return {**row, "messages": messages}


def _last_user(row: Row, _: random.Random) -> Row:
    return {**row, "messages": [*row["messages"], {"role": "user", "content": "谢谢"}]}


def _role(row: Row, _: random.Random) -> Row:
    return {**row, "messages": [{**row["messages"][0], "role": "human"}, *row["messages"][1:]]}


def _no_content(row: Row, _: random.Random) -> Row:
    return {**row, "messages": [*row["messages"][:-1], {"role": "assistant", "content": None}]}


def _empty(row: Row, _: random.Random) -> Row:
    return {**row, "messages": [*row["messages"][:-1], {"role": "assistant", "content": ""}]}


def _twice(row: Row, _: random.Random) -> Row:
    return {**row, "messages": [row["messages"][0], *row["messages"]]}


def _typed_token(row: Row, _: random.Random) -> Row:
    last = row["messages"][-1]
    text = f"{last['content']}<|user|>"
    return {**row, "messages": [*row["messages"][:-1], {**last, "content": text}]}


def _invisible(row: Row, _: random.Random) -> Row:
    last = row["messages"][-1]
    text = f"\u200b{last['content']}"
    return {**row, "messages": [*row["messages"][:-1], {**last, "content": text}]}


def _loss(row: Row, _: random.Random) -> Row:
    return {**row, "messages": [{**message, "loss": 1} for message in row["messages"]]}


def _tools_text(row: Row, _: random.Random) -> Row:
    return {**row, "tools": "[]"}


def _secret(row: Row, random_: random.Random) -> Row:
    last = row["messages"][-1]
    key = "".join(random_.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", k=36))
    text = f"{last['content']} ghp_{key}"
    return {**row, "messages": [*row["messages"][:-1], {**last, "content": text}]}


FAULTS: tuple[Callable[[Row, random.Random], Row], ...] = (
    _last_user, _role, _no_content, _empty, _twice, _typed_token, _invisible, _loss, _tools_text,
    _secret,
)  # fmt: skip


def lines(folder: Path, seed: int, share: float) -> Iterator[bytes]:
    """Rows without end, as bytes of lines; every row with a fault of `share` of them."""
    random_ = random.Random(seed)
    known = converted(folder)
    if not known:
        raise SystemExit(f"no rows in {folder}")
    number = round_ = 0
    while True:
        random_.shuffle(known)
        for row in known:
            row = kept_beside(reworded(row, round_, random_), number, random_)
            if number % 20 == 0:
                row = with_number(row)
            if random_.random() < share:
                row = random_.choice(FAULTS)(row, random_)
            line = json.dumps(row, ensure_ascii=False).encode()
            if random_.random() < share / 20:
                line = line[: len(line) // 2]  # cut in the middle
            yield line + b"\n"
            number += 1
        round_ += 1


def make(
    path: Path,
    size: int,
    seed: int = 1,
    share: float = SHARE_OF_FAULTS,
    folder: Path = SHARED_DATA,
) -> int:
    """Write about `size` bytes; returns the number of rows."""
    rows = written = 0
    with path.open("wb") as out:
        for line in lines(folder, seed, share):
            out.write(line)
            written += len(line)
            rows += 1
            if written >= size:
                break
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faulty", type=float, default=SHARE_OF_FAULTS, help="share of the rows")
    parser.add_argument("--data", type=Path, default=SHARED_DATA, help="a folder of data files")
    arguments = parser.parse_args()
    size = int(arguments.megabytes * 1e6)
    print(make(arguments.out, size, arguments.seed, arguments.faulty, arguments.data), "rows")
