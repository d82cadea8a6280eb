"""`--engine ray`: parts of a run as tasks of a Ray cluster, which does them again where a worker dies.

Tasks, not Ray Data: what comes of a part is small, has to be added in order, and decides whether a
file is read once more; a data set of blocks would bring nothing but its own memory.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from glmlint.extras import install
from glmlint.plan import Plan
from glmlint.runners.tasks import Bench, Done, Feed, Task
from glmlint.text import RunStopped, Text
from glmlint.trainer.base import Context, open_context

AHEAD: Final = 4
"""Tasks a processor that are given before the first of them is done."""

RETRIES: Final = 3
"""How often a part is checked again whose worker died."""

_MISSING: Final = Text("--engine ray needs ray: {how}", "--engine ray 需要 ray：{how}")
_FAILED: Final = Text("--engine ray: {why}", "--engine ray：{why}")


class Cluster:
    """The cluster of RAY_ADDRESS, or one of this machine that ends with the run."""

    def __init__(self, plan: Plan, context: Context, jobs: int | None) -> None:
        self._plan = plan
        self._name = context.tokenizer.name
        self._jobs = jobs
        self._ours = False
        self._ray: Any = None
        self._check: Any = None
        self._setting: Any = None

    def __enter__(self) -> Cluster:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise self._stopped(_MISSING, how=install("ray")) from None
        self._ray = ray
        if not ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS")
            own: dict[str, Any] = {"num_cpus": self._jobs, "include_dashboard": False}
            try:
                ray.init(
                    address, log_to_driver=False, logging_level="ERROR", **({} if address else own)
                )
            except Exception as error:  # Ray's own, of no common base
                why = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise self._stopped(_FAILED, why=why) from None
            self._ours = True
        self._check = ray.remote(max_retries=RETRIES, num_cpus=1)(_check)
        self._setting = ray.put(pickle.dumps((self._plan, self._name)))
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._ray.shutdown()

    def expect(self, size: int) -> None:
        """Ray starts its workers itself."""

    def run(self, tasks: Iterator[Task]) -> Iterator[Done]:
        """Check parts: see `tasks.TaskEngine`. Raises RunStopped where Ray gives up."""
        most = max(int(self._ray.cluster_resources().get("CPU", 1)), 1) * AHEAD
        given = Feed(tasks)
        waiting: deque[Any] = deque()
        while given.more or waiting:
            while given.more and len(waiting) < most:
                if (task := given.take()) is not None:
                    waiting.append(self._check.remote(self._setting, pickle.dumps(task)))
            if waiting:
                try:
                    done: Done = pickle.loads(self._ray.get(waiting.popleft()))
                except self._ray.exceptions.RayError as error:
                    why = f"{type(error).__name__}: {error}".partition("\n")[0]
                    raise self._stopped(_FAILED, why=why) from None
                yield done
        given.end()

    def _stopped(self, text: Text, **values: object) -> RunStopped:
        stopped = RunStopped(text, **values)
        stopped.lang = self._plan.lang
        return stopped


_benches: Final[dict[bytes, Bench]] = {}
"""The bench of this worker, by the run that it is for."""


def _check(setting: bytes, task: bytes) -> bytes:
    """One task in a worker of the cluster."""
    from glmlint.runners.processes import packed

    os.environ["RAYON_NUM_THREADS"] = "1"
    try:
        if setting not in _benches:
            _benches.clear()
            plan, name = pickle.loads(setting)
            context = replace(open_context(replace(plan, tokenizer=name)), plan=plan)
            _benches[setting] = Bench(plan, context)
        done = _benches[setting].check(pickle.loads(task))
    except (Exception, RunStopped) as error:
        done = Done([], [], error)
    return packed(done)
