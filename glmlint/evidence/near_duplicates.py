"""Which rows say nearly the same: MinHash signatures of their words, compared in bands.

The signatures come from `rensa` (some thirty times as fast as `datasketch` on the same rows, with
the same error: 0.025 at 128 permutations). Sixteen bits of each value are kept, 256 bytes a row.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

PERMUTATIONS: Final = 128
SIGNATURE: Final = ("signature", "<u2", (PERMUTATIONS,))
"""The field of a table that holds signatures."""

_SEED: Final = 1
_WORDS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
"""A word, or one character of a script that has no spaces."""
_FEWEST: Final = 8
"""Words of a row: fewer are like too much else."""
_MISSED: Final = 0.01
"""Share of the pairs at the threshold that the bands may miss."""

Signatures = npt.NDArray[np.uint16]


@cache
def installed() -> bool:
    """Whether the library is there: it is an extra, `dedup`."""
    from importlib.util import find_spec

    return find_spec("rensa") is not None


def signatures(conversations: Sequence[bytes]) -> Signatures:
    """One signature a row; shape (rows, PERMUTATIONS)."""
    found = np.empty((len(conversations), PERMUTATIONS), np.uint16)
    for number, conversation in enumerate(conversations):
        words = _WORDS.findall(_text(conversation).casefold()) if installed() else []
        if len(words) < _FEWEST:
            # Short rows are like no other row: bits from a hash of the whole.
            found[number] = np.frombuffer(
                hashlib.shake_128(conversation).digest(2 * PERMUTATIONS), "<u2"
            )
            continue
        from rensa import RMinHash

        minhash = RMinHash(num_perm=PERMUTATIONS, seed=_SEED)
        minhash.update([" ".join(words[i : i + 3]) for i in range(len(words) - 2)])
        found[number] = np.array(minhash.digest(), np.uint32).astype(np.uint16)
    return found


def _text(conversation: bytes) -> str:
    messages: list[Any] = msgspec.json.decode(conversation)["messages"]
    return "\n".join(
        message["content"]
        for message in messages
        if isinstance(message, dict) and isinstance(message.get("content"), str)
    )


def similar_pairs(rows: Signatures, threshold: float) -> Iterator[tuple[int, int, float]]:
    """(row, earlier row, similarity) for each row that is like an earlier one.

    In each band of equal values a row is compared with the first and with the one before it; the
    earliest row that is similar enough is given.
    """
    size = _band(threshold)
    best: dict[int, tuple[int, float]] = {}
    for start in range(0, PERMUTATIONS, size):
        band = np.ascontiguousarray(rows[:, start : start + size])
        values = band.view(np.dtype((np.void, 2 * size))).ravel()
        order = np.argsort(values, kind="stable")
        same = values[order[1:]] == values[order[:-1]]
        first = np.arange(len(order))
        # Index of the first row of each run of equal values.
        first[1:][same] = 0
        first = np.maximum.accumulate(first)
        later = np.flatnonzero(same) + 1
        for before in (first[later], later - 1):
            left, right = order[later], order[before]
            likeness = np.mean(rows[left] == rows[right], axis=1)
            for at in np.flatnonzero(likeness >= threshold).tolist():
                row, other = int(left[at]), int(right[at])
                if row not in best or other < best[row][0]:
                    best[row] = (other, float(likeness[at]))
    for row in sorted(best):
        other, likeness_ = best[row]
        yield row, other, likeness_


def _band(threshold: float) -> int:
    """The longest band that misses few pairs at the threshold."""
    for size in (16, 8, 4, 2):
        if (1 - threshold**size) ** (PERMUTATIONS // size) <= _MISSED:
            return size
    return 1
