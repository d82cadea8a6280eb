"""What ms-swift does in Python's own words, so that the same inputs fail with the same exception."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from glmlint.patterns import Pattern
from glmlint.trainer.errors import Dropped

P = ParamSpec("P")
T = TypeVar("T")

_SHOWN: Final = 160
"""How many code points of an exception's text are kept."""

_ADDRESS: Final = Pattern(r" at 0x[0-9a-f]+")
"""Where an object stood in memory, which is another place in every run."""

RAISED: Final = (
    KeyError, IndexError, TypeError, AttributeError, ValueError, AssertionError,
    NotImplementedError, RecursionError, SyntaxError, MemoryError,
)  # fmt: skip
"""What Python raises on values of another shape than the code expects."""


class NoLiteral(Dropped):
    """ms-swift raises at this row: it is left out with a warning, or ends a `strict` run."""

    def __init__(self, reason: str, exception: str, detail: str, owner: int | None = None) -> None:
        words = _ADDRESS.sub("", detail)[:_SHOWN]
        super().__init__(reason, f"{exception}: {words}")
        self.exception = exception
        self.words = words
        self.owner = owner
        """Index of the turn at which it raises, where one is known."""


def refused(reason: str, error: BaseException, owner: int | None = None) -> NoLiteral:
    """The refusal that an exception of Python's stands for."""
    return NoLiteral(reason, type(error).__name__, str(error), owner)


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


_LONGEST: Final = 2_000_000
"""Code points of a Python literal up to which it is read: its tree takes a hundred times the space."""


def literal(text: str) -> Any:
    """The value of a Python literal. Raises what `ast.literal_eval` raises; it warns of nothing."""
    if len(text) > _LONGEST:
        raise MemoryError
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
