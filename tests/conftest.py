"""Where the tests find the data that is shared between checkouts."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared() -> Path:
    """The shared folder; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, with the real data")
    return SHARED
