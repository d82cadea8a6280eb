"""slime's arguments: what they say of ids, labels and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glmlint.trainer.config import TrainerConfig


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not slime's."""
    del values, file
    return None
