"""A scoring run: plan -> engine -> store -> statistics -> report. torch only if rows are missing."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from glmlint.evidence.scores import RowScore, ScoredRow
from glmlint.rules import model_vocabulary_mismatch
from glmlint.scoring.errors import ScoreError
from glmlint.scoring.folder import ModelFolder, read_folder
from glmlint.scoring.outcome import Outcome, ScoreOptions, Vocabulary, conclude
from glmlint.scoring.plan import (
    Batch,
    Host,
    PlanSize,
    make_hosts,
    measure,
    run_batches,
    share,
)
from glmlint.scoring.rows import Data
from glmlint.scoring.store import Store, default_path, fingerprint
from glmlint.text import Text, is_file

SISTER_PATIENCE: Final = 600.0
"""Seconds without news after which a process that scores beside this one counts as dead."""


def _nothing(*_: object) -> None:
    """What a watch does by default."""


@dataclass(eq=False)
class ScoreWatch:
    """What a caller is told while a run goes on."""

    begin: Callable[[int], Any] = _nothing
    """Told once: how many tokens this process is to read."""
    done: Callable[[int, bool], Any] = _nothing
    """Told after every batch: its tokens, and whether it was scored now or known already."""
    say: Callable[[str], Any] = _nothing
    """A line for people."""
    failed: Callable[[], Any] = _nothing
    """Asked while waiting for other processes: true when one of them has failed."""


def plan_size(data: Data, budget: int) -> PlanSize:
    """What scoring would cost, for `--dry-run`."""
    rows = _all_rows(data)
    return measure(rows, make_hosts(rows), budget)


def run(
    data: Data,
    options: ScoreOptions,
    tokenizer: Vocabulary,
    watch: ScoreWatch | None = None,
    make_engine: Callable[..., Any] | None = None,
) -> Outcome | None:
    """Score what is not in the store yet and report on all rows.

    Args:
        make_engine: called with the folder and the options in place of loading the model.

    Returns:
        The outcome; None in a process that is not the first of several.

    Raises:
        ScoreError: no score can be had at all.
    """
    from glmlint.scoring.model import nominal_budget, pick_device, pick_dtype

    watch = watch or ScoreWatch()
    folder = read_folder(options.model)
    rows = _all_rows(data)
    if (strange := _strange_id(rows, folder.vocab_size)) is not None:
        rule = model_vocabulary_mismatch.rule
        if rule.name not in options.rules(strange[0].path):  # the run still can't go on
            raise ScoreError(rule.text, token=strange[1], vocab_size=folder.vocab_size)
        return conclude(
            data, options, tokenizer,
            exit_code=2, strange_ids=[strange], vocab_size=folder.vocab_size,
        )  # fmt: skip
    device = _finished_on(options, folder, rows) or pick_device(options.device)
    if options.world > 1 and device == "cuda":
        device = f"cuda:{_local_rank(options.rank)}"
    dtype = pick_dtype(options.dtype, device, folder.config)
    options = replace(
        options,
        device=device,
        dtype=dtype,
        token_budget=options.token_budget or nominal_budget(device),
    )
    identity = _identity(options, folder, device, dtype)
    store = Store(options.store or default_path(), options.rank, options.world)
    try:
        return _score(data, rows, options, folder, tokenizer, identity, store, watch, make_engine)
    finally:
        store.close()


def _identity(options: ScoreOptions, folder: ModelFolder, device: str, dtype: str) -> str:
    return fingerprint(
        folder.fingerprint(),
        dtype=dtype,
        device=device.split(":")[0],
        attention=options.attention or "",
    )


def _finished_on(
    options: ScoreOptions, folder: ModelFolder, rows: Sequence[ScoredRow]
) -> str | None:
    """The GPU that all rows were scored on: what needs no torch is not to wait for its import."""
    from glmlint.scoring.model import accelerator_possible, pick_dtype

    kind, _, number = options.device.partition(":")
    asked = ("cuda", "mps") if options.device == "auto" else (options.device,)
    path = Path(options.store or default_path())
    if (
        not options.resume
        or options.world > 1
        or kind not in ("auto", "cuda", "mps")
        or (number and not number.isdigit())
        or not accelerator_possible()
        or not path.is_file()
    ):
        return None
    store = Store(path)
    try:
        for device in asked:
            dtype = pick_dtype(options.dtype, device, folder.config)
            known = store.keys(_identity(options, folder, device, dtype))
            if known and all(row.key in known for row in rows if len(row.places)):
                return device
    finally:
        store.close()
    return None


def _score(
    data: Data,
    rows: list[ScoredRow],
    options: ScoreOptions,
    folder: ModelFolder,
    tokenizer: Vocabulary,
    identity: str,
    store: Store,
    watch: ScoreWatch,
    make_engine: Callable[..., Any] | None,
) -> Outcome | None:
    if not options.resume:
        store.clear(identity)
    hosts = make_hosts(rows)
    assert options.token_budget is not None
    mine = share(hosts, options.token_budget, options.rank, options.world)
    plan = _plan_name(hosts, options)
    known = store.keys(identity) if options.resume else set()
    watch.begin(sum(len(host.ids) for host in mine))
    state = _Progress(identity, store, options.dtype)
    try:
        if any(row.key not in known for host in mine for row in host.rows):
            state.score(mine, known, options, folder, watch, make_engine)
        store.set_state(identity, plan, "done")
        if options.rank > 0:
            return None
        if options.world > 1:
            state.await_sisters(plan, options.world, watch)
    except KeyboardInterrupt:
        if options.rank > 0:
            raise
        state.exit_code = 130
    scores = store.read(identity, (row.key for row in rows)) | state.broken
    told = json.loads(store.models().get(identity, "{}"))
    return conclude(
        data, options, tokenizer,
        scores=scores,
        exit_code=state.exit_code,
        model_class=told.get("class"),
        warnings=[*told.get("warnings", ()), *_length_warning(hosts, folder), *state.warnings],
        identity=identity,
        size=measure(rows, hosts, options.token_budget),
        reference=read_reference(options, identity, rows),
    )  # fmt: skip


def _length_warning(hosts: Sequence[Host], folder: ModelFolder) -> Iterator[str]:
    longest = max((len(host.ids) for host in hosts), default=0)
    if folder.max_positions is not None and longest > folder.max_positions:
        yield (
            f"the longest row has {longest} tokens and the model was made for "
            f"{folder.max_positions}; no error comes of it, but the loss of its tail means little"
        )


class _AllBroken(Exception):
    """No loss of the first batch is finite: the model is broken, not the rows."""


@dataclass(eq=False)
class _Progress:
    """What one process has done of its share."""

    identity: str
    store: Store
    dtype: str
    broken: dict[bytes, RowScore] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    finite: bool = False
    exit_code: int = 0

    def score(
        self,
        hosts: list[Host],
        known: set[bytes],
        options: ScoreOptions,
        folder: ModelFolder,
        watch: ScoreWatch,
        make_engine: Callable[..., Any] | None,
    ) -> None:
        from glmlint.scoring.model import fitting_budget

        engine = (make_engine or _load_engine)(folder, options)
        told = {"model": options.model, "dtype": options.dtype, "class": engine.model.name}
        self.store.describe(
            self.identity, json.dumps({**told, "warnings": list(engine.model.warnings)})
        )
        assert options.token_budget is not None
        budget = fitting_budget(
            options.token_budget, folder.config, options.dtype, options.device, engine.chunk
        )
        try:
            run_batches(
                hosts,
                budget,
                score=engine.score,
                have=known,
                put=self._put,
                seen=lambda batch, scored: watch.done(_read(batch), scored),
                smaller=lambda to: watch.say(f"out of memory: batches of {to} tokens from here on"),
            )
        except _AllBroken:
            self.exit_code = 2
            self.warnings.append(
                f"no loss of the first batch is finite in {self.dtype}: stopped; "
                "the weights are broken or overflow"
            )

    def _put(self, scores: list[RowScore]) -> None:
        if not self.finite:
            self.finite = any(np.isfinite(score.nll).any() for score in scores)
            if not self.finite:  # not kept: the next run is to see it again
                self.broken = {score.key: score for score in scores}
                raise _AllBroken
        self.store.put(self.identity, scores)

    def await_sisters(self, plan: str, world: int, watch: ScoreWatch) -> None:
        """Wait until the other processes are done with their shares of the plan."""
        waiting = set(range(1, world))
        size, since = -1, time.monotonic()
        while waiting:
            done = {r for r in waiting if self.store.state(self.identity, plan, r) == "done"}
            waiting -= done
            grown = len(self.store.keys(self.identity))
            if grown != size or done:
                size, since = grown, time.monotonic()
            elif watch.failed() or time.monotonic() - since > SISTER_PATIENCE:
                self.exit_code = 2
                self.warnings.append(
                    f"process {min(waiting)} failed, or gave no news for {SISTER_PATIENCE:.0f} "
                    "seconds; its rows are missing: run the same command again"
                )
                return
            time.sleep(0.2)


def _load_engine(folder: ModelFolder, options: ScoreOptions) -> Any:
    from glmlint.scoring.engine import Engine
    from glmlint.scoring.model import load_model

    model = load_model(
        folder, device=options.device, dtype=options.dtype, attention=options.attention
    )
    if options.compile:
        model.decoder.compile(dynamic=True)
    return Engine(model)


def _read(batch: Batch) -> int:
    return sum(len(host.ids) for host in batch.hosts)


def _all_rows(data: Data) -> list[ScoredRow]:
    return [*data.rows, *(alone.row for alone in data.alone)]


def _local_rank(rank: int) -> int:
    return int(os.environ.get("LOCAL_RANK", rank))


def _plan_name(hosts: Sequence[Host], options: ScoreOptions) -> str:
    """Identity of a shared plan, so that a process knows whose "done" it reads."""
    digest = hashlib.blake2b(f"{options.token_budget} {options.world}".encode(), digest_size=16)
    for host in hosts:
        for row in host.rows:
            digest.update(row.key)
    return digest.hexdigest()


def _strange_id(rows: Sequence[ScoredRow], vocab_size: int) -> tuple[ScoredRow, int] | None:
    """The first row with an id or label that the embedding has no row for, and that id."""
    for row in rows:
        both = np.concatenate([row.ids, row.labels])
        for token in (int(both.min(initial=0)), int(both.max(initial=0))):
            if not 0 <= token < vocab_size:
                return row, token
    return None


def read_reference(
    options: ScoreOptions, identity: str, rows: Sequence[ScoredRow]
) -> tuple[str, dict[bytes, RowScore]] | None:
    """The other model of `--reference` and its scores of these rows.

    Raises:
        ScoreError: no such store, or it does not hold exactly one other model.
    """
    if options.reference is None:
        return None
    if not is_file(options.reference):
        raise ScoreError(
            Text("--reference {path}: no such file", "--reference {path}: 文件不存在"),
            path=options.reference,
        )
    other = Store(options.reference)
    try:
        models = {name: told for name, told in other.models().items() if name != identity}
        if len(models) != 1:
            raise ScoreError(
                Text(
                    "--reference {path} holds scores of {models} other models; "
                    "make one with --store that holds exactly one",
                    "--reference {path} 中有 {models} 个其他模型的分数；"
                    "请用 --store 生成一个只含一个其他模型的文件",
                ),
                path=options.reference,
                models=len(models),
            )
        name, told = next(iter(models.items()))
        return told, other.read(name, (row.key for row in rows))
    finally:
        other.close()
