"""Where the tests find the data that is shared between checkouts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: no deadlines, no word about slow generation. `make test`
# tries the same examples in every run, `make fuzz` new ones.
settings.register_profile(
    "glmlint", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile("fuzz", settings.get_profile("glmlint"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "glmlint"))

# No test leaves entries in the user's cache, or finds there what another one left.
os.environ["GLMLINT_NO_CACHE"] = "1"

SHARED = Path(__file__).resolve().parents[2] / "shared"


OFFICIAL = ("glm4", "glm4-2024-06", "glm4-combine")
"""The recipes of the official scripts, which read GLM messages."""


@pytest.fixture
def shared() -> Path:
    """The shared folder; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, with the real data")
    return SHARED
