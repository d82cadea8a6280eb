"""Rows -> batches: what the model must read, once each, longest first. numpy only.

Everything here is exact under a causal model: a token never sees what stands after it, so a row
may end at its last scored token, lie inside a longer row that starts with it, and be padded on
the right.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from glmlint.evidence.scores import Codes, Ints, RowScore, ScoredRow
from glmlint.scoring.errors import OutOfMemory

IGNORE_INDEX: Final = -100
"""The label of a token that is not in the loss (torch's cross_entropy default)."""


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """One sequence that the model reads, and the distinct rows that are scored inside it."""

    ids: Ints
    rows: tuple[ScoredRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Hosts that are read together, the longest first."""

    hosts: tuple[Host, ...]

    @property
    def width(self) -> int:
        """Length of the longest host, in tokens."""
        return len(self.hosts[0].ids)

    @property
    def padded_tokens(self) -> int:
        """Tokens that the model computes, padding included."""
        return self.width * len(self.hosts)

    @property
    def rows(self) -> list[ScoredRow]:
        """The rows scored here, host after host."""
        return [row for host in self.hosts for row in host.rows]


@dataclass(frozen=True, slots=True)
class PlanSize:
    """What a plan costs and saves, counted in rows and tokens."""

    rows: int
    """Rows with at least one scored token."""
    distinct_rows: int
    hosts: int
    batches: int
    tokens: int
    """Tokens the rows have up to their last scored place, each row by itself."""
    read_tokens: int
    """Tokens of the hosts: what is left after equal and contained rows."""
    padded_tokens: int
    """What the model computes."""
    longest: int
    scored_tokens: int
    """Labels of all rows, equal ones counted each time."""


def make_row(
    input_ids: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    kinds: Codes | None = None,
    turns: Ints | None = None,
    messages: Ints | None = None,
    path: str = "",
    line: int = 0,
    index: int = 0,
) -> ScoredRow:
    """A row from the trainer's `input_ids` and `labels`, cut after its last label.

    `kinds`, `turns` and `messages` are aligned with `labels` (one entry a token); without them
    everything is content of turn 1. labels[0] never counts: nothing stands before it.
    """
    ids = np.asarray(input_ids, np.int32)
    targets = np.asarray(labels, np.int32)
    places = np.flatnonzero(targets != IGNORE_INDEX).astype(np.int32)
    places = places[places >= 1]
    read = ids[: places[-1]] if len(places) else ids[:0]
    told = targets[places]
    digest = hashlib.blake2b(digest_size=16)
    for part in (np.int64(len(read)), read, places, told):
        digest.update(part.tobytes())
    zeros = np.zeros(len(places), np.int32)
    return ScoredRow(
        key=digest.digest(),
        ids=np.ascontiguousarray(read),
        places=places,
        labels=told,
        kinds=zeros.astype(np.uint8) if kinds is None else kinds[places],
        turns=zeros + 1 if turns is None else turns[places],
        messages=zeros if messages is None else messages[places],
        path=path,
        line=line,
        index=index,
        tokens=len(ids),
    )


def make_hosts(rows: Iterable[ScoredRow]) -> list[Host]:
    """Equal rows once, contained rows inside the longer row that starts with them.

    The result depends on the set of distinct rows only, not on their order: longest first, then
    by ids. Rows without labels are left out.
    """
    distinct = {row.key: row for row in rows if len(row.places)}
    # Big-endian bytes sort as the numbers do, so a row stands right before what starts with it.
    text = {key: row.ids.astype(">i4").tobytes() for key, row in distinct.items()}
    order = sorted(distinct, key=lambda key: (text[key], key))
    hung: list[list[ScoredRow]] = []
    host = b""
    for key in reversed(order):
        if not hung or not host.startswith(text[key]):
            host = text[key]
            hung.append([])
        hung[-1].append(distinct[key])
    hosts = [Host(group[0].ids, tuple(group)) for group in hung]
    hosts.sort(key=lambda host: -len(host.ids))  # stable: equal lengths stay sorted by ids
    return hosts


def take_batch(hosts: deque[Host], budget: int) -> Batch:
    """The next batch, taken off the front: as many hosts as `budget` padded tokens hold.

    A host longer than the budget goes alone. A batch that fills a quarter of the budget takes no
    host below four fifths of its width: it would pad more than a larger batch saves.
    """
    width = len(hosts[0].ids)
    most = max(1, budget // max(1, width))
    enough = max(1, -(-budget // (4 * max(1, width))))
    taken = [hosts.popleft()]
    while hosts and len(taken) < most:
        if len(taken) >= enough and 5 * len(hosts[0].ids) < 4 * width:
            break
        taken.append(hosts.popleft())
    return Batch(tuple(taken))


def batches(hosts: Iterable[Host], budget: int) -> Iterator[Batch]:
    """All batches of a plan, longest first. `hosts` are sorted as `make_hosts` gives them."""
    pending = deque(hosts)
    while pending:
        yield take_batch(pending, budget)


def share(hosts: Sequence[Host], budget: int, rank: int, world: int) -> list[Host]:
    """The hosts of one process of `world`: every `world`-th batch, so that loads are even."""
    if world == 1:
        return list(hosts)
    return [
        host
        for place, batch in enumerate(batches(hosts, budget))
        if place % world == rank
        for host in batch.hosts
    ]


def measure(rows: Iterable[ScoredRow], hosts: Sequence[Host], budget: int) -> PlanSize:
    """Count what the plan reads, pads and saves."""
    counted = scored = tokens = 0
    for row in rows:
        if len(row.places):
            counted += 1
            scored += len(row.places)
            tokens += len(row.ids)
    made = list(batches(hosts, budget))
    return PlanSize(
        rows=counted,
        distinct_rows=sum(len(host.rows) for host in hosts),
        hosts=len(hosts),
        batches=len(made),
        tokens=tokens,
        read_tokens=sum(len(host.ids) for host in hosts),
        padded_tokens=sum(batch.padded_tokens for batch in made),
        longest=max((len(host.ids) for host in hosts), default=0),
        scored_tokens=scored,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The labels that a batch asks for, each once; `of_row[i]` finds row i's among them."""

    host: npt.NDArray[np.int64]
    """Which host of the batch. [N]"""
    place: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    of_row: list[npt.NDArray[np.int64]] = field(default_factory=list)
    """A row's labels as places in the arrays above, in the order of `Batch.rows`."""


def targets(batch: Batch) -> Targets:
    """The union of (place, label) over the rows of each host, and where each row finds its own."""
    hosts, places, labels = [], [], []
    of_row: list[npt.NDArray[np.int64]] = []
    start = 0
    for number, host in enumerate(batch.hosts):
        codes = np.concatenate(
            [row.places.astype(np.int64) << 32 | row.labels.astype(np.int64) for row in host.rows]
        )
        if len(host.rows) == 1:
            found, inverse = codes, np.arange(len(codes))
        else:
            found, inverse = np.unique(codes, return_inverse=True)
        hosts.append(np.full(len(found), number, np.int64))
        places.append(found >> 32)
        labels.append(found & 0xFFFFFFFF)
        cuts = np.cumsum([len(row.places) for row in host.rows])[:-1]
        of_row.extend(np.split(inverse + start, cuts))
        start += len(found)
    return Targets(np.concatenate(hosts), np.concatenate(places), np.concatenate(labels), of_row)


def run_batches(
    hosts: Sequence[Host],
    budget: int,
    *,
    score: Callable[[Batch], list[RowScore]],
    have: Collection[bytes],
    put: Callable[[list[RowScore]], Any],
    seen: Callable[[Batch, bool], Any],
    smaller: Callable[[int], Any],
) -> list[ScoredRow]:
    """Score every host, longest first, and hand each batch's scores to `put` at once.

    A batch whose rows are all in `have` is skipped. A batch that does not fit the memory is cut:
    the budget is halved and the same hosts are taken again; longest first makes that happen
    early.

    Args:
        score: raises OutOfMemory when the batch does not fit.
        seen: told of every finished batch, and whether it was scored or skipped.
        smaller: told of every new budget.

    Returns:
        The rows that do not fit the memory even alone: not scored, never a loss of 0.
    """
    pending = deque(hosts)
    refused: list[ScoredRow] = []
    while pending:
        batch = take_batch(pending, budget)
        if all(row.key in have for row in batch.rows):
            seen(batch, False)
            continue
        try:
            scores: list[RowScore] | None = score(batch)
        except OutOfMemory:
            scores = None  # go on outside the except block: the traceback holds the tensors
        if scores is not None:
            put(scores)
            seen(batch, True)
        elif len(batch.hosts) > 1:
            budget = max(1, batch.padded_tokens // 2)
            smaller(budget)
            pending.extendleft(reversed(batch.hosts))
        else:
            host = batch.hosts[0]
            refused += [row for row in host.rows if len(row.ids) == len(host.ids)]
            shorter = make_hosts(row for row in host.rows if len(row.ids) < len(host.ids))
            if shorter:
                ordered = sorted([*shorter, *pending], key=lambda host: -len(host.ids))
                pending = deque(ordered)
    return refused
