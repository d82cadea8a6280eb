"""Check one large file with one process, several and Ray, and print what each took.

    python bench/scale.py [--megabytes 1000] [--jobs 2] [--engines 1,jobs,ray,cache] [--data FILE.jsonl]
    python bench/scale.py --faulty 1000000 --engines 1,jobs

Every way has to print the same bytes: the last line says so, and the exit code. Memory is the peak of
the sum over all processes of a run, shared pages counted once (PSS), as /proc has it; where that is
not there, it is left out. "cache" is a second run over a file that the first one has put there.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from make_faulty_rows import make as make_faulty
from make_rows import make

EVERY = 0.1
"""Seconds between two looks at the memory."""


def tree(root: int) -> list[int]:
    """A process and all that it has started."""
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        for place in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                waiting += map(int, place.read_text().split())
            except OSError:
                continue
    return found


def memory(process: int) -> int:
    """Bytes of a process, shared pages by their part; 0 where that can't be read."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


class Measured:
    """One run of a command: wall and processor seconds, peak memory in bytes."""

    def __init__(self, command: list[str], out: Path, env: dict[str, str]) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        with out.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, env={**os.environ, **env})
        self.peak = 0
        self._ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(process.pid,))
        watch.start()
        self.code = process.wait()
        self._ended.set()
        watch.join()
        self.wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _watch(self, process: int) -> None:
        while not self._ended.wait(EVERY):
            self.peak = max(self.peak, sum(map(memory, tree(process))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--data", help="rows of your own instead of made ones")
    parser.add_argument("--faulty", type=int, help="so many short rows that are all at fault")
    parser.add_argument("--format", default="json", help="of the report")
    parser.add_argument("--recipe", default="glm4")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--engines", default="1,jobs,ray,cache")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data
        if data is None:
            data = str(Path(folder) / "rows.jsonl")
            if arguments.faulty:
                make_faulty(Path(data), arguments.faulty)
            else:
                make(Path(data), int(arguments.megabytes * 1e6), 1)
        size = Path(data).stat().st_size
        os.utime(data, (1e9, 1e9))
        base = [sys.executable, "-m", "glmlint", "check", data, "--format", arguments.format]
        base += ["--recipe", arguments.recipe]
        base += ["--progress", "never", "--fail-on", "never"]
        many = ["--jobs", str(arguments.jobs)]
        kept = ["--cache-dir", str(Path(folder) / "cache")]
        ways = {
            "1": [("one process", ["--jobs", "1", "--no-cache"])],
            "jobs": [(f"{arguments.jobs} processes", [*many, "--no-cache"])],
            "ray": [("Ray", [*many, "--engine", "ray", "--no-cache"])],
            "cache": [("filling the cache", [*many, *kept]), ("from the cache", [*many, *kept])],
        }
        print(f"{size / 1e6:.0f} MB")
        first: Measured | None = None
        printed: list[bytes] = []
        for way in arguments.engines.split(","):
            for name, flags in ways[way]:
                out = Path(folder) / "report.json"
                run = Measured([*base, *flags], out, {"RAY_USAGE_STATS_ENABLED": "0"})
                first = first or run
                printed.append(out.read_bytes())
                print(
                    f"{name:>18}: {run.wall:6.1f} s wall ({first.wall / run.wall:5.2f} times), "
                    f"{run.cpu:6.1f} s processor, {run.peak / 1e6:5.0f} MB, exit code {run.code}",
                    flush=True,
                )
        same = len(set(printed)) == 1 and bool(printed[0])
        print("the reports are equal" if same else "THE REPORTS DIFFER")
        sys.exit(not same)


if __name__ == "__main__":
    main()
