"""Tiny random GLM models with the real vocabulary, built once a test session."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from glmlint.scoring.engine import Engine
from glmlint.scoring.folder import read_folder
from glmlint.scoring.model import load_model
from glmlint.scoring.plan import IGNORE_INDEX, ScoredRow, make_row

torch.set_num_threads(1)  # test processes share the cores; two threads each would wait in turns

VOCABULARY = 151552
"""Rows of GLM-4's embedding: 151343 ids and padding."""

_SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "pad_token_id": 151329,
    "initializer_range": 0.1,
    "rope_theta": 50_000.0,
}
_EXPERTS: dict[str, Any] = {
    "moe_intermediate_size": 16,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}
FAMILIES = ("glm", "glm4", "glm4_moe")


@functools.cache
def folder() -> Path:
    """Where this session's checkpoints are; removed when the session's process ends."""
    kept.append(tempfile.TemporaryDirectory(prefix="glmlint-models-"))
    return Path(kept[-1].name)


kept: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def hf_model(family: str) -> Any:
    """A random `*ForCausalLM`; biases and norms are not zero and one, so that they count."""
    torch.manual_seed(20240605)
    config = transformers.AutoConfig.for_model(
        family, **_SMALL, **(_EXPERTS if family == "glm4_moe" else {})
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias") or "norm" in name:
                weight.add_(torch.randn_like(weight) * 0.1)
    return model


@functools.cache
def checkpoint(family: str) -> Path:
    """The model saved as safetensors."""
    path = folder() / family
    hf_model(family).save_pretrained(path)
    return path


@functools.cache
def engine(family: str) -> Engine:
    """The checkpoint as `glmlint score` loads it, in fp32 on the CPU."""
    return Engine(load_model(read_folder(checkpoint(family))), chunk=64)


def random_row(
    rng: np.random.Generator, length: int, *, share: float = 0.5, **where: Any
) -> ScoredRow:
    """A row of random ids; about `share` of its labels are set, the last one always."""
    ids = rng.integers(0, VOCABULARY, length).astype(np.int32)
    ids[:2] = (151331, 151333)
    labels = np.where(rng.random(length) < share, ids, IGNORE_INDEX).astype(np.int32)
    labels[-1] = ids[-1]
    return make_row(ids, labels, **where)


def hf_loss(family: str, ids: Any, labels: Any) -> float:
    """transformers' own loss of one row by itself."""
    with torch.inference_mode():
        found = hf_model(family)(
            torch.from_numpy(np.asarray(ids, np.int64))[None],
            labels=torch.from_numpy(np.asarray(labels, np.int64))[None],
        )
    return float(found.loss)
