"""Goals S1 to S5 of scoring: speed and memory against the plain transformers batch loop.

    python bench/score.py                 # ratios on a CPU: S3, S4, S5 (some six minutes; wants a quiet machine)
    python bench/score.py --device cuda   # S1 and S2 on a random model of the 9B's shape

Rows are real where the shared data folder lies beside the repository, else random lengths.
Every method runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glmlint.scoring.plan import IGNORE_INDEX, Row, batches, make_hosts, make_row, measure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    "llamafactory/alpaca_zh_demo.json",
    "llamafactory/alpaca_en_demo.json",
    "glm_tools/glaive_zh.jsonl",
    "glm_tools/glaive_en.jsonl",
    "llamafactory/identity.json",
)
MORE = (
    "chatglm_efficient_tuning/oaast_sft_zh.json",
    "llamafactory/v1_sft_demo.jsonl",
    "fastchat/dummy_conversation.json",
    "toolset/tools_datasets__agentManager__tools_v1.0.jsonl",
    "toolset/tools_datasets__contentManager__tools_v1.4.jsonl",
    "toolset/tools_datasets__memoryManager__tools_v1.4.jsonl",
    "toolset/tools_datasets__vaultManager__tools_v1.3.jsonl",
    "toolset/behavior_datasets__workspace_awareness__pairs_v1.4.jsonl",
    "self_llm/huanhuan.json",
)
ROLES = {
    "system": 151335, "user": 151336, "human": 151336, "assistant": 151337, "gpt": 151337,
    "function_call": 151337, "observation": 151338, "tool": 151338,
}  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = {
    # the head is 98% of the work: what a test model looks like
    "A": {"vocab_size": 151552, "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 1,
          "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    # the head is 6.7% of the weights that multiply, as in the 9B
    "B": {"vocab_size": 12288, "hidden_size": 640, "intermediate_size": 2144,
          "num_hidden_layers": 22, "num_attention_heads": 10, "num_key_value_heads": 2,
          "head_dim": 64},
    "9B": {"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 13696,
           "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 2,
           "head_dim": 128},
}  # fmt: skip

Encoded = tuple[list[int], list[int]]


def turns(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(role, text) of a row in one of the public shapes; rows in another shape give nothing."""
    if isinstance(record.get("output"), str):
        yield "user", f"{record.get('instruction', '')}\n{record.get('input', '')}".strip()
        yield "assistant", record["output"]
        return
    for message in record.get("messages") or record.get("conversations") or ():
        role = message.get("role", message.get("from"))
        text = message.get("content", message.get("value"))
        if message.get("tools"):
            yield "system", json.dumps(message["tools"], ensure_ascii=False)
        for call in message.get("tool_calls") or ():
            text = f"{text or ''}{json.dumps(call.get('function'), ensure_ascii=False)}"
        if isinstance(text, str) and role in ROLES:
            yield role, text


def read_rows(names: tuple[str, ...]) -> Iterator[Encoded]:
    """Ids and labels of all rows in GLM-4's layout, answers and their ends supervised."""
    from glmlint.trainer.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("glm4")
    for name in names:
        text = (DATA / name).read_text(encoding="utf-8")
        if name.endswith(".json"):
            records = json.loads(text)
        else:
            records = [json.loads(line) for line in text.split("\n") if line.strip()]
        for record in records:
            ids, labels, answered = [151331, 151333], [IGNORE_INDEX] * 2, False
            for role, content in turns(record):
                body = tokenizer.encode([content])[0].tolist()
                head = ROLES[role]
                ids += [head, 198, *body]
                labels.append(head if answered else IGNORE_INDEX)
                answered = head == 151337
                labels += [198, *body] if answered else [IGNORE_INDEX] * (1 + len(body))
            if len(ids) > 2 and answered:
                yield [*ids, 151329], [*labels, 151329]


def random_rows(count: int) -> list[Encoded]:
    """Rows of log-normal length, where no data is at hand."""
    rng = np.random.default_rng(0)
    rows = []
    for length in np.clip(rng.lognormal(5.1, 0.8, count), 8, 4000).astype(int):
        ids = rng.integers(0, 151329, length).tolist()
        rows.append((ids, [IGNORE_INDEX] * (length // 3) + ids[length // 3 :]))
    return rows


def some_rows(count: int, longest: int) -> list[Encoded]:
    """`count` rows drawn evenly from the sets, in the order drawn: a file that mixes its sources."""
    if not DATA.is_dir():
        return random_rows(count)
    rows = [row for row in read_rows(SETS) if len(row[0]) <= longest]
    rng = np.random.default_rng(7)
    return [rows[place] for place in rng.choice(len(rows), count, replace=False)]


def expanded(rows: list[Encoded]) -> list[Row]:
    """Every answer as a row of its own with all that came before it, as exporters write them."""
    made = []
    for ids, labels in rows:
        told = np.array(labels)
        ends = np.flatnonzero((told[:-1] != IGNORE_INDEX) & (told[1:] == IGNORE_INDEX))
        start = 0
        for end in [*ends.tolist(), len(ids) - 1]:
            masked = np.where(np.arange(end + 1) > start, told[: end + 1], IGNORE_INDEX)
            made.append(make_row(ids[: end + 1], masked))
            start = end
    return made


def build(shape: str, device: str, dtype: str) -> Any:
    """A random model of one of SHAPES on the device."""
    import torch
    from transformers import Glm4Config, Glm4ForCausalLM

    config = Glm4Config(
        **SHAPES[shape], pad_token_id=0, initializer_range=0.02, max_position_embeddings=8192
    )
    with torch.device(device):
        model = Glm4ForCausalLM._from_config(config, dtype=getattr(torch, dtype))
    return model.eval()


def fast(model: Any, rows: list[Encoded], budget: int) -> list[float]:
    """Row means by the engine."""
    from glmlint.scoring.engine import Engine
    from glmlint.scoring.model import Model

    device, dtype = str(model.device), str(model.dtype).removeprefix("torch.")
    engine = Engine(
        Model(model.get_decoder(), model.get_output_embeddings(), device, dtype, "bench", "sdpa")
    )
    made = [make_row(*row) for row in rows]
    found = {
        score.key: float(score.nll.mean())
        for batch in batches(make_hosts(made), budget)
        for score in engine.score(batch)
    }
    return [found[row.key] for row in made]


def plain(model: Any, rows: list[Encoded], size: int) -> list[float]:
    """Row means by the loop that everybody writes: file order, padding, mask, all logits."""
    import torch

    means: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            width = max(len(ids) for ids, _ in part)
            ids = torch.tensor([i + [0] * (width - len(i)) for i, _ in part]).to(model.device)
            labels = torch.tensor([t + [IGNORE_INDEX] * (width - len(t)) for _, t in part])
            mask = torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i, _ in part])
            logits = model(ids, attention_mask=mask.to(model.device), use_cache=False).logits
            losses = torch.nn.functional.cross_entropy(
                logits[:, :-1].float().flatten(0, 1),
                labels[:, 1:].to(model.device).flatten(),
                reduction="none",
            ).view(len(part), -1)
            counts = (labels[:, 1:] != IGNORE_INDEX).sum(1).to(model.device)
            means += (losses.sum(1) / counts).tolist()
    return means


def peak() -> float:
    """Highest memory of this process so far, GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def job(arguments: argparse.Namespace) -> None:
    """One method on one model, in its own process: prints seconds, memory and means."""
    import torch

    torch.manual_seed(0)
    rows = some_rows(arguments.rows, arguments.longest)
    vocabulary = SHAPES[arguments.shape]["vocab_size"]
    rows = [
        ([i % vocabulary for i in ids], [t % vocabulary if t >= 0 else t for t in labels])
        for ids, labels in rows
    ]
    model = build(arguments.shape, arguments.device, arguments.dtype)
    run: dict[str, Callable[[Any, list[Encoded], int], list[float]]] = {
        "fast": fast,
        "plain": plain,
    }
    method = run[arguments.method]
    method(model, rows[:2], arguments.size)
    cuda = arguments.device.startswith("cuda")
    before = torch.cuda.memory_allocated() / 1e9 if cuda else peak()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = float("inf")
    for _ in range(2):  # the better of two: other work on the machine only ever adds
        since = time.perf_counter()
        means = method(model, rows, arguments.size)
        if cuda:
            torch.cuda.synchronize()
        seconds = min(seconds, time.perf_counter() - since)
    high = torch.cuda.max_memory_allocated() / 1e9 if cuda else peak()
    weights = sum(p.numel() for p in model.parameters())
    head = SHAPES[arguments.shape]["vocab_size"] * SHAPES[arguments.shape]["hidden_size"]
    told = {
        "seconds": seconds,
        "memory": high - before,
        "means": means,
        "layers": weights - 2 * head,
    }
    print(json.dumps(told))


def measure_method(shape: str, method: str, size: int, **more: Any) -> dict[str, Any]:
    """Run `job` in a fresh process."""
    command = [sys.executable, __file__, "--job", "--shape", shape, "--method", method]
    command += ["--size", str(size)]
    for name, value in more.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{method} {size} on {shape} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def verdict(name: str, got: float, goal: float, text: str, least: bool = True) -> None:
    """One line: the number, the goal, and whether it was met."""
    met = got >= goal if least else got <= goal
    print(
        f"{name:4} {'met ' if met else 'MISS'} {got:8.3f}  goal {'>=' if least else '<='} {goal:g}  {text}"
    )


def compare(shape: str, goals: dict[int, float], memory: float | None, rows: int) -> None:
    """S3 and S4 on one model."""
    ours = measure_method(shape, "fast", 2048, rows=rows)
    print(f"model {shape}: fast {ours['seconds']:.1f} s, {ours['memory']:.2f} GB over the model")
    for size, goal in goals.items():
        theirs = measure_method(shape, "plain", size, rows=rows)
        off = np.abs(np.array(theirs["means"]) - np.array(ours["means"])).max()
        print(f"model {shape}: plain batch {size} {theirs['seconds']:.1f} s, "
              f"{theirs['memory']:.2f} GB; row means differ by {off:.1e} at most")  # fmt: skip
        verdict("S3", theirs["seconds"] / ours["seconds"], goal, f"speed, {shape}, batch {size}")
        if memory is not None:
            verdict("S4", ours["memory"] / theirs["memory"], memory, "memory", least=False)


def padding() -> None:
    """S5: what the plan pads and saves, on thousands of rows."""
    rows = list(read_rows(SETS + MORE))[:9000] if DATA.is_dir() else random_rows(8000)
    made = [make_row(*row) for row in rows]
    since = time.perf_counter()
    size = measure(made, make_hosts(made), 16_384)
    seconds = time.perf_counter() - since
    lengths = [len(ids) for ids, _ in rows]
    order = sum(max(lengths[i : i + 8]) * len(lengths[i : i + 8]) for i in range(0, len(rows), 8))
    print(f"{size.rows:,} rows, {size.tokens:,} tokens, longest {size.longest:,}; planned in "
          f"{seconds:.2f} s; file order at batch 8 pads to {order / sum(lengths):.2f}")  # fmt: skip
    verdict("S5", size.padded_tokens / size.read_tokens, 1.05, "padded / real, 16k", least=False)
    if DATA.is_dir():
        for name in ("glm_tools/glaive_zh.jsonl", "glm_tools/glaive_en.jsonl"):
            cut = expanded(list(read_rows((name,))))
            saved = measure(cut, make_hosts(cut), 16_384)
            verdict("S5", saved.tokens / saved.read_tokens, 2.5, f"fewer tokens, expanded {name}")


def on_gpu(device: str, rows: int) -> None:
    """S1 and S2: tokens a second of the 9B's shape and the share of an H100's matmul peak."""
    real = sum(len(make_row(*row).ids) for row in some_rows(rows, 8192))
    labels = sum(sum(t != IGNORE_INDEX for t in row[1][1:]) for row in some_rows(rows, 8192))
    more = {"device": device, "dtype": "bfloat16", "rows": rows, "longest": 8192}
    ours = measure_method("9B", "fast", 32_768, **more)
    head = SHAPES["9B"]["vocab_size"] * SHAPES["9B"]["hidden_size"]
    flops = 2 * ours["layers"] * real + 2 * head * labels
    rate = real / ours["seconds"]
    verdict("S1", rate, 20_000, f"real tokens a second, {ours['memory']:.1f} GB over the weights")
    verdict("S1", flops / ours["seconds"] / 989e12, 0.4, "share of 989 TFLOP/s, real tokens")
    theirs = measure_method("9B", "plain", 8, **more)
    verdict("S2", theirs["seconds"] / ours["seconds"], 2.5, "speed against plain batch 8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=0, help="0: 48 on a CPU, 4,000 on a GPU")
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--shape", default="A", help=argparse.SUPPRESS)
    parser.add_argument("--method", default="fast", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=8, help=argparse.SUPPRESS)
    parser.add_argument("--dtype", default="float32", help=argparse.SUPPRESS)
    parser.add_argument("--longest", type=int, default=829, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job(arguments)
    elif arguments.device.startswith("cuda"):
        on_gpu(arguments.device, arguments.rows or 4000)
    else:
        padding()
        rows = arguments.rows or 48
        compare("A", {4: 3.5}, 0.2, rows)
        compare("B", {4: 1.7, 8: 2.0}, None, rows)


if __name__ == "__main__":
    main()
