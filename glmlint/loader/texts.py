"""How Arrow reads a text where it looks for times, numbers and truth values."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from glmlint.patterns import Pattern

_MOMENT: Final = Pattern(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d)(?::(\d\d)(?::(\d\d))?)?(?:Z|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII,
)
_INTEGER: Final = Pattern(r"-?\d+|0[xX][0-9a-fA-F]{1,16}", re.ASCII)
_DOUBLE: Final = Pattern(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_BOOLS: Final = {"true": True, "false": False, "1": True, "0": False}


def moment(text: str) -> datetime | None:
    """The time that Arrow's JSON reader takes a text for, in UTC, or None.

    A column whose every text reads so becomes `timestamp[s]`: the trainer gets datetimes.
    """
    if text[4:5] != "-" or not (match := _MOMENT.fullmatch(text)):
        return None
    year, month, day, hour, minute, second, sign, zone_hour, zone_minute = match.groups()
    try:
        value = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
        if sign:
            if int(zone_hour) > 23 or int(zone_minute or 0) > 59:
                return None
            shift = timedelta(hours=int(zone_hour), minutes=int(zone_minute or 0))
            value = value - shift if sign == "+" else value + shift
    except (ValueError, OverflowError):
        return None
    return value


def as_int64(text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    if text[:2] in ("0x", "0X"):
        value = int(text, 16)
        return value - (1 << 64) if value >> 63 else value
    return int(text) if len(text) < 40 and -(2**63) <= int(text) < 2**63 else None


def as_double(text: str) -> float | None:
    return float(text) if _DOUBLE.fullmatch(text) else None


def as_bool(text: str) -> bool | None:
    return _BOOLS.get(text.lower())
