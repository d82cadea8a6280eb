"""verl's YAML: what it says of ids, labels and data.

Source: verl 0.9.1 (PyPI), `verl/trainer/config/sft_trainer_engine.yaml`. Names of keys are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmlint.trainer.config import TrainerConfig


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not verl's."""
    del values, file
    return None
