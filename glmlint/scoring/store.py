"""Scores on disk: one commit a batch, so that a run that was killed goes on where it stopped.

One sqlite file a process, keyed by (fingerprint of the model and how it was run, key of the
row's content). Reading folds the files of all processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from glmlint.evidence.scores import RowScore
from glmlint.scoring.errors import ScoreError
from glmlint.text import Text

ENGINE_VERSION: Final = 2
"""Raised whenever the engine's numbers change; old scores are then not read."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS scores (
    model TEXT NOT NULL, row BLOB NOT NULL, nll BLOB NOT NULL, worst BLOB NOT NULL,
    PRIMARY KEY (model, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (model TEXT PRIMARY KEY, told TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (model TEXT, plan TEXT, state TEXT, PRIMARY KEY (model, plan));
"""


def default_path() -> Path:
    """Where scores are kept when `--store` names no file: the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "glmlint" / "scores.sqlite"


def fingerprint(weights: str, **how: str) -> str:
    """Identity of scores: the weights' fingerprint and how the model was run (dtype, …)."""
    told = json.dumps({"weights": weights, "engine": ENGINE_VERSION, **how}, sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


class Store:
    """The file that one process writes, and those of its sisters, which it only reads."""

    def __init__(self, path: str | Path, rank: int = 0, world: int = 1) -> None:
        """Open or make the file. Process `rank` of several writes `PATH.rank<rank>`.

        Raises:
            ScoreError: the file can't be written or is no store.
        """
        self.base = Path(path)
        self.path = self.base if world == 1 else _ranked(self.base, rank)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._own = sqlite3.connect(self.path, timeout=60)
            self._own.execute("PRAGMA journal_mode=WAL")
            self._own.execute("PRAGMA synchronous=NORMAL")
            self._own.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ScoreError(
                Text(
                    "{path} can't be used as a store of scores: {error}",
                    "{path} 无法用来保存分数：{error}",
                ),
                path=self.path,
                error=error,
            ) from None

    def files(self) -> list[Path]:
        """All files of this store that exist, its own first."""
        sisters = sorted(self.base.parent.glob(f"{self.base.name}.rank*"))
        others = [self.base, *(file for file in sisters if file.suffix[5:].isdigit())]
        return [self.path, *(file for file in others if file != self.path and file.is_file())]

    def keys(self, model: str) -> set[bytes]:
        """Keys of all rows that have a score under this fingerprint, in any of the files."""
        return {row for (row,) in self._select("SELECT row FROM scores WHERE model = ?", model)}

    def put(self, model: str, scores: Iterable[RowScore]) -> None:
        """Add a batch in one commit. A score that is there already stays."""
        rows = [(model, score.key, score.nll.tobytes(), _pack(score)) for score in scores]
        with self._own:
            self._own.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)", rows)

    def read(self, model: str, keys: Iterable[bytes]) -> dict[bytes, RowScore]:
        """The scores of these rows, as far as they are there."""
        wanted = set(keys)
        found: dict[bytes, RowScore] = {}
        for key, nll, worst in self._select(
            "SELECT row, nll, worst FROM scores WHERE model = ?", model
        ):
            if key in wanted and key not in found:
                found[key] = _unpack(key, nll, worst)
        return found

    def clear(self, model: str) -> None:
        """Forget the scores of this fingerprint in the file that this process writes."""
        with self._own:
            self._own.execute("DELETE FROM scores WHERE model = ?", (model,))
            self._own.execute("DELETE FROM runs WHERE model = ?", (model,))

    def describe(self, model: str, told: str) -> None:
        """Keep what a fingerprint stands for, for `--reference` and for people."""
        with self._own:
            self._own.execute("INSERT OR REPLACE INTO models VALUES (?, ?)", (model, told))

    def models(self) -> dict[str, str]:
        """Fingerprint -> what it stands for."""
        rows = self._select("SELECT model, told FROM models WHERE model != ?", "")
        return {str(model): str(told) for model, told in rows}

    def set_state(self, model: str, plan: str, state: str) -> None:
        """Say how far this process is with a plan: its own share is "done", for the sisters."""
        with self._own:
            self._own.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (model, plan, state))

    def state(self, model: str, plan: str, rank: int) -> str | None:
        """What process `rank` last said of its share of a plan."""
        file = _ranked(self.base, rank)
        if not file.is_file():
            return None
        rows = _read_only(
            file, "SELECT state FROM runs WHERE model = ? AND plan = ?", (model, plan)
        )
        return next((str(state) for (state,) in rows), None)

    def close(self) -> None:
        """Fold the write-ahead log into the file."""
        self._own.close()

    def _select(self, query: str, argument: str) -> Iterator[tuple[Any, ...]]:
        for file in self.files():
            if file == self.path:
                yield from self._own.execute(query, (argument,))
            else:
                yield from _read_only(file, query, (argument,))


def _ranked(base: Path, rank: int) -> Path:
    return base.with_name(f"{base.name}.rank{rank}")


def _read_only(file: Path, query: str, arguments: tuple[str, ...]) -> list[tuple[Any, ...]]:
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
        try:
            return connection.execute(query, arguments).fetchall()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # a sister that has just made its file
            return []
        raise ScoreError(
            Text("{file} can't be read: {error}", "无法读取 {file}：{error}"),
            file=file,
            error=error,
        ) from None
    except sqlite3.Error as error:
        raise ScoreError(
            Text("{file} is not a store of scores: {error}", "{file} 不是保存分数的文件：{error}"),
            file=file,
            error=error,
        ) from None


def _pack(score: RowScore) -> bytes:
    parts = (score.worst, score.argmax, score.probability.view(np.int32), score.rank)
    return np.stack(parts).astype("<i4").tobytes()


def _unpack(key: bytes, nll: bytes, worst: bytes) -> RowScore:
    place, argmax, chance, rank = np.frombuffer(worst, "<i4").astype(np.int32).reshape(4, -1)
    losses = np.frombuffer(nll, "<f4").astype(np.float32)
    return RowScore(key, losses, place, argmax, chance.view(np.float32), rank)
