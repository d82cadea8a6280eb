"""Print what the Python API costs beside the command: CPU seconds of both, and their totals.

    python bench/python_api.py [--rows 10000] [--rounds 3] [--data FILE.jsonl]

The same rows as a `datasets.Dataset` and as its Parquet file, and as a list of dicts and as its
JSON Lines file. Each figure is the least of the rounds, user and system time of a fresh process:
the command with its start, the call with `import glmlint`. Making the data set and importing
`datasets` are the caller's and are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RAYON_NUM_THREADS": "1"}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode

CALL = """
import json, sys, time
path = sys.argv[1]
if path.endswith(".jsonl"):
    rows = [json.loads(line) for line in open(path, "rb")]
else:
    import datasets
    rows = datasets.load_from_disk(path)
start = time.process_time()
import glmlint
result = glmlint.check(rows)
took = time.process_time() - start
print(json.dumps([took, result.to_dict()["totals"]]))
"""


def command(path: str) -> tuple[float, dict[str, Any]]:
    """CPU seconds of `glmlint check` as a process, and its totals."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "glmlint", "check", path, "--format", "json"],
        capture_output=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, json.loads(done.stdout)["totals"]


def call(path: str) -> tuple[float, dict[str, Any]]:
    """CPU seconds of `import glmlint` and `glmlint.check` in a fresh process, and its totals."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, path], capture_output=True, env=ENVIRONMENT, check=True
    )
    took, totals = json.loads(done.stdout)
    return took, totals


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="rows of your own instead of made ones")
    arguments = parser.parse_args()

    import datasets
    from make_rows import make

    with tempfile.TemporaryDirectory() as folder:
        source = arguments.data
        if source is None:
            source = Path(folder) / "made.jsonl"
            make(source, arguments.rows * 3000, 1)
        lines = source.read_bytes().splitlines()
        rows = [json.loads(lines[at % len(lines)]) for at in range(arguments.rows)]
        listed, saved = Path(folder) / "rows.jsonl", Path(folder) / "saved"
        listed.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        made = datasets.Dataset.from_list(rows)
        made.save_to_disk(str(saved))
        made.to_parquet(str(Path(folder) / "rows.parquet"))
        print(f"{len(rows):,} rows, {listed.stat().st_size / 1e6:.1f} MB of JSON Lines")
        for name, path, data in (
            ("Dataset", Path(folder) / "rows.parquet", saved),
            ("list of dicts", listed, listed),
        ):
            # Alternating, so that a busy machine slows both.
            rounds = [(command(str(path)), call(str(data))) for _ in range(arguments.rounds)]
            by_command = min(one[0] for one, _ in rounds)
            by_call = min(one[0] for _, one in rounds)
            same = all(one[1] == other[1] for one, other in rounds)
            print(
                f"{name}: command {by_command:.2f} s, call {by_call:.2f} s, ratio "
                f"{by_call / by_command:.2f}, totals {'equal' if same else 'DIFFER'}"
            )


if __name__ == "__main__":
    main()
