"""Write a tiny random GLM-4 with the real vocabulary: enough to try `glmlint score` on a CPU.

    python examples/make_tiny_model.py build/tiny-glm4

Its losses mean nothing (about ln 151552 = 11.9 nats a token, and more); its files are those of a
real checkpoint. It needs no tokenizer files: glmlint brings GLM-4's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import Glm4Config, Glm4ForCausalLM


def make_tiny_model(folder: Path, seed: int = 0) -> None:
    """Save a one-layer model of 19.5 million random weights in bfloat16 (39 MB)."""
    torch.manual_seed(seed)
    config = Glm4Config(
        vocab_size=151552,
        hidden_size=64,
        intermediate_size=172,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=8192,
        pad_token_id=151329,
        initializer_range=0.1,
    )
    Glm4ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_tiny_model(arguments.folder, arguments.seed)
    print(f"{arguments.folder}: a random GLM-4 to score with")
