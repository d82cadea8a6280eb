"""What `bench/score.py` measures, one function a method; each call is a process of its own.

    python bench/score_jobs.py JOB '{"options": …}' RESULT.json

So the peak memory of a method is its own, and one that hangs or dies takes nothing with it.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from score_rows import (
    MORE,
    SETS,
    TOOL_SETS,
    Encoded,
    expanded,
    random_rows,
    read_rows,
    some_rows,
)

from glmlint.scoring.plan import IGNORE_INDEX, Batch, batches, make_hosts, make_row, measure

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
    # small enough to be trained in seconds on a GPU, deep enough for bf16 to add up
    "trained": {"vocab_size": 151552, "hidden_size": 512, "intermediate_size": 1712,
                "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 2,
                "head_dim": 64},
    # the real vocabulary and next to nothing else: what `glmlint score` loads for S7
    "saved": {"vocab_size": 151552, "hidden_size": 16, "intermediate_size": 32,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
              "head_dim": 8},
    # --quick: stands for A, B, 9B and trained
    "tiny": {"vocab_size": 512, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
}  # fmt: skip


def config_of(shape: str) -> Any:
    """The configuration of one of SHAPES."""
    from transformers import Glm4Config

    return Glm4Config(
        **SHAPES[shape], pad_token_id=0, initializer_range=0.02, max_position_embeddings=8192
    )


def build(shape: str, device: str, dtype: str) -> Any:
    """A random model of one of SHAPES on the device."""
    import torch
    from transformers import Glm4ForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        model = Glm4ForCausalLM._from_config(config_of(shape), dtype=getattr(torch, dtype))
    return model.eval()


def rows_for(
    shape: str, data: str | None, rows: int, longest: int, most: int | None
) -> list[Encoded]:
    """Rows whose ids the shape has."""
    vocabulary = SHAPES[shape]["vocab_size"]
    return [
        ([i % vocabulary for i in ids], [t % vocabulary if t >= 0 else t for t in labels])
        for ids, labels in some_rows(Path(data) if data else None, rows, longest, most)
    ]


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


def plain(model: Any, rows: list[Encoded], size: int, until: float) -> list[float]:
    """Row means by the loop that everybody writes: file order, padding, mask, all logits.

    Stops at the time `until`: the first rows of a mixed file say as much of its speed as all.
    """
    import torch

    means: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            if means and time.time() > until:
                break
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


def tokens_of(rows: Iterable[Encoded]) -> int:
    """Tokens up to the last label of each row."""
    return sum(len(make_row(*row).ids) for row in rows)


def speed(
    method: str, shape: str, size: int, device: str, dtype: str, until: float, **which: Any
) -> dict[str, Any]:
    """One way to score on one model: tokens a second, memory over the model in GB, row means."""
    import torch

    rows = rows_for(shape, **which)
    model = build(shape, device, dtype)

    def once(some: list[Encoded]) -> list[float]:
        return fast(model, some, size) if method == "fast" else plain(model, some, size, until)

    once(rows[:2])
    cuda = device.startswith("cuda")
    before = torch.cuda.memory_allocated() / 1e9 if cuda else peak()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    rate, means = 0.0, []
    for _ in range(2):  # the better of two: other work on the machine only ever adds
        since = time.perf_counter()
        found = once(rows)
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - since
        if (now := tokens_of(rows[: len(found)]) / seconds) > rate:
            rate, means = now, found
        if time.time() + 1.2 * seconds > until:
            break
    high = torch.cuda.max_memory_allocated() / 1e9 if cuda else peak()
    size_of = SHAPES[shape]
    head = size_of["vocab_size"] * size_of["hidden_size"]
    made = [make_row(*row) for row in rows]
    hosts = make_hosts(made)
    seconds = tokens_of(rows) / rate
    labels = sum(len(row.places) for host in hosts for row in host.rows)
    read = sum(len(host.ids) for host in hosts)
    weights = sum(p.numel() for p in model.parameters()) - 2 * head
    return {
        "rate": rate,
        "memory": high - before,
        "means": means,
        "rows": len(rows),
        "seconds": seconds,
        "read_rate": read / seconds,
        "flops": 2 * (weights * read + head * labels) / seconds,
        "on": torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }


def vllm(shape: str, until: float, **which: Any) -> dict[str, Any]:
    """Prompt log-probabilities by vLLM on random weights of the shape: tokens a second."""
    from vllm import LLM, SamplingParams, __version__

    rows = rows_for(shape, **which)
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(shape)
        config.architectures = ["Glm4ForCausalLM"]
        config.save_pretrained(folder)
        longest = max(len(ids) for ids, _ in rows)
        model = LLM(
            model=folder,
            load_format="dummy",
            skip_tokenizer_init=True,
            dtype="bfloat16",
            max_model_len=longest + 16,
            enable_prefix_caching=False,
            enforce_eager=True,  # prompts are read without CUDA graphs anyway; starts a minute sooner
        )
        asked = SamplingParams(max_tokens=1, prompt_logprobs=1, temperature=0.0, detokenize=False)
        model.generate([{"prompt_token_ids": rows[0][0]}], asked, use_tqdm=False)
        since, done = time.perf_counter(), 0
        while done < len(rows) and (not done or time.time() < until):
            prompts = [{"prompt_token_ids": ids} for ids, _ in rows[done : done + 128]]
            model.generate(prompts, asked, use_tqdm=False)
            done += len(prompts)
        seconds = time.perf_counter() - since
    rate = tokens_of(rows[:done]) / seconds
    return {"rate": rate, "rows": min(done, len(rows)), "version": __version__}


def precision(
    shape: str, device: str, steps: int, budget: int, until: float, **which: Any
) -> dict[str, Any]:
    """Row means in bf16 against fp32, on a model that is trained here on the same rows.

    Trained, because states of random weights say nothing of what bf16 does to real ones.
    """
    import torch

    rows = rows_for(shape, **which)
    model = build(shape, device, "float32").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    rng, since, done = np.random.default_rng(0), time.time(), 0
    for done in range(1, steps + 1):  # noqa: B007 - told below
        part = [rows[place] for place in rng.integers(0, len(rows), 8)]
        width = max(len(ids) for ids, _ in part)
        ids = torch.tensor([i + [0] * (width - len(i)) for i, _ in part], device=device)
        labels = torch.tensor(
            [t + [IGNORE_INDEX] * (width - len(t)) for _, t in part], device=device
        )
        optimizer.zero_grad()
        model(ids, labels=labels, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if time.time() > (since + until) / 2:
            break
    model.eval()
    exact = np.array(fast(model, rows, budget))
    rounded = build(shape, device, "bfloat16")
    rounded.load_state_dict(model.state_dict())  # not .to(): it would round the positions too
    off = np.abs(np.array(fast(rounded, rows, budget)) - exact)
    return {
        "steps": done,
        "rows": len(rows),
        "mean": float(exact.mean()),
        "most": float(off.max()),
        "median": float(np.median(off)),
    }


def padding(data: str | None, most: int | None, until: float) -> dict[str, Any]:
    """What the plan pads and saves, on thousands of rows."""
    del until
    folder = Path(data) if data else None
    if folder:
        rows = list(read_rows(folder, SETS + MORE, most))[:9000]
    else:
        rows = random_rows(most or 8000)
    made = [make_row(*row) for row in rows]
    since = time.perf_counter()
    size = measure(made, make_hosts(made), 16_384)
    seconds = time.perf_counter() - since
    lengths = [len(ids) for ids, _ in rows]
    order = sum(max(lengths[i : i + 8]) * len(lengths[i : i + 8]) for i in range(0, len(rows), 8))
    saved = {}
    for name in TOOL_SETS if folder else ():
        cut = expanded(list(read_rows(folder, (name,), most)))
        less = measure(cut, make_hosts(cut), 16_384)
        saved[name] = less.tokens / less.read_tokens
    return {
        "rows": size.rows,
        "tokens": size.tokens,
        "longest": size.longest,
        "seconds": seconds,
        "padded": size.padded_tokens / size.read_tokens,
        "file_order": order / sum(lengths),
        "saved": saved,
    }


def host(file: str, model: str, until: float) -> dict[str, Any]:
    """All of `glmlint score` but the model: read, encode, plan, store, report.

    Losses are drawn at random. Seconds are CPU time, user and system, of this one process; bytes
    are what the rows and the plan hold (what Python and numpy allocate, by tracemalloc).
    """
    import tracemalloc

    from glmlint.engine.check import Checker
    from glmlint.evidence.scores import RowScore
    from glmlint.plan import Plan
    from glmlint.reporters.score_text import score_text
    from glmlint.scoring.command import read_data
    from glmlint.scoring.outcome import ScoreOptions
    from glmlint.scoring.run import run
    from glmlint.trainer.base import open_context

    class Random:
        """Stands where the engine does."""

        model = type("Named", (), {"name": "none", "warnings": ()})
        chunk = 1024

        def score(self, batch: Batch) -> list[RowScore]:
            made = []
            for row in batch.rows:
                nll = rng.exponential(2.0, len(row.places)).astype(np.float32)
                worst = np.argsort(-nll)[:5].astype(np.int32)
                made.append(RowScore(row.key, nll, worst, row.labels[worst], nll[worst], worst))
            return made

    del until
    rng = np.random.default_rng(0)
    plan = Plan(recipe="glm4")
    context = open_context(plan)
    flags = {"ifd": False, "limit": None, "sample": None, "seed": 0}
    read_data((file,), context, {**flags, "limit": 20})  # tables that are made once
    since = time.process_time()
    data, unread = read_data((file,), context, flags)
    encoded = time.process_time() - since
    if unread:
        raise SystemExit(f"{file} was not read: {unread[0][1]}")
    with tempfile.TemporaryDirectory() as folder:
        options = ScoreOptions(
            model=model,
            device="cpu",
            dtype="bfloat16",
            token_budget=32_768,
            store=Path(folder) / "scores.sqlite",
            rules=Checker(plan, context).severities,
            recipe="glm4",
        )
        outcome = run(data, options, context.tokenizer, make_engine=lambda *_: Random())
        assert outcome is not None
        score_text(outcome.report)
    seconds = time.process_time() - since
    tokens = sum(len(host.ids) for host in make_hosts(data.rows))
    rows = len(data.rows)
    del data, outcome
    gc.collect()
    tracemalloc.start()
    data, _ = read_data((file,), context, flags)
    gc.collect()
    tracemalloc.reset_peak()
    hosts = make_hosts(data.rows)
    high = tracemalloc.get_traced_memory()[1]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    assert hosts
    return {
        "rows": rows,
        "tokens": tokens,
        "seconds": seconds,
        "encoded": encoded,
        "held": held / tokens,
        "high": high / tokens,
    }


def save(folder: str, sizes: list[int], until: float) -> dict[str, Any]:
    """`model`, a tiny random checkpoint, and `rows-N.jsonl`, made rows of these many bytes."""
    from make_rows import make

    del until
    build("saved", "cpu", "bfloat16").save_pretrained(Path(folder) / "model")
    return {"rows": [make(Path(folder) / f"rows-{n}.jsonl", b, 1) for n, b in enumerate(sizes)]}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "speed": speed,
    "vllm": vllm,
    "precision": precision,
    "padding": padding,
    "host": host,
    "save": save,
}


def main(job: str, options: str, result: str) -> None:
    """Do one job; its result goes to a file, as libraries print what they like."""
    found = JOBS[job](**json.loads(options))
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
