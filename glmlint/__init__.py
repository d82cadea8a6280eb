"""glmlint: see exactly what your trainer will train on, before you pay for the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmlint.api.batch import BatchCheck, BatchRow, collate_check
    from glmlint.api.check import check
    from glmlint.api.compare import Compared, compare
    from glmlint.api.convert import ConvertedRows, convert
    from glmlint.api.encode import encode
    from glmlint.api.errors import GlmlintError
    from glmlint.api.result import CheckResult, FindingsFound, ReportFinding, load_report
    from glmlint.api.show import ShownRow, show
    from glmlint.engine.encode import EncodedRow, PackedSequence

__version__ = "0.1.0"

_HOMES = {
    "BatchCheck": "api.batch",
    "BatchRow": "api.batch",
    "CheckResult": "api.result",
    "Compared": "api.compare",
    "ConvertedRows": "api.convert",
    "EncodedRow": "engine.encode",
    "FindingsFound": "api.result",
    "GlmlintError": "api.errors",
    "PackedSequence": "engine.encode",
    "ReportFinding": "api.result",
    "ShownRow": "api.show",
    "check": "api.check",
    "collate_check": "api.batch",
    "compare": "api.compare",
    "convert": "api.convert",
    "encode": "api.encode",
    "load_report": "api.result",
    "show": "api.show",
}
"""Public name -> its module; each is imported when it is first asked for."""

__all__ = [
    "BatchCheck",
    "BatchRow",
    "CheckResult",
    "Compared",
    "ConvertedRows",
    "EncodedRow",
    "FindingsFound",
    "GlmlintError",
    "PackedSequence",
    "ReportFinding",
    "ShownRow",
    "__version__",
    "check",
    "collate_check",
    "compare",
    "convert",
    "encode",
    "load_report",
    "show",
]


if not TYPE_CHECKING:  # or every name would be one to mypy

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"glmlint.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
