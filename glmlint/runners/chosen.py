"""Where a run's work is done and what is remembered of it, as its settings say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from glmlint.plan import Plan
from glmlint.runners.cpus import usable_cpus
from glmlint.trainer.base import Context

if TYPE_CHECKING:
    from glmlint.runners.cache import Cache
    from glmlint.runners.tasks import TaskEngine


@contextmanager
def chosen(
    plan: Plan, context: Context, *, remembers: bool
) -> Iterator[tuple[TaskEngine | None, Cache | None]]:
    """The engine and the cache of a run; None for neither: this process does it all.

    Args:
        plan: `engine`, `jobs`, `cache` and `cache_dir` count.
        context: the plan's tokenizer and template.
        remembers: whether what is found may be kept for the next run, or come from the last one.
    """
    jobs = plan.jobs or usable_cpus()
    os.environ.setdefault("RAYON_NUM_THREADS", str(jobs))  # the tokenizer's, in this process
    with ExitStack() as stack:
        engine: TaskEngine | None = None
        if plan.engine == "ray":
            from glmlint.runners.cluster import Cluster

            engine = stack.enter_context(Cluster(plan, context, plan.jobs))
        elif jobs > 1:
            from glmlint.runners.processes import Processes

            engine = stack.enter_context(Processes(plan, context, jobs))
        cache = None
        if remembers and _may_remember(plan):
            from glmlint.runners.cache import Cache, default_folder

            folder = Path(plan.cache_dir) if plan.cache_dir else default_folder()
            cache = Cache(folder, plan, context) if folder is not None else None
        yield engine, cache
        if cache is not None:
            cache.close()


def _may_remember(plan: Plan) -> bool:
    """Whether there is to be a cache: on a machine of CI the next run finds nothing of this one."""
    asked = plan.cache_dir or os.environ.get("GLMLINT_CACHE_DIR")
    if not plan.cache or os.environ.get("GLMLINT_NO_CACHE"):
        return False
    if plan.profile_rules or plan.add_ignores or plan.write_baseline:
        return False
    return bool(asked) or os.environ.get("CI", "").lower() in ("", "0", "false")
