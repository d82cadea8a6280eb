"""What pandas' JSON codec, which `datasets` uses for its Json columns, does to numbers and texts.

It reads decimals digit by digit and writes ten of them, so `0.3` comes back as
`0.30000000000000004` and `1e-12` as `0.0`. Both directions are repeated here, in the order of the
operations of its C source (pandas 2.0 to 3.1), and compared with it in the tests.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

_DECIMALS_READ: Final = 15
_TENTHS: Final = tuple(float(f"1e-{n}") for n in range(_DECIMALS_READ + 1))
_DECIMALS_WRITTEN: Final = 10
_POSITIONAL: Final = (1e-15, 1e16 - 1)
"""Between these sizes a number is written without an exponent."""

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1
"""An integer outside these makes the codec refuse the whole text."""


def read_float(text: str) -> float:
    """The float that the codec reads from a JSON number that has a point or an exponent."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = fraction[:_DECIMALS_READ]
    tail = 0.0
    for digit in digits:
        tail = tail * 10.0 + int(digit)
    value = float(int(whole)) + tail * _TENTHS[len(digits)]
    if mantissa.startswith("-"):
        value = -value
    if not exponent:
        return value
    try:
        return value * math.pow(10.0, int(exponent))
    except OverflowError:
        return value * math.inf


def write_float(value: float) -> str:
    """The text that the codec writes for a float; `null` for one that is not finite."""
    if not math.isfinite(value):
        return "null"
    size = abs(value)
    if size == 0:
        return "0.0"
    sign = "-" if value < 0 else ""
    if not _POSITIONAL[0] <= size <= _POSITIONAL[1]:
        return sign + f"{size:.{_DECIMALS_WRITTEN}g}"
    unit = 10**_DECIMALS_WRITTEN
    whole = int(size)
    scaled = (size - whole) * float(unit)
    fraction = int(scaled)
    rest = scaled - fraction
    if rest > 0.5 or (rest == 0.5 and (fraction == 0 or fraction & 1)):
        fraction += 1
    if fraction >= unit:
        fraction, whole = 0, whole + 1
    return f"{sign}{whole}." + (f"{fraction:0{_DECIMALS_WRITTEN}d}".rstrip("0") or "0")


def rewritten(value: float) -> float | None:
    """A float after the codec has read and written it once, then read by Arrow."""
    if value != value:
        return None
    text = write_float(read_float(repr(value)) if math.isfinite(value) else value)
    return None if text == "null" else float(text)


def stored(value: Any, times: int = 1) -> Any:
    """A value after it was read, written so many times on its way into a Json column, and read."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        again: float | None = read_float(repr(value))
        for _ in range(times):
            text = write_float(again) if again is not None else "null"
            again = None if text == "null" else read_float(text)
        return again
    if isinstance(value, dict):
        return {key: stored(item, times) for key, item in value.items()}
    if isinstance(value, list):
        return [stored(item, times) for item in value]
    return value


def stored_text(text: str) -> Any:
    """A string in a Json column: one that is JSON itself comes back as the value it spells."""
    try:
        value = json.loads(text, parse_float=read_float, parse_constant=_CONSTANTS.__getitem__)
    except (ValueError, RecursionError, OverflowError):
        return text
    return text if _too_big(value) else value


def _too_big(value: Any) -> bool:
    if isinstance(value, int):
        return not MIN_INTEGER <= value <= MAX_INTEGER
    if isinstance(value, dict):
        return any(map(_too_big, value.values()))
    return isinstance(value, list) and any(map(_too_big, value))


_CONSTANTS: Final = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}
