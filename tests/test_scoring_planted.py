"""Planted faults in a set are found by a small model that is trained here, in some seconds."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import GlmConfig, GlmForCausalLM

from glmlint.scoring.outcome import Outcome, ScoreOptions
from glmlint.scoring.rows import collect
from glmlint.scoring.run import run
from glmlint.trainer.tokenizer import load_tokenizer

PREFIX, SOP, USER, ASSISTANT, NEWLINE, END = range(6)
TOPICS = range(6, 14)
"""The one token of a prompt that decides how its answer goes on."""
WORDS = np.arange(20, 68)
FILLER = np.arange(70, 120)

Pair = tuple[list[int], list[int]]


def grammar(rng: np.random.Generator) -> np.ndarray:
    """For every topic and word, the three words that may follow."""
    return rng.choice(WORDS, (len(TOPICS), WORDS[-1] + 1, 3))


def conversation(rng: np.random.Generator, follows: np.ndarray) -> Pair:
    topic = int(rng.integers(len(TOPICS)))
    prompt = [int(TOPICS[topic]), *map(int, rng.choice(FILLER, rng.integers(1, 5)))]
    answer = [int(rng.choice(WORDS))]
    for _ in range(int(rng.integers(12, 30))):
        answer.append(int(rng.choice(follows[topic, answer[-1]], p=(0.7, 0.2, 0.1))))
    return prompt, answer


def ids_of(pair: Pair) -> list[int]:
    prompt, answer = pair
    return [PREFIX, SOP, USER, NEWLINE, *prompt, ASSISTANT, NEWLINE, *answer, END]


def encoded(line: int, pair: Pair) -> SimpleNamespace:
    ids = np.array(ids_of(pair), np.int32)
    start = 4 + len(pair[0])
    labels = np.where(np.arange(len(ids)) > start, ids, -100).astype(np.int32)
    spans = [
        SimpleNamespace(start=2, stop=start, message=0, role="user", header=2, call=False),
        SimpleNamespace(
            start=start, stop=len(ids) - 1, message=1, role="assistant", header=2, call=False
        ),
    ]
    return SimpleNamespace(
        path="planted.jsonl", line=line, index=line - 1, input_ids=ids, labels=labels,
        error=None, dropped=False, spans=spans, ignores=(),
    )  # fmt: skip


def train(pairs: list[Pair], known: Pair, folder: str) -> None:
    """A two-layer GLM, 200 steps of AdamW on whole rows; one row is in every batch."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = GlmConfig(
        vocab_size=128, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, pad_token_id=None,
        max_position_embeddings=64,
    )  # fmt: skip
    model = GlmForCausalLM(config).train()
    steps = 200
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    rng = np.random.default_rng(1)
    for _ in range(steps):
        rows = [ids_of(pairs[i]) for i in rng.integers(0, len(pairs), 46)] + [ids_of(known)] * 2
        width = max(map(len, rows))
        ids = torch.tensor([row + [END] * (width - len(row)) for row in rows])
        labels = torch.tensor([row + [-100] * (width - len(row)) for row in rows])
        # an answer alone too, as a real model has seen texts without a prompt
        ids[:8, 2:-4], labels[:8, 2:-4] = ids[:8, 6:].clone(), labels[:8, 6:].clone()
        loss = model(ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)


@functools.cache
def planted() -> tuple[Outcome, dict[str, list[int]]]:
    """400 clean rows, 30 of each fault, scored; and the lines of every kind."""
    rng = np.random.default_rng(0)
    follows = grammar(rng)
    known = conversation(rng, follows)[0], [int(word) for word in rng.choice(WORDS, 24)]
    clean = [conversation(rng, follows) for _ in range(400)]
    some = [conversation(rng, follows) for _ in range(120)]
    by_kind = {
        "clean": clean,
        "garbage": [(p, [int(w) for w in rng.integers(6, 120, len(a))]) for p, a in some[:30]],
        "shuffled": [(p, [int(w) for w in rng.permutation(a)]) for p, a in some[30:60]],
        "swapped": [
            (one[0], other[1])
            for one, other in zip(some[60:90], some[90:120], strict=True)
            if one[0][0] != other[0][0]
        ],
        "memorised": [known],
    }
    lines: dict[str, list[int]] = {}
    rows = []
    for kind, pairs in by_kind.items():
        lines[kind] = list(range(len(rows) + 1, len(rows) + 1 + len(pairs)))
        rows += [encoded(line, pair) for line, pair in zip(lines[kind], pairs, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        train([conversation(rng, follows) for _ in range(6000)], known, folder)
        options = ScoreOptions(model=folder, device="cpu", store=Path(folder) / "s.sqlite")
        outcome = run(collect(rows, ifd=True), options, load_tokenizer("glm4"))
    assert outcome is not None
    return outcome, lines


def auc(odd: list[float], usual: list[float]) -> float:
    """Chance that an odd row stands above a usual one: 0.5 is blind, 1 is sure."""
    higher = np.array(odd)[:, None] - np.array(usual)[None]
    return float((higher > 0).mean() + (higher == 0).mean() / 2)


def values(what: str, kind: str) -> list[float]:
    outcome, lines = planted()
    found = [getattr(one, what) for one in outcome.judged.values() if one.row.line in lines[kind]]
    assert len(found) == len(lines[kind]) and None not in found
    return found


@pytest.mark.parametrize(
    ("kind", "what", "least"),
    [
        ("garbage", "z", 0.99),
        ("shuffled", "z", 0.97),
        ("swapped", "z", 0.9),
        ("swapped", "ifd", 0.9),
    ],
)
def test_planted_faults_stand_above_the_clean_rows(kind: str, what: str, least: float) -> None:
    found = auc(values(what, kind), values(what, "clean"))
    print(f"AUC of {what} for {kind}: {found:.3f}")
    assert found >= least


def flagged(rule: str, kind: str) -> float:
    outcome, lines = planted()
    hit = {finding.line for finding in outcome.report.findings if finding.rule == rule}
    return len(hit & set(lines[kind])) / len(lines[kind])


def test_rules_fire_on_planted_rows_and_leave_the_clean_ones_alone() -> None:
    assert flagged("high-loss", "garbage") >= 0.9
    assert flagged("high-loss", "shuffled") >= 0.5
    assert flagged("ifd-above-one", "swapped") >= 0.5
    assert flagged("low-loss", "memorised") == 1
    assert flagged("high-loss", "clean") <= 0.01
    assert flagged("low-loss", "clean") <= 0.01
    assert flagged("ifd-above-one", "clean") <= 0.05


def test_the_layout_is_known_to_the_trained_model() -> None:
    outcome, _ = planted()
    assert "template-mismatch" not in outcome.report.finding_counts
    kinds = {part["kind"]: part["mean_nll"] for part in outcome.report.by_kind}
    assert kinds["header"] < 0.1 < kinds["content"]
