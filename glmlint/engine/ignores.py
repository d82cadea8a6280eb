"""Findings that a row's own ignore key answers: `"glmlint": {"ignore": ["rule", …]}`.

Families and ALL stand for their rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from glmlint.evidence.ignored import Ignores
from glmlint.read.span import byte_range
from glmlint.rules.base import FAMILIES, IGNORE_KEY, all_rules, known_name

UNUSED: Final = "unused-ignore"
"""The rule about ignores; only its own name silences it, or ALL would hide that ALL is unused."""


def ignored_names(value: Any) -> tuple[str, ...]:
    """The rules, families or ALL that a decoded row wants to be left alone with; () without any."""
    if not isinstance(value, dict) or IGNORE_KEY not in value:
        return ()
    return tuple(read_ignores(value, ()).names)


def covers(names: Iterable[str], rule: str) -> bool:
    """Whether one of the names stands for the rule."""
    return any(rule in _covered(name) for name in names)


def _covered(name: str) -> frozenset[str]:
    """The rules that a name in a row's list stands for."""
    return _group(name) if name == "ALL" or name in FAMILIES else frozenset((name,))


@cache
def _group(name: str) -> frozenset[str]:
    rules = all_rules().items()
    return frozenset(r for r, loaded in rules if name in ("ALL", loaded.rule.family)) - {UNUSED}


def read_ignores(value: Mapping[str, Any], active: Iterable[str]) -> Ignores:
    """The ignores of a row that has the key.

    Args:
        value: the row.
        active: names of the rules that are on for its file.
    """
    entry = value[IGNORE_KEY]
    names = entry.get("ignore") if isinstance(entry, dict) else None
    if entry is None:  # what Arrow makes of a row without the key, among rows that have it
        return Ignores({}, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return Ignores({}, [], fault=True)
    names = list(dict.fromkeys(names))
    on = set(active)
    judged = [
        name
        for name in names
        if name != UNUSED and (known_name(name) is None or _covered(name) & on)
    ]
    covered = {name: _covered(name) for name in names}
    return Ignores(covered, judged, fault=len(entry) != 1)


def plain_content(raw: bytes) -> bytes:
    """A row's bytes without its ignore key: answering a finding must not rename the others."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw
    found = byte_range(text, (IGNORE_KEY,))
    if found is None:
        return raw
    start, stop = found
    quoted = f'"{IGNORE_KEY}"'
    before = text[:start].rstrip().removesuffix(":").rstrip()
    if not before.endswith(quoted):
        return raw  # written with escapes
    before = before[: -len(quoted)].rstrip()
    after = text[stop:]
    if before.endswith(","):
        before = before[:-1]
    elif after.lstrip().startswith(","):
        after = after.lstrip()[1:].lstrip()
    return (before + after).encode()
