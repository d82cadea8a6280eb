"""Which rows are nearly the same: MinHash signatures of their words, compared in bands.

The signatures come from `rensa` (some thirty times as fast as `datasketch` on the same rows, with
the same error: 0.025 at 128 permutations). Sixteen bits of each value are kept, 512 bytes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from glmlint.patterns import Pattern

PERMUTATIONS: Final = 128
"""Of the words of a row."""
_PART: Final = 32
"""Of its parts: its answers, what is said by others than the system, both ends of its question."""
SIGNATURE: Final = ("signature", "<u2", (PERMUTATIONS + 4 * _PART,))
"""The field of a table that holds signatures: of the whole row and of its parts."""

_ANSWERS, _SAID, _BEGIN, _END = (
    slice(start, start + _PART) for start in range(PERMUTATIONS, *SIGNATURE[2], _PART)
)

_SEED: Final = 1
_WORDS: Final = Pattern(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
"""A word, or one character of a script that has no spaces."""
_FEWEST: Final = 8
"""Words of a row: fewer resemble too many other rows."""
_MISSED: Final = 0.01
"""Share of the pairs at the threshold that the bands may miss."""
_LONG: Final = 16
"""Words of answers that say enough to be a repeat whatever was asked."""
_WINDOW: Final = 16
"""Words at the beginning and at the end of a question: one of them is not of a prompt that rows share."""
_ALIKE: Final = 0.8
"""Share of the threshold that the answers, and all but the system's words, must reach."""
_ASKED: Final = 0.5
"""How similar the questions of rows with short answers must be."""

Signatures = npt.NDArray[np.uint16]


@cache
def installed() -> bool:
    """Whether the library is there: it is an extra, `dedup`."""
    from importlib.util import find_spec

    return find_spec("rensa") is not None


def signatures(conversations: Sequence[bytes]) -> Signatures:
    """One signature a row, of the shape of `SIGNATURE`."""
    found = np.zeros((len(conversations), *SIGNATURE[2]), np.uint16)
    for number, conversation in enumerate(conversations):
        whole, said, answers, question = _texts(conversation) if installed() else [""] * 4
        words = _words(whole)
        if len(words) < _FEWEST:
            # Short rows are like no other row: bits from a hash of the whole.
            found[number] = _bits(conversation, SIGNATURE[2][0])
            continue
        found[number, :PERMUTATIONS] = _minhash(_triples(words), PERMUTATIONS)
        for part, text in ((_SAID, said), (_ANSWERS, answers)):
            words = _words(text)
            long = len(words) >= _FEWEST
            found[number, part] = (
                _minhash(_triples(words), _PART) if long else _bits(" ".join(words).encode(), _PART)
            )
        if len(words) < _LONG:
            words = _words(question) or [""]
            found[number, _BEGIN] = _minhash(words[:_WINDOW], _PART)
            found[number, _END] = _minhash(words[-_WINDOW:], _PART)
    return found


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())


def _triples(words: list[str]) -> list[str]:
    return [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]


def _minhash(shingles: list[str], permutations: int) -> Signatures:
    from rensa import RMinHash

    minhash = RMinHash(num_perm=permutations, seed=_SEED)
    minhash.update(shingles)
    return np.array(minhash.digest(), np.uint32).astype(np.uint16)


def _bits(content: bytes, number: int) -> Signatures:
    """A signature that only identical bytes have."""
    return np.frombuffer(hashlib.shake_128(content).digest(2 * number), "<u2")


def _texts(conversation: bytes) -> list[str]:
    """All texts, all but the system's, the answers, and the last question."""
    messages: list[Any] = msgspec.json.decode(conversation)["messages"]
    said = [
        (message.get("role"), message["content"])
        for message in messages
        if isinstance(message, dict) and isinstance(message.get("content"), str)
    ]
    return [
        "\n".join(text for _, text in said),
        "\n".join(text for role, text in said if role != "system"),
        "\n".join(text for role, text in said if role == "assistant"),
        next((text for role, text in reversed(said) if role == "user"), ""),
    ]


def similar_pairs(rows: Signatures, threshold: float) -> Iterator[tuple[int, int, float]]:
    """(row, earlier row, similarity) for each row that is like an earlier one.

    Rows are similar where they are as a whole, without their system messages, in their answers, and,
    where these are short, in their questions: a shared prompt alone makes no two rows similar. In each band of equal
    values a row is compared with the first, with the one before it, and with the one whose answers
    are next to its own; the earliest row that is similar enough is given.
    """
    size = _band(threshold)
    best: dict[int, tuple[int, float]] = {}
    by_answer = np.argsort(rows[:, PERMUTATIONS], kind="stable")
    for start in range(0, PERMUTATIONS, size):
        band = np.ascontiguousarray(rows[:, start : start + size])
        values = band.view(np.dtype((np.void, 2 * size))).ravel()
        order = np.argsort(values, kind="stable")
        beside = by_answer[np.argsort(values[by_answer], kind="stable")]
        same = values[order[1:]] == values[order[:-1]]
        first = np.arange(len(order))
        # Index of the first row of each run of equal values.
        first[1:][same] = 0
        first = np.maximum.accumulate(first)
        later = np.flatnonzero(same) + 1
        for left, right in (
            (order[later], order[first[later]]),
            (order[later], order[later - 1]),
            (beside[later], beside[later - 1]),
        ):
            for at, likeness in _alike(rows, left, right, threshold):
                row, other = max(left[at], right[at]), min(left[at], right[at])
                if row not in best or other < best[row][0]:
                    best[int(row)] = (int(other), likeness)
    for row in sorted(best):
        other, likeness = best[row]
        yield row, other, likeness


def _alike(
    rows: Signatures, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp], threshold: float
) -> Iterator[tuple[int, float]]:
    """(index, similarity) of those pairs that are similar as a whole and in their parts."""
    whole = np.mean(rows[left, :PERMUTATIONS] == rows[right, :PERMUTATIONS], axis=1)
    near = np.flatnonzero(whole >= threshold)
    left, right = left[near], right[near]
    answers, said, begin, end = (
        np.mean(rows[left, part] == rows[right, part], axis=1)
        for part in (_ANSWERS, _SAID, _BEGIN, _END)
    )
    enough = np.minimum(answers, said) >= _ALIKE * threshold
    for at in near[enough & (np.minimum(begin, end) >= _ASKED)].tolist():
        yield at, float(whole[at])


def _band(threshold: float) -> int:
    """The longest band that misses few pairs at the threshold."""
    for size in (16, 8, 4, 2):
        if (1 - threshold**size) ** (PERMUTATIONS // size) <= _MISSED:
            return size
    return 1
