"""How many processors there are for this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def usable_cpus() -> int:
    """The processors that this process may use, by its affinity and its container's share of time."""
    if sys.version_info >= (3, 13):
        found = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    for quota, period in _quotas():
        if quota > 0 and period > 0:
            found = min(found, -(-quota // period))
    return max(found, 1)


def _quotas() -> Iterator[tuple[int, int]]:
    """(microseconds of processor time, in so many microseconds) of every group that this process is in."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, names, place = line.split(":", 2)
        root = Path("/sys/fs/cgroup")
        root = root / "cpu" if "cpu" in names.split(",") else root
        here = root / place.lstrip("/")
        for folder in (here, *here.parents):
            if folder != root and root not in folder.parents:
                break
            with suppress(OSError, ValueError):
                if names:
                    quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="utf-8"))
                    yield quota, int((folder / "cpu.cfs_period_us").read_text(encoding="utf-8"))
                else:
                    most, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
                    yield int(most), int(period)  # "max" is no number, and no bound
