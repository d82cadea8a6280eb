"""glmlint: see exactly what your trainer will train on, before you pay for the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmlint.api.check import check
    from glmlint.api.errors import FindingsFound, GlmlintError
    from glmlint.api.result import CheckResult, load_report

__version__ = "0.1.0"

_HOMES = {
    "CheckResult": "result",
    "FindingsFound": "errors",
    "GlmlintError": "errors",
    "check": "check",
    "load_report": "result",
}
"""Public name -> its module in `glmlint.api`; each is imported when it is first asked for."""

__all__ = [
    "CheckResult",
    "FindingsFound",
    "GlmlintError",
    "__version__",
    "check",
    "load_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"glmlint.api.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
