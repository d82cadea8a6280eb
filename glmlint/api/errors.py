"""What the functions raise, and how the rest of glmlint's faults become that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glmlint.read.memory import NotJson
from glmlint.text import RunStopped, Told
from glmlint.visible import visible


class GlmlintError(ValueError):
    """A setting that can't be used, or data that can't be read: one sentence for the user."""


class WrongType(Told):
    """An argument of a kind that a function does not take; raised as TypeError."""


@contextmanager
def told_in(lang: str) -> Iterator[None]:
    """Raise what the block raises as Python's callers expect it, in "en" or "zh".

    Raises:
        GlmlintError: a fault of settings or data.
        TypeError: a row that can't be written as JSON, an argument of the wrong kind.
    """
    try:
        yield
    except (NotJson, WrongType) as error:
        raise TypeError(visible(error.say(lang))) from None
    except Told as error:
        raise GlmlintError(visible(error.say(lang))) from None
    except RunStopped as error:
        raise GlmlintError(visible(error.say())) from None
