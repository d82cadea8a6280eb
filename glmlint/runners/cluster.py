"""`--engine ray`."""

from __future__ import annotations

from typing import Any


class Cluster:
    def __init__(self, *a: Any) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *a: object) -> None: ...
