"""Print the ratios P1 to P6 of glmlint's speed targets, and two processes over one, in this one run.

    python bench/check.py [--megabytes 30] [--large 200] [--data FILE.jsonl] [--rounds 3] [--only-p1]

P1 CPU time of `check` (default rules, one process) over a floor: typed decode, one batch encode
   a chunk, budget arithmetic. On made rows, on real ones as they come, and on real ones of which
   5% got a fault (both need a folder of data files: --real). The least of some rounds.
P2 the official script's loop with transformers' fast tokenizer over `check`, and so
   `tokenizers.encode_batch_fast` and `tiktoken.encode_ordinary` of the same texts alone (they need
   a tokenizer.json and a tokenizer.model of GLM-4: --tokenizer-json).
P3 peak resident memory on a file of --memory MB and on one ten times as large (other rows).
P4 `glmlint --version` over bare Python, and `check` of 100 clean rows, wall time.
P5 a second `check` of the larger of these files, unchanged, from the cache: wall time.
P6 CPU time a row of a file over that of its first tenth.
J2 wall time of the command with `--jobs 1` over that with `--jobs 2`, on --large MB of each file.
Machines are noisy: look at the ratios, not at the seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
import numpy as np
from make_real_rows import SHARED_DATA
from make_real_rows import make as make_real
from make_rows import make

from glmlint.app.settings import resolve
from glmlint.engine.check import check_file
from glmlint.evidence.report import Report
from glmlint.read.sample import Sample
from glmlint.read.source import InputFile
from glmlint.trainer.base import open_context

CHECK = [sys.executable, "-m", "glmlint", "check", "--format", "json", "--fail-on", "never"]
CHECK += ["--progress", "never", "--max-length", "1025", "--output", os.devnull]
USER = 151336
"""The id of `<|user|>`."""
SHARED_TOKENIZER = Path(__file__).resolve().parents[2] / "shared" / "glm4" / "tokenizer.json"


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of one call, user and system."""
    before = time.process_time()
    work()
    return time.process_time() - before


def floor(path: str, encode: Callable[[list[str]], Any]) -> int:
    """The least that any exact count must do; returns the supervised tokens within 1025.

    Rows that break the schema are decoded untyped; what is no JSON at all is passed over.
    """
    decode = msgspec.json.Decoder(Sample).decode
    decode_any = msgspec.json.Decoder().decode
    total = 0
    with Path(path).open("rb") as file:
        rest = b""
        while block := file.read(8 << 20):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            texts: list[str] = []
            turns: list[int] = []
            for line in lines:
                if not line:
                    continue
                try:
                    row = [message.content for message in decode(line).messages]
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    try:
                        messages = decode_any(line).get("messages")
                        row = [m["content"] for m in messages if isinstance(m["content"], str)]
                    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError):
                        continue
                texts += row
                turns.append(len(row))
            lengths = np.diff(encode(texts)[1])
            numbers = np.array(turns)
            ends = np.cumsum(numbers)
            per_row = np.add.reduceat(np.append(lengths, 0), ends - numbers)
            total += int(np.minimum(per_row, 1025).sum())
    return total


def texts_of(path: str) -> list[str]:
    """Header and content texts of every message."""
    decode = msgspec.json.Decoder(Sample).decode
    return [
        f"{'' if m.metadata is msgspec.UNSET else m.metadata}\n{m.content}"
        for line in Path(path).read_bytes().split(b"\n")
        if line
        for m in decode(line).messages
    ]


def official_loop(path: str, tokenizer: Any) -> int:
    """What the official script does with each row (`combine: false`), on its own tokenizer."""
    tokens = 0
    for line in Path(path).read_bytes().split(b"\n"):
        if not line:
            continue
        input_ids = [151331, 151333]
        masks = [False, False]
        for message in msgspec.json.decode(line)["messages"]:
            if message["role"] != "system":
                message.pop("tools", None)
            new = tokenizer.apply_chat_template([message], tokenize=True, return_dict=False)[2:]
            input_ids += new
            masks += [message["role"] == "assistant"] * len(new)
        input_ids.append(USER)
        masks = [False, *masks]
        labels = [i if m else -100 for i, m in zip(input_ids, masks, strict=False)]
        tokens += len(labels[:1025])
    return tokens


def fast_tokenizer(file: Path) -> Any:
    """transformers' tokenizer with glmlint's template, which renders what the model's does."""
    from transformers import PreTrainedTokenizerFast

    template = SHARED_TOKENIZER.parent / "templates" / "glm-4-9b-chat.jinja"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file))
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    return tokenizer


def peak_memory(path: str) -> float:
    """Peak resident memory of `glmlint check` in MB."""
    code = (
        "import resource, subprocess, sys;"
        f"subprocess.run([sys.executable, '-m', 'glmlint', 'check', {path!r}, '--format', 'json',"
        " '--jobs', '1', '--no-cache',"
        " '--output', '/dev/null', '--fail-on', 'never'], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(out.stdout)


def wall(command: list[str], rounds: int) -> float:
    """Median wall seconds of a command."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - start)
    return median(times)


class Speed(NamedTuple):
    """What a file costs, in CPU seconds: the least of some rounds."""

    check: float
    floor: float
    rows: int
    size: int

    @property
    def ratio(self) -> float:
        return self.check / self.floor


def measured(path: str, rounds: int) -> Speed:
    """`check` with default rules and the floor on one file, in turn, in this process."""
    plan = resolve({"config": None, "max-length": 1025, "lang": "en"})
    context = open_context(plan)
    encode = context.tokenizer.encode
    floor(path, encode)  # warm the tokenizer for both
    pairs = [
        (
            cpu(lambda: check_file(InputFile(path), plan, context, Report())),
            cpu(lambda: floor(path, encode)),
        )
        for _ in range(rounds)
    ]
    data = Path(path).read_bytes()
    return Speed(min(a for a, _ in pairs), min(b for _, b in pairs), data.count(b"\n"), len(data))


def print_speed(name: str, target: float, path: str, rounds: int) -> Speed:
    """P1 of one file."""
    speed = measured(path, rounds)
    print(
        f"P1  {name:<24} {speed.ratio:5.2f}  (at most {target:g})   check {speed.check:6.2f} s"
        f" {speed.size / speed.check / 1e6:5.1f} MB/s {speed.check / speed.rows * 1e6:6.1f} us/row,"
        f" floor {speed.floor:5.2f} s {speed.size / speed.floor / 1e6:5.1f} MB/s;"
        f" {speed.rows:,} rows, {speed.size / 1e6:.1f} MB",
        flush=True,
    )
    return speed


def print_official(path: str, ours: Speed, tokenizer_json: Path, folder: Path) -> None:
    """P2: the official script's loop, and two tokenizers alone, on a part of made rows.

    Each is warm, by other rows: on rows that it has met, a tokenizer remembers the words.
    """
    lines = Path(path).read_bytes().split(b"\n")
    number = max(200, ours.rows // 20)
    part, other = folder / "part.jsonl", folder / "other.jsonl"
    part.write_bytes(b"\n".join(lines[:number]))
    other.write_bytes(b"\n".join(lines[number : number + 50]))
    share = part.stat().st_size / ours.size
    tokenizer = fast_tokenizer(tokenizer_json)
    backend = tokenizer.backend_tokenizer
    ways: list[tuple[str, str, Callable[[Path, list[str]], Any]]] = [
        ("official loop", "  (at least 12)", lambda file, _: official_loop(str(file), tokenizer)),
        (
            "tokenizers.encode_batch_fast",
            "  (at least 5)",
            lambda _, texts: backend.encode_batch_fast(texts, add_special_tokens=False),
        ),
    ]
    if (encoding := tiktoken_of(tokenizer_json.with_name("tokenizer.model"))) is not None:
        ways.append(
            (
                "tiktoken.encode_ordinary",
                "",
                lambda _, texts: [*map(encoding.encode_ordinary, texts)],
            )
        )
    for name, goal, work in ways:
        work(other, texts_of(str(other)))
        texts = texts_of(str(part))
        ratio = cpu(lambda: work(part, texts)) / share / ours.check  # noqa: B023  # called at once
        print(f"P2  {name:<28} / check {ratio:5.2f}{goal}   on {share:.0%} of the rows", flush=True)


def tiktoken_of(ranks: Path) -> Any:
    """tiktoken with GLM-4's ranks; None where that can't be."""
    try:
        import tiktoken
        from tiktoken.load import load_tiktoken_bpe
    except ImportError:
        return None
    if not ranks.is_file():
        return None
    from glmlint.trainer.tokenizer import GLM4_PATTERN

    loaded = load_tiktoken_bpe(str(ranks))
    return tiktoken.Encoding(
        "glm4", pat_str=GLM4_PATTERN, mergeable_ranks=loaded, special_tokens={}
    )


def print_memory(size: int, folder: Path) -> None:
    """P3 and P5, on a file and one ten times as large. Rows differ: repeats would all be findings."""
    peaks = []
    big = folder / "big.jsonl"
    for more in (size, 10 * size):
        make(big, more, more)
        peaks.append(peak_memory(str(big)))
    print(
        f"P3  peak memory {peaks[0]:.0f} MB, of ten times as large a file {peaks[1]:.0f} MB:"
        f" {peaks[1] / peaks[0]:5.2f}  (at most 1.1)   {size / 1e6:.0f} MB, {size / 1e5:.0f} MB",
        flush=True,
    )
    os.utime(big, (1e9, 1e9))  # old enough for its times to count
    check = [*CHECK, str(big), "--cache-dir", str(folder / "cache")]
    first, second = wall(check, 1), wall(check, 3)
    print(
        f"P5  check / check from the cache       {first / second:6.1f}  (at least 10)", flush=True
    )
    big.unlink()


def print_start(path: str, folder: Path) -> None:
    """P4, on the first rows of a file."""
    clean = folder / "clean.jsonl"
    with Path(path).open("rb") as source:
        clean.write_bytes(b"".join(source.readline() for _ in range(100)))
    check = [sys.executable, "-m", "glmlint", "check", str(clean)]
    wall(check, 1)  # writes the bytecode
    bare = wall([sys.executable, "-c", "pass"], 9)
    version = wall([sys.executable, "-m", "glmlint", "--version"], 9)
    print(f"P4  --version - bare Python           {1000 * (version - bare):6.0f} ms")
    print(f"P4  check of 100 rows                 {1000 * wall(check, 5):6.0f} ms")


def print_jobs(name: str, path: str) -> None:
    """Two processes over one; the two in turn, the lesser of two rounds."""
    check = [*CHECK, path, "--no-cache", "--jobs"]
    pairs = [(wall([*check, "1"], 1), wall([*check, "2"], 1)) for _ in range(2)]
    one, two = (min(times) for times in zip(*pairs, strict=True))
    size = Path(path).stat().st_size / 1e6
    print(
        f"J2  {name:<24} {one / two:5.2f}  (at least 1.8)   {size:.0f} MB in {one:.1f} s and {two:.1f} s",
        flush=True,
    )


def print_growth(path: str, rounds: int, folder: Path) -> None:
    """P6: CPU time a row of a whole file over that of its first tenth."""
    lines = Path(path).read_bytes().splitlines(keepends=True)
    tenth = folder / "tenth.jsonl"
    tenth.write_bytes(b"".join(lines[: len(lines) // 10]))
    small, large = measured(str(tenth), rounds), measured(path, rounds)
    grows = (large.check / large.rows) / (small.check / small.rows)
    print(f"P6  us/row of {large.rows:,} rows over those of {small.rows:,}: {grows:5.2f}")


class Kind(NamedTuple):
    """A kind of file: its name, the goal of P1, and what writes one of so many bytes."""

    name: str
    target: float
    make: Callable[[Path, int], Any]


def kinds_of(data: str | None, real: Path) -> list[Kind]:
    """The files that are measured: the user's own one, or made and real ones."""
    if data is not None:
        whole = Path(data).read_bytes()
        return [Kind("these rows", 2.5, lambda path, _: path.write_bytes(whole))]
    kinds = [Kind("made rows", 2.5, lambda path, size: make(path, size, 1))]
    if not real.is_dir():
        print(f"real rows are left out: no folder {real} (--real)")
        return kinds
    return [
        *kinds,
        Kind("real rows as they come", 3, lambda path, size: make_real(path, size, 1, folder=real)),
        Kind("real rows, 5% faulty", 4, lambda path, size: make_real(path, size, 2, 0.05, real)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=30, help="of each file")
    parser.add_argument("--large", type=float, default=200, help="megabytes of each file for J2")
    parser.add_argument("--memory", type=float, default=100, help="megabytes of P3's smaller file")
    parser.add_argument("--data", help="rows of your own instead of made and real ones")
    parser.add_argument("--real", type=Path, default=SHARED_DATA, help="a folder of real data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokenizer-json", type=Path, default=SHARED_TOKENIZER)
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--only-p1", action="store_true")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    kinds = kinds_of(arguments.data, arguments.real)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [str(folder / f"{number}.jsonl") for number in range(len(kinds))]
        speeds = []
        for kind, path in zip(kinds, files, strict=True):
            kind.make(Path(path), int(arguments.megabytes * 1e6))
            speeds.append(print_speed(kind.name, kind.target, path, rounds))
        if arguments.only_p1:
            return
        if arguments.tokenizer_json.is_file():
            print_official(files[0], speeds[0], arguments.tokenizer_json, folder)
        else:
            print("P2  left out: no tokenizer.json (--tokenizer-json)")
        if not arguments.skip_memory:
            print_memory(int(arguments.memory * 1e6), folder)
        print_start(files[0], folder)
        print_growth(files[0], rounds, folder)
        for kind in kinds:
            large = folder / "large.jsonl"
            kind.make(large, int(arguments.large * 1e6))
            print_jobs(kind.name, str(large))


if __name__ == "__main__":
    main()
