"""Print the ratios P1 to P4 of glmlint's speed targets, all measured in this one run.

    python bench/check.py [--megabytes 60] [--data FILE.jsonl] [--rounds 3]

P1 CPU time of `check` (default rules, one process) over a floor: typed decode, one batch encode
   a chunk, budget arithmetic. P2 the same over the official script's loop with transformers'
   fast tokenizer, and over `tokenizers.encode_batch_fast` of the same texts (both need a
   tokenizer.json of GLM-4: --tokenizer-json). P3 resident memory on a file and on one ten times
   as large (other rows). P4 `glmlint --version` over bare Python, and `check` of 100 clean rows.
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
from typing import Any

os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
import numpy as np
from make_rows import make

from glmlint.app.settings import resolve
from glmlint.engine.check import check_lines
from glmlint.read.sample import Sample
from glmlint.read.source import InputFile, read_chunks
from glmlint.trainer.base import ROLE_IDS, open_context

SHARED_TOKENIZER = Path(__file__).resolve().parents[2] / "shared" / "glm4" / "tokenizer.json"


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of one call, user and system."""
    before = time.process_time()
    work()
    return time.process_time() - before


def floor(path: str, encode: Callable[[list[str]], Any]) -> int:
    """The least that any exact count must do; returns the supervised tokens within 1025."""
    decode = msgspec.json.Decoder(Sample).decode
    total = 0
    with Path(path).open("rb") as file:
        rest = b""
        while block := file.read(8 << 20):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            rows = [decode(line) for line in lines if line]
            texts = [message.content for row in rows for message in row.messages]
            lengths = np.diff(encode(texts)[1])
            turns = np.array([len(row.messages) for row in rows])
            ends = np.cumsum(turns)
            per_row = np.add.reduceat(lengths, ends - turns)
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
        input_ids.append(ROLE_IDS["user"])
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--data", help="rows of your own instead of made ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokenizer-json", type=Path, default=SHARED_TOKENIZER)
    parser.add_argument("--skip-memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data
        if data is None:
            data = str(Path(folder) / "rows.jsonl")
            make(Path(data), int(arguments.megabytes * 1e6), 1)
        size = Path(data).stat().st_size
        rows = Path(data).read_bytes().count(b"\n")
        print(f"{rows:,} rows, {size / 1e6:.1f} MB")
        plan = resolve({"config": None, "max-length": 1025, "lang": "en"})
        context = open_context(plan)
        encode = context.tokenizer.encode

        def check() -> None:
            check_lines(read_chunks(InputFile(data)), plan, context)

        floor(data, encode)  # warm the tokenizer for both
        pairs = [(cpu(check), cpu(lambda: floor(data, encode))) for _ in range(arguments.rounds)]
        ours = median(a for a, _ in pairs)
        print(
            f"check          {ours:7.2f} s CPU  {size / ours / 1e6:6.1f} MB/s  {ours / rows * 1e6:6.1f} us/row"
        )
        lowest = median(b for _, b in pairs)
        print(
            f"floor          {lowest:7.2f} s CPU  {size / lowest / 1e6:6.1f} MB/s  {lowest / rows * 1e6:6.1f} us/row"
        )
        print(f"P1  check / floor                     {median(a / b for a, b in pairs):6.2f}")
        if arguments.tokenizer_json.is_file():
            tokenizer = fast_tokenizer(arguments.tokenizer_json)
            part = str(Path(folder) / "part.jsonl")
            lines = Path(data).read_bytes().split(b"\n")[: max(200, rows // 20)]
            Path(part).write_bytes(b"\n".join(lines))
            share = Path(part).stat().st_size / size
            loop = cpu(lambda: official_loop(part, tokenizer)) / share
            print(
                f"P2  official loop / check             {loop / ours:6.2f}   (on {share:.0%} of the rows)"
            )
            texts = texts_of(part)
            backend = tokenizer.backend_tokenizer
            batch = cpu(lambda: backend.encode_batch_fast(texts, add_special_tokens=False)) / share
            print(f"P2  tokenizers.encode_batch_fast / check {batch / ours:3.2f}")
        else:
            print("P2  left out: no tokenizer.json (--tokenizer-json)")
        if not arguments.skip_memory:
            sizes = (20e6, 200e6)
            peaks = []
            for size_of in sizes:  # other rows each time: repeated ones would all be findings
                big = str(Path(folder) / "big.jsonl")
                make(Path(big), int(size_of), int(size_of))
                peaks.append(peak_memory(big))
            print(
                f"P3  peak memory at 20 MB {peaks[0]:.0f} MB, at 200 MB {peaks[1]:.0f} MB:"
                f" {peaks[1] / peaks[0]:5.2f}"
            )
        clean = str(Path(folder) / "clean.jsonl")
        with Path(data).open("rb") as source:
            Path(clean).write_bytes(b"".join(source.readline() for _ in range(100)))
        bare = wall([sys.executable, "-c", "pass"], 9)
        wall([sys.executable, "-m", "glmlint", "check", clean], 1)  # writes the bytecode
        version = wall([sys.executable, "-m", "glmlint", "--version"], 9)
        print(f"P4  --version - bare Python           {1000 * (version - bare):6.0f} ms")
        print(
            f"P4  check of 100 rows                 {1000 * wall([sys.executable, '-m', 'glmlint', 'check', clean], 5):6.0f} ms"
        )


if __name__ == "__main__":
    main()
