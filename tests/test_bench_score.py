"""`bench/score.py`: all of it runs on a tiny model, so that nothing but speed waits for a GPU."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import LIMIT

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from score_processes import HERE as BENCH
from score_processes import NotMeasured, Processes

needs_torch = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("transformers")),
    reason="needs torch and transformers: pip install -e '.[score]'",
)
LINE = re.compile(r"(S\d|bf16) +(n/a|met|MISSED) +([\d.,]+)  goal (?:>=|<=) [\d.,]+ +(.+)")


def bench(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCH / "score.py"), *flags],
        capture_output=True, text=True, check=False, timeout=2 * LIMIT,
    )  # fmt: skip


@needs_torch
def test_a_quick_run_prints_every_figure_and_says_which_mean_nothing() -> None:
    done = bench("--device", "cpu", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [match.groups() for match in map(LINE.fullmatch, done.stdout.splitlines()) if match]
    counts = {name: sum(line[0] == name for line in lines) for name in {line[0] for line in lines}}
    assert {"S1": 2, "S2": 1, "bf16": 1, "S3": 3, "S4": 1, "S6": 2, "S7": 1}.items() <= (
        counts.items()
    )
    assert counts["S5"] in (1, 3)  # three where the public tool sets are at hand
    for name, state, _, text in lines:
        assert (state == "n/a") == (name != "S7")
        assert ("no GPU: means nothing" in text) == (name in ("S1", "S2", "bf16"))
    assert "S2   left out         -  against vLLM: no GPU" in done.stdout


@needs_torch
def test_a_machine_without_the_device_is_one_line() -> None:
    done = bench("--device", "abacus")
    assert done.returncode == 2
    assert done.stderr.startswith("bench/score.py: --device abacus: ")
    assert done.stderr.count("\n") == 1


def test_a_program_that_hangs_is_ended_and_one_that_fails_is_named(tmp_path: Path) -> None:
    processes = Processes(tmp_path, 6.0, {"hangs": 1, "fails": 2, "works": 2})
    with pytest.raises(NotMeasured, match=r"hangs: ended after 1 s"):
        processes.run("hangs", ["-c", "import time; time.sleep(600)"])
    with pytest.raises(NotMeasured, match=r"fails: failed with exit code 3: no such thing"):
        processes.run("fails", ["-c", "import sys; print('no such thing'); sys.exit(3)"])
    assert processes.run("works", ["-c", "print('done')"])[0] == "done\n"
