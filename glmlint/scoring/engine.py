"""A batch -> the loss of every label: the backbone once, the head only where a label stands."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from glmlint.evidence.scores import RowScore
from glmlint.scoring.errors import OutOfMemory
from glmlint.scoring.model import Model
from glmlint.scoring.plan import Batch, targets

WORST: Final = 5
"""Tokens of a row for which the model's own choice is kept."""


class Engine:
    """Scores batches with one loaded model; holds no state between them."""

    def __init__(self, model: Model, chunk: int | None = None) -> None:
        """`chunk`: states that go through the head at once (the [chunk, vocabulary] logits)."""
        self.model = model
        self.chunk = chunk or (512 if model.device == "cpu" else 1024)

    def score(self, batch: Batch) -> list[RowScore]:
        """The scores of `batch.rows`, in that order.

        Raises:
            OutOfMemory: the batch does not fit; the device's cache was emptied.
        """
        try:
            with torch.inference_mode():
                return self.forward(batch)
        except torch.OutOfMemoryError:
            pass
        except RuntimeError as error:
            text = str(error).lower()
            if "can't allocate memory" not in text and "out of memory" not in text:
                raise
        if self.model.device.startswith("cuda"):  # after the except block: frames are let go
            torch.cuda.empty_cache()
        elif self.model.device == "mps":
            torch.mps.empty_cache()
        raise OutOfMemory(f"{batch.padded_tokens} tokens")

    def forward(self, batch: Batch) -> list[RowScore]:
        """As `score`; torch's own error when memory runs out."""
        device = self.model.device
        wanted = targets(batch)
        ids = np.zeros((len(batch.hosts), batch.width), np.int64)
        for number, host in enumerate(batch.hosts):
            ids[number, : len(host.ids)] = host.ids
        # Right pads come after every scored token, so a causal model needs no mask for them;
        # and only without a mask does attention stay on its fastest code.
        states = self.model.decoder(
            torch.from_numpy(ids).to(device), use_cache=False
        ).last_hidden_state
        picked = states[
            torch.from_numpy(wanted.host).to(device), torch.from_numpy(wanted.place - 1).to(device)
        ]
        del states
        labels = torch.from_numpy(wanted.label).to(device)
        losses = torch.empty(len(labels), dtype=torch.float32, device=device)
        for start in range(0, len(labels), self.chunk):
            end = start + self.chunk
            losses[start:end] = self._losses(picked[start:end], labels[start:end])
        nll = losses.cpu().numpy()

        worst = [_worst(nll[of_row]) for of_row in wanted.of_row]
        asked = np.unique(np.concatenate([o[w] for o, w in zip(wanted.of_row, worst, strict=True)]))
        choice, chance, rank = self._choices(picked, labels, asked)
        scores = []
        for row, of_row, places in zip(batch.rows, wanted.of_row, worst, strict=True):
            at = np.searchsorted(asked, of_row[places])
            scores.append(RowScore(row.key, nll[of_row], places, choice[at], chance[at], rank[at]))
        return scores

    def _losses(self, states: Any, labels: Any) -> Any:
        # In the model's dtype, then fp32: that is what transformers' own loss does. The steps of
        # log-sum-exp are written out to work in place: the logits are the largest tensor here.
        logits = self.model.head(states).float()
        told = logits.gather(1, labels[:, None])[:, 0]
        top = logits.amax(1, keepdim=True)
        total = logits.sub_(top).exp_().sum(1).log_()
        return total + top[:, 0] - told

    def _choices(self, states: Any, labels: Any, asked: np.ndarray) -> tuple[Any, Any, Any]:
        choice = np.empty(len(asked), np.int32)
        chance = np.empty(len(asked), np.float32)
        rank = np.empty(len(asked), np.int32)
        for start in range(0, len(asked), self.chunk):
            cut = slice(start, start + self.chunk)
            rows = torch.from_numpy(asked[cut]).to(labels.device)
            logits = self.model.head(states[rows]).float()
            told = logits.gather(1, labels[rows, None])
            rank[cut] = (logits > told).sum(1).cpu().numpy()
            top, place = logits.max(1, keepdim=True)
            choice[cut] = place[:, 0].cpu().numpy()
            chance[cut] = logits.sub_(top).exp_().sum(1).reciprocal_().cpu().numpy()
        return choice, chance, rank


def _worst(nll: np.ndarray) -> np.ndarray:
    """Places of the highest losses, worst first; equal ones by place."""
    return np.argsort(-nll, kind="stable")[:WORST].astype(np.int32)
