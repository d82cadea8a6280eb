"""Goals S1 to S7 of scoring: speed and memory against the plain transformers batch loop.

    python bench/score.py                        # S3 to S7 on a CPU: some six minutes, on a quiet machine
    python bench/score.py --device cuda --quick  # all of it on a tiny model, in a minute or two: try it first
    python bench/score.py --device cuda          # S1 to S7 on a GPU of 80 GB, in under ten minutes
    python bench/score.py --quick                # the same code without a GPU, in seconds

A line a figure: whether its goal is met, the figure, the goal. "n/a" is a figure that was taken
and means nothing, as it is of a tiny model or without a GPU. Rows are real where `--data` names
a folder of the public sets or `shared/data` lies in or beside the repository, else of random
length. Every method runs in a process of its own, so that its peak memory is its own, and has a
share of `--limit`: one that takes longer is ended and named, and the others run. Exit code 1: a
figure is missing that this machine should have; a missed goal is no error.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from score_processes import NotMeasured, Processes

HERE = Path(__file__).resolve().parent

PEAK = 989e12
"""Operations a second of an H100 or H200 SXM in dense bf16."""

ASSUMED = 28_000
"""Tokens a second of a 9B at half of PEAK: the yardstick of S6 where there is no GPU."""

WEIGHTS = {
    "9B, engine": 110, "9B, plain batch 8": 110, "bf16 against fp32": 60,
    "A, engine": 25, "A, plain batch 4": 35,
    "B, engine": 30, "B, plain batch 4": 40, "B, plain batch 8": 40,
    "padding": 15, "save a model": 20, "host work": 25,
    "first run": 25, "resumed run": 15,
    "vLLM": 150,
}  # fmt: skip
"""Every process and its share of the time, in the order in which they run."""

NEED_GPU = ("9B, engine", "9B, plain batch 8", "bf16 against fp32", "vLLM")


class Bench:
    """The options of a run, its processes, and its lines."""

    def __init__(self, told: argparse.Namespace, folder: Path) -> None:
        self.device: str = told.device
        self.cuda = self.device.startswith("cuda")
        self.quick: bool = told.quick
        self.data = str(told.data) if told.data else None
        self.rows: int | None = told.rows
        self.folder = folder
        self.complete = True
        everything = self.cuda or self.quick
        weights = {
            name: weight
            for name, weight in WEIGHTS.items()
            if (everything or name not in NEED_GPU) and (name != "vLLM" or vllm_there(self.cuda))
        }
        # Importing torch and transformers is most of a quick run. With CUDA every process is
        # fresh: a fork of one that has asked for the device can't use it.
        fork = self.quick and not self.cuda and sys.platform == "linux"
        self.processes = Processes(folder, told.limit, weights, fork=fork)
        self.job = self.processes.job

    def which(self, rows: int, longest: int) -> dict[str, Any]:
        """Options of a job that choose its rows."""
        return {
            "data": self.data,
            "rows": 8 if self.quick else self.rows or rows,
            "longest": 200 if self.quick else longest,
            "most": 16 if self.quick else None,
        }

    def shape(self, name: str) -> str:
        """The shape, or what stands for it in a quick run."""
        return "tiny" if self.quick else name

    def verdict(
        self,
        name: str,
        got: float,
        goal: float,
        text: str,
        *,
        least: bool = True,
        gpu: bool = False,
        always: bool = False,
    ) -> None:
        """One line: whether the goal is met, the figure, the goal, and what it is.

        Args:
            least: the goal is the least that is wanted, not the most.
            gpu: the figure means nothing without a GPU.
            always: it means something in a quick run too.
        """
        why = "tiny: means nothing" if self.quick and not always else ""
        if gpu and not self.cuda:
            why = "no GPU: means nothing"
        met = got >= goal if least else got <= goal
        state = "n/a" if why else "met" if met else "MISSED"
        shown = f"{got:,.0f}" if got >= 1000 else f"{got:.3f}"
        sign = ">=" if least else "<="
        told = f"{name:4} {state:8} {shown:>9}  goal {sign} {goal:<6,g}  {text}"
        print(f"{told} ({why})" if why else told, flush=True)

    @contextlib.contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """A block that prints figures of a goal, or in their place a line that says why not."""
        try:
            yield
        except NotMeasured as why:
            self.complete = False
            print(f"{name:4} {'FAILED':8} {'-':>9}  {why}", flush=True)


def left_out(name: str, why: str) -> None:
    """A line in place of a figure that this machine can't have."""
    print(f"{name:4} {'left out':8} {'-':>9}  {why}", flush=True)


def note(text: str) -> None:
    """A line that is no figure."""
    print(f"     {text}", flush=True)


def vllm_there(cuda: bool) -> bool:
    """Whether vLLM can be compared with."""
    return cuda and find_spec("vllm") is not None


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """How far the row means of two methods lie apart at most."""
    return max(abs(a - b) for a, b in zip(ours["means"], theirs["means"], strict=False))


def speed_on_gpu(bench: Bench, name: str, method: str, size: int) -> dict[str, Any]:
    """What a method takes for some rows on the 9B's shape. Raises NotMeasured."""
    return bench.job(
        name, "speed", method=method, size=size, shape=bench.shape("9B"),
        device=bench.device, dtype="bfloat16", **bench.which(2000, 2048),
    )  # fmt: skip


def engine_on_gpu(bench: Bench) -> dict[str, Any]:
    """S1: tokens a second of the 9B's shape, and the share of an H100's matmul peak.

    Raises:
        NotMeasured
    """
    ours = speed_on_gpu(bench, "9B, engine", "fast", 32_768)
    note(f"{ours['on']}, torch {ours['torch']}: {ours['rows']:,} rows in {ours['seconds']:.1f} s, "
         f"{ours['memory']:.1f} GB over the weights")  # fmt: skip
    bench.verdict(
        "S1", ours["read_rate"], 20_000, "real tokens a second, equal rows once", gpu=True
    )
    bench.verdict("S1", ours["flops"] / PEAK, 0.4, "share of 989 TFLOP/s, real tokens", gpu=True)
    return ours


def plain_on_gpu(bench: Bench, ours: dict[str, Any] | None) -> None:
    """S2 against the plain loop.

    Raises:
        NotMeasured
    """
    theirs = speed_on_gpu(bench, "9B, plain batch 8", "plain", 8)
    if ours is None:
        raise NotMeasured(f"plain batch 8 does {theirs['rate']:,.0f} tokens/s, the engine has none")
    note(f"plain batch 8: {len(theirs['means']):,} of {theirs['rows']:,} rows, "
         f"{theirs['memory']:.1f} GB; row means differ by {difference(ours, theirs):.1e} at most")  # fmt: skip
    bench.verdict("S2", ours["rate"] / theirs["rate"], 2.5, "speed against plain batch 8", gpu=True)


def against_vllm(bench: Bench, ours: dict[str, Any] | None) -> None:
    """S2 against vLLM's prompt_logprobs.

    Raises:
        NotMeasured
    """
    theirs = bench.job("vLLM", "vllm", shape=bench.shape("9B"), **bench.which(2000, 2048))
    if ours is None:
        raise NotMeasured(f"vLLM does {theirs['rate']:,.0f} tokens/s, the engine has none")
    note(f"vLLM {theirs['version']}: {theirs['rows']:,} rows, {theirs['rate']:,.0f} tokens/s")
    bench.verdict("S2", ours["rate"] / theirs["rate"], 3.0, "speed against vLLM prompt_logprobs",
                  gpu=True)  # fmt: skip


def rounded(bench: Bench) -> None:
    """How far bf16 moves the mean of a row.

    Raises:
        NotMeasured
    """
    told = bench.job(
        "bf16 against fp32", "precision", shape=bench.shape("trained"), device=bench.device,
        steps=4 if bench.quick else 300, budget=8192, **bench.which(500, 829),
    )  # fmt: skip
    note(f"a model trained here for {told['steps']} steps: mean loss {told['mean']:.2f}, "
         f"{told['rows']} rows, half of them within {told['median']:.1e}")  # fmt: skip
    bench.verdict("bf16", told["most"], 0.02, "most that a row mean differs from fp32",
                  least=False, gpu=True)  # fmt: skip


def against_plain(bench: Bench, shape: str, goals: dict[int, float], memory: bool) -> None:
    """S3 on one model, and S4 with it. On a CPU, whatever the device is.

    Raises:
        NotMeasured: the engine has no figure.
    """
    more = {
        "shape": bench.shape(shape), "device": "cpu", "dtype": "float32", **bench.which(48, 829),
    }  # fmt: skip
    ours = bench.job(f"{shape}, engine", "speed", method="fast", size=2048, **more)
    note(f"{shape}: engine {ours['seconds']:.1f} s, {ours['memory']:.2f} GB over the model; "
         f"{ours['rows']} rows, {ours['on']}")  # fmt: skip
    for size, goal in goals.items():
        with bench.measuring("S3/4" if memory else "S3"):
            theirs = bench.job(f"{shape}, plain batch {size}", "speed", method="plain", size=size,
                               **more)  # fmt: skip
            off = difference(ours, theirs)
            note(f"{shape}: plain batch {size} {theirs['seconds']:.1f} s, "
                 f"{theirs['memory']:.2f} GB; row means differ by {off:.1e} at most")  # fmt: skip
            bench.verdict("S3", ours["rate"] / theirs["rate"], goal,
                          f"speed on a CPU, {shape}, batch {size}")  # fmt: skip
            if memory:
                share = ours["memory"] / max(theirs["memory"], 1e-9)
                bench.verdict("S4", share, 0.2, f"memory on a CPU, {shape}, batch {size}",
                              least=False)  # fmt: skip


def padding(bench: Bench) -> None:
    """S5: what the plan pads and saves.

    Raises:
        NotMeasured
    """
    told = bench.job("padding", "padding", data=bench.data, most=16 if bench.quick else None)
    note(f"{told['rows']:,} rows, {told['tokens']:,} tokens, longest {told['longest']:,}; planned "
         f"in {told['seconds']:.2f} s; file order at batch 8 pads to {told['file_order']:.2f}")  # fmt: skip
    bench.verdict("S5", told["padded"], 1.05, "padded / real, 16k", least=False)
    for name, saved in told["saved"].items():
        bench.verdict("S5", saved, 2.5, f"times fewer tokens, expanded {name}")
    if not told["saved"]:
        left_out("S5", "expanded tool sets: no data at hand (--data FOLDER)")


def host_work(bench: Bench, rate: float | None) -> None:
    """S6: what is not the model's work, and what the plan holds.

    Raises:
        NotMeasured
    """
    told = bench.job("host work", "host", file=str(bench.folder / "rows-0.jsonl"),
                     model=str(bench.folder / "model"))  # fmt: skip
    did = told["tokens"] / told["seconds"]
    note(f"host: {told['rows']:,} made rows, {told['tokens']:,} tokens in {told['seconds']:.2f} s, "
         f"{told['encoded']:.2f} of them to read and encode")  # fmt: skip
    at = f"{rate:,.0f} tokens/s as measured" if rate else f"{ASSUMED:,} tokens/s, assumed"
    bench.verdict("S6", (rate or ASSUMED) / did, 0.05, f"host work / GPU time at {at}", least=False)
    bench.verdict("S6", told["held"], 12, "bytes a token, rows and plan "
                  f"({told['high']:.1f} at most while planning)", least=False)  # fmt: skip


def resumed(bench: Bench) -> None:
    """S7: `glmlint score` again, when all its scores are in the store.

    Raises:
        NotMeasured
    """
    from glmlint.scoring.store import Store

    store, run = bench.folder / "scores.sqlite", bench.processes.run
    command = [
        "-m", "glmlint", "score", str(bench.folder / "rows-1.jsonl"), "--recipe", "glm4",
        "--model", str(bench.folder / "model"), "--device", bench.device, "--store", str(store),
        "--fail-on", "never",
    ]  # fmt: skip
    first, _, before = run("first run", command)
    again, traced, seconds = run("resumed run", ["-X", "importtime", *command], fork=False)
    if first != again:
        raise NotMeasured("resumed run: its report is not that of the first run")
    since = time.perf_counter()
    opened = Store(store)
    rows = sum(len(opened.read(model, opened.keys(model))) for model in opened.models())
    opened.close()
    reading = time.perf_counter() - since
    loaded = {line.rpartition("|")[2].strip() for line in traced.splitlines()}
    if "glmlint.scoring.engine" in loaded:
        raise NotMeasured("resumed run: it loads the model")
    note(f"first run {before:.1f} s, resumed {seconds:.2f} s: {rows} rows from the store in "
         f"{reading:.3f} s, no model loaded, torch{'' if 'torch' in loaded else ' not'} imported")  # fmt: skip
    bench.verdict("S7", seconds - reading, 1.0, "seconds of a resumed run, less reading the store",
                  least=False, always=True)  # fmt: skip


def measure(bench: Bench) -> None:
    """All figures, in the order of their names; vLLM last, with the time that is left."""
    ours: dict[str, Any] | None = None
    if bench.cuda or bench.quick:
        with bench.measuring("S1"):
            ours = engine_on_gpu(bench)
        with bench.measuring("S2"):
            plain_on_gpu(bench, ours)
        with bench.measuring("bf16"):
            rounded(bench)
    else:
        for name in ("S1", "S2", "bf16"):
            left_out(name, "wants a GPU: --device cuda")
    with bench.measuring("S3/4"):
        against_plain(bench, "A", {4: 3.5}, memory=True)
    with bench.measuring("S3"):
        against_plain(bench, "B", {4: 1.7, 8: 2.0}, memory=False)
    with bench.measuring("S5"):
        padding(bench)
    with bench.measuring("S6/7"):
        many, few = (20_000, 4_000) if bench.quick else (4_000_000, 60_000)
        bench.job("save a model", "save", folder=str(bench.folder), sizes=[many, few])
        with bench.measuring("S6"):
            judged = ours is not None and bench.cuda and not bench.quick
            host_work(bench, ours["read_rate"] if ours and judged else None)
        with bench.measuring("S7"):
            resumed(bench)
    if "vLLM" in bench.processes.weights:
        with bench.measuring("S2"):
            against_vllm(bench, ours)
    elif bench.cuda or bench.quick:
        left_out("S2", "against vLLM: not installed" if bench.cuda else "against vLLM: no GPU")


def refuse(why: str) -> NoReturn:
    """End in one line: this run can't be."""
    print(f"bench/score.py: {why}", file=sys.stderr)
    sys.exit(2)


def checked(told: argparse.Namespace) -> argparse.Namespace:
    """The options; ends in one line where they, or this machine, do not do."""
    if told.limit is not None and not told.limit > 0:
        refuse("--limit: seconds, more than 0")
    if told.rows is not None and told.rows < 1:
        refuse("--rows: 1 or more")
    if told.data is not None and not told.data.is_dir():
        refuse(f"--data {told.data}: no such folder")
    if told.data is None:
        places = (HERE.parent / "shared" / "data", HERE.parents[1] / "shared" / "data")
        told.data = next((place for place in places if place.is_dir()), None)
    if lacking := [name for name in ("torch", "transformers") if find_spec(name) is None]:
        refuse(f"no {' and no '.join(lacking)} here: pip install -e '.[score]'")
    try:
        from glmlint.scoring.errors import ScoreError
        from glmlint.scoring.model import pick_device
    except ImportError as error:
        refuse(f"no {error.name} here: pip install -e '.[score]'")
    try:
        told.device = pick_device(told.device)
    except ScoreError as error:
        refuse(error.say("en"))
    if told.device == "mps":
        refuse("--device mps: cpu and cuda are measured")
    usual = 570 if told.device.startswith("cuda") else 1800
    told.limit = told.limit or (240 if told.quick else usual)
    return told


def ended(*_: object) -> NoReturn:
    """On SIGTERM: as Ctrl-C, so that no process is left behind."""
    raise KeyboardInterrupt


def main() -> None:
    summary, _, rest = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N")
    parser.add_argument("--quick", action="store_true", help="tiny models and few rows")
    parser.add_argument("--limit", type=float, metavar="SECONDS",
                        help="of the whole run; cpu: 1800, cuda: 570, quick: 240")  # fmt: skip
    parser.add_argument("--rows", type=int, help="of S1 to S4; 2,000 on a GPU, 48 on a CPU")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the public sets")
    told = checked(parser.parse_args())
    signal.signal(signal.SIGTERM, ended)
    with tempfile.TemporaryDirectory(prefix="glmlint-bench-") as folder:
        bench = Bench(told, Path(folder))
        rows = f"rows of {told.data.parent.name}/{told.data.name}" if told.data else "random rows"
        print(f"{told.device}, {'quick, ' if told.quick else ''}{rows}, at most {told.limit:g} s")
        if bench.processes.fork:
            import torch
            from transformers import Glm4ForCausalLM  # noqa: F401 - for the forks

            torch.set_num_threads(1)
        try:
            measure(bench)
        except KeyboardInterrupt:
            sys.exit(130)
        print(f"     {bench.processes.seconds:.0f} s of {told.limit:g}")
    sys.exit(not bench.complete)


if __name__ == "__main__":
    main()
