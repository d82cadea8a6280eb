"""What ms-swift does in Python's own words, so that the same inputs fail with the same exception."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from glmlint.finding import Pointer
from glmlint.trainer.errors import Dropped

P = ParamSpec("P")
T = TypeVar("T")

_SHOWN: Final = 160
"""How many code points of an exception's text are kept."""

RAISED: Final = (
    KeyError, IndexError, TypeError, AttributeError, ValueError, AssertionError,
    NotImplementedError, RecursionError,
)  # fmt: skip
"""What Python raises on values of another shape than the code expects."""


class Refused(Dropped):
    """ms-swift raises at this row: it is left out with a warning, or ends a `strict` run."""

    def __init__(self, reason: str, exception: str, detail: str, at: Pointer | None = None) -> None:
        super().__init__(reason, f"{exception}: {detail[:_SHOWN]}", at)
        self.exception = exception
        self.words = detail[:_SHOWN]


def refused(reason: str, error: BaseException, at: Pointer | None = None) -> Refused:
    """The refusal that an exception of Python's stands for."""
    return Refused(reason, type(error).__name__, str(error), at)


def refuses(reason: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """For functions that take a value of any shape: what Python raises there drops the row."""

    def mark(work: Callable[P, T]) -> Callable[P, T]:
        @wraps(work)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return work(*args, **kwargs)
            except RAISED as error:
                raise refused(reason, error) from None

        return guarded

    return mark


def literal(text: str) -> Any:
    """The value of a Python literal. Raises what `ast.literal_eval` raises, and no warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def parsed(value: Any) -> Any:
    """A text as JSON, or as a Python literal, or None; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        pass
    try:
        return literal(value)
    except Exception:  # as the package does: any text at all may stand here
        return None
